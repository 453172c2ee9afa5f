//! An agent of launchd's.

use std::path::Path;

use super::call::{Call, Said};
use super::environment::Captured;
use super::files::{Wanted, marked};
use super::places::Places;
use super::standing::Standing;

const AGENT: &str = include_str!("../../../../launchd/com.bastiond.plist");

/// The file of the agent.
pub(super) fn files(places: &Places, program: &Path, captured: &Captured) -> Vec<Wanted> {
    let program = program.display().to_string().replace('\'', r"'\''");
    let start = escaped(&format!("exec '{program}'"));
    let text = AGENT.replace(START, &start);
    let text = match between(&text, VARIABLES, "</dict>") {
        Some((before, after)) => format!("{before}{VARIABLES}\n{}{after}", variables(captured)),
        None => text,
    };
    vec![Wanted {
        path: agent(places),
        text: marked(&text, |line| format!("<!-- {line} -->"), HEAD),
        delivered: Some(AGENT),
        mode: 0o600,
    }]
}

/// The agent's file.
pub(super) fn agent(places: &Places) -> std::path::PathBuf {
    places.agents.join("com.bastiond.plist")
}

/// Whether a domain is there: a user who has come over ssh alone has no `gui`.
pub(super) fn greet(domain: &str) -> Call {
    launchctl(&["print", domain])
}

/// Lets the agent be loaded at every login.
pub(super) fn enable(domain: &str) -> Call {
    launchctl(&["enable", &service(domain)])
}

/// Loads the agent, which starts it.
pub(super) fn load(domain: &str, places: &Places) -> Call {
    launchctl(&["bootstrap", domain, &agent(places).display().to_string()])
}

/// Starts the agent that is loaded.
pub(super) fn kick(domain: &str) -> Call {
    launchctl(&["kickstart", &service(domain)])
}

/// Stops the agent and forgets it until it is loaded again.
pub(super) fn unload(domain: &str) -> Call {
    launchctl(&["bootout", &service(domain)])
}

/// How the agent is; an error where it is not loaded.
pub(super) fn look(domain: &str) -> Call {
    launchctl(&["print", &service(domain)])
}

/// Which services are not to be loaded.
pub(super) fn look_disabled(domain: &str) -> Call {
    launchctl(&["print-disabled", domain])
}

/// What [`look`] and [`look_disabled`] were told.
pub(super) fn standing(installed: bool, service: &Said, disabled: &Said) -> Standing {
    let value = |key: &str| {
        let mut pairs = service.out.lines().filter_map(|line| line.trim().split_once(" = "));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    };
    let state = value("state").filter(|_| service.ok).unwrap_or_else(|| "not loaded".to_owned());
    let pid = value("pid").filter(|_| service.ok).and_then(|pid| pid.parse().ok());
    let result = value("last exit code").filter(|code| code != "0" && !code.starts_with('('));
    let off = disabled.out.lines().any(|line| {
        let ours = line.contains("\"com.bastiond\"");
        ours && (line.ends_with("=> disabled") || line.ends_with("=> true"))
    });
    Standing {
        installed,
        enabled: installed && !off,
        running: state == "running" && pid.is_some(),
        socket: false,
        state,
        pid,
        program: None,
        result,
    }
}

/// Whether [`look`] found the agent loaded.
pub(super) fn is_loaded(said: &Said) -> bool {
    said.ok
}

fn launchctl(arguments: &[&str]) -> Call {
    Call::new("launchctl", arguments)
}

fn service(domain: &str) -> String {
    format!("{domain}/com.bastiond")
}

fn variables(captured: &Captured) -> String {
    let mut text = "    <dict>\n".to_owned();
    for (name, value) in &captured.kept {
        let (name, value) = (escaped(name), escaped(value));
        text.push_str(&format!("        <key>{name}</key>\n        <string>{value}</string>\n"));
    }
    text + "    </dict>"
}

/// What stands before `from`, and what stands behind the first `to` after it.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<(&'a str, &'a str)> {
    let (before, rest) = text.split_once(from)?;
    Some((before, rest.split_once(to)?.1))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What the agent runs as it is delivered.
const START: &str = "exec \"$HOME/.cargo/bin/bastiond\"";
/// What stands before its variables.
const VARIABLES: &str = "<key>EnvironmentVariables</key>";
/// Lines that have to come first: what XML it is, and of what type.
const HEAD: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(program: &str, kept: &[(&str, &str)]) -> String {
        let places = Places {
            units: "/u".into(),
            agents: "/a".into(),
            log: "/l".into(),
            own_environment: "/e".into(),
            usual: "/c".into(),
        };
        let kept = kept.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let captured = Captured { kept: kept.collect(), left_out: Vec::new() };
        files(&places, Path::new(program), &captured).remove(0).text
    }

    #[test]
    fn the_agent_runs_the_program_that_was_found_whatever_its_name() {
        let text = text("/Users/amy/it's <mine>/bastiond", &[]);
        let expected =
            r#"&amp;&amp; exec '/Users/amy/it'\''s &lt;mine&gt;/bastiond' 2&gt;&gt;"$HOME/"#;
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains(".cargo/bin/bastiond\" "), "{text}");
    }

    #[test]
    fn the_agent_has_the_variables_that_were_found_and_no_others() {
        let text = text("/b", &[("PATH", "/a:/b"), ("NO_PROXY", "a<b&c")]);
        let expected = "    <key>EnvironmentVariables</key>\n    <dict>\n        <key>PATH</key>\n        \
             <string>/a:/b</string>\n        <key>NO_PROXY</key>\n        <string>a&lt;b&amp;c</string>\n    </dict>\n\n    \
             <key>RunAtLoad</key>";
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("/opt/homebrew"), "{text}");
    }

    #[test]
    fn what_comes_first_in_xml_stays_first() {
        let text = text("/b", &[]);
        let lines: Vec<&str> = text.lines().take(3).collect();
        assert!(lines[0].starts_with("<?xml") && lines[1].starts_with("<!DOCTYPE"), "{lines:?}");
        // Two hyphens would end the comment.
        assert_eq!(lines[2].matches("--").count(), 2, "{lines:?}");
    }

    fn said(ok: bool, out: &str) -> Said {
        Said { ok, out: out.to_owned(), err: String::new() }
    }

    #[test]
    fn an_agent_that_runs_and_one_that_is_not_loaded_are_told_apart() {
        let print = "gui/501/com.bastiond = {\n\tactive count = 1\n\tstate = running\n\tpid = 321\n\tlast exit code = 2\n}\n";
        let runs = standing(true, &said(true, print), &said(true, "\t\"com.other\" => disabled\n"));
        assert!(runs.enabled && runs.running, "{runs:?}");
        assert_eq!((runs.pid, runs.result.as_deref()), (Some(321), Some("2")));
        let off = standing(true, &said(false, ""), &said(true, "\t\"com.bastiond\" => disabled\n"));
        assert!(!off.enabled && !off.running, "{off:?}");
        assert_eq!(off.state, "not loaded");
    }
}
