use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::daemon::Daemon;
use crate::schema;

/// What a command left on the screen.
pub(crate) struct Screen {
    command: String,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

/// Runs a command line against a daemon, without a terminal.
pub(crate) fn run(daemon: &Daemon, line: &str) -> Screen {
    finish(line, command(daemon.dir(), line))
}

/// The program with the environment that all tests share: nothing of this machine.
pub(crate) fn command(dir: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bastionctl"));
    command
        .args(line.split_whitespace())
        .current_dir(dir)
        .env_clear()
        .env("BASTION_SOCKET", "control.sock")
        .env("HOME", "/home/amy")
        .env("COLUMNS", "80")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn finish(line: &str, mut command: Command) -> Screen {
    let output = command.output().unwrap();
    Screen {
        command: line.to_owned(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

impl Screen {
    /// Compares the whole screen with its file.
    pub(crate) fn is(&self, name: &str) {
        let Self { command, out, err, code } = self;
        let text = format!(
            "$ bastionctl {command}\n--- stdout\n{out}--- stderr\n{err}--- exit code {code}\n"
        );
        let json = command.split(' ').any(|word| word == "--json");
        let pasted = |line: &str| PASTED.iter().any(|word| line.trim_start().starts_with(word));
        let copied =
            |line: &&str| json || line.contains("hint:") || line.contains("fix:") || pasted(line);
        for line in text.lines().filter(|line| !copied(line)) {
            assert!(line.chars().count() <= 80, "{name}: wider than 80 columns: {line}");
        }
        compare(name, &text);
        if json {
            schema::judge(command, out);
        }
    }

    /// The one JSON object on stdout.
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.out).unwrap();
        assert_eq!(value["schema_version"], 1, "{}", self.out);
        value
    }

    /// The JSON lines on stdout.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Compares text with its file.
pub(crate) fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/screens/{name}.txt"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{name} differs.\n--- expected\n{expected}\n--- is\n{text}");
}

/// How lines begin that are there to be pasted whole, whatever the width.
const PASTED: [&str; 5] = ["psql \"", "mysql ", "docker run", "jdbc:", "curl "];
