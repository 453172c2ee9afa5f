//! The whole product at work on one machine: a visit starts a bastion, a query is answered, idleness stops the task.
//!
//! ```text
//!   psql ─► bastiond ─► bastion-sim (AWS on loopback) ─► a session's worker ─► PostgreSQL
//!             ▲ bastionctl status
//! ```

#![expect(clippy::print_stdout, reason = "the story is this command's data")]
#![expect(clippy::disallowed_methods, reason = "a tool for people measures real time")]

mod sample;
mod settings;
mod stage;

use std::io::Read;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;

use xtask::Failure;
use xtask::failure::words;
use xtask::process::Process;
use xtask::setup::{Consent, postgres};

use super::build::{Part, build};
use stage::Stage;

/// Show the whole product at work against a simulated AWS and a real PostgreSQL
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Do it unattended, judge every part, and end with one line
    #[arg(long)]
    check: bool,
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
    /// Keep the temporary directory with its logs and say where it is
    #[arg(long)]
    keep: bool,
}

impl Demo {
    /// Sets up, tells the story, and stays for the person to play; everything that was started ends with it.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let programs = postgres::Programs::ensure(Consent::new(self.yes))?;
        let built = build(Part::Programs)?;
        let interrupted = Interrupted::listen()?;
        let idle = if self.check { IDLE_CHECK } else { IDLE_PLAY };

        println!("setting the stage: PostgreSQL with a sample database, a simulated AWS, bastiond");
        let mut stage = Stage::set(&programs, &built.bin, idle, self.keep)?;
        let told = tell(&mut stage, idle, &interrupted).and_then(|figures| {
            if !self.check {
                play(&mut stage, &interrupted)?;
            }
            Ok(figures)
        });
        // Stopped in order also when a part failed, so that its log is whole.
        let cleared = stage.clear();
        let figures = match told {
            Ok(figures) => figures,
            Err(failure) => {
                println!("{}", stage.logs());
                return Err(failure);
            }
        };
        let left = cleared?;
        stage.judge_log()?;
        if left > 0 {
            return Err(Failure::unexpected("no task left running", format!("{left}")));
        }
        println!(
            "demo ok: first row after {:.1} s, idle stop after {:.1} s, tasks started {}, left running {left}",
            figures.first_row.as_secs_f64(),
            figures.idle_stop.as_secs_f64(),
            figures.started,
        );
        Ok(())
    }
}

/// What the story measured.
struct Figures {
    first_row: Duration,
    idle_stop: Duration,
    started: u64,
}

/// Cold, visited, answered, idle, stopped; each step judged by what the simulated AWS recorded.
fn tell(stage: &mut Stage, idle: Duration, interrupted: &Interrupted) -> Result<Figures, Failure> {
    if stage.count("RunTask")? != 0 {
        return Err(Failure::unexpected("no task before the first visit", "one"));
    }
    println!("\nnothing runs in AWS; the port {} is open all the same\n", stage.port());
    println!("$ {}", stage.psql_line(sample::QUESTION));
    let visit = visit(stage, interrupted)?;
    println!("{}", visit.printed.trim_end());
    if !visit.status.success() || !visit.printed.contains(sample::ANSWER) {
        return Err(Failure::unexpected(format!("a row with {}", sample::ANSWER), visit.printed));
    }
    println!(
        "\nthe first row came after {:.1} s, of which AWS took most: that was the bastion's start",
        visit.took.as_secs_f64()
    );

    let again = self::visit(stage, interrupted)?;
    if !again.status.success() {
        return Err(Failure::unexpected("a second visit to be answered", again.printed));
    }
    println!("the same once more, now that it runs: {:.2} s\n", again.took.as_secs_f64());

    println!("$ bastionctl status");
    println!("{}", stage.ctl(&["status"])?.trim_end());
    let seen = stage.status()?;
    if seen["state"] != "ready" {
        return Err(Failure::unexpected("the target to be ready", seen.to_string()));
    }

    println!("\nnobody visits any more; the idle timeout here is {} s", idle.as_secs());
    let stopped_at = stage.wait_for_stop(idle + STOP_SLACK + STOP_LATE, &|| interrupted.check())?;
    let idle_stop = Duration::from_millis(stopped_at.saturating_sub(again.left_ms));
    println!("the task was stopped {:.1} s after the last visit\n", idle_stop.as_secs_f64());
    if idle_stop + CLOCKS < idle || idle_stop > idle + STOP_SLACK {
        let expected = format!("{} s to {} s", idle.as_secs(), (idle + STOP_SLACK).as_secs());
        return Err(Failure::unexpected(expected, format!("{idle_stop:?}")));
    }
    println!("$ bastionctl status");
    println!("{}\n", stage.ctl(&["status"])?.trim_end());

    let started = stage.count("RunTask")?;
    if started != 1 {
        return Err(Failure::unexpected("one task started", started.to_string()));
    }
    Ok(Figures { first_row: visit.took, idle_stop, started })
}

/// One visit by psql.
struct Visit {
    printed: String,
    status: ExitStatus,
    took: Duration,
    /// When psql had printed everything and left, in milliseconds since 1970.
    left_ms: u64,
}

/// Runs psql and tells, while it waits, how far the bastion's start has come.
fn visit(stage: &mut Stage, interrupted: &Interrupted) -> Result<Visit, Failure> {
    let mut psql = stage.psql(sample::QUESTION)?;
    let line = words(&psql);
    let start = Instant::now();
    let mut process = Process::spawn(psql.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let child = process.child();
    let out = child.stdout.take().expect("it was asked for");
    let err = child.stderr.take().expect("it was asked for");
    let first_row = std::thread::spawn(move || -> std::io::Result<(String, Instant, u64)> {
        let mut printed = String::new();
        let mut out = out;
        out.read_to_string(&mut printed)?;
        let (at, left_ms) = (Instant::now(), unix_ms());
        let mut err = err;
        err.read_to_string(&mut printed)?;
        Ok((printed, at, left_ms))
    });
    let mut shown = String::new();
    while process.ended()?.is_none() {
        interrupted.check()?;
        if start.elapsed() > VISIT {
            let what = format!("the end of {line}");
            return Err(Failure::TookTooLong { what, limit: VISIT, seen: shown });
        }
        let seen = stage.status()?;
        let words = seen["stage"].as_str().unwrap_or_default().replace('_', " ");
        if !words.is_empty() && words != shown {
            println!("  {:4.1} s  {words}", start.elapsed().as_secs_f64());
            shown = words;
        }
        std::thread::sleep(LOOK);
    }
    let status = process.wait(VISIT)?;
    let (printed, at, left_ms) = first_row
        .join()
        .expect("the reader does not panic")
        .map_err(Failure::io("reading what psql prints"))?;
    Ok(Visit { printed, status, took: at - start, left_ms })
}

/// Stays up until Ctrl-C, with the lines that a person may paste into another terminal.
fn play(stage: &mut Stage, interrupted: &Interrupted) -> Result<(), Failure> {
    println!("It stays up until you press Ctrl-C. In another terminal:\n\n{}", stage.invitation());
    while interrupted.check().is_ok() {
        stage.alive()?;
        std::thread::sleep(LOOK);
    }
    println!("\nstopping");
    Ok(())
}

/// Ctrl-C, TERM or a closed terminal: noticed, so that what was started is ended in order.
struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    fn listen() -> Result<Self, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in
            [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .map_err(Failure::io("listening for signals"))?;
        }
        Ok(Self(flag))
    }

    fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A command line as a person would type it.
fn shell_words(parts: &[&str]) -> String {
    let quoted = parts.iter().map(|part| {
        if part.contains([' ', ';', '*', '(', '\'']) {
            format!("\"{part}\"")
        } else {
            (*part).to_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// How often the status is looked at while something is waited for.
const LOOK: Duration = Duration::from_millis(150);
/// A visit that starts a bastion takes about 8 s of the simulated AWS's time.
const VISIT: Duration = Duration::from_secs(40);
/// The idle timeout of the check: long enough that a stop that comes at once would be seen as wrong.
const IDLE_CHECK: Duration = Duration::from_secs(5);
/// The idle timeout for a person, who reads in between.
const IDLE_PLAY: Duration = Duration::from_secs(15);
/// By how much the stop may be late: the promise is `idle_timeout` + 2 s.
const STOP_SLACK: Duration = Duration::from_secs(2);
/// How much longer a stop is waited for that is late, to tell by how much.
const STOP_LATE: Duration = Duration::from_secs(20);
/// The daemon sees psql's end a little before we do.
const CLOCKS: Duration = Duration::from_millis(300);
