//! Whatever goes wrong in AWS: the person gets one clear problem with its code, and no task is left running.

use std::collections::BTreeMap;
use std::time::Duration;

use bastion_e2e::{House, Plan, configs, until};
use bastion_sim::world::LogGroup;
use bastion_sim::{Fault, Stage, What};

/// What a person sees of a fault.
#[derive(Debug)]
struct Seen {
    /// The problem's code, product.md section 4.
    code: &'static str,
    /// bastionctl's exit code, product.md section 5.
    exit: i32,
    /// What must stand in its words.
    words: &'static [&'static str],
}

/// A house whose starts may take so long, and no longer.
async fn house(start_timeout: &str) -> House {
    Plan::new(configs::SCRIPT_WAY).start_timeout(start_timeout).postgres().build().await
}

/// Scripts the fault, opens the target, and looks at what the person gets to see.
async fn shows(start_timeout: &str, fault: Fault, seen: Seen) {
    let what = format!("{fault:?}");
    let house = house(start_timeout).await;
    house.sim().faults().add(fault);

    let opened = house.ctl(&["open", "prod-db"]).await;

    assert_eq!(opened.code(), Some(seen.exit), "{what}: {opened}");
    for words in seen.words {
        assert!(opened.err.contains(words), "{what}: {words:?} is not told: {opened}");
    }
    for must in ["error:", "because:", "hint:"] {
        assert!(opened.err.contains(must), "{what}: {must} {opened}");
    }
    one_problem(&house, seen.code, &what).await;
    house.until_nothing_runs(Duration::from_secs(15)).await;
}

/// The target shows this one problem and no other; so do the events.
async fn one_problem(house: &House, code: &str, what: &str) {
    let target = house.target("prod-db").await;
    let codes: Vec<_> = target.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(codes, [code], "{what}: {target:?}");
    let problem = &target.problems[0];
    assert!(!problem.message.is_empty() && !problem.hints.is_empty(), "{what}: {problem:?}");
    let debris = format!("{problem:?}");
    for ugly in ["SdkError", "ServiceError", "dispatch failure", "unhandled", "Some("] {
        let words = [&problem.message].into_iter().chain(&problem.causes).chain(&problem.hints);
        assert!(!words.clone().any(|line| line.contains(ugly)), "{what}: {ugly} in {debris}");
    }
    // The event is told when the start's clearing up is over.
    let told = until("the event", Duration::from_secs(15), async || {
        let told = problems_told(house).await;
        (!told.is_empty()).then_some(told)
    })
    .await;
    assert!(told.iter().all(|told| told == code), "{what}: {told:?}");
}

/// The codes of all problems among the events.
async fn problems_told(house: &House) -> Vec<String> {
    let events = house.ctl(&["events", "--json"]).await;
    let lines = events.ok().lines();
    lines
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line"))
        .filter_map(|event| event["problem"]["code"].as_str().map(str::to_owned))
        .collect()
}

fn refused(code: &str, message: &str) -> What {
    What::Refused { status: 400, code: code.to_owned(), message: message.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn runtask_is_throttled() {
    let seen = Seen { code: "D26", exit: 1, words: &["RunTask"] };
    shows("20s", Fault::on("RunTask", What::Throttled), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runtask_is_not_permitted() {
    let seen = Seen { code: "D19", exit: 5, words: &["ecs:RunTask"] };
    let what = What::AccessDenied { explicit: false, resource: None };
    shows("20s", Fault::on("RunTask", what), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn startsession_is_denied_explicitly() {
    let seen = Seen { code: "D19", exit: 5, words: &["ssm:StartSession", "explicit"] };
    let what = What::AccessDenied { explicit: true, resource: None };
    shows("20s", Fault::on("StartSession", what), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_is_not_permitted() {
    let seen = Seen { code: "D19", exit: 5, words: &["DescribeSubnets"] };
    let what = What::AccessDenied { explicit: false, resource: None };
    shows("20s", Fault::on("DescribeSubnets", what), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_have_expired_at_once() {
    let seen = Seen { code: "D18", exit: 4, words: &["login", "aws sso login"] };
    shows("20s", Fault::always(What::Expired), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_expire_between_the_task_and_the_session() {
    let house = house("20s").await;
    house.sim().faults().add(Fault::on("StartSession", What::Expired));

    let opened = house.ctl(&["open", "prod-db"]).await;

    assert_eq!(opened.code(), Some(4), "{opened}");
    one_problem(&house, "D18", "expired at StartSession").await;
    house.until_nothing_runs(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fargate_has_no_capacity() {
    let seen = Seen { code: "D27", exit: 9, words: &["availability zone"] };
    shows("20s", Fault::on("RunTask", What::NoCapacity), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runtask_answers_200_with_a_failure() {
    let seen = Seen { code: "D27", exit: 9, words: &["RESOURCE:ENI"] };
    let what = What::Failure { reason: "RESOURCE:ENI".to_owned(), detail: None };
    shows("20s", Fault::on("RunTask", what), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_does_not_exist() {
    let seen = Seen { code: "D02", exit: 6, words: &["cluster"] };
    let what = refused("ClusterNotFoundException", "Cluster not found.");
    shows("20s", Fault::on("RunTask", what), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_cannot_be_pulled() {
    let seen = Seen { code: "D04", exit: 9, words: &["CannotPullContainerError"] };
    shows("20s", Fault::on("RunTask", What::ImagePull), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_dies_with_a_reason_at_every_stage() {
    for stage in [Stage::Provisioning, Stage::Pending, Stage::Running] {
        let seen = Seen { code: "D04", exit: 9, words: &["ResourceInitializationError"] };
        let what = What::TaskDies {
            stage,
            stop_code: "TaskFailedToStart".to_owned(),
            reason: "ResourceInitializationError: unable to pull secrets or registry auth"
                .to_owned(),
            container_reason: None,
            exit_code: None,
        };
        shows("20s", Fault::on("RunTask", what), seen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_exits_is_shown_with_its_code_and_its_last_words() {
    let house = house("20s").await;
    let lines = (0..25).map(|number| format!("word {number:02}")).collect();
    let streams = BTreeMap::from([("ecs/proxy/*".to_owned(), lines)]);
    house.sim().world(|world| {
        world.log_groups.insert("/ecs/neuraKnot-prod-ssm-proxy".to_owned(), LogGroup { streams })
    });
    let what = What::TaskDies {
        stage: Stage::Running,
        stop_code: "EssentialContainerExited".to_owned(),
        reason: "Essential container in task exited".to_owned(),
        container_reason: None,
        exit_code: Some(3),
    };
    house.sim().faults().add(Fault::on("RunTask", what));

    let opened = house.ctl(&["open", "prod-db"]).await;

    assert_eq!(opened.code(), Some(9), "{opened}");
    for words in ["exited with 3", "word 05", "word 24"] {
        assert!(opened.err.contains(words), "{words}: {opened}");
    }
    assert!(!opened.err.contains("word 04"), "the last twenty: {opened}");
    one_problem(&house, "D04", "a container that exits").await;
    let told = house.target("prod-db").await.problems.remove(0);
    assert!(told.causes.iter().any(|cause| cause.contains("word 24")), "{told:?}");
    house.until_nothing_runs(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_dies_once_it_is_ready_and_the_next_visit_starts_another() {
    let house = house("20s").await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    let arn = house.task().arn;

    assert!(house.sim().stop_task(&arn, "SpotInterruption", "Your Spot Task was interrupted."));
    house.until_nothing_runs(Duration::from_secs(15)).await;

    let answer = until("an answer by another bastion", Duration::from_secs(30), async || {
        let asked = house.psql("prod-db", "SELECT 2").finish().await;
        asked.status.success().then(|| asked.ok().to_owned())
    });
    assert_eq!(answer.await, "2");
    assert_ne!(house.task().arn, arn);
    assert_eq!(house.sim().running(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_never_comes() {
    let seen = Seen { code: "D06", exit: 7, words: &["starting the agent"] };
    shows("4s", Fault::on("RunTask", What::AgentNever), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_never_connects() {
    let house = house("4s").await;
    house.sim().faults().add(Fault::on("RunTask", What::AgentSilent));

    let opened = house.ctl(&["open", "prod-db"]).await;

    assert!(matches!(opened.code(), Some(7 | 9)), "{opened}");
    one_problem(&house, "D06", "the agent is silent").await;
    house.until_nothing_runs(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_stopped() {
    let seen = Seen { code: "D08", exit: 9, words: &["ssmmessages:"] };
    let what = What::AgentStopped { reason: Some("AccessDenied".to_owned()) };
    shows("20s", Fault::on("RunTask", what), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_is_off() {
    let seen = Seen { code: "D07", exit: 9, words: &["ECS Exec"] };
    shows("20s", Fault::on("RunTask", What::ExecOff), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_fails_in_itself() {
    let seen = Seen { code: "D26", exit: 1, words: &["RunTask"] };
    shows("20s", Fault::on("RunTask", What::Broken), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn something_between_answers_in_place_of_aws() {
    let house = house("20s").await;
    house.sim().faults().add(Fault::on("RunTask", What::Garbled));

    let opened = house.ctl(&["open", "prod-db"]).await;

    assert!(!opened.status.success());
    let target = house.target("prod-db").await;
    let code = target.problems.first().map(|problem| problem.code.clone()).unwrap_or_default();
    assert!(matches!(code.as_str(), "D26" | "D30"), "{target:?}");
    one_problem(&house, &code, "garbled").await;
    house.until_nothing_runs(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machines_clock_is_wrong() {
    let seen = Seen { code: "D21", exit: 1, words: &["clock"] };
    shows("20s", Fault::always(What::Skewed { seconds: 7_200 }), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_throttled_call_of_each_kind_is_survived_without_a_word() {
    let house = house("30s").await;
    for action in [
        "DescribeSubnets",
        "DescribeSecurityGroups",
        "DescribeDBInstances",
        "RunTask",
        "DescribeTasks",
        "StartSession",
    ] {
        house.sim().faults().add(Fault::once(action, What::Throttled));
    }

    assert_eq!(house.psql("prod-db", "SELECT 1").finish().await.ok(), "1");

    assert_eq!(house.sim().count("RunTask"), 1);
    assert_eq!(house.target("prod-db").await.problems, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_reset_after_the_task_was_made_starts_no_second_one() {
    let house = house("30s").await;
    house.sim().faults().add(Fault::once("RunTask", What::Reset { after: true }));

    assert_eq!(house.psql("prod-db", "SELECT 1").finish().await.ok(), "1");

    let ours = house.sim().tasks().into_iter().filter(|task| !task.of_service()).count();
    assert_eq!(ours, 1, "the client token makes the second call the first one's answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_comes_ends_in_words_and_leaves_no_task() {
    let house = house("4s").await;
    let held = What::Held { name: "run".to_owned(), before: false };
    house.sim().faults().add(Fault::once("RunTask", held));

    let opened = house.ctl(&["open", "prod-db"]).await;

    assert!(!opened.status.success(), "{opened}");
    house.sim().faults().release("run");
    one_problem(&house, "D04", "a held answer").await;
    house.until_nothing_runs(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_fails_once_is_tried_again() {
    let house = Plan::new(configs::SCRIPT_WAY).postgres().idle("1s").build().await;
    house.sim().faults().add(Fault::on("StopTask", What::Broken).times(4));
    house.psql("prod-db", "SELECT 1").finish().await.ok();

    house.until_nothing_runs(Duration::from_secs(40)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_refuses_the_bastion() {
    let nobody = xtask::place::free_port().unwrap();
    let house =
        Plan::new(configs::SCRIPT_WAY).route(bastion_e2e::plan::PROD_DB, nobody).build().await;

    let asked = house.psql("prod-db", "SELECT 1").finish().await;

    assert!(!asked.status.success());
    let problem = until("the problem", Duration::from_secs(10), async || {
        house.target("prod-db").await.problems.first().cloned()
    })
    .await;
    assert_eq!(problem.code, "D24", "{problem:?}");
    assert_eq!(problem.kind.exit_code(), 10);
    assert!(house.ctl(&["close", "prod-db", "--yes"]).await.status.success());
    house.until_nothing_runs(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_has_no_name_in_the_vpc() {
    let config = configs::SCRIPT_WAY
        .replace("rds = \"neuraKnot-prod-db\"", "host = \"nowhere.internal\"\nport = 5432");
    let house = Plan::new(&config).build().await;

    let asked = house.psql("prod-db", "SELECT 1").finish().await;

    assert!(!asked.status.success());
    let problem = until("the problem", Duration::from_secs(20), async || {
        house.target("prod-db").await.problems.first().cloned()
    })
    .await;
    assert_eq!(problem.code, "D25", "{problem:?}");
    assert!(house.ctl(&["close", "prod-db", "--yes"]).await.status.success());
    house.until_nothing_runs(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_stopped_in_rds() {
    let house = house("20s").await;
    house.sim().world(|world| {
        world.db_instances.get_mut("neuraknot-prod-db").unwrap().status = "stopped".to_owned();
    });

    let opened = house.ctl(&["open", "prod-db"]).await;

    assert_eq!(opened.code(), Some(10), "{opened}");
    one_problem(&house, "D11", "stopped in RDS").await;
    house.until_nothing_runs(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_fits_nothing_is_told_with_what_was_searched_where() {
    let config = configs::SCRIPT_WAY.replace("neuraKnot-prod-private-*", "neuraKnot-prod-secret-*");
    let house = Plan::new(&config).build().await;

    let opened = house.ctl(&["open", "prod-db"]).await;

    assert_eq!(opened.code(), Some(6), "{opened}");
    for words in ["neuraKnot-prod-secret-*", "ap-northeast-1"] {
        assert!(opened.err.contains(words), "{words}: {opened}");
    }
    assert_eq!(house.sim().count("RunTask"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_is_gone_once_its_cause_is() {
    let house = house("20s").await;
    house.sim().faults().add(Fault::on("RunTask", What::NoCapacity));
    assert!(!house.ctl(&["open", "prod-db"]).await.status.success());
    house.sim().faults().clear();

    // A visit within the back-off would be told of the failure; a person's own open is not.
    assert!(house.ctl(&["open", "prod-db"]).await.status.success());
    assert_eq!(house.psql("prod-db", "SELECT 1").finish().await.ok(), "1");

    assert_eq!(house.target("prod-db").await.problems, []);
}

/// An agent that takes so many sessions and no more, with time enough for two handshakes to fail.
async fn with_places(places: usize) -> House {
    let plan = Plan::new(configs::SCRIPT_WAY).start_timeout("90s").postgres();
    plan.sim(|sim| sim.session.workers_limit = places).build().await
}

#[tokio::test]
async fn an_agent_whose_places_are_all_taken_is_told_with_the_likely_cause() {
    let house = with_places(0).await;
    let opened = house.ctl(&["open", "prod-db"]).await;
    assert_eq!(opened.code(), Some(9), "{opened}");
    assert!(opened.err.contains("two sessions at once"), "{opened}");
    one_problem(&house, "D20", "no place").await;
    house.until_nothing_runs(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_becomes_free_while_the_agent_is_silent_is_taken() {
    let house = with_places(0).await;
    let visit = house.psql("prod-db", "SELECT 1");
    house.until_called("StartSession", 1, Duration::from_secs(20)).await;
    house.sim().gateway().alter(|settings| settings.sessions_per_container = 2);
    assert_eq!(visit.finish().await.ok().trim(), "1");
    assert_eq!(house.called("RunTask").len(), 1, "the bastion is the same");
}

#[tokio::test]
async fn an_agent_that_is_too_old_is_told() {
    let plan = Plan::new(configs::SCRIPT_WAY).start_timeout("30s").postgres();
    let old = |sim: &mut bastion_sim::SimConfig| {
        "3.0.196.0".clone_into(&mut sim.session.agent_version);
    };
    let house = plan.sim(old).build().await;
    let opened = house.ctl(&["open", "prod-db"]).await;
    assert_eq!(opened.code(), Some(9), "{opened}");
    assert!(opened.err.contains("3.0.196.0"), "{opened}");
    one_problem(&house, "D22", "too old").await;
    house.until_nothing_runs(Duration::from_secs(15)).await;
}
