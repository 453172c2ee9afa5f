use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::problem;
use crate::screen::{Screen, run};
use crate::terminal::Terminal;

const FILE: &str = "/home/amy/.config/bastiond/config.toml";
const TEXT: &str = "# Where bastions of prod run.\n[site.prod]\ncluster = \"shop-prod\"\n";

fn tasks(vpc: &str, subnets: &str, groups: &[&str]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "cluster": "shop-prod", "task_definition": "shop-ssm-proxy", "containers": ["proxy"],
        "vpc": vpc, "subnets": [{ "name": subnets }], "security_groups": groups,
    })
}

fn service() -> Value {
    json!({
        "cluster": "shop-dev", "service": "bastion", "containers": ["bastion"], "vpc": "vpc-d",
        "running": 1, "desired": 1,
    })
}

fn web() -> Value {
    json!({
        "cluster": "shop-prod", "service": "web", "containers": ["web"], "running": 0, "desired": 0,
        "flaws": ["exec_off", "scaled_to_zero"],
    })
}

fn database(id: &str, vpc: &str) -> Value {
    json!({
        "kind": "rds", "id": id, "engine": "postgres", "engine_name": "postgres", "vpc": vpc,
        "status": "available", "database": "shop", "user": "amy", "password": { "secret": "prod/shop" },
    })
}

fn survey<const N: usize>(sites: [Value; N]) -> Value {
    json!({
        "schema_version": 1, "profile": "prod", "region": "ap-northeast-1",
        "regions": ["ap-northeast-1", "us-east-1"], "account": "123456789012",
        "arn": "arn:aws:sts::123456789012:assumed-role/Dev/amy",
        "sites": sites.to_vec(),
        "databases": [
            database("reports", "vpc-p"), database("shop-db", "vpc-p"), database("dev-db", "vpc-d"),
        ],
    })
}

fn one_site() -> Value {
    survey([tasks("vpc-p", "shop-prod-private-*", &["shop-ecs"])])
}

fn answer(text: &str, written: bool, running: bool) -> Value {
    let target = |name: &str, port: u16, password: bool| {
        json!({
            "name": name, "new": !text.is_empty(), "id": name, "engine": "postgres", "port": port,
            "database": "shop", "user": "amy", "password": password,
        })
    };
    json!({
        "schema_version": 1, "config": FILE, "existed": text.is_empty(), "text": text,
        "written": written, "running": running,
        "site": { "name": "prod", "new": !text.is_empty() },
        "targets": [target("reports", 15432, false), target("shop-db", 15433, true)],
    })
}

/// A daemon that has looked, shows what is missing, and then has written it.
fn daemon(survey: &Value) -> Daemon {
    let (survey, shown) = (Answer::json(survey), Answer::json(&answer(TEXT, false, false)));
    let written = Answer::json(&answer(TEXT, true, false));
    let answers =
        [("GET /v1/survey", survey), ("POST /v1/init", shown), ("POST /v1/init", written)];
    let [first, second, third] = answers;
    Daemon::new([first, second, third, health()])
}

fn health() -> (&'static str, Answer) {
    ("GET /v1/health", Answer::json(&json!({ "schema_version": 1, "ok": true, "targets": 0 })))
}

fn asked(daemon: &Daemon) -> Vec<Value> {
    let bodies = daemon.heard().into_iter().filter_map(|call| {
        Some(serde_json::from_str(call.strip_prefix("POST /v1/init ")?).unwrap())
    });
    bodies.collect()
}

fn asked_for(line: &str, survey: &Value) -> (Screen, Vec<Value>) {
    let survey = Answer::json(survey);
    let calls = [
        "GET /v1/survey",
        "GET /v1/survey?cluster=shop-prod",
        "GET /v1/survey?service=web",
        "GET /v1/survey?service=bastion",
        "GET /v1/survey?task_definition=shop-ssm-proxy",
        "GET /v1/survey?profile=prod&region=us-east-1",
    ];
    let mut answers = calls.map(|call| (call, survey.clone())).to_vec();
    answers.push(("POST /v1/init", Answer::json(&answer(TEXT, false, false))));
    answers.push(("POST /v1/init", Answer::json(&answer(TEXT, true, false))));
    answers.push(health());
    let answers: [(&str, Answer); 9] = answers.try_into().ok().unwrap();
    let daemon = Daemon::new(answers);
    let screen = run(&daemon, line);
    (screen, asked(&daemon))
}

#[test]
fn the_only_possibility_is_taken_written_and_told_with_what_comes_next() {
    let daemon = daemon(&one_site());
    run(&daemon, "init").is("init");
    let asked = asked(&daemon);
    assert_eq!([&asked[0]["write"], &asked[1]["write"]], [false, true]);
    assert_eq!(asked[1]["site"]["subnets"], json!([{ "name": "shop-prod-private-*" }]));
    assert_eq!(asked[1]["profile"], "prod");
    let ids: Vec<_> =
        asked[1]["databases"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["reports", "shop-db"], "those of the VPC, and no others");
}

#[test]
fn json_is_the_daemons_answer_alone() {
    let screen = run(&daemon(&one_site()), "init --json");
    assert_eq!(screen.json()["written"], true);
    assert_eq!(screen.code, 0);
}

#[test]
fn a_dry_run_prints_what_would_be_added_and_writes_nothing() {
    let daemon = daemon(&one_site());
    run(&daemon, "init --dry-run").is("init_dry_run");
    assert_eq!(asked(&daemon).len(), 1);
    assert_eq!(asked(&daemon)[0]["write"], false);
}

#[test]
fn a_second_time_nothing_is_written() {
    let same = Answer::json(&answer("", false, false));
    let daemon = Daemon::new([
        ("GET /v1/survey", Answer::json(&one_site())),
        ("POST /v1/init", same),
        health(),
    ]);
    run(&daemon, "init").is("init_again");
    assert_eq!(asked(&daemon).len(), 1);
}

#[test]
fn a_daemon_that_runs_with_the_file_is_told_to_read_it_again() {
    let reloaded = json!({ "schema_version": 1, "ok": true, "added": ["shop-db"] });
    let daemon = Daemon::new([
        ("GET /v1/survey", Answer::json(&one_site())),
        ("POST /v1/init", Answer::json(&answer(TEXT, false, true))),
        ("POST /v1/init", Answer::json(&answer(TEXT, true, true))),
        ("POST /v1/reload", Answer::json(&reloaded)),
        health(),
    ]);
    assert_eq!(run(&daemon, "init --yes").code, 0);
    assert!(daemon.heard().contains(&"POST /v1/reload".to_owned()), "{:?}", daemon.heard());
}

#[test]
fn without_a_terminal_each_open_question_is_told_with_its_flag_and_its_answers() {
    let tasks_in = |vpc, subnets| tasks(vpc, subnets, &["shop-ecs"]);
    let two = survey([service(), tasks_in("vpc-p", "private-*")]);
    asked_for("init", &two).0.is("init_which_site");
    let networks = survey([tasks_in("vpc-p", "private-*"), tasks_in("vpc-q", "other-*")]);
    asked_for("init", &networks).0.is("init_which_network");
    let groups = survey([tasks("vpc-p", "private-*", &["one", "two"])]);
    asked_for("init", &groups).0.is("init_which_group");
    let none = survey([tasks("vpc-p", "private-*", &[])]);
    let (screen, _) = asked_for("init", &none);
    assert_eq!(screen.code, 2);
    assert!(screen.err.contains("--security-groups"), "{}", screen.err);
    let mut containers = tasks_in("vpc-p", "private-*");
    containers["containers"] = json!(["app", "shell"]);
    let (screen, asked) = asked_for("init", &survey([containers]));
    assert_eq!(screen.code, 2);
    assert!(screen.err.contains("--container"), "{}", screen.err);
    assert_eq!(asked, Vec::<Value>::new());
}

#[test]
fn every_question_has_a_flag() {
    let mut site = tasks("vpc-p", "private-*", &["one", "two"]);
    site["containers"] = json!(["app", "shell"]);
    let other = tasks("vpc-q", "other-*", &["three"]);
    let line = "init --subnets other-* --security-groups sg-1,sg-2 --container shell --database SHOP-DB \
                --name live --config x.toml";
    let mut three = other.clone();
    three["containers"] = json!(["app", "shell"]);
    let (screen, asked) = asked_for(line, &survey([site, three]));
    assert_eq!(screen.code, 0, "{}", screen.err);
    let asked = &asked[1];
    assert_eq!(asked["site"]["vpc"], "vpc-q");
    assert_eq!(asked["site"]["subnets"], json!([{ "name": "other-*" }]));
    assert_eq!(asked["site"]["security_groups"], json!([{ "ids": ["sg-1", "sg-2"] }]));
    assert_eq!(asked["site"]["containers"], json!(["shell"]));
    assert_eq!(asked["databases"][0]["id"], "shop-db");
    assert_eq!(asked["name"], "live");
    assert!(asked["config"].as_str().unwrap().starts_with('/'), "{asked}");
    let (screen, _) = asked_for("init --profile prod --region us-east-1", &one_site());
    assert_eq!(screen.code, 0, "{}", screen.err);
}

#[test]
fn an_account_with_nothing_suitable_is_told_why_and_what_to_do() {
    asked_for("init", &survey([web()])).0.is("init_nothing");
    asked_for("init --service web", &survey([web()])).0.is("init_unsuited");
    asked_for("init", &survey([])).0.is("init_empty");
}

#[test]
fn a_database_that_is_not_there_or_not_reached_is_told_with_those_that_are() {
    asked_for("init --database shop-bd", &one_site()).0.is("init_no_database");
    let mut elsewhere = one_site();
    elsewhere["sites"][0]["vpc"] = json!("vpc-x");
    asked_for("init", &elsewhere).0.is("init_elsewhere");
    let mut twice = one_site();
    twice["databases"][1]["id"] = json!("reports");
    twice["databases"][1]["kind"] = json!("proxy");
    let (screen, _) = asked_for("init --database reports", &twice);
    assert_eq!(screen.code, 6);
    assert!(screen.err.contains("--database proxy:reports"), "{}", screen.err);
    let (_, asked) = asked_for("init --database proxy:reports", &twice);
    assert_eq!(asked[1]["databases"][0]["kind"], "proxy");
}

#[test]
fn what_cannot_be_known_is_told_and_the_rest_goes_on() {
    let mut survey = one_site();
    survey["unknown"] = json!([
        problem("D19", "not_permitted", "cannot know the secrets")["problem"],
        problem("D19", "not_permitted", "cannot know the RDS proxies")["problem"],
    ]);
    let (screen, asked) = asked_for("init", &survey);
    assert_eq!((screen.code, asked.len()), (0, 2));
    assert!(screen.err.contains("cannot know the secrets: type this"), "{}", screen.err);
    survey["unknown"][0]["hints"] = json!([]);
    survey["unknown"][0]["causes"] = json!(["AWS said no"]);
    let (screen, _) = asked_for("init", &survey);
    assert!(screen.err.contains("cannot know the secrets: AWS said no"), "{}", screen.err);
    // And who may not look names what he wants.
    let (_, asked) = asked_for("init --database aurora:hidden", &survey);
    assert_eq!(
        asked[1]["databases"],
        json!([{
            "kind": "aurora", "id": "hidden", "engine": "other", "engine_name": null, "status": null, "vpc": null,
            "port": null, "database": null, "user": null, "password": null,
        }])
    );
}

#[test]
fn several_profiles_and_a_missing_region_are_asked_for_by_their_flags() {
    let open = |what: &str| {
        json!({
            "schema_version": 1, "open": what, "regions": ["eu-west-1", "us-east-1"],
            "profiles": [{ "name": "dev", "region": "eu-west-1" }, { "name": "prod", "sso": true }],
        })
    };
    asked_for("init", &open("profile")).0.is("init_which_profile");
    let (screen, _) = asked_for("init", &open("region"));
    assert_eq!(screen.code, 2);
    assert!(screen.err.contains("--region"), "{}", screen.err);
}

#[test]
fn a_login_that_has_ended_is_told_with_the_exit_code_of_its_kind() {
    let ended = problem("D18", "login", "the AWS SSO login of profile \"prod\" ended");
    let daemon = Daemon::new([("GET /v1/survey", Answer::status(403, &ended))]);
    run(&daemon, "init").is("init_login");
}

#[test]
fn a_person_answers_by_numbers_and_sees_what_will_be_written() {
    let daemon = daemon(&survey([service(), tasks("vpc-p", "private-*", &["one", "two"])]));
    let mut terminal = Terminal::run(&daemon, "init", &[("NO_COLOR", "1")]);
    terminal
        .until("Where shall bastions run?")
        .types("7\r")
        .until("a number from 1 to 2")
        .types("2\r");
    terminal.until("Which security group").types("2\r");
    terminal.until("Which databases?").types("x\r").until("such as 1,3").types("2\r");
    terminal.until("[site.prod]").until("Add it? [y/N] ").types("y\r");
    let (seen, _) = terminal.end();
    assert!(seen.contains("shop-db"), "{seen}");
    let asked = asked(&daemon);
    assert_eq!(asked[1]["site"]["security_groups"], json!([{ "name": "two" }]));
    let ids: Vec<_> =
        asked[1]["databases"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["shop-db"]);
}

#[test]
fn of_three_hundred_databases_a_screen_is_shown_and_part_of_a_name_finds_the_rest() {
    let mut survey = one_site();
    let all = (0..300).map(|number| database(&format!("db-{number:03}-orders"), "vpc-p"));
    survey["databases"] = all.collect();
    let daemon = daemon(&survey);
    let mut terminal = Terminal::run(&daemon, "init", &[("NO_COLOR", "1")]);
    terminal.until("and 280 more").until("numbers [all]: ").types(",\r");
    terminal.until("such as 1,3 or 2-4").until("numbers [all]: ").types("db-29\r");
    terminal.until("298  db-297-orders").until("numbers [all]: ").types("298-299, 1\r");
    terminal.until("Add it? [y/N] ").types("y\r");
    let (seen, _) = terminal.end();
    assert!(!seen.contains("db-020-orders"), "{seen}");
    let asked = asked(&daemon);
    let ids: Vec<_> =
        asked[1]["databases"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["db-000-orders", "db-297-orders", "db-298-orders"]);
}

#[test]
fn what_is_named_and_is_not_there_is_told_with_what_is() {
    let calls =
        ["GET /v1/survey?service=bastoin", "GET /v1/survey?profile=prod&region=ap-northeast-1"];
    let found = [survey([]), survey([service(), web()])].map(|one| Answer::json(&one));
    let [first, second] = found;
    let daemon = Daemon::new([(calls[0], first), (calls[1], second)]);
    run(&daemon, "init --service bastoin").is("init_misspelt");
}

#[test]
fn what_may_not_be_listed_is_told_once_with_all_that_is_to_be_granted_and_can_be_named() {
    let mut nothing = survey([]);
    let unknown = |what: &str, action: &str| {
        let mut problem = problem("D19", "not_permitted", &format!("cannot know the {what}"));
        problem["problem"]["hints"] = json!([format!("grant {action}")]);
        problem["problem"].clone()
    };
    nothing["unknown"] = json!([
        unknown("clusters", "ecs:ListClusters"),
        unknown("task definitions", "ecs:ListTaskDefinitionFamilies"),
    ]);
    let daemon = Daemon::new([("GET /v1/survey", Answer::json(&nothing))]);
    run(&daemon, "init").is("init_denied");
}

#[test]
fn a_database_in_another_network_is_remarked_upon_and_another_file_is_what_a_daemon_is_started_with()
 {
    let answer = |written| {
        let mut answer = answer(TEXT, written, false);
        answer["config"] = json!("/home/amy/other.toml");
        Answer::json(&answer)
    };
    let daemon = Daemon::new([
        ("GET /v1/survey", Answer::json(&one_site())),
        ("POST /v1/init", answer(false)),
        ("POST /v1/init", answer(true)),
        health(),
    ]);
    run(&daemon, "init --config other.toml --database dev-db").is("init_other_file");
}

#[test]
fn who_leaves_leaves_nothing_behind() {
    for (typed, code) in [("n\r", 1), ("\r", 1), ("\x04", 1), ("\x03", 130)] {
        let daemon = daemon(&one_site());
        let mut terminal = Terminal::run(&daemon, "init --all", &[("NO_COLOR", "1")]);
        terminal.until("Add it? [y/N] ");
        if code == 130 {
            terminal.signal("INT");
        } else {
            terminal.types(typed);
        }
        let (seen, ended) = terminal.end();
        assert_eq!(ended, code, "{typed:?}: {seen}");
        assert!(seen.contains("nothing was written"), "{typed:?}: {seen}");
        assert!(asked(&daemon).iter().all(|asked| asked["write"] == false), "{typed:?}");
    }
}
