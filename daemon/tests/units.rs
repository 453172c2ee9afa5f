//! What systemd and launchd are given: their own tools take it, and bastiond does what it says.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bastion_api::paths::{Env, control_sockets};

const SERVICE: &str = include_str!("../../systemd/bastiond.service");
const SOCKET: &str = include_str!("../../systemd/bastiond.socket");
const AGENT: &str = include_str!("../../launchd/com.bastiond.plist");

#[test]
fn systemd_takes_both_units() {
    let home = Home::new();
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--user"])
        .args(["bastiond.service", "bastiond.socket"].map(|unit| root().join("systemd").join(unit)))
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .output();
    // A Mac has no systemd; what the units say is checked below in any case.
    let Ok(verify) = verify else { return };
    let said = String::from_utf8_lossy(&verify.stderr);
    assert!(verify.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_service_tells_when_it_is_ready_and_is_not_started_again_in_vain() {
    let unit = settings(SERVICE);
    assert_eq!(unit["Service.Type"], "notify");
    assert_eq!(unit["Service.ExecStart"], "%h/.cargo/bin/bastiond");
    assert_eq!(unit["Service.Restart"], "on-failure");
    assert_eq!(unit["Service.RestartPreventExitStatus"], "2");
    assert_eq!(unit["Install.WantedBy"], "default.target");
}

#[test]
fn the_service_is_as_little_exposed_as_the_readme_says() {
    // A Mac has no systemd.
    let Some(level) = exposure(SERVICE) else { return };
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("exposure {level:.1}")), "README says other than {level}");
    // No user's manager may take capabilities away, and a user's service has none; all else is as tight as was meant.
    let without_capabilities = SERVICE.replace("[Service]", "[Service]\nCapabilityBoundingSet=");
    let level = exposure(&without_capabilities).unwrap();
    assert!(level <= 4.0, "{level}");
    assert!(readme.contains(&format!("{level:.1} without")), "README says other than {level}");
}

/// How exposed systemd counts a unit of this text to be; none where there is no systemd.
fn exposure(unit: &str) -> Option<f64> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bastiond.service");
    fs::write(&path, unit).unwrap();
    let report = Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true"])
        .arg(path)
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&report.stdout);
    let level = said.split("exposure level for bastiond.service: ").nth(1).expect("a level");
    Some(level.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
fn the_service_reads_its_config_again_and_is_missed_when_it_hangs() {
    let unit = settings(SERVICE);
    assert_eq!(unit["Service.ExecReload"], "/bin/kill -HUP $MAINPID");
    let limit: u64 = unit["Service.WatchdogSec"].parse().unwrap();
    let home = Home::new();
    let manager = UnixDatagram::bind(home.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut daemon = home.daemon(Command::new(DAEMON));
    daemon.env("NOTIFY_SOCKET", home.path().join("notify"));
    // A hundredth of a second counts as the unit's second, so that nobody waits here.
    daemon.env("WATCHDOG_USEC", (limit * 10_000).to_string());
    let daemon = Running(daemon.spawn().unwrap());
    heard(&manager, "READY=1");
    heard(&manager, "WATCHDOG=1");
    heard(&manager, "WATCHDOG=1");
    daemon.signal("HUP");
    let told = heard(&manager, "READY=1");
    assert!(told.contains(&"RELOADING=1".to_owned()), "{told:?}");
    daemon.signal("STOP");
    manager.set_read_timeout(Some(Duration::from_millis(limit * 20))).unwrap();
    // What was on its way is heard; then it is missed.
    let mut buffer = [0; 4096];
    let silent = (0..10).any(|_| manager.recv(&mut buffer).is_err());
    assert!(silent, "a daemon that hangs says that it lives");
}

#[test]
fn a_daemon_goes_with_its_terminal_though_the_same_signal_means_another_look_at_the_config() {
    let home = Home::new();
    let manager = UnixDatagram::bind(home.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--command"]).arg(DAEMON).arg("/dev/null");
    let mut terminal = home.daemon(terminal);
    terminal.env("NOTIFY_SOCKET", home.path().join("notify")).env("SHELL", "/bin/sh");
    // A Mac's script takes other words.
    let Ok(terminal) = terminal.spawn() else { return };
    let terminal = Running(terminal);
    heard(&manager, "READY=1");
    // What holds the terminal's other end is gone without a word, as when a window is closed.
    terminal.signal("KILL");
    let told = heard(&manager, "STOPPING=1");
    assert!(!told.contains(&"RELOADING=1".to_owned()), "{told:?}");
}

#[test]
fn the_socket_is_where_both_programs_look_and_for_its_user_alone() {
    let unit = settings(SOCKET);
    let env = Env { runtime_dir: Some("/run/user/1000".into()), ..Env::default() };
    let place = unit["Socket.ListenStream"].replace("%t", "/run/user/1000");
    assert_eq!(control_sockets(&env), [PathBuf::from(place)]);
    assert_eq!(unit["Socket.SocketMode"], "0600");
    assert_eq!(unit["Socket.DirectoryMode"], "0700");
    assert_eq!(unit["Install.WantedBy"], "sockets.target");
}

#[test]
fn systemd_is_told_when_the_daemon_is_ready_and_when_it_stops() {
    let home = Home::new();
    let manager = UnixDatagram::bind(home.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut daemon = home.daemon(Command::new(DAEMON));
    daemon.env("NOTIFY_SOCKET", home.path().join("notify"));
    let mut daemon = Running(daemon.spawn().unwrap());
    heard(&manager, "READY=1");
    daemon.signal("TERM");
    heard(&manager, "STOPPING=1");
    assert!(daemon.0.wait().unwrap().success());
}

#[test]
fn a_daemon_that_systemd_starts_answers_on_systemds_socket() {
    let home = Home::new();
    let socket = home.path().join("control.sock");
    let mut activator = Command::new("systemd-socket-activate");
    activator.arg("--listen").arg(&socket);
    for name in PLACES {
        activator.arg(format!("--setenv={name}={}", home.path().display()));
    }
    activator.arg(DAEMON);
    let mut activator = home.daemon(activator);
    // A Mac has no systemd.
    let Ok(daemon) = activator.stderr(Stdio::piped()).spawn() else { return };
    let mut daemon = Running(daemon);
    // It says when it listens, and becomes the daemon at the first connection.
    let mut stderr = BufReader::new(daemon.0.stderr.take().unwrap());
    stderr.read_line(&mut String::new()).unwrap();
    let mut caller = UnixStream::connect(&socket).unwrap();
    caller.set_read_timeout(Some(PATIENCE)).unwrap();
    caller.write_all(b"GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    daemon.signal("TERM");
    assert!(daemon.0.wait().unwrap().success());
    assert!(socket.exists(), "what systemd has bound is systemd's to remove");
}

#[test]
fn the_agent_is_well_formed_and_says_what_launchd_needs() {
    assert_eq!(unclosed(AGENT), [""; 0]);
    assert_eq!(after_key(AGENT, "Label"), "<string>com.bastiond</string>");
    assert_eq!(after_key(AGENT, "RunAtLoad"), "<true/>");
    assert_eq!(after_key(AGENT, "SuccessfulExit"), "<false/>");
    let script = "import plistlib, sys; print(sorted(plistlib.load(sys.stdin.buffer)))";
    let python = Command::new("python3")
        .args(["-c", script])
        .stdin(fs::File::open(root().join("launchd/com.bastiond.plist")).unwrap())
        .output();
    let Ok(python) = python else { return };
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let keys = String::from_utf8_lossy(&python.stdout);
    for key in ["ExitTimeOut", "KeepAlive", "Label", "ProgramArguments", "RunAtLoad"] {
        assert!(keys.contains(&format!("'{key}'")), "{keys}");
    }
}

#[test]
fn what_the_agent_runs_becomes_bastiond_and_logs_into_the_users_log() {
    let home = Home::new();
    let program = home.path().join(".cargo/bin/bastiond");
    fs::remove_file(&program).unwrap();
    fs::write(&program, "#!/bin/sh\necho \"I am $$\" >&2\n").unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let (_, array) = AGENT.split_once("<array>").unwrap();
    let (array, _) = array.split_once("</array>").unwrap();
    let arguments: Vec<String> = array
        .split("<string>")
        .skip(1)
        .map(|rest| rest.split_once("</string>").unwrap().0)
        .map(|text| text.replace("&gt;", ">").replace("&amp;", "&"))
        .collect();
    let mut shell =
        Command::new(&arguments[0]).args(&arguments[1..]).env("HOME", home.path()).spawn().unwrap();
    assert!(shell.wait().unwrap().success());
    let log = fs::read_to_string(home.path().join("Library/Logs/bastiond.log")).unwrap();
    // The same process: launchd's signal to stop reaches it.
    assert_eq!(log, format!("I am {}\n", shell.id()));
}

/// Every line that a service manager is told, up to this one.
fn heard(manager: &UnixDatagram, last: &str) -> Vec<String> {
    let mut buffer = [0; 4096];
    let mut lines = Vec::new();
    loop {
        let length = manager.recv(&mut buffer).expect("told within its time");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        lines.extend(text.lines().map(str::to_owned));
        if lines.iter().any(|line| line == last) {
            return lines;
        }
    }
}

/// A unit file's settings as `Section.Key`.
fn settings(unit: &str) -> BTreeMap<String, String> {
    let mut section = "";
    let mut settings = BTreeMap::new();
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else {
            let (key, value) = line.split_once('=').expect("a setting has a value");
            settings.insert(format!("{section}.{key}"), value.to_owned());
        }
    }
    settings
}

/// Tags that do not fit, in the order in which they were met.
fn unclosed(xml: &str) -> Vec<&str> {
    let mut open = Vec::new();
    let mut wrong = Vec::new();
    let mut rest = xml;
    while let Some((_, tag)) = rest.split_once('<') {
        let ends = if tag.starts_with("!--") { "-->" } else { ">" };
        let Some((tag, after)) = tag.split_once(ends) else { return vec![tag] };
        rest = after;
        let name = tag.split_whitespace().next().unwrap_or_default();
        if tag.starts_with(['?', '!']) || tag.ends_with('/') {
            continue;
        }
        match tag.strip_prefix('/') {
            None => open.push(name),
            Some(closed) if open.last() == Some(&closed) => {
                open.pop();
            }
            Some(closed) => wrong.push(closed),
        }
    }
    wrong.extend(open);
    wrong
}

/// The line that follows a key.
fn after_key<'a>(plist: &'a str, key: &str) -> &'a str {
    let key = format!("<key>{key}</key>");
    let (_, rest) = plist.split_once(&key).expect("the key is there");
    let mut values = rest.lines().map(str::trim).filter(|line| !line.is_empty());
    values.next().expect("a key has a value")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A home of a user's own, with bastiond where the units look for it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let permissions = Permissions::from_mode(0o700);
        let home = tempfile::Builder::new().permissions(permissions).tempdir().unwrap();
        let programs = home.path().join(".cargo/bin");
        fs::create_dir_all(&programs).unwrap();
        symlink(DAEMON, programs.join("bastiond")).unwrap();
        Self(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A command with nothing of our environment but the way to programs.
    fn daemon(&self, mut command: Command) -> Command {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for name in PLACES {
            command.env(name, self.path());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// A process that ends with its test.
struct Running(Child);

impl Running {
    fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

const DAEMON: &str = env!("CARGO_BIN_EXE_bastiond");
const PLACES: [&str; 4] = ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"];
const PATIENCE: Duration = Duration::from_secs(20); // nothing here takes a second; a machine under load may
