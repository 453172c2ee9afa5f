//! A unit of systemd's user manager.

use std::path::Path;

use super::call::{Call, Said};
use super::environment::Captured;
use super::files::{Wanted, marked};
use super::places::Places;
use super::standing::Standing;

const SERVICE: &str = include_str!("../../../../systemd/bastiond.service");
const SOCKET: &str = include_str!("../../../../systemd/bastiond.socket");

/// The files of the service.
pub(super) fn files(places: &Places, program: &Path, captured: &Captured) -> Vec<Wanted> {
    let unit = |name: &str| places.units.join(name);
    let start = format!("ExecStart={}", quoted(&program.display().to_string()));
    let socket = captured.kept.iter().find(|(name, _)| name == "BASTION_SOCKET");
    let listen = socket.map(|(_, path)| format!("ListenStream={}", escaped(path)));
    let listen = listen.unwrap_or_else(|| LISTEN.to_owned());
    let hash = |line: &str| format!("# {line}");
    vec![
        Wanted {
            path: unit("bastiond.service"),
            text: marked(&SERVICE.replace(START, &start), hash, 0),
            delivered: Some(SERVICE),
            mode: 0o644,
        },
        Wanted {
            path: unit("bastiond.socket"),
            text: marked(&SOCKET.replace(LISTEN, &listen), hash, 0),
            delivered: Some(SOCKET),
            mode: 0o644,
        },
        Wanted {
            path: unit("bastiond.service.d/environment.conf"),
            text: marked(&environment(captured), hash, 0),
            delivered: None,
            mode: 0o600,
        },
    ]
}

/// What systemd is asked once files have changed.
pub(super) fn look_again() -> Call {
    systemctl(&["daemon-reload"])
}

/// Has the service started at every login.
pub(super) fn enable() -> Call {
    systemctl(&["enable", "--quiet", "bastiond.socket", "bastiond.service"])
}

/// The opposite.
pub(super) fn disable() -> Call {
    systemctl(&["disable", "--quiet", "bastiond.socket", "bastiond.service"])
}

/// Starts it.
pub(super) fn start() -> Call {
    systemctl(&["start", "bastiond.socket", "bastiond.service"])
}

/// Stops it, and the socket before: the next `bastionctl status` would start it again.
pub(super) fn stop() -> Call {
    systemctl(&["stop", "bastiond.socket", "bastiond.service"])
}

/// Stops it and starts it.
pub(super) fn restart() -> Call {
    systemctl(&["restart", "bastiond.service"])
}

/// Whether a manager answers at all, and where it looks for units.
pub(super) fn greet() -> Call {
    systemctl(&["show", "--property=Version,UnitPath"])
}

/// The directories that [`greet`] told of, one behind the other.
pub(super) fn unit_path(said: &Said) -> &str {
    said.out.lines().find_map(|line| line.strip_prefix("UnitPath=")).unwrap_or_default()
}

/// How the service is.
pub(super) fn look() -> Call {
    let properties =
        "--property=Id,LoadState,UnitFileState,ActiveState,SubState,MainPID,Result,ExecStart";
    systemctl(&["show", properties, "bastiond.service", "bastiond.socket"])
}

/// Whether the manager goes on when its user has no session left.
pub(super) fn lingers(uid: u32) -> Call {
    Call::new("loginctl", ["show-user", &uid.to_string(), "--property=Linger"])
}

/// The service's log.
pub(super) fn logs(lines: u32, follow: bool, json: bool) -> Call {
    let lines = lines.to_string();
    let mut arguments = vec!["--user", "-u", "bastiond", "--no-pager", "-n", &lines];
    if follow {
        arguments.push("-f");
    }
    if json {
        arguments.extend(["-o", "json"]);
    }
    Call::new("journalctl", arguments)
}

/// What [`look`] was told: a block of `key=value` for each unit.
pub(super) fn standing(said: &Said) -> Standing {
    let block = |id: &str| {
        let line = format!("Id={id}");
        said.out.split("\n\n").find(|block| block.lines().any(|it| it == line))
    };
    let value = |block: Option<&str>, key: &str| {
        let mut pairs = block?.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    };
    let (service, socket) = (block("bastiond.service"), block("bastiond.socket"));
    let active = value(service, "ActiveState").unwrap_or_default();
    let pid = value(service, "MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0);
    let result = value(service, "Result").filter(|result| result != "success");
    // `{ path=/usr/bin/bastiond ; argv[]=/usr/bin/bastiond ; ignore_errors=no ; … }`
    let program = value(service, "ExecStart").and_then(|start| {
        let (_, rest) = start.split_once("path=")?;
        rest.split_once(" ; argv[]=").map(|(path, _)| path.into())
    });
    Standing {
        program,
        installed: value(service, "LoadState").is_some_and(|load| load != "not-found"),
        enabled: value(service, "UnitFileState").is_some_and(|state| state == "enabled"),
        running: ["active", "reloading", "activating"].contains(&active.as_str()) && pid.is_some(),
        socket: value(socket, "ActiveState").is_some_and(|state| state == "active"),
        state: match value(service, "SubState") {
            Some(sub) if sub != active => format!("{active} ({sub})"),
            Some(_) | None => active,
        },
        pid,
        result,
    }
}

fn systemctl(arguments: &[&str]) -> Call {
    Call::new("systemctl", ["--user"].iter().chain(arguments))
}

fn environment(captured: &Captured) -> String {
    let mut text = "# What of a shell's environment bastiond needs. A variable of your own goes into another file beside this one.\n\
                    [Service]\n"
        .to_owned();
    for (name, value) in &captured.kept {
        text.push_str(&format!("Environment=\"{}\"\n", inside(&format!("{name}={value}"))));
    }
    text
}

/// A word of a setting; one with spaces stands in quotes.
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+:@%=,".contains(char);
    if word.chars().all(plain) { escaped(word) } else { format!("\"{}\"", inside(word)) }
}

/// What stands between quotes (systemd.syntax(7), "Quoting").
fn inside(text: &str) -> String {
    escaped(&text.replace('\\', r"\\").replace('"', "\\\""))
}

/// Without what systemd would look up (systemd.unit(5), "Specifiers").
fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

/// What the unit runs as it is delivered.
const START: &str = "ExecStart=%h/.cargo/bin/bastiond";
/// Where the socket stands as it is delivered.
const LISTEN: &str = "ListenStream=%t/bastiond/control.sock";

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(kept: &[(&str, &str)]) -> Captured {
        let kept = kept.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Captured { kept: kept.collect(), left_out: Vec::new() }
    }

    fn texts(program: &str, kept: &[(&str, &str)]) -> Vec<String> {
        let places = Places {
            units: "/u".into(),
            agents: "/a".into(),
            log: "/l".into(),
            own_environment: "/e".into(),
            usual: "/c".into(),
        };
        let files = files(&places, Path::new(program), &captured(kept));
        files.into_iter().map(|file| file.text).collect()
    }

    #[test]
    fn the_unit_runs_the_program_that_was_found_and_is_else_as_it_is_delivered() {
        let unit = &texts("/opt/bastiond/bastiond", &[])[0];
        assert!(unit.contains("\nExecStart=/opt/bastiond/bastiond\n"), "{unit}");
        let others = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with(['#', 'E']));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(others(unit), others(SERVICE));
        assert_eq!(
            unit.matches("ExecStart=").count(),
            1 + SERVICE.matches("#     ExecStart=").count()
        );
    }

    #[test]
    fn the_unit_asks_for_nothing_that_a_users_manager_has_no_right_to() {
        let asks = |start: &str| SERVICE.lines().find(|line| line.starts_with(start));
        for start in ["CapabilityBoundingSet", "Protect", "Private", "ReadOnly", "User=", "Nice="] {
            assert_eq!(asks(start), None);
        }
    }

    #[test]
    fn nothing_in_a_path_or_a_value_is_looked_up_by_systemd() {
        let texts = texts("/opt/100% mine/bastiond", &[("A", r#"50% "x" \n"#)]);
        assert!(texts[0].contains("\nExecStart=\"/opt/100%% mine/bastiond\"\n"), "{}", texts[0]);
        assert!(texts[2].ends_with("\nEnvironment=\"A=50%% \\\"x\\\" \\\\n\"\n"), "{}", texts[2]);
    }

    #[test]
    fn the_socket_stands_where_bastionctl_looks() {
        let usual = &texts("/b", &[])[1];
        assert!(usual.contains("\nListenStream=%t/bastiond/control.sock\n"), "{usual}");
        let other = &texts("/b", &[("BASTION_SOCKET", "/x/s")])[1];
        assert!(other.contains("\nListenStream=/x/s\n") && !other.contains("%t"), "{other}");
    }

    fn said(out: &str) -> Said {
        Said { ok: true, out: out.to_owned(), err: String::new() }
    }

    #[test]
    fn what_systemd_tells_of_the_service_and_its_socket_is_kept_apart() {
        let told = standing(&said(
            "Id=bastiond.service\nLoadState=loaded\nUnitFileState=enabled\nActiveState=active\nSubState=running\n\
             MainPID=12\nResult=success\nExecStart={ path=/a b/d ; argv[]=/a b/d ; ignore_errors=no }\n\nId=bastiond.socket\nLoadState=loaded\nActiveState=inactive\nResult=success\n",
        ));
        let expected = Standing {
            installed: true,
            enabled: true,
            running: true,
            socket: false,
            state: "active (running)".into(),
            pid: Some(12),
            program: Some("/a b/d".into()),
            result: None,
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn a_service_that_failed_or_is_not_there_does_not_run() {
        let failed = standing(&said(
            "Id=bastiond.service\nLoadState=loaded\nUnitFileState=disabled\nActiveState=failed\nSubState=failed\n\
             MainPID=0\nResult=exit-code\n\nId=bastiond.socket\nActiveState=active\n",
        ));
        assert!(
            failed.installed && !failed.enabled && !failed.running && failed.socket,
            "{failed:?}"
        );
        assert_eq!(
            (failed.state.as_str(), failed.result.as_deref()),
            ("failed", Some("exit-code"))
        );
        let absent =
            standing(&said("Id=bastiond.service\nLoadState=not-found\nActiveState=inactive\n"));
        assert!(!absent.installed && !absent.running, "{absent:?}");
    }
}
