//! What is written to the journal, and what is read back.

mod dice;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bastion_cloud::{Runs, Select, SessionId, Site, TaskId, TaskSpec};
use bastion_pool::{Book, Finding, Intention, Origin, Raise, Record};
use dice::Dice;

#[test]
fn a_request_is_read_back_as_it_was_to_the_last_character() {
    let record = Record::Intend(Box::new(Intention { at: at(1), ..intention("k1") }));
    assert_eq!(Record::parse(&record.line()), Some(record.clone()));
    let Some(Record::Intend(read)) = Record::parse(&record.line()) else { panic!("{record:?}") };
    assert_eq!((read.spec, read.site), (spec("k1"), site("prod")));
}

#[test]
fn every_kind_of_record_is_one_line_that_is_read_back() {
    for record in every_kind() {
        let line = record.line();
        assert!(!line.contains('\n'), "{line}");
        assert!(line.starts_with(r#"{"v":1,"record":""#), "{line}");
        assert_eq!(Record::parse(&line), Some(record));
    }
}

#[test]
fn the_lines_of_the_first_version_are_still_understood() {
    let lines: Vec<_> = include_str!("record/v1.jsonl").lines().collect();
    assert_eq!(lines.len(), every_kind().len());
    for (line, record) in lines.into_iter().zip(every_kind()) {
        assert_eq!(Record::parse(line).as_ref(), Some(&record), "{line}");
    }
}

#[test]
fn a_field_that_nobody_knows_is_passed_over() {
    let line = r#"{"v":1,"record":"refused","token":"k1","colour":"red"}"#;
    assert_eq!(Record::parse(line), Some(Record::Refused { token: "k1".to_owned() }));
}

#[test]
fn what_a_newer_version_wrote_is_not_understood_in_part() {
    assert_eq!(Record::parse(r#"{"v":1,"record":"painted","token":"k1"}"#), None);
    assert_eq!(Record::parse(r#"{"v":2,"record":"refused","token":"k1"}"#), None);
}

#[test]
fn a_torn_line_is_no_record() {
    let line = Record::Intend(Box::new(intention("k1"))).line();
    for end in (0..line.len()).filter(|end| line.is_char_boundary(*end)) {
        assert_eq!(Record::parse(&line[..end]), None, "{}", &line[..end]);
    }
}

#[test]
fn no_secret_can_stand_in_a_line() {
    // A spec has a field more: is it a secret? Then it must not be written.
    let line = Record::Intend(Box::new(intention("k1"))).line();
    for field in ["token", "started_by", "tags", "environment", "command", "subnets"] {
        assert!(line.contains(field));
    }
    assert!(!line.to_lowercase().contains("secret"), "{line}");
}

#[test]
fn a_task_is_out_there_from_the_wish_to_its_end() {
    let mut book = Book::default();
    book.apply(&intend("k1"));
    assert!(matches!(&book.entries()[0].origin, Origin::Asked(spec) if spec.token == "k1"));
    book.apply(&named("k1", "t1"));
    assert_eq!(book.entry(&task("t1")).and_then(|entry| entry.token()), Some("k1"));
    book.apply(&Record::Stopping { task: task("t1") });
    assert!(book.entry(&task("t1")).is_some_and(|entry| entry.stopping));
    book.apply(&Record::Gone { task: task("t1") });
    assert!(book.is_empty());
}

#[test]
fn the_same_wish_again_is_the_same_task() {
    let mut book = Book::default();
    for record in [intend("k1"), intend("k1"), named("k1", "t1"), intend("k1")] {
        book.apply(&record);
    }
    assert_eq!(book.entries().len(), 1);
    assert_eq!(book.entries()[0].task(), Some(&task("t1")));
}

#[test]
fn a_refused_wish_leaves_nothing_and_a_named_one_is_not_refused() {
    let mut book = Book::default();
    book.apply(&intend("k1"));
    book.apply(&Record::Refused { token: "k1".to_owned() });
    assert!(book.is_empty());
    book.apply(&intend("k2"));
    book.apply(&named("k2", "t2"));
    book.apply(&Record::Refused { token: "k2".to_owned() });
    assert!(book.entry(&task("t2")).is_some());
}

#[test]
fn what_was_found_and_is_named_later_is_one_task() {
    let mut book = Book::default();
    book.apply(&intend("k1"));
    book.apply(&found("t1"));
    book.apply(&Record::Stopping { task: task("t1") });
    book.apply(&named("k1", "t1"));
    assert_eq!(book.entries().len(), 1);
    assert!(book.entries()[0].stopping, "that it was to be stopped is not forgotten");
}

#[test]
fn the_sessions_of_a_task_go_with_it() {
    let mut book = Book::default();
    for session in ["s1", "s2"] {
        book.apply(&session_of(session, "t1"));
    }
    book.apply(&session_of("s3", "t2"));
    book.apply(&Record::SessionOver { session: SessionId::new("s1") });
    assert_eq!(book.sessions().count(), 2);
    book.apply(&Record::Gone { task: task("t1") });
    assert_eq!(book.sessions().count(), 1);
}

#[test]
fn a_service_goes_back_to_what_it_was_before_the_first_raise() {
    let mut book = Book::default();
    book.apply(&raised(0, 1));
    book.apply(&raised(1, 1));
    assert_eq!(book.raised().map(|raise| raise.from).collect::<Vec<_>>(), [0]);
    book.apply(&Record::Lowered { site: "prod".to_owned() });
    assert!(book.is_empty());
}

/// Whatever was written in whatever order: the compacted journal says the same, and in no more lines.
#[test]
fn a_compacted_journal_says_the_same() {
    for seed in 0..500 {
        let mut dice = Dice(seed);
        let mut book = Book::default();
        let mut lines = 0;
        for _ in 0..60 {
            let (token, name) = (format!("k{}", dice.roll(5)), format!("t{}", dice.roll(5)));
            let session = SessionId::new(format!("s{}", dice.roll(4)));
            let record = match dice.roll(11) {
                0 | 1 => intend(&token),
                2 | 3 => named(&token, &name),
                4 => Record::Refused { token },
                5 => Record::Unwanted { token },
                6 => found(&name),
                7 => Record::Stopping { task: task(&name) },
                8 => Record::Gone { task: task(&name) },
                9 if dice.roll(3) == 0 => Record::SessionOver { session },
                9 => session_of(session.as_str(), &name),
                _ if dice.roll(2) == 0 => raised(0, 1),
                _ => Record::Lowered { site: "prod".to_owned() },
            };
            book.apply(&record);
            lines += 1;
            if lines % 6 != 0 {
                continue;
            }
            let mut read = Book::default();
            let records = book.records();
            for record in &records {
                read.apply(&Record::parse(&record.line()).unwrap());
            }
            assert_eq!(read, book, "{seed}");
            assert!(records.len() <= lines, "{seed}: more lines than before");
            let mut tasks: Vec<_> = book.entries().iter().filter_map(|e| e.task()).collect();
            tasks.sort();
            tasks.dedup();
            let named = book.entries().iter().filter(|e| e.task().is_some()).count();
            assert_eq!(tasks.len(), named, "{seed}: a task stands there twice");
        }
    }
}

fn every_kind() -> Vec<Record> {
    vec![
        intend("k1"),
        named("k1", "t1"),
        Record::Refused { token: "k1".to_owned() },
        Record::Unwanted { token: "k1".to_owned() },
        found("t1"),
        Record::Stopping { task: task("t1") },
        Record::Gone { task: task("t1") },
        session_of("s1", "t1"),
        Record::SessionOver { session: SessionId::new("s1") },
        raised(0, 1),
        Record::Lowered { site: "prod".to_owned() },
    ]
}

fn intend(token: &str) -> Record {
    Record::Intend(Box::new(intention(token)))
}

fn intention(token: &str) -> Intention {
    Intention { at: at(1), target: "db".to_owned(), site: site("prod"), spec: spec(token) }
}

fn named(token: &str, name: &str) -> Record {
    Record::Named { token: token.to_owned(), task: task(name) }
}

fn found(name: &str) -> Record {
    let target = "db".to_owned();
    Record::Found(Box::new(Finding { at: at(2), target, site: site("prod"), task: task(name) }))
}

fn session_of(session: &str, name: &str) -> Record {
    let session = SessionId::new(session);
    Record::Session { session, task: task(name), target: "db".to_owned() }
}

fn raised(from: u32, to: u32) -> Record {
    Record::Raised(Box::new(Raise { at: at(3), site: site("prod"), from, to }))
}

fn spec(token: &str) -> TaskSpec {
    TaskSpec {
        token: token.to_owned(),
        started_by: "bastiond/0123456789ab".to_owned(),
        tags: vec![("bastiond:target".to_owned(), "db \"quoted\" ü".to_owned())],
        environment: vec![("BASTIOND_TARGET".to_owned(), "db".to_owned())],
        command: Some(vec![
            "sh".to_owned(),
            "-c".to_owned(),
            "trap 'x' TERM\n\texit \\0".to_owned(),
        ]),
        subnets: vec!["subnet-2".to_owned(), "subnet-1".to_owned()],
        security_groups: vec!["sg-1".to_owned()],
        spot: true,
    }
}

fn site(name: &str) -> Site {
    Site {
        name: name.to_owned(),
        profile: Some("prod".to_owned()),
        region: None,
        cluster: "cluster".to_owned(),
        runs: Runs::TaskDefinition("proxy:7".to_owned()),
        container: None,
        subnets: Select::Tags(vec![("Tier".to_owned(), "private*".to_owned())]),
        security_groups: Select::Ids(vec!["sg-1".to_owned()]),
        spot: true,
        assign_public_ip: false,
    }
}

fn task(name: &str) -> TaskId {
    TaskId::new(name)
}

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_700_000_000_123) + Duration::from_secs(secs)
}
