//! `logs`: what the service has logged, from systemd's journal or launchd's file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bastion_api::{Problem, ProblemKind, SCHEMA_VERSION, Timestamp};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tokio::io::AsyncBufReadExt;
use tokio::time::sleep;

use super::call::Mute;
use super::manager::Kind;
use super::places::Places;
use super::systemd;
use crate::error::Failure;
use crate::ui::Ui;
use crate::words::clean;

/// Print what bastiond has logged, as a service
///
/// What happened to targets stands in `bastionctl events`, whoever has started bastiond.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Logs {
    /// Go on printing, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Print the last N lines
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    lines: u32,
}

/// One line of the log.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Line {
    schema_version: u32,
    #[cfg_attr(test, schemars(with = "Option<bastion_api::schema::Moment>"))]
    time: Option<Timestamp>,
    /// From 3, an error, to 7, a detail, as syslog counts.
    priority: Option<u8>,
    message: String,
}

impl Logs {
    pub(crate) async fn run(self, ui: &mut Ui) -> Result<(), Failure> {
        self.run_of(Kind::of_system(), ui).await
    }

    pub(super) async fn run_of(self, kind: Kind, ui: &mut Ui) -> Result<(), Failure> {
        let places = Places::of_process()?;
        match kind {
            Kind::Systemd => self.journal(ui).await,
            Kind::Launchd => self.file(&places.log, ui).await,
        }
    }

    async fn journal(&self, ui: &mut Ui) -> Result<(), Failure> {
        let json = ui.settings().json;
        let call = systemd::logs(self.lines, self.follow, json);
        let mut command = call.command();
        // Its complaints are for the reader as they are.
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            call.mute(&if missing { Mute::Missing } else { Mute::System(error) })
        })?;
        let out = child.stdout.take().expect("its output is piped");
        let mut lines = tokio::io::BufReader::new(out).lines();
        while let Some(line) = lines.next_line().await.map_err(Failure::System)? {
            if !json {
                ui.data(&clean(&line))?;
            } else if let Some(line) = of_journal(&line) {
                ui.json_line(&line)?;
            }
        }
        let ended = child.wait().await.map_err(Failure::System)?;
        if ended.success() { Ok(()) } else { Err(Failure::Told(ProblemKind::Failed)) }
    }

    async fn file(&self, path: &Path, ui: &mut Ui) -> Result<(), Failure> {
        let unreadable = |error: io::Error| {
            Problem::new("C25", ProblemKind::NotFound, "the service has no log that can be read")
                .because(format!("{}: {error}", path.display()))
                .hint("bastionctl service status")
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut seen = last_lines(&mut file, self.lines).map_err(unreadable)?;
        let mut rest = String::new();
        loop {
            rest.push_str(&String::from_utf8_lossy(&seen));
            while let Some((line, more)) = rest.split_once('\n') {
                say(line, ui)?;
                rest = more.to_owned();
            }
            if !self.follow {
                break;
            }
            sleep(LOOK_AGAIN).await;
            seen.clear();
            file.read_to_end(&mut seen).map_err(unreadable)?;
            // Where the file was put aside or emptied, it is read from its beginning.
            if seen.is_empty() && is_another(&file, path) {
                file = File::open(path).map_err(unreadable)?;
                file.read_to_end(&mut seen).map_err(unreadable)?;
            }
        }
        if rest.is_empty() { Ok(()) } else { say(&rest, ui) }
    }
}

/// The last so many lines of the service's log as one text; else why there are none.
pub(crate) async fn last(lines: u32) -> Result<String, String> {
    let unasked = |error: io::Error| format!("the service manager cannot be asked: {error}");
    match Kind::of_system() {
        Kind::Systemd => {
            let mut command = systemd::logs(lines, false, false).command();
            let output = command.kill_on_drop(true).output().await.map_err(unasked)?;
            if output.status.success() {
                return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
            }
            let why = String::from_utf8_lossy(&output.stderr);
            Err(format!("there is none: {}", why.lines().last().unwrap_or_default()))
        }
        Kind::Launchd => {
            let places =
                Places::of_process().map_err(|_| "no place is known to look".to_owned())?;
            let mut file =
                File::open(&places.log).map_err(|error| format!("there is none: {error}"))?;
            let seen = last_lines(&mut file, lines).map_err(unasked)?;
            Ok(String::from_utf8_lossy(&seen).into_owned())
        }
    }
}

fn say(line: &str, ui: &mut Ui) -> Result<(), Failure> {
    if ui.settings().json { ui.json_line(&of_file(line)) } else { ui.data(&clean(line)) }
}

/// The last so many lines of a file, which is then read to its end.
fn last_lines(file: &mut File, lines: u32) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(u64::from(lines) * LONG_LINE)))?;
    let mut kept = std::collections::VecDeque::new();
    let mut reader = BufReader::new(&mut *file);
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(kept.into_iter().flatten().collect());
        }
        kept.push_back(line);
        if kept.len() > lines as usize {
            kept.pop_front();
        }
    }
}

/// Whether there is another file in the place of one that is open, or less in it than was read.
fn is_another(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), path.metadata()) else { return false };
    let read = (&mut &*file).stream_position().unwrap_or(0);
    (ours.dev(), ours.ino()) != (there.dev(), there.ino()) || there.len() < read
}

/// A line of `journalctl -o json`.
fn of_journal(line: &str) -> Option<Line> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let number = |key: &str| entry.get(key)?.as_str()?.parse::<i64>().ok();
    let message = match entry.get("MESSAGE")? {
        Value::String(text) => text.clone(),
        // Bytes that are no text.
        Value::Array(bytes) => {
            let bytes: Vec<u8> =
                bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    let time = number("__REALTIME_TIMESTAMP").and_then(|it| Timestamp::from_microsecond(it).ok());
    let priority = number("PRIORITY").and_then(|priority| u8::try_from(priority).ok());
    Some(line_of(time, priority, &message))
}

fn line_of(time: Option<Timestamp>, priority: Option<u8>, message: &str) -> Line {
    Line { schema_version: SCHEMA_VERSION, time, priority, message: clean(message) }
}

/// A line as bastiond writes it where nobody else notes the time: `2026-01-02T03:04:05.678Z  INFO what happened`.
fn of_file(line: &str) -> Line {
    let parsed = line.split_once(' ').and_then(|(first, rest)| {
        let time: Timestamp = first.parse().ok()?;
        let (level, rest) = rest.trim_start().split_once(' ')?;
        let levels = [("ERROR", 3), ("WARN", 4), ("INFO", 6), ("DEBUG", 7), ("TRACE", 7)];
        let (_, priority) = levels.into_iter().find(|(word, _)| *word == level)?;
        Some(line_of(Some(time), Some(priority), rest))
    });
    parsed.unwrap_or_else(|| line_of(None, None, line))
}

const EXAMPLE: &str = "Example:\n  bastionctl logs --follow";
/// How long a line is at most, when the last ones are looked for, in bytes: longer ones make them fewer.
const LONG_LINE: u64 = 4096;
/// How often a file that is followed is read again: as often as a person sees.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_of_the_journal_keeps_its_time_its_weight_and_its_words() {
        let line = of_journal(
            r#"{"__REALTIME_TIMESTAMP":"1700000000000000","PRIORITY":"4","MESSAGE":"no\u001b[31m place"}"#,
        )
        .unwrap();
        assert_eq!(line.time.unwrap().to_string(), "2023-11-14T22:13:20Z");
        assert_eq!((line.priority, line.message.as_str()), (Some(4), "no\u{fffd}[31m place"));
        let bytes = of_journal(r#"{"MESSAGE":[104,105,255]}"#).unwrap();
        assert_eq!((bytes.time, bytes.message.as_str()), (None, "hi\u{fffd}"));
        assert_eq!(of_journal("-- No entries --"), None);
    }

    #[test]
    fn a_line_of_the_file_says_when_and_how_bad() {
        let line = of_file("2026-01-02T03:04:05.678901Z  WARN accepting a visit err=x");
        assert_eq!((line.priority, line.message.as_str()), (Some(4), "accepting a visit err=x"));
        assert_eq!(line.time.unwrap().to_string(), "2026-01-02T03:04:05.678901Z");
        let other = of_file("error: the config has a fault");
        assert_eq!((other.time, other.message.as_str()), (None, "error: the config has a fault"));
    }

    #[test]
    fn the_last_lines_are_found_at_the_end_of_a_long_file() {
        let mut file = tempfile::tempfile().unwrap();
        for number in 0..5000 {
            writeln!(file, "line {number}").unwrap();
        }
        assert_eq!(last_lines(&mut file, 2).unwrap(), b"line 4998\nline 4999\n");
        assert_eq!(last_lines(&mut file, 0).unwrap(), b"");
        assert_eq!(
            last_lines(&mut file, 9000).unwrap().iter().filter(|b| **b == b'\n').count(),
            5000
        );
    }
}
