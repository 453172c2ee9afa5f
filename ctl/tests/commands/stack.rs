use std::fs;

use crate::daemon::Daemon;
use crate::screen::{command, finish, run};

fn daemon() -> Daemon {
    Daemon::new([])
}

#[test]
fn a_template_is_written_and_what_is_to_be_done_with_it_is_said() {
    let daemon = daemon();
    let screen = run(&daemon, "init --stack stack.yaml");
    screen.is("stack");
    assert_eq!((screen.code, screen.out.as_str()), (0, ""), "{}", screen.err);
    let text = fs::read_to_string(daemon.dir().join("stack.yaml")).unwrap();
    assert!(text.contains("AWS::ECS::TaskDefinition") && !text.contains("AWS::RDS"), "{text}");
    assert!(daemon.heard().is_empty(), "nobody has to be asked");
}

#[test]
fn a_command_stays_one_line_on_a_narrow_screen() {
    let daemon = daemon();
    let mut narrow = command(daemon.dir(), "init --stack stack.yaml");
    narrow.env("COLUMNS", "40");
    let screen = finish("init --stack stack.yaml", narrow);
    assert!(
        screen.err.contains("  aws cloudformation wait stack-delete-complete \\\n"),
        "{}",
        screen.err
    );
    assert!(screen.err.contains("it holds: a cluster, a task definition,\n"), "{}", screen.err);
}

#[test]
fn a_sample_without_a_way_out_has_its_own_commands() {
    let line = "init --stack s.yaml --sample --endpoints --name try --region r";
    run(&daemon(), line).is("stack_sample_endpoints");
}

#[test]
fn endpoints_of_a_vpc_that_is_there_ask_for_its_route_tables() {
    run(&daemon(), "init --stack stack.yaml --endpoints --profile p").is("stack_endpoints");
}

#[test]
fn the_same_is_said_in_json() {
    let screen = run(&daemon(), "init --stack stack.yaml --sample --json");
    screen.is("stack_json");
    assert_eq!(screen.json()["written"], true);
    assert_eq!(screen.err, "");
}

#[test]
fn a_template_may_be_printed() {
    let daemon = daemon();
    let screen = run(&daemon, "init --stack - --quiet");
    run(&daemon, "init --stack stack.yaml");
    assert_eq!(screen.out, fs::read_to_string(daemon.dir().join("stack.yaml")).unwrap());
    assert_eq!(screen.err, "");
    let told = run(&daemon, "init --stack - --json").json();
    assert_eq!((told["template"].as_str(), &told["written"]), (Some(&*screen.out), &false.into()));
}

#[test]
fn the_same_file_is_left_alone_and_another_is_not_written_over_unasked() {
    let daemon = daemon();
    let file = daemon.dir().join("stack.yaml");
    run(&daemon, "init --stack stack.yaml");
    let again = run(&daemon, "init --stack stack.yaml --json");
    assert_eq!((again.code, &again.json()["written"]), (0, &false.into()));

    fs::write(&file, "mine\n").unwrap();
    let refused = run(&daemon, "init --stack stack.yaml");
    refused.is("stack_there");
    assert_eq!(refused.code, 2);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n");

    let forced = run(&daemon, "init --stack stack.yaml --force");
    assert_eq!(forced.code, 0, "{}", forced.err);
    assert!(fs::read_to_string(&file).unwrap().starts_with("# What bastiond needs"));
    let left = fs::read_dir(daemon.dir()).unwrap().count();
    assert_eq!(left, 2, "the socket and the template, and nothing beside it");
}

#[test]
fn a_name_that_some_resource_refuses_is_refused_before_anything_is_written() {
    let daemon = daemon();
    for name in ["a_b", "1a", "a--b", "a-", "a$b", "a23456789012345678901234567890123456789012"] {
        let screen = run(&daemon, &format!("init --stack stack.yaml --name {name}"));
        assert_eq!(screen.code, 2, "{name}: {}", screen.err);
    }
    assert!(!daemon.dir().join("stack.yaml").exists());
    run(&daemon, "init --stack stack.yaml --name a_b").is("stack_name");
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    let screen = run(&daemon(), "init --stack nowhere/stack.yaml");
    assert_eq!(screen.code, 1);
    assert!(screen.err.contains("cannot write nowhere/stack.yaml"), "{}", screen.err);
}

#[test]
fn what_is_about_a_stack_is_refused_without_one() {
    for flag in ["--sample", "--endpoints", "--force"] {
        let screen = run(&daemon(), &format!("init {flag}"));
        assert_eq!(screen.code, 2, "{flag}: {}", screen.err);
        assert!(screen.err.contains("--stack <FILE>"), "{flag}: {}", screen.err);
    }
}
