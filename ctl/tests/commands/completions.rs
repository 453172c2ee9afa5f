//! What bash, zsh and fish themselves make of it. A shell that is not installed here is not asked.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::daemon::{Answer, Daemon};
use crate::samples::targets;
use crate::screen::{command, run};

fn daemon() -> Daemon {
    let config = json!({
        "schema_version": 1, "exists": true, "ok": true, "sites": { "prod": {}, "dev": {} },
    });
    Daemon::new([
        ("GET /v1/targets", Answer::json(&targets(["prod-db", "prod-reader", "stg-mysql"]))),
        ("GET /v1/config", Answer::json(&config)),
    ])
}

/// What a shell says that runs this, with bastionctl on its PATH; none where there is no such shell.
fn shell(dir: &Path, shell: &str, script: &str) -> Option<String> {
    let usual = command(dir, "");
    let programs = Path::new(env!("CARGO_BIN_EXE_bastionctl")).parent().unwrap();
    let mut command = Command::new(shell);
    match shell {
        "bash" => command.args(["--noprofile", "--norc", "-c"]),
        "zsh" => command.args(["--no-rcs", "-c"]),
        _ => command.args(["--no-config", "-c"]),
    };
    command.arg(script).current_dir(dir).env_clear();
    command.envs(usual.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.env("HOME", dir).env("TERM", "dumb");
    command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()));
    let output = command.output().ok()?;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{shell}: {out}{err}");
    Some(out.into_owned())
}

/// What bash offers for the last of these words.
fn bash(dir: &Path, words: &str) -> Option<Vec<String>> {
    let script = format!(
        "source <(bastionctl completions bash)\n\
         COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_TYPE=9\n\
         _clap_complete_bastionctl bastionctl \"${{COMP_WORDS[COMP_CWORD]}}\" '' 2> /dev/null\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let offered = shell(dir, "bash", &script)?;
    Some(offered.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// What fish offers for this line, with what it says about it.
fn fish(dir: &Path, line: &str) -> Option<String> {
    shell(dir, "fish", &format!("bastionctl completions fish | source; complete -C '{line}'"))
}

/// What zsh offers for this line, as a person sees it after two Tabs.
fn zsh(dir: &Path, line: &str) -> Option<String> {
    let load = "autoload -U compinit; compinit -u -D; source <(bastionctl completions zsh)";
    zsh_with(dir, load, line, "\\t\\t")
}

/// What zsh, which has loaded the completions so, makes of a line and these keys, until it shows "mysql".
fn zsh_with(dir: &Path, load: &str, line: &str, keys: &str) -> Option<String> {
    let script = format!(
        r#"
        zmodload zsh/zpty
        zpty shell 'TERM=dumb zsh --no-rcs -i'
        # It echoes what is typed: the word that is waited for must be made by it.
        # It ends by itself where what is waited for does not come.
        zpty -w shell "TMOUT=30 PS1='' PS2=''; stty -echo; {load}; print re''ady"
        zpty -r shell seen '*ready*'
        zpty -w -n shell '{line}'$'{keys}'
        zpty -r shell seen '*mysql*'
        print -r -- "$seen"
        "#
    );
    shell(dir, "zsh", &script)
}

#[test]
fn bash_offers_commands_flags_and_the_targets_of_the_daemon() {
    let daemon = daemon();
    let Some(commands) = bash(daemon.dir(), "bastionctl op") else { return };
    assert_eq!(commands, ["open"]);
    let offered = |words: &str| bash(daemon.dir(), words).unwrap();
    assert_eq!(offered("bastionctl open prod-"), ["prod-db", "prod-reader"]);
    assert_eq!(offered("bastionctl close stg"), ["stg-mysql"]);
    assert_eq!(offered("bastionctl events pro"), ["prod-db", "prod-reader"]);
    assert_eq!(offered("bastionctl open prod-db --fan"), ["--fan-out"]);
    assert_eq!(offered("bastionctl service unin"), ["uninstall"]);
    assert_eq!(offered("bastionctl policy --site d"), ["dev"]);
    assert_eq!(offered("bastionctl open nothing-like-it"), [""; 0]);
}

#[test]
fn fish_says_what_each_target_is() {
    let daemon = daemon();
    let Some(offered) = fish(daemon.dir(), "bastionctl wait prod-d") else { return };
    assert_eq!(offered, "prod-db\tother at prod\n");
}

#[test]
fn zsh_offers_the_targets_of_the_daemon() {
    let daemon = daemon();
    let Some(seen) = zsh(daemon.dir(), "bastionctl wait stg") else { return };
    assert!(seen.contains("stg-mysql"), "{seen:?}");
}

#[test]
fn zsh_offers_them_at_the_first_tab_where_the_script_is_a_file_that_it_finds() {
    let daemon = daemon();
    let load = "mkdir -p fp; bastionctl completions zsh > fp/_bastionctl; fpath=($PWD/fp $fpath); \
                autoload -U compinit; compinit -u -D";
    let Some(seen) = zsh_with(daemon.dir(), load, "bastionctl open stg", "\\t") else { return };
    assert!(seen.contains("stg-mysql"), "{seen}");
}

#[test]
fn the_manual_is_offered_for_every_command() {
    let daemon = Daemon::new([]);
    let Some(offered) = bash(daemon.dir(), "bastionctl man f") else { return };
    assert_eq!(offered, ["forward"]);
}

#[test]
fn without_a_daemon_commands_are_offered_quickly_and_nothing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    if let Some(offered) = bash(dir.path(), "bastionctl open pro") {
        assert_eq!(offered, [""; 0]);
        assert_eq!(bash(dir.path(), "bastionctl ope").unwrap(), ["open"]);
    }
    // A daemon that does not answer is like one that is not there.
    let daemon = Daemon::new([("GET /v1/targets", Answer::lines([]).held())]);
    for dir in [dir.path(), daemon.dir()] {
        let took = (0..5).map(|_| ask(dir)).min().unwrap();
        assert!(took < Duration::from_millis(150), "{took:?}");
    }
}

/// Asks as bash does, and says how long it took.
#[expect(clippy::disallowed_methods, reason = "a person's time is measured")]
fn ask(dir: &Path) -> Duration {
    let mut asked = command(dir, "-- bastionctl open pro");
    asked.env("BASTIONCTL_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "2");
    let begun = Instant::now();
    let output = asked.output().unwrap();
    let took = begun.elapsed();
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(0), 0, 0));
    took
}

#[test]
fn the_script_is_json_too() {
    let json = run(&Daemon::new([]), "completions fish --json").json();
    assert!(json["script"].as_str().unwrap().contains("--command bastionctl"), "{json}");
    assert_eq!(run(&Daemon::new([]), "completions tcsh").code, 2);
}
