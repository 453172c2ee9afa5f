//! `service` and `logs`, with programs that stand in for systemctl, launchctl, journalctl and loginctl.

mod launchd;
mod logs;
mod systemd;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{Answer, Daemon};
use crate::samples;
use crate::screen::{Screen, finish};

/// A user's home with bastionctl and bastiond in `bin`, service managers that keep a note of what they are asked, and a
/// daemon that answers.
struct Home {
    dir: TempDir,
    daemon: Daemon,
}

impl Home {
    /// A home in which nothing is installed, and a daemon of process 321 that serves these targets.
    fn new<const N: usize>(targets: [Value; N]) -> Self {
        let version = json!({ "schema_version": 1, "version": "0.1.0", "pid": 321 });
        Self::with(Daemon::new([
            ("GET /v1/version", Answer::json(&version)),
            ("GET /v1/status", Answer::json(&samples::status(targets))),
        ]))
    }

    fn with(daemon: Daemon) -> Self {
        // On the file system of what was built, so that it can be linked there.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let home = Self { dir, daemon };
        for place in ["bin", "run"] {
            fs::create_dir(home.at(place)).unwrap();
        }
        fs::hard_link(env!("CARGO_BIN_EXE_bastionctl"), home.at("bin/bastionctl")).unwrap();
        // Where both programs look first.
        symlink(home.daemon.dir(), home.at("run/bastiond")).unwrap();
        home.program("bastiond", "exit 0");
        home.program("systemctl", SYSTEMCTL);
        home.program("launchctl", LAUNCHCTL);
        home.program("journalctl", "printf '%s' \"$JOURNAL\"");
        home.program("loginctl", "echo Linger=no");
        home
    }

    fn at(&self, place: &str) -> PathBuf {
        self.dir.path().join(place)
    }

    /// Puts a program into `bin`, which notes how it is called.
    fn program(&self, name: &str, script: &str) {
        let note = if name == "bastiond" { "" } else { "echo \"${0##*/} $*\" >> \"$HOME/calls\"" };
        let script = format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{note}\n{script}\n");
        // Written by another process: a program that is open for writing, even by a fork of ours, cannot be run.
        let mut writer = Command::new("/bin/sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\"", name])
            .current_dir(self.at("bin"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    }

    /// bastionctl with nothing of this machine around it.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(self.at("bin/bastionctl"));
        command
            .args(line.split_whitespace())
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("XDG_RUNTIME_DIR", self.at("run"))
            .env("PATH", self.at("bin"))
            .env("COLUMNS", "80")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Screen {
        self.run_with(line, &[])
    }

    fn run_with(&self, line: &str, more: &[(&str, &str)]) -> Screen {
        let mut command = self.command(line);
        command.envs(more.iter().copied());
        let mut screen = finish(line, command);
        let here = self.dir.path().display().to_string();
        screen.out = screen.out.replace(&here, "/home/amy");
        screen.err = screen.err.replace(&here, "/home/amy");
        screen
    }

    /// How the managers were called since the last time, but for questions.
    fn deeds(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.at("calls")).unwrap_or_default();
        fs::remove_file(self.at("calls")).ok();
        let asks = ["show", "print"];
        let is_question =
            |call: &&str| call.split(' ').any(|word| asks.iter().any(|ask| word.starts_with(ask)));
        calls.lines().filter(|call| !is_question(call)).map(str::to_owned).collect()
    }

    fn read(&self, place: &str) -> String {
        fs::read_to_string(self.at(place)).unwrap_or_else(|err| panic!("{place}: {err}"))
    }

    fn mode(&self, place: &str) -> u32 {
        fs::metadata(self.at(place)).unwrap().permissions().mode() & 0o777
    }
}

/// Every file under a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let of = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| of(entry.unwrap().path())).collect()
}

#[test]
fn without_a_daemon_the_hint_knows_whether_the_service_is_installed() {
    let home = Home::new([]);
    fs::remove_file(home.at("run/bastiond")).unwrap();
    let kind = if cfg!(target_os = "macos") { "launchd" } else { "systemd" };
    let hint = |home: &Home| {
        home.run("status").err.lines().find(|line| line.contains("hint:")).unwrap().to_owned()
    };
    assert_eq!(hint(&home), "hint: bastionctl service install");
    let installed = home.run(&format!("service install --no-start --manager {kind}"));
    assert_eq!(installed.code, 0, "{}", installed.err);
    assert_eq!(hint(&home), "hint: bastionctl service start");
    assert_eq!(home.run("status").code, 3);
}

/// systemctl as far as we ask it: it remembers what is enabled and what runs.
const SYSTEMCTL: &str = r#"
[ -e "$HOME/no-manager" ] && { echo 'Failed to connect to bus: No medium found' >&2; exit 1; }
case "$2" in
show)
    [ "$3" = --property=Version,UnitPath ] && {
        printf 'Version=257\nUnitPath=/etc/systemd/user %s /usr/lib/systemd/user\n' "$HOME/.config/systemd/user"
        exit
    }
    load=not-found enabled= active=inactive sub=dead pid=0 result=success socket=inactive
    [ -e "$HOME/.config/systemd/user/bastiond.service" ] && load=loaded enabled=disabled
    [ -e "$HOME/enabled" ] && enabled=enabled
    [ -e "$HOME/listens" ] && socket=active
    [ -e "$HOME/failed" ] && active=failed sub=failed result=exit-code
    [ -e "$HOME/runs" ] && active=active sub=running pid=321
    printf 'Id=bastiond.service\nLoadState=%s\nUnitFileState=%s\nActiveState=%s\nSubState=%s\nMainPID=%s\nResult=%s\n' \
        $load "$enabled" $active $sub $pid $result
    [ -e "$HOME/moved" ] && printf 'ExecStart={ path=%s ; argv[]=%s ; ignore_errors=no }\n' "$HOME/old bin/d" "$HOME/old bin/d"
    printf '\nId=bastiond.socket\nActiveState=%s\n' $socket ;;
enable) touch "$HOME/enabled" ;;
disable) rm -f "$HOME/enabled" ;;
start | restart)
    [ -e "$HOME/broken" ] && {
        touch "$HOME/failed"
        echo 'Job for bastiond.service failed because the control process exited with error code.' >&2
        exit 1
    }
    touch "$HOME/runs" "$HOME/listens" ;;
stop) rm -f "$HOME/runs" "$HOME/listens" ;;
esac
"#;

/// launchctl as far as we ask it: it takes a moment to forget what it is told to.
const LAUNCHCTL: &str = r#"
case "$1" in
print)
    case "$2" in
    gui/*/com.bastiond | user/*/com.bastiond)
        if [ -e "$HOME/ends" ]; then rm "$HOME/ends" "$HOME/loaded"; printf '\tstate = SIGTERMed\n'; exit; fi
        [ -e "$HOME/loaded" ] || { echo 'Could not find service "com.bastiond" in domain' >&2; exit 113; }
        printf 'gui/501/com.bastiond = {\n\tstate = running\n\tpid = 321\n\tlast exit code = 0\n}\n' ;;
    gui/*) [ ! -e "$HOME/over-ssh" ] || { echo 'Domain does not support specified action' >&2; exit 125; } ;;
    esac ;;
print-disabled) [ ! -e "$HOME/off" ] || printf '\t"com.bastiond" => disabled\n' ;;
enable) rm -f "$HOME/off" ;;
bootstrap) touch "$HOME/loaded" ;;
bootout) touch "$HOME/ends"; echo 'Boot-out failed: 36: Operation now in progress' >&2; exit 36 ;;
esac
"#;
