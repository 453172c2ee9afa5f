use std::fs;

use rustix::process::getuid;

use super::{Home, files};
use crate::samples::ready;

const AGENT: &str = "Library/LaunchAgents/com.bastiond.plist";

fn domain() -> String {
    format!("gui/{}", getuid().as_raw())
}

fn agent(home: &Home) -> String {
    home.at(AGENT).display().to_string()
}

/// A home with the agent installed and running.
fn installed() -> Home {
    let home = Home::new([]);
    let screen = home.run("service install --no-start --manager launchd");
    assert_eq!(screen.code, 0, "{}", screen.err);
    fs::write(home.at("loaded"), "").unwrap();
    home.deeds();
    home
}

#[test]
fn install_writes_the_agent_and_loads_it() {
    let home = Home::new([]);
    fs::remove_file(home.at("run/bastiond")).unwrap();
    let dry =
        home.run_with("service install --dry-run --manager launchd", &[("AWS_PROFILE", "a&b")]);
    assert_eq!((dry.code, files(&home.at("Library")).len()), (0, 0), "{}", dry.err);
    let (domain, agent) = (domain(), agent(&home));
    let load = format!("launchctl bootstrap {domain} {agent}");
    assert!(
        dry.out.contains(&format!("run      launchctl enable {domain}/com.bastiond\n")),
        "{}",
        dry.out
    );
    let screen =
        home.run_with("service install --no-start --manager launchd", &[("AWS_PROFILE", "a&b")]);
    assert_eq!(screen.code, 0, "{}", screen.err);
    assert_eq!(home.deeds(), [format!("launchctl enable {domain}/com.bastiond")]);
    std::os::unix::fs::symlink(home.daemon.dir(), home.at("run/bastiond")).unwrap();
    let started = home.run("service start --manager launchd");
    assert!(started.err.contains("bastiond 0.1.0 runs (pid 321)"), "{}", started.err);
    assert_eq!(home.deeds(), [format!("launchctl enable {domain}/com.bastiond"), load]);
    let text = home.read(AGENT);
    assert!(text.contains("<key>AWS_PROFILE</key>\n        <string>a&amp;b</string>"), "{text}");
    assert_eq!(home.mode(AGENT), 0o600);
}

#[test]
fn pythons_reader_of_plists_takes_what_is_written() {
    let home = Home::new([]);
    let vars = [("AWS_CONFIG_FILE", "/a <b> & 'c'")];
    let screen = home.run_with("service install --no-start --manager launchd", &vars);
    assert_eq!(screen.code, 0, "{}", screen.err);
    let script = "import plistlib, sys; print(plistlib.load(sys.stdin.buffer)['EnvironmentVariables']['AWS_CONFIG_FILE'])";
    let python = std::process::Command::new("python3")
        .args(["-c", script])
        .stdin(fs::File::open(home.at(AGENT)).unwrap())
        .output();
    let Ok(python) = python else { return };
    let said = String::from_utf8_lossy(&python.stdout);
    assert_eq!(said, "/a <b> & 'c'\n", "{}", String::from_utf8_lossy(&python.stderr));
}

#[test]
fn a_stop_waits_until_launchd_has_forgotten_the_agent() {
    let home = installed();
    home.run("service stop --manager launchd").is("service_stop_launchd");
    assert_eq!(home.deeds(), [format!("launchctl bootout {}/com.bastiond", domain())]);
    assert!(!home.at("loaded").exists());
    let status = home.run("service status --manager launchd --json");
    assert_eq!((status.code, &status.json()["state"]), (3, &"not loaded".into()));
}

#[test]
fn a_restart_reads_the_agents_file_anew() {
    let home = installed();
    let screen = home.run("service restart --manager launchd");
    assert_eq!(screen.code, 0, "{}", screen.err);
    let (domain, agent) = (domain(), agent(&home));
    let expected = [
        format!("launchctl bootout {domain}/com.bastiond"),
        format!("launchctl enable {domain}/com.bastiond"),
        format!("launchctl bootstrap {domain} {agent}"),
    ];
    assert_eq!(home.deeds(), expected);
}

#[test]
fn a_user_who_came_over_ssh_has_another_domain() {
    let home = Home::new([]);
    fs::write(home.at("over-ssh"), "").unwrap();
    let screen = home.run("service install --no-start --manager launchd");
    assert_eq!(screen.code, 0, "{}", screen.err);
    assert_eq!(home.deeds(), [format!("launchctl enable user/{}/com.bastiond", getuid().as_raw())]);
}

#[test]
fn an_agent_that_is_off_does_not_start_at_login() {
    let home = installed();
    let on = home.run("service status --manager launchd --json").json();
    fs::write(home.at("off"), "").unwrap();
    let off = home.run("service status --manager launchd --json").json();
    assert_eq!((&on["enabled"], &off["enabled"]), (&true.into(), &false.into()));
    assert_eq!((&on["running"], &on["pid"]), (&true.into(), &321.into()));
}

#[test]
fn uninstall_unloads_the_agent_and_removes_its_file() {
    let home = installed();
    let screen = home.run("service uninstall --manager launchd");
    assert_eq!(screen.code, 0, "{}", screen.err);
    assert_eq!((home.deeds().len(), files(&home.at("Library")).len()), (1, 0));
}

#[test]
fn nobody_is_cut_off_by_launchd_either() {
    let home = Home::new([ready("prod-db")]);
    let screen = home.run("service install --no-start --manager launchd");
    assert_eq!(screen.code, 0, "{}", screen.err);
    fs::write(home.at("loaded"), "").unwrap();
    home.deeds();
    let refused = home.run("service stop --manager launchd");
    assert!(refused.code == 1 && refused.err.contains("[C06]"), "{}", refused.err);
    assert_eq!(home.deeds(), [""; 0]);
}
