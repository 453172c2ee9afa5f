//! Every command against the real daemon on the simulated AWS: its whole screen, as text of 80 columns and of 40 and as
//! JSON, without a terminal. What differs from run to run is masked. `INSTA_UPDATE=always` writes the snapshots afresh.

use std::path::Path;

use bastion_e2e::{Finished, House, Plan, Running, configs};

/// What a person types, in this order, each with a name of its own.
const TYPED: &[(&str, &[&str])] = &[
    ("status_cold", &["status"]),
    ("ports", &["ports"]),
    ("config_check", &["config", "check"]),
    ("config_show", &["config", "show"]),
    ("info", &["info", "prod-db"]),
    ("env", &["env", "prod-db"]),
    ("export_pgservice", &["export", "pgservice"]),
    ("export_pgadmin", &["export", "pgadmin"]),
    ("by_hand", &["by-hand", "prod-db"]),
    ("policy", &["policy"]),
    ("doctor", &["doctor", "prod-db"]),
    ("open", &["open", "prod-db"]),
    ("wait", &["wait", "prod-db"]),
    ("test", &["test", "prod-db"]),
    ("status_ready", &["status"]),
    ("status_unknown", &["status", "prod-bd"]),
    ("open_unknown", &["open", "prod-bd"]),
    ("mysql_of_another_engine", &["mysql", "prod-db"]),
    ("reload", &["reload"]),
    ("init_ambiguous", &["init"]),
    ("init_again", &["init", "--task-definition", "neuraKnot-prod-ssm-proxy", "--dry-run"]),
    ("top_without_terminal", &["top"]),
    ("close", &["close", "prod-db"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_shows_what_its_snapshot_shows() {
    let house = Plan::new(configs::SCRIPT_WAY).postgres().build().await;
    for (name, words) in TYPED {
        let text = run(&house, words, 80).await;
        shown(&house, name, &text);
        assert!(!text.err.contains('\x1b') && !text.out.contains('\x1b'), "no terminal, no colour");
        if *name == "close" {
            // Only the first one finds something to close.
            continue;
        }
        let json = run(&house, &[words, &["--json"][..]].concat(), 80).await;
        shown(&house, &format!("{name}_json"), &json);
        let narrow = run(&house, words, 40).await;
        shown(&house, &format!("{name}_narrow"), &narrow);
        assert_eq!(text.code(), json.code(), "JSON changes no exit code of {words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_without_a_daemon_shows_what_its_snapshot_shows() {
    let house = Plan::new(configs::SCRIPT_WAY).lay().await;
    for (name, words) in TYPED {
        let said = run(&house, words, 80).await;
        shown(&house, &format!("absent_{name}"), &said);
    }
}

async fn run(house: &House, words: &[&str], columns: u32) -> Finished {
    let mut command = house.ctl_with_psql(words);
    Running::start(command.env("COLUMNS", columns.to_string())).finish().await
}

/// Holds a screen against its snapshot, with what is different each time masked.
fn shown(house: &House, name: &str, said: &Finished) {
    let code = said.code().map_or("none".to_owned(), |code| code.to_string());
    let text = format!("--- stdout\n{}--- stderr\n{}--- exit code {code}\n", said.out, said.err);
    let text = text.replace(&house.path("").display().to_string(), "[house]/");
    let port = house.port("prod-db");
    // Beside it stands the one that a session by hand takes.
    let by_hand = port.checked_add(10_000).unwrap_or(port - 10_000);
    let text = text.replace(&port.to_string(), "[port]");
    let text = text.replace(&by_hand.to_string(), "[port by hand]");
    let command = house.ctl_alone(&[]);
    let programs = Path::new(command.get_program()).parent().expect("a program lies in a folder");
    let text = text.replace(&programs.display().to_string(), "[programs]");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("screens");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (what, mask) in MASKS {
        settings.add_filter(what, *mask);
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// What is different each time, and what stands for it.
const MASKS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "[time]"),
    (r"[0-9a-f]{32}", "[task]"),
    (r#""(\w*seconds|\w+_ms|bytes_in|bytes_out|pid|id|seq|\w*usd)": [\d.]+"#, r#""$1": [n]"#),
    (r"\bpid \d+", "pid [n]"),
    (r"\b\d+(\.\d+)? (ms|s|min|h)\b", "[n] $2"),
    // Which stages are met is a matter of moments.
    (r"(prod-db  [a-z ]+  \[n\] s( of about \[n\] s)?\n)+", "[stages]\n"),
    (r"ready( after \[n\] s)?; stops", "ready; stops"),
    (r"runs \d of \d tasks", "runs [n] of [n] tasks"),
    (r"\$0\.\d+", "$$0.[n]"),
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:[sim]"),
    (r"next free: \d+", "next free: [free]"),
    (r#""next_free": \d+"#, r#""next_free": [free]"#),
    (r"\b154[3-9]\d\b", "[free]"),
    (r"server      postgres [^\n]*", "server      postgres [version]"),
    (r#""server_version": "[^"]*""#, r#""server_version": "[version]""#),
];
