use crate::daemon::Daemon;
use crate::screen::run;

#[test]
fn the_help_of_the_program_and_of_each_verb_is_as_in_its_file() {
    let daemon = Daemon::new([]);
    let verbs = [
        "",
        "init",
        "open",
        "close",
        "status",
        "wait",
        "events",
        "test",
        "top",
        "ports",
        "psql",
        "mysql",
        "connect",
        "info",
        "env",
        "export",
        "password",
        "token",
        "by-hand",
        "doctor",
        "policy",
        "cost",
        "audit",
        "reload",
        "config",
        "config check",
        "config show",
        "config path",
        "service",
        "service install",
        "service uninstall",
        "service start",
        "service stop",
        "service restart",
        "service status",
        "service logs",
        "logs",
        "forward",
        "completions",
        "man",
        "version",
    ];
    for verb in verbs {
        let screen = run(&daemon, format!("{verb} --help").trim());
        assert_eq!((screen.code, screen.err.as_str()), (0, ""), "{verb}");
        screen.is(&format!("help {verb}").trim().replace(' ', "_"));
    }
}

#[test]
fn aliases_are_the_same_verbs() {
    let daemon = Daemon::new([]);
    for (alias, verb) in [("start", "open"), ("up", "open"), ("stop", "close"), ("down", "close")] {
        let of = |verb: &str| run(&daemon, &format!("{verb} --help")).out;
        assert_eq!(of(alias), of(verb));
    }
}

#[test]
fn the_version_of_the_program_alone_is_a_flag() {
    let screen = run(&Daemon::new([]), "--version");
    assert_eq!(screen.out, format!("bastionctl {}\n", env!("CARGO_PKG_VERSION")));
}
