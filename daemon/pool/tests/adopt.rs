//! What becomes of tasks after a crash.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod dice;
#[path = "adopt/lives.rs"]
mod lives;
#[path = "adopt/scene.rs"]
mod scene;

use bastion_cloud::{Runs, Seen, SessionId};
use bastion_pool::adopt::{Because, Verdict, judge, places};
use bastion_pool::{Book, Intention, Record, Watchdog};
use scene::{LIFE, MARK, Story, ended, facts, secs, site, spec, task, wanted};

#[test]
fn a_healthy_task_that_is_wanted_is_kept() {
    let mut it = Story::begin();
    it.named("t1", 600);
    it.runs("t1");
    assert_eq!(it.verdicts(), [keep("t1", 600)]);
}

#[test]
fn a_task_on_its_way_is_kept_too() {
    let mut it = Story::begin();
    it.named("t1", 20);
    it.sees("t1", Seen::Starting(facts(Some(MARK), Some("db"), it.now)));
    assert_eq!(it.verdicts(), [keep("t1", 20)]);
}

#[test]
fn a_task_whose_target_the_config_has_no_more_is_stopped() {
    let mut it = Story::begin();
    it.named("t1", 600);
    it.runs("t1");
    it.wanted.clear();
    assert_eq!(it.verdicts(), [stop("t1", Because::Unwanted)]);
}

#[test]
fn a_task_of_another_definition_of_its_site_is_stopped() {
    let mut it = Story::begin();
    it.named("t1", 600);
    it.runs("t1");
    it.wanted[0].site.runs = Runs::TaskDefinition("proxy:8".to_owned());
    assert_eq!(it.verdicts(), [stop("t1", Because::Unwanted)]);
}

#[test]
fn a_task_that_was_being_stopped_is_stopped() {
    let mut it = Story::begin();
    it.named("t1", 600);
    it.book.apply(&Record::Stopping { task: task("t1") });
    it.runs("t1");
    assert_eq!(it.verdicts(), [stop("t1", Because::Stopping)]);
}

#[test]
fn a_task_that_is_ending_is_followed_to_its_end() {
    let mut it = Story::begin();
    it.named("t1", 600);
    it.sees("t1", Seen::Stopping(ended()));
    assert_eq!(it.verdicts(), [stop("t1", Because::Stopping)]);
}

#[test]
fn a_task_lives_as_long_as_it_was_told_and_no_longer_than_the_config_says_now() {
    let mut it = Story::begin();
    for (told, left) in [(1, 3_000), (12, LIFE.as_secs() - 600), (24, LIFE.as_secs() - 600)] {
        let mut spec = spec("t1", "db");
        let watchdog = Watchdog::new(secs(180), secs(told * 3_600));
        spec.command = Some(watchdog.command(&["sh", "-c"]));
        it.book = Book::default();
        let (at, target, site) = (it.now - secs(600), "db".to_owned(), site("prod"));
        it.book.apply(&Record::Intend(Box::new(Intention { at, target, site, spec })));
        it.name("t1");
        it.runs("t1");
        let [Verdict::Keep { left: given, .. }] = it.verdicts()[..] else { panic!("{told} h") };
        assert_eq!(given, secs(left), "told {told} h");
    }
}

#[test]
fn a_task_without_a_future_is_stopped() {
    let mut it = Story::begin();
    it.named("t1", 12 * 3_600 - 60);
    it.runs("t1");
    assert_eq!(it.verdicts(), [stop("t1", Because::TooOld)]);
}

#[test]
fn of_several_the_youngest_is_kept() {
    let mut it = Story::begin();
    it.named("t1", 600);
    it.named("t2", 500);
    it.named("t3", 550);
    for name in ["t1", "t2", "t3"] {
        it.runs(name);
    }
    let stopped = [stop("t3", Because::OneTooMany), stop("t1", Because::OneTooMany)];
    assert_eq!(it.verdicts()[0], keep("t2", 500));
    assert_eq!(it.verdicts()[1..], stopped);
    it.wanted[0].most = 2;
    assert_eq!(it.verdicts()[1], keep("t3", 550));
}

#[test]
fn a_task_that_has_ended_is_forgotten() {
    let mut it = Story::begin();
    it.named("t1", 20);
    it.sees("t1", Seen::Stopped(ended()));
    assert_eq!(it.verdicts(), [forget(Some("t1"), "t1")]);
}

#[test]
fn that_a_task_is_not_to_be_seen_is_believed_after_a_while_only() {
    let mut it = Story::begin();
    it.named("t1", 299);
    it.sees("t1", Seen::Missing);
    assert_eq!(it.verdicts(), [later("t1", Some("db"), &it)]);
    it.now += secs(1);
    assert_eq!(it.verdicts(), [forget(Some("t1"), "t1")]);
}

#[test]
fn a_task_that_nobody_has_looked_at_is_not_forgotten() {
    let mut it = Story::begin();
    it.named("t1", 90_000);
    assert_eq!(it.verdicts(), [later("t1", Some("db"), &it)]);
}

#[test]
fn a_wish_without_an_answer_is_repeated_unchanged_while_the_list_proves_nothing() {
    let mut it = Story::begin();
    it.asked("k1", 299);
    let again = Verdict::Learn { target: "db".to_owned(), spec: Box::new(spec("k1", "db")) };
    assert_eq!(it.verdicts(), [again]);
    it.now += secs(1);
    assert_eq!(it.verdicts(), [forget(None, "k1")]);
}

#[test]
fn a_task_that_is_named_by_its_token_is_judged_like_any_other() {
    let mut it = Story::begin();
    it.asked("k1", 20);
    let entry = it.book.entries()[0].clone();
    assert_eq!(judge(&entry, &task("t1"), &it.wanted, 0, it.now), keep("t1", 20));
    let one_too_many = judge(&entry, &task("t1"), &it.wanted, 1, it.now);
    assert_eq!(one_too_many, stop("t1", Because::OneTooMany));
    it.book.apply(&Record::Unwanted { token: "k1".to_owned() });
    let entry = it.book.entries()[0].clone();
    let unwanted = judge(&entry, &task("t1"), &it.wanted, 0, it.now);
    assert_eq!(unwanted, stop("t1", Because::Stopping));
}

#[test]
fn without_a_journal_the_cloud_alone_is_believed() {
    let mut it = Story::begin();
    let created = it.now - secs(600);
    let of = |target| Seen::Running { since: None, facts: facts(Some(MARK), target, created) };
    it.sees("t1", of(Some("db")));
    it.sees("t2", of(Some("dropped")));
    it.sees("t3", of(None));
    let kept = Verdict::Keep {
        task: task("t1"),
        target: "db".to_owned(),
        age: secs(600),
        left: LIFE - secs(600),
        unrecorded: true,
    };
    let stopped = |name: &str, target: Option<&str>| Verdict::Stop {
        task: task(name),
        target: target.map(str::to_owned),
        because: Because::Unwanted,
        unrecorded: true,
    };
    assert_eq!(it.verdicts(), [kept, stopped("t2", Some("dropped")), stopped("t3", None)]);
}

#[test]
fn a_task_of_another_installation_or_of_none_is_left_alone() {
    let mut it = Story::begin();
    for (name, mark) in [("t1", Some("bastiond/ffffffffffff")), ("t2", None)] {
        it.sees(name, Seen::Running { since: None, facts: facts(mark, Some("db"), it.now) });
    }
    assert_eq!(it.verdicts(), []);
}

#[test]
fn a_task_that_may_be_the_one_whose_name_is_asked_for_waits() {
    let mut it = Story::begin();
    it.asked("k1", 20);
    it.runs("t1");
    let verdicts = it.verdicts();
    assert!(matches!(verdicts[1], Verdict::Learn { .. }), "{verdicts:?}");
    assert_eq!(verdicts[..1], [later("t1", Some("db"), &it)]);
    it.book.apply(&Record::Named { token: "k1".to_owned(), task: task("t1") });
    assert_eq!(it.verdicts(), [keep("t1", 20)]);
}

#[test]
fn what_is_elsewhere_is_not_judged_by_what_is_seen_here() {
    let mut it = Story::begin();
    it.asked_at("t1", "db", site("old"), 600);
    it.name("t1");
    assert_eq!(it.verdicts(), []);
    it.runs("t1");
    assert_eq!(it.verdicts_at(&site("old")), [stop("t1", Because::Unwanted)]);
    let old = site("old");
    let prod = site("prod");
    assert_eq!(places(&it.book, &it.wanted), [&prod, &old]);
}

#[test]
fn a_place_is_looked_at_once_however_many_sites_it_holds() {
    let mut it = Story::begin();
    let mut other = wanted("other");
    other.site.name = "prod-large".to_owned();
    other.site.runs = Runs::TaskDefinition("large".to_owned());
    it.wanted.push(other);
    assert_eq!(places(&it.book, &it.wanted).len(), 1);
}

#[test]
fn the_sessions_of_the_dead_are_ended_before_their_task_is_used_again() {
    let mut it = Story::begin();
    it.named("t1", 600);
    it.runs("t1");
    it.session("s1", "t1", "db");
    it.session("s2", "t1", "db");
    let end = |session| Verdict::EndSession { session: SessionId::new(session), task: task("t1") };
    assert_eq!(it.verdicts(), [end("s1"), end("s2"), keep("t1", 600)]);
}

#[test]
fn a_session_through_a_services_task_is_ended_and_one_of_nowhere_is_forgotten() {
    let mut it = Story::begin();
    it.session("s1", "of-a-service", "db");
    it.session("s2", "of-a-service", "dropped");
    let (s1, s2) = (SessionId::new("s1"), SessionId::new("s2"));
    let end = Verdict::EndSession { session: s1, task: task("of-a-service") };
    assert_eq!(it.verdicts(), [end, Verdict::ForgetSession { session: s2 }]);
}

#[test]
fn the_session_of_a_task_that_has_ended_needs_no_end() {
    let mut it = Story::begin();
    it.named("t1", 600);
    it.sees("t1", Seen::Stopped(ended()));
    it.session("s1", "t1", "db");
    assert_eq!(it.verdicts(), [forget(Some("t1"), "t1")]);
}

#[test]
fn a_service_that_we_woke_is_put_back_to_sleep() {
    let mut it = Story::begin();
    it.raised();
    assert!(matches!(&it.verdicts()[..], [Verdict::Lower(raise)] if raise.from == 0));
    assert_eq!(it.verdicts_at(&site("old")), []);
}

fn keep(name: &str, age: u64) -> Verdict {
    let target = "db".to_owned();
    let (age, left) = (secs(age), LIFE - secs(age));
    Verdict::Keep { task: task(name), target, age, left, unrecorded: false }
}

fn stop(name: &str, because: Because) -> Verdict {
    let target = Some("db".to_owned());
    Verdict::Stop { task: task(name), target, because, unrecorded: false }
}

fn forget(name: Option<&str>, token: &str) -> Verdict {
    Verdict::Forget { task: name.map(task), token: Some(token.to_owned()) }
}

fn later(name: &str, target: Option<&str>, it: &Story) -> Verdict {
    let target = target.map(str::to_owned);
    Verdict::Later { task: Some(task(name)), target, at: it.now + secs(5) }
}
