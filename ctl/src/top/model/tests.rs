use bastion_api::ProblemKind;
use serde_json::{Value, json};

use super::*;
use crate::top::keys::keys;

fn status(started: &str, targets: &[(&str, u64, u64)]) -> Box<Status> {
    let target = |(name, moved, visits): &(&str, u64, u64)| {
        let visit = |id| json!({ "id": id, "since": "2026-01-02T03:04:05Z", "program": "psql" });
        json!({
            "name": name, "site": "s", "state": "ready", "bytes_out": moved,
            "visits": (0..*visits).map(visit).collect::<Vec<Value>>(),
        })
    };
    let status = json!({
        "schema_version": 1, "version": "0", "pid": 1, "started_at": started,
        "targets": targets.iter().map(target).collect::<Vec<Value>>(),
    });
    Box::new(serde_json::from_value(status).unwrap())
}

const MONDAY: &str = "2026-01-05T00:00:00Z";
const TUESDAY: &str = "2026-01-06T00:00:00Z";

/// A dashboard of three targets, of which `used` is in use.
fn model() -> Model {
    let mut model = Model::default();
    see(&mut model, status(MONDAY, &[("one", 0, 0), ("used", 0, 2), ("three", 0, 0)]), 0);
    model
}

fn see(model: &mut Model, status: Box<Status>, second: u64) {
    let event = Event::Seen { status, today: Timestamp::UNIX_EPOCH };
    assert_eq!(model.update(event, Duration::from_secs(second)), None);
}

/// What comes of the last of these keys.
fn press(model: &mut Model, pressed: &str) -> Option<Wish> {
    let mut wish = None;
    for key in keys(pressed.as_bytes()) {
        wish = model.update(Event::Pressed(key), model.now);
    }
    wish
}

fn selected(model: &Model) -> &str {
    model.selected().map_or("", |(_, target)| target.name.as_str())
}

fn open(name: &str, hold_seconds: Option<u64>) -> Option<Wish> {
    Some(Wish::Open(name.into(), OpenRequest { hold_seconds, tunnels: None }))
}

fn close(name: &str, force: bool) -> Option<Wish> {
    Some(Wish::Close(name.into(), CloseRequest { force }))
}

#[test]
fn keys_are_about_the_chosen_target() {
    let mut model = model();
    assert_eq!(press(&mut model, "o"), open("one", None));
    assert_eq!(press(&mut model, "jjh"), open("three", Some(3600)));
    assert_eq!(press(&mut model, "c"), close("three", false));
    assert_eq!(press(&mut model, "\r\x1b[Ao"), open("used", None), "from near, too");
    assert_eq!(press(&mut Model::default(), "o"), None, "nothing is known yet");
}

#[test]
fn what_is_in_use_is_closed_after_a_yes_and_not_after_anything_else() {
    let mut model = model();
    assert_eq!(press(&mut model, "jc"), None);
    assert!(
        matches!(&model.mode, Mode::Confirm { target, visits } if target == "used" && visits.len() == 2)
    );
    assert_eq!(press(&mut model, "ox\r"), None, "neither yes nor no");
    assert_eq!(press(&mut model, "y"), close("used", true));
    assert_eq!(model.mode, Mode::List);
    for no in ["n", "\x1b", "q"] {
        assert_eq!(press(&mut model, &format!("c{no}")), None);
        assert_eq!(press(&mut model, "y"), None, "the question is over");
        assert_eq!(model.said().unwrap().words, "used stays open");
    }
}

#[test]
fn whoever_came_in_the_meantime_is_asked_about_too() {
    let mut model = model();
    let visits = model.status.as_ref().unwrap().targets[1].visits.clone();
    model.update(Event::InUse { target: "one".into(), visits }, Duration::ZERO);
    assert_eq!(press(&mut model, "y"), close("one", true));
}

#[test]
fn a_choice_stays_with_its_target_whatever_comes_and_goes() {
    let mut model = model();
    press(&mut model, "jj");
    assert_eq!(selected(&model), "three");
    see(&mut model, status(MONDAY, &[("new", 0, 0), ("one", 0, 0), ("three", 0, 0)]), 1);
    assert_eq!(selected(&model), "three");
    see(&mut model, status(MONDAY, &[("new", 0, 0), ("one", 0, 0)]), 2);
    assert_eq!(selected(&model), "new", "it is gone: the first one");
    press(&mut model, "kkkjjjjj");
    assert_eq!(selected(&model), "one", "there is an end at both sides");
    assert_eq!(press(&mut model, "gG\x1b[5~o"), open("new", None));
}

#[test]
fn a_filter_is_typed_taken_back_kept_and_forgotten() {
    let mut model = model();
    let names =
        |model: &Model| model.shown().iter().map(|target| target.name.clone()).collect::<Vec<_>>();
    press(&mut model, "/E");
    assert_eq!(names(&model), ["one", "used", "three"]);
    press(&mut model, "D");
    assert_eq!(names(&model), ["used"]);
    press(&mut model, "\x7fxyq");
    assert_eq!((names(&model).len(), model.filter.as_str()), (0, "Exyq"), "q is a letter");
    assert_eq!(press(&mut model, "\ro"), None, "there is nothing to open");
    press(&mut model, "\x1b");
    assert_eq!((names(&model).len(), model.filter.as_str()), (3, ""));
    press(&mut model, "/thr\r");
    assert_eq!(press(&mut model, "o"), open("three", None));
}

#[test]
fn every_screen_is_left_as_it_says_and_q_and_ctrl_c_end_it() {
    for (keys, back) in [("e", "e"), ("e", "\x1b"), ("?", "x"), ("\r", "\r"), ("/", "\r")] {
        let mut model = model();
        press(&mut model, keys);
        assert_ne!(model.mode, Mode::List, "{keys:?}");
        press(&mut model, back);
        assert_eq!(model.mode, Mode::List, "{keys:?} {back:?}");
    }
    for keys in ["q", "eq", "?q", "\rq"] {
        assert_eq!(press(&mut model(), keys), Some(Wish::Quit), "{keys:?}");
    }
    for keys in ["\x03", "/\x03", "jc\x03", "e\x03"] {
        assert_eq!(press(&mut model(), keys), Some(Wish::Interrupt), "{keys:?}");
    }
}

#[test]
fn ctrl_z_stands_still_and_changes_nothing() {
    for keys in ["", "e", "?", "\r", "/o", "jc"] {
        let (mut model, mut other) = (model(), model());
        press(&mut other, keys);
        press(&mut model, keys);
        assert_eq!(press(&mut model, "\x1a"), Some(Wish::Suspend), "{keys:?}");
        assert_eq!((&model.mode, &model.filter), (&other.mode, &other.filter), "{keys:?}");
    }
}

#[test]
fn who_reads_what_was_before_is_not_moved_by_what_happens() {
    let mut model = model();
    let happens = |model: &mut Model, seq: usize, target: &str| {
        let event = json!({
            "seq": seq, "time": MONDAY, "target": target, "message": format!("number {seq}"),
        });
        let event = Event::Happened(Box::new(serde_json::from_value(event).unwrap()));
        assert_eq!(model.update(event, Duration::ZERO), None);
    };
    let last = |model: &Model| {
        let heard = model.heard();
        heard[heard.len() - 1 - model.back].message.clone()
    };
    for seq in 0..30 {
        happens(&mut model, seq, ["one", "three"][seq % 2]);
    }
    press(&mut model, "ekkk");
    assert_eq!(last(&model), "number 26");
    happens(&mut model, 30, "one");
    assert_eq!(last(&model), "number 26");
    press(&mut model, "G");
    happens(&mut model, 31, "one");
    assert_eq!(last(&model), "number 31", "at the end the newest is shown");

    press(&mut model, "e/three\reg");
    assert_eq!(last(&model), "number 1", "no further back than there is something");
    happens(&mut model, 32, "one");
    assert_eq!(last(&model), "number 1");
    press(&mut model, "j");
    assert_eq!(last(&model), "number 3");
}

#[test]
fn a_daemon_that_goes_away_is_told_until_it_is_back() {
    let mut model = model();
    let problem = || Problem::new("C01", ProblemKind::NotRunning, "bastiond is not running");
    model.update(Event::Away(problem()), Duration::from_secs(5));
    model.update(Event::Away(problem()), Duration::from_secs(9));
    assert_eq!(model.away.as_ref().unwrap().since, Duration::from_secs(5));
    assert_eq!(selected(&model), "one", "what it last said is still there");
    see(&mut model, status(TUESDAY, &[("one", 7, 0)]), 10);
    assert!(model.away.is_none());
}

#[test]
fn a_daemon_that_began_anew_moves_nothing_backwards() {
    let mut model = model();
    see(&mut model, status(MONDAY, &[("one", 5000, 0)]), 1);
    assert_eq!(model.histories["one"].now(), 5000);
    assert!(!model.histories.contains_key("used"), "it is no longer in the config");
    see(&mut model, status(TUESDAY, &[("one", 9000, 0)]), 2);
    assert_eq!(model.histories["one"].now(), 0);
    see(&mut model, status(TUESDAY, &[("one", 9100, 0)]), 3);
    assert_eq!(model.histories["one"].now(), 100);
}

#[test]
fn an_older_daemon_without_sums_is_watched_by_its_visits() {
    let mut old = status(MONDAY, &[("one", 0, 1)]);
    let mut model = Model::default();
    for (second, moved) in [(0, 100), (1, 600)] {
        old.targets[0].visits[0].bytes_out = moved;
        see(&mut model, old.clone(), second);
    }
    assert_eq!(model.histories["one"].now(), 500);
}

#[test]
fn what_was_said_is_shown_for_a_while_with_what_helps() {
    let mut model = model();
    let failed = Problem::new("D04", ProblemKind::BastionFailed, "it did not start").hint("try");
    model.update(Event::Failed(failed), Duration::from_secs(20));
    let said = model.said().unwrap();
    assert_eq!((said.words.as_str(), said.bad), ("it did not start  hint: try", true));
    see(&mut model, status(MONDAY, &[]), 27);
    assert!(model.said().is_some());
    see(&mut model, status(MONDAY, &[]), 28);
    assert!(model.said().is_none());
}

#[test]
fn events_scroll_from_the_last_to_the_first_and_the_oldest_are_forgotten() {
    let mut model = model();
    for seq in 0..600 {
        let event = json!({ "seq": seq, "time": MONDAY, "message": "m" });
        let event = Event::Happened(Box::new(serde_json::from_value(event).unwrap()));
        model.update(event, Duration::ZERO);
    }
    assert_eq!((model.happenings.len(), model.happenings[0].seq), (500, 100));
    press(&mut model, "ekk\x1b[5~");
    assert_eq!(model.back, 12);
    press(&mut model, "g");
    assert_eq!(model.back, 499);
    press(&mut model, "\x1b[6~\x1b[BG");
    assert_eq!(model.back, 0);
}
