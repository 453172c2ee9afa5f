//! Silent visits, full places, logins that come back, reloads, services that are woken.

use bastion_cloud::Runs;

use super::*;
use crate::config::Rules;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn visits_that_move_nothing_hold_their_bastion_no_longer_than_the_setting_says() {
    let it = Story::begin();
    let visit = it.keeper.lease("db", Holder::Visit).await.unwrap();
    it.turn(HOUR - Duration::from_secs(1)).await;
    assert!(it.standing().await.idle_stop.is_none());
    it.turn(Duration::from_secs(1)).await;
    assert_eq!(it.standing().await.idle_stop, Some(IDLE));
    it.turn(IDLE).await;
    let refused = visit.revoked().await;
    assert!(matches!(refused, Refusal::Silent(after) if after == HOUR), "{refused:?}");
    it.until(State::Cold).await;
    assert_eq!(it.aws.stopped(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_reconnects_starts_nothing_until_a_person_says_so() {
    let it = Story::begin();
    let visit = it.keeper.lease("db", Holder::Visit).await.unwrap();
    it.turn(HOUR).await;
    it.turn(IDLE).await;
    visit.revoked().await;
    drop(visit);
    let refused = it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    assert!(matches!(refused, Refusal::Reconnects), "{refused:?}");
    it.keeper.lease("db", Holder::Person).await.unwrap();
    assert_eq!(it.aws.called("run"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_holds_is_never_silent() {
    let it = Story::begin();
    let _hold = it.keeper.lease("db", Holder::Hold).await.unwrap();
    it.turn(3 * HOUR).await;
    assert!(it.standing().await.idle_stop.is_none());
    assert_eq!(it.standing().await.holds, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_place_is_tried_zone_by_zone_with_a_new_wish_each() {
    let it = Story::begin();
    it.aws.zones(&["a", "b"]);
    it.aws.answer_run(Err(fault(Kind::NoCapacity)));
    it.aws.answer_run(Err(fault(Kind::NoCapacity)));
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    let specs = it.aws.specs();
    let subnets: Vec<_> = specs.iter().map(|spec| spec.subnets.join(" ")).collect();
    assert_eq!(subnets, ["subnet-a subnet-b", "subnet-a", "subnet-b"]);
    assert_eq!(it.aws.tokens(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_doubts_a_target_ends_no_start_of_it() {
    let it = Story::begin();
    it.aws.never_find();
    let visit = it.keeper.lease("db", Holder::Visit);
    tokio::select! {
        came = visit => panic!("{:?}", came.map(drop)),
        () = it.aws.until_called("find") => {}
    }
    it.tell(BastionId(1), News::Named(task("full")));
    it.aws.kill();
    let looks = it.aws.called("see");
    it.keeper.doubt("db");
    it.turn(Duration::from_secs(1)).await;
    assert_eq!(it.standing().await.state, State::Starting, "it asks elsewhere where that is full");
    assert_eq!(it.aws.called("see"), looks);
}

#[tokio::test(start_paused = true)]
async fn after_the_back_off_of_a_failed_start_the_next_visit_starts_another() {
    let it = Story::begin();
    it.aws.answer_run(Err(fault(Kind::NoCapacity)));
    it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    let told = it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    let full = matches!(told, Refusal::Cloud(CloudError { kind: Kind::NoCapacity, .. }));
    assert!(full, "it is told of what failed: {told:?}");
    assert_eq!(it.aws.called("run"), 1);
    it.turn(Duration::from_secs(5)).await;
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!((it.aws.called("run"), it.standing().await.state), (2, State::Ready));
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_spare_capacity_the_ordinary_kind_is_asked_for() {
    let mut target = target();
    target.site.spot = true;
    let it = Story::begin_with(|parts| parts.targets[0].0 = Arc::new(target));
    it.aws.answer_run(Err(fault(Kind::NoCapacity)));
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(it.aws.specs().iter().map(|spec| spec.spot).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test(start_paused = true)]
async fn the_container_runs_the_watchdog_unless_the_config_keeps_its_own_command() {
    let it = Story::begin();
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    let command = it.aws.specs()[0].command.clone().unwrap();
    assert_eq!(command[..2], ["sh", "-c"]);
    assert!(command[2].contains("/proc/"), "{}", command[2]);

    let it = Story::begin();
    it.aws.enter_by(&["/bin/sh", "-c"]);
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    let command = it.aws.specs()[0].command.clone().unwrap();
    assert!(command[0].contains("/proc/"), "its entry point takes the script itself: {command:?}");

    let mut keep = target();
    keep.rules.command = BastionCommand::Keep;
    let it = Story::begin_with(|parts| parts.targets[0].0 = Arc::new(keep));
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(it.aws.specs()[0].command, None);
}

#[tokio::test(start_paused = true)]
async fn what_the_files_say_is_hopeless_is_not_begun_and_a_new_login_is_picked_up_at_once() {
    let it = Story::begin();
    it.aws.hopeless(true);
    let refused = it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    assert!(super::super::logins::is_login(&refused), "{refused:?}");
    assert_eq!((it.aws.called("run"), it.aws.called("find")), (0, 0));
    it.turn(Duration::from_secs(5)).await;
    assert_eq!(it.standing().await.state, State::Problem, "it stands as long as the files do");
    it.aws.hopeless(false);
    it.turn(Duration::from_secs(1)).await;
    it.until(State::Cold).await;
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    let told = it.events.since(0).0;
    assert!(told.iter().any(|event| event.kind == EventKind::ProblemCleared));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_only_aws_knows_to_have_expired_stays_a_problem_until_aws_takes_it() {
    let it = Story::begin();
    it.aws.refuse_login(true);
    it.aws.answer_run(Err(fault(Kind::Login { profile: None, way: LoginWay::Keys })));
    it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    for _ in 0..60 {
        it.turn(Duration::from_secs(1)).await;
        assert_eq!(it.standing().await.state, State::Problem);
    }
    assert!(it.aws.called("identity") <= 10, "asked {} times", it.aws.called("identity"));
    it.aws.refuse_login(false);
    it.turn(Duration::from_secs(30)).await;
    it.until(State::Cold).await;
}

#[tokio::test(start_paused = true)]
async fn a_login_whose_files_change_is_tried_at_once_however_long_aws_has_refused_the_old_one() {
    let it = Story::begin();
    it.aws.refuse_login(true);
    it.aws.answer_run(Err(fault(Kind::Login { profile: None, way: LoginWay::Keys })));
    it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    for _ in 0..60 {
        it.turn(Duration::from_secs(1)).await;
    }
    let asked = it.aws.called("identity");
    it.turn(Duration::from_secs(1)).await;
    assert_eq!(it.aws.called("identity"), asked, "it is left alone");
    it.aws.refuse_login(false);
    it.aws.change_login();
    it.turn(Duration::from_secs(1)).await;
    it.until(State::Cold).await;
    assert_eq!(it.aws.called("identity"), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_reload_adds_and_drops_and_leaves_the_others_alone() {
    let it = Story::begin();
    let kept = it.keeper.lease("db", Holder::Visit).await.unwrap();
    it.reload(&[target(), Target { name: "new".to_owned(), ..target() }]).await;
    let added = it.keeper.lease("new", Holder::Visit).await.unwrap();
    assert_eq!(added.route().bastion.task, task("t2"));
    it.reload(&[target()]).await;
    assert!(matches!(added.revoked().await, Refusal::Removed));
    let unknown = it.keeper.lease("new", Holder::Visit).await.unwrap_err();
    assert!(matches!(unknown, Refusal::UnknownTarget));
    it.aws.until_called("stop").await;
    assert_eq!(it.aws.stopped(), ["t2"]);
    let still = tokio::time::timeout(HOUR, kept.revoked()).await;
    assert!(still.is_err(), "the other target's visit felt nothing");
}

#[tokio::test(start_paused = true)]
async fn a_target_of_other_terms_after_a_reload_keeps_its_way_under_them() {
    let it = Story::begin();
    let _visit = it.keeper.lease("db", Holder::Visit).await.unwrap();
    let mut altered = target();
    altered.rules.tunnels_per_bastion = 7;
    it.reload(&[altered]).await;
    let route = it.keeper.ready_route("db").await.expect("nobody has to look for it again");
    assert_eq!(route.target.rules.tunnels_per_bastion, 7);
    assert_eq!(it.ways.proved().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_leads_elsewhere_after_a_reload_takes_new_visits_there() {
    let it = Story::begin();
    let before = it.keeper.lease("db", Holder::Visit).await.unwrap();
    let elsewhere = DatabaseRef::Host("new.internal".to_owned(), 5432);
    it.reload(&[Target { database: elsewhere, ..target() }]).await;
    let after = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(before.route().remote.host, "db.internal");
    assert_eq!(after.route().remote.host, "new.internal");
    assert_eq!(it.aws.called("run"), 1, "through the same bastion");
}

#[tokio::test(start_paused = true)]
async fn a_target_of_another_site_gets_a_bastion_there_and_keeps_the_visits_that_it_has() {
    let it = Story::begin();
    let before = it.keeper.lease("db", Holder::Visit).await.unwrap();
    let mut moved = target();
    moved.site.cluster = "another".to_owned();
    it.reload(&[moved]).await;
    let after = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(after.route().bastion.task, task("t2"));
    assert_eq!(it.aws.stopped(), [""; 0]);
    drop(before);
    it.aws.until_called("stop").await;
    assert_eq!(it.aws.stopped(), ["t1"], "the old one goes with its last visit");
}

#[tokio::test(start_paused = true)]
async fn targets_that_share_go_through_one_bastion_each_by_its_own_way() {
    let shared = |name: &str, host: &str| Target {
        name: name.to_owned(),
        rules: Rules { share: true, ..target().rules },
        database: DatabaseRef::Host(host.to_owned(), 5432),
        ..target()
    };
    let it = Story::begin_with(|parts| {
        let cloud = Arc::clone(&parts.targets[0].1);
        let both = [shared("db", "db.internal"), shared("two", "two.internal")];
        parts.targets = both.map(|it| (Arc::new(it), Arc::clone(&cloud))).to_vec();
    });
    let one = it.keeper.lease("db", Holder::Visit).await.unwrap();
    let two = it.keeper.lease("two", Holder::Visit).await.unwrap();
    assert_eq!(one.route().bastion, two.route().bastion);
    assert_eq!(two.route().remote.host, "two.internal");
    assert_eq!(it.ways.proved(), ["db.internal", "two.internal"]);
    drop(one);
    it.turn(2 * IDLE).await;
    assert_eq!(it.aws.stopped(), [""; 0], "the other one still uses it");
}

#[tokio::test(start_paused = true)]
async fn a_person_gets_as_many_bastions_as_asked_for() {
    let it = Story::begin();
    let routes = it.keeper.widen("db", 3).await.unwrap();
    let mut tasks: Vec<_> = routes.iter().map(|route| route.bastion.task.clone()).collect();
    tasks.sort();
    assert_eq!(tasks, [task("t1"), task("t2"), task("t3")]);
    assert_eq!(it.standing().await.bastions, 3);
    it.aws.answer_run(Err(fault(Kind::Invalid)));
    let routes = it.keeper.widen("db", 4).await.unwrap();
    assert_eq!(routes.len(), 3, "what came to be");
}

#[tokio::test(start_paused = true)]
async fn a_service_is_woken_for_us_and_put_back_to_sleep() {
    let service = service();
    let it = Story::begin_with(|parts| parts.targets[0].0 = service.0);
    it.aws.desire(0);
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    assert_eq!(it.aws.desired(), Some(1));
    it.standing().await;
    it.turn(IDLE).await;
    it.until(State::Cold).await;
    assert_eq!((it.aws.desired(), it.aws.stopped()), (Some(0), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_somebody_else_has_woken_is_left_as_it_is() {
    let service = service();
    assert!(matches!(service.0.site.runs, Runs::Service(_)));
    let it = Story::begin_with(|parts| parts.targets[0].0 = service.0);
    it.aws.desire(1);
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.keeper.close("db").await.unwrap();
    it.until(State::Cold).await;
    assert_eq!((it.aws.desired(), it.aws.called("scale")), (Some(1), 0));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_be_written_down_is_not_made() {
    let it = Story::begin_with(|parts| {
        let temp = tempfile::tempdir().unwrap();
        // Nobody writes it.
        parts.journal = Journal::open(temp.path()).unwrap().0;
    });
    let refused = it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    assert!(matches!(refused, Refusal::Journal(_)), "{refused:?}");
    assert_eq!(it.aws.called("run"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_bastion_that_grows_old_takes_nobody_new_and_its_visits_are_told_of() {
    let it = Story::begin();
    let old = it.keeper.lease("db", Holder::Hold).await.unwrap();
    it.turn(11 * HOUR).await;
    let told = it.events.since(0).0;
    let told = told.iter().find(|event| event.kind == EventKind::BastionRetiring).unwrap();
    assert_eq!(told.message, "takes no new visits any more; 1 remains");
    let new = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(new.route().bastion.task, task("t2"), "a successor was started");
    let standing = it.standing().await;
    assert_eq!((standing.on_retiring, standing.ends_in), (1, Some(HOUR)));
    it.turn(HOUR).await;
    assert!(matches!(old.revoked().await, Refusal::TooOld(age) if age == 12 * HOUR));
    it.aws.until_called("stop").await;
    assert_eq!(it.aws.stopped(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_died_under_a_visit_is_told_with_its_last_words() {
    let it = Story::begin();
    let visit = it.keeper.lease("db", Holder::Visit).await.unwrap();
    it.aws.kill();
    it.keeper.doubt("db");
    let Refusal::TaskGone(words) = visit.revoked().await else { panic!("another reason") };
    assert_eq!(words, "it ended\nits last line");
}
