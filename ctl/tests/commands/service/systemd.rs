use std::fs;
use std::process::Command;

use super::{Home, files};
use crate::samples::{ready, starting};
use crate::terminal::Terminal;

const UNITS: &str = ".config/systemd/user";
const SECRETS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIAHUSH"),
    ("AWS_SECRET_ACCESS_KEY", "hush-secret"),
    ("AWS_SESSION_TOKEN", "hush-token"),
    ("HTTPS_PROXY", "http://amy:hush-proxy@proxy:3128"),
];
const INSTALL: [&str; 3] = [
    "systemctl --user daemon-reload",
    "systemctl --user enable --quiet bastiond.socket bastiond.service",
    "systemctl --user start bastiond.socket bastiond.service",
];

fn away(home: &Home) {
    fs::remove_file(home.at("run/bastiond")).unwrap();
}

fn back(home: &Home) {
    std::os::unix::fs::symlink(home.daemon.dir(), home.at("run/bastiond")).unwrap();
}

/// A home with the service installed and running.
fn installed<const N: usize>(targets: [serde_json::Value; N]) -> Home {
    let home = Home::new(targets);
    away(&home);
    let screen = home.run("service install --no-start --manager systemd");
    assert_eq!(screen.code, 0, "{}", screen.err);
    back(&home);
    fs::write(home.at("runs"), "").unwrap();
    fs::write(home.at("listens"), "").unwrap();
    home.deeds();
    home
}

#[test]
fn what_would_be_written_and_run_is_shown_and_nothing_is_done() {
    let home = Home::new([]);
    away(&home);
    let vars = [("AWS_PROFILE", "prod"), ("AWS_REGION", "ap-northeast-1")];
    home.run_with(
        "service install --dry-run --manager systemd",
        &[vars.as_slice(), &SECRETS].concat(),
    )
    .is("service_dry_run");
    assert_eq!((home.deeds().len(), files(&home.at(".config")).len()), (0, 0));
}

#[test]
fn install_writes_the_units_starts_them_and_says_that_the_daemon_runs() {
    let home = Home::new([]);
    // A daemon that answers before the service runs would be somebody else's.
    fs::write(home.at("listens"), "").unwrap();
    home.run("service install --manager systemd").is("service_install");
    assert_eq!(home.deeds(), INSTALL);
    let unit = home.read(&format!("{UNITS}/bastiond.service"));
    let start = format!("\nExecStart={}\n", home.at("bin/bastiond").display());
    assert!(unit.contains(&start), "{unit}");
    let environment = home.read(&format!("{UNITS}/bastiond.service.d/environment.conf"));
    let path = format!("PATH={}:/usr/local/bin:/usr/bin:/bin", home.at("bin").display());
    assert!(
        environment.ends_with(&format!("[Service]\nEnvironment=\"{path}\"\n")),
        "{environment}"
    );
    assert_eq!(home.mode(&format!("{UNITS}/bastiond.service")), 0o644);
    assert_eq!(home.mode(&format!("{UNITS}/bastiond.service.d/environment.conf")), 0o600);
}

#[test]
fn systemd_itself_takes_what_is_written() {
    let home = installed([]);
    let strange = [("AWS_CONFIG_FILE", "/home/amy/50% \"x\"/\\conf'ig $A"), ("NO_PROXY", "a, b")];
    let screen = home.run_with("service install --manager systemd", &strange);
    assert_eq!(screen.code, 0, "{}", screen.err);
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--user"])
        .args(["bastiond.service", "bastiond.socket"].map(|unit| home.at(UNITS).join(unit)))
        .env("HOME", home.at(""))
        .env("XDG_RUNTIME_DIR", home.at("run"))
        .output();
    // A Mac has no systemd.
    let Ok(verify) = verify else { return };
    let said = String::from_utf8_lossy(&verify.stderr);
    assert!(verify.status.success() && said.is_empty(), "{said}");
}

#[test]
fn no_secret_of_the_shell_is_written_shown_or_handed_on() {
    let home = Home::new([]);
    let screen = home.run_with("service install --manager systemd --no-start", &SECRETS);
    assert_eq!(screen.code, 0, "{}", screen.err);
    let json = home.run_with("service install --manager systemd --no-start --json", &SECRETS);
    assert_eq!(json.json()["left_out"].as_array().unwrap().len(), 4, "{}", json.out);
    let written: Vec<String> =
        files(&home.at(".config")).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert_eq!(written.len(), 3);
    for text in [screen.out, screen.err, json.out, home.read("calls")].iter().chain(&written) {
        assert!(!text.to_lowercase().contains("hush"), "{text}");
    }
    let named = home.run("service install --manager systemd --env DB_PASSWORD");
    assert_eq!(named.code, 2, "{}", named.err);
}

#[test]
fn a_second_install_changes_nothing_and_leaves_a_running_daemon_alone() {
    let home = installed([]);
    let again = home.run("service install --manager systemd --json");
    let json = again.json();
    let actions: Vec<_> =
        json["files"].as_array().unwrap().iter().map(|file| &file["action"]).collect();
    assert_eq!(actions, ["unchanged", "unchanged", "unchanged"]);
    assert_eq!(home.deeds(), INSTALL[..2]);
    let other = home.run_with("service install --manager systemd", &[("AWS_PROFILE", "other")]);
    assert!(other.err.contains("to take what is new: bastionctl"), "{}", other.err);
    assert_eq!(home.deeds(), INSTALL[..2]);
}

#[test]
fn a_unit_that_was_altered_is_kept_unless_somebody_says_otherwise() {
    let home = installed([]);
    let unit = home.at(UNITS).join("bastiond.service");
    let altered = fs::read_to_string(&unit).unwrap().replace("RestartSec=5", "RestartSec=7");
    fs::write(&unit, &altered).unwrap();
    home.run("service install --manager systemd").is("service_altered");
    assert_eq!(fs::read_to_string(&unit).unwrap(), altered);
    let status = home.run("service status --manager systemd").out;
    assert!(status.contains("user/bastiond.service  (altered)\n"), "{status}");
    let forced = home.run("service install --manager systemd --force --json").json();
    let kept = forced["files"][0]["kept_at"].as_str().unwrap().to_owned();
    assert!(kept.ends_with("bastiond.service.before"), "{kept}");
    assert_eq!(
        fs::read_to_string(home.at(UNITS).join("bastiond.service.before")).unwrap(),
        altered
    );
    assert!(fs::read_to_string(&unit).unwrap().contains("RestartSec=5"));
}

#[test]
fn without_a_manager_nothing_is_written_and_what_to_do_is_said() {
    let home = Home::new([]);
    fs::write(home.at("no-manager"), "").unwrap();
    home.run("service install --manager systemd").is("service_no_manager");
    assert_eq!(files(&home.at(".config")).len(), 0);
    let wsl = home.run_with("service start --manager systemd", &[("WSL_DISTRO_NAME", "Ubuntu")]);
    assert!(wsl.code == 1 && wsl.err.contains("/etc/wsl.conf"), "{}", wsl.err);
    fs::remove_file(home.at("bin/systemctl")).unwrap();
    let missing = home.run("service status --manager systemd");
    assert!(
        missing.code == 1 && missing.err.contains("systemctl is not on PATH"),
        "{}",
        missing.err
    );
}

#[test]
fn a_daemon_that_runs_outside_the_service_is_not_disturbed() {
    let home = Home::new([]);
    let screen = home.run("service install --manager systemd");
    assert_eq!(
        (screen.code, home.deeds()),
        (0, INSTALL[..2].iter().map(|it| (*it).to_owned()).collect())
    );
    assert!(screen.err.contains("runs already, outside the service (pid 321)"), "{}", screen.err);
}

#[test]
fn what_is_not_installed_cannot_be_started() {
    let home = Home::new([]);
    home.run("service start --manager systemd").is("service_not_installed");
    let status = home.run("service status --manager systemd --json");
    assert_eq!((status.code, &status.json()["installed"]), (3, &serde_json::json!(false)));
}

#[test]
fn a_program_that_cargo_builds_is_installed_with_a_warning() {
    let home = Home::new([]);
    fs::create_dir_all(home.at("target/debug")).unwrap();
    fs::write(home.at("target/debug/bastiond"), "").unwrap();
    let screen =
        home.run("service install --manager systemd --dry-run --program target/debug/bastiond");
    assert!(screen.out.contains("program  /home/amy/target/debug/bastiond\n"), "{}", screen.out);
    assert!(screen.err.contains("may soon be gone or another"), "{}", screen.err);
    let none = home.run("service install --manager systemd --dry-run --program nowhere");
    assert_eq!(none.code, 6, "{}", none.err);
}

#[test]
fn the_service_starts_and_says_which_daemon_runs() {
    let home = installed([]);
    fs::remove_file(home.at("runs")).unwrap();
    home.run("service start --manager systemd").is("service_start");
    assert_eq!(home.deeds(), ["systemctl --user start bastiond.socket bastiond.service"]);
    let again = home.run("service start --manager systemd --json").json();
    assert_eq!((&again["running"], &again["version"]), (&true.into(), &"0.1.0".into()));
    assert_eq!(home.deeds(), [""; 0]);
}

#[test]
fn a_start_that_fails_is_told_with_what_helps() {
    let home = installed([]);
    fs::remove_file(home.at("runs")).unwrap();
    fs::write(home.at("broken"), "").unwrap();
    home.run("service start --manager systemd").is("service_start_failed");
    home.run("service status --manager systemd").is("service_status_failed");
}

#[test]
fn units_stand_where_the_manager_looks_for_them_whatever_the_shell_says() {
    let home = Home::new([]);
    let elsewhere = home.at("elsewhere").display().to_string();
    let shell = [("XDG_CONFIG_HOME", elsewhere.as_str())];
    let installed = home.run_with("service install --manager systemd --no-start", &shell);
    assert_eq!(installed.code, 0, "{}", installed.err);
    assert!(files(&home.at("elsewhere")).is_empty());
    let environment = home.read(&format!("{UNITS}/bastiond.service.d/environment.conf"));
    assert!(environment.contains(&format!("XDG_CONFIG_HOME={elsewhere}")), "{environment}");
    let removed = home.run_with("service uninstall --manager systemd --json", &shell).json();
    assert_eq!(removed["removed"].as_array().unwrap().len(), 3);
}

#[test]
fn a_program_that_was_moved_is_told_before_anything_is_stopped() {
    let home = installed([]);
    fs::write(home.at("moved"), "").unwrap();
    let restart = home.run("service restart --manager systemd --yes");
    assert!(restart.code == 6 && restart.err.contains("old bin/d"), "{}", restart.err);
    assert!(restart.err.contains("hint: bastionctl service install"), "{}", restart.err);
    fs::remove_file(home.at("runs")).unwrap();
    assert_eq!(home.run("service start --manager systemd").code, 6);
    let status = home.run("service status --manager systemd");
    assert!(status.err.contains("old bin/d is gone"), "{}", status.err);
    assert_eq!(home.deeds(), [""; 0]);
}

#[test]
fn a_stop_names_the_bastions_that_stop_and_takes_the_socket_along() {
    let mut quiet = ready("prod-db");
    quiet["visits"] = serde_json::json!([]);
    let home = installed([quiet]);
    home.run("service stop --manager systemd").is("service_stop");
    assert_eq!(home.deeds(), ["systemctl --user stop bastiond.socket bastiond.service"]);
    let again = home.run("service stop --manager systemd --json").json();
    assert_eq!(again["running"], false);
}

#[test]
fn nobody_is_cut_off_without_being_asked() {
    let home = installed([ready("prod-db"), starting("stg-mysql")]);
    home.run("service restart --manager systemd").is("service_in_use");
    assert_eq!(home.deeds(), [""; 0]);
    let forced = home.run("service restart --manager systemd --yes");
    assert_eq!(forced.code, 0, "{}", forced.err);
    assert_eq!(
        home.deeds(),
        ["systemctl --user daemon-reload", "systemctl --user restart bastiond.service"]
    );
    let (path, here) = (home.at("bin").display().to_string(), home.at("").display().to_string());
    let vars = [("PATH", path.as_str()), ("HOME", here.trim_end_matches('/'))];
    let mut terminal = Terminal::run(&home.daemon, "service stop --manager systemd", &vars);
    let (seen, code) = {
        terminal.until("Stop it all the same? [y/N]").types("n\n");
        terminal.end()
    };
    assert!(code == 1 && seen.contains("bastiond goes on"), "{seen}");
    assert_eq!(home.deeds(), [""; 0]);
}

#[test]
fn the_status_tells_since_when_which_version_and_whether_it_starts_at_login() {
    let home = installed([]);
    let screen = home.run("service status --manager systemd");
    assert!(screen.out.starts_with("service  running for "), "{}", screen.out);
    assert!(
        screen.out.contains(" (pid 321), version 0.1.0\nstarts   at login, by systemd\n"),
        "{}",
        screen.out
    );
    let json = home.run("service status --manager systemd --json").json();
    assert_eq!((&json["since"], &json["lingers"]), (&"2026-01-02T03:04:05Z".into(), &false.into()));
    fs::remove_file(home.at("runs")).unwrap();
    let heard = home.daemon.heard().len();
    home.run("service status --manager systemd").is("service_status_stopped");
    assert_eq!(
        home.daemon.heard().len(),
        heard,
        "whoever knocks at systemd's socket starts the daemon"
    );
}

#[test]
fn uninstall_stops_the_service_and_leaves_nothing_of_ours() {
    let home = installed([]);
    let own = home.at(UNITS).join("bastiond.service.d/own.conf");
    fs::write(&own, "[Service]\n").unwrap();
    home.run("service uninstall --manager systemd").is("service_uninstall");
    let expected = [
        "systemctl --user stop bastiond.socket bastiond.service",
        "systemctl --user disable --quiet bastiond.socket bastiond.service",
        "systemctl --user daemon-reload",
    ];
    assert_eq!(
        (home.deeds(), files(&home.at(".config"))),
        (expected.map(str::to_owned).to_vec(), vec![own])
    );
    let again = home.run("service uninstall --manager systemd --json").json();
    assert_eq!(again["removed"].as_array().unwrap().len(), 0);
}
