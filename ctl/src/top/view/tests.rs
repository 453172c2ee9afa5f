//! The screens as files under `top/screens`; `UPDATE_SCREENS=1` writes them afresh.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bastion_api::{Problem, ProblemKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use serde_json::{Value, json};

use super::*;
use crate::top::keys::{Key, keys};
use crate::top::model::Event;

/// A dashboard that has watched for three seconds, and on which these keys were pressed then.
fn watched(pressed: &str) -> Model {
    of(&[status(0), status(1), status(2), status(3)], pressed)
}

fn of(reports: &[Value], pressed: &str) -> Model {
    let mut model = Model::default();
    for (second, report) in (0..).zip(reports) {
        let status = Box::new(serde_json::from_value(report.clone()).unwrap());
        let event = Event::Seen { status, today: "2026-01-02T06:16:05Z".parse().unwrap() };
        model.update(event, Duration::from_secs(second));
    }
    for seq in 1..=3 {
        let event = Event::Happened(Box::new(serde_json::from_value(happening(seq)).unwrap()));
        model.update(event, Duration::from_secs(3));
    }
    press(&mut model, pressed);
    model
}

fn press(model: &mut Model, pressed: &str) {
    for key in keys(pressed.as_bytes()) {
        model.update(Event::Pressed(key), Duration::from_secs(3));
    }
}

/// The sketch of product.md, a second after the other.
fn status(second: u64) -> Value {
    let visit = |id: u64, program: &str, waiting: bool| {
        json!({
            "id": id, "program": program, "pid": 4710 + id, "since": "2026-01-02T06:03:45Z",
            "waiting": waiting, "bytes_in": 1200 * id, "bytes_out": 34_000 * id,
            "silent_seconds": if waiting { Value::Null } else { json!(id * 7) },
        })
    };
    json!({
        "schema_version": 1, "version": "0.1.0", "pid": 321, "started_at": "2026-01-02T03:04:05Z",
        "today_usd": 0.0154,
        "targets": [
            {
                "name": "prod-db", "site": "prod", "engine": "postgres", "state": "ready",
                "addresses": ["[::1]:15432", "127.0.0.1:15432"], "port": 15432,
                "database": "neuraKnot", "user": "postgres", "state_seconds": 2280,
                "visits": [
                    visit(1, "pgAdmin", false), visit(2, "psql", false),
                    visit(3, "pgAdmin", false), visit(4, "pgAdmin", false),
                ],
                "today_usd": 0.0104, "bastions": 1, "tunnels": 2, "resumes": 3,
                "bytes_in": 4_100, "bytes_out": 8_200_000 + 400_000 * second * second,
            },
            {
                "name": "stg-mysql", "site": "stg", "engine": "mysql", "state": "starting",
                "stage": "pulling", "elapsed_seconds": 11.2, "estimate_seconds": 24.0,
                "addresses": ["127.0.0.1:13306"], "port": 13306, "today_usd": 0.0,
                "visits": [visit(5, "DBeaver", true)],
            },
            {
                "name": "old-db", "site": "legacy", "engine": "postgres", "state": "problem",
                "addresses": ["127.0.0.1:15440"], "port": 15440,
                "problems": [{
                    "code": "D18", "kind": "login",
                    "message": "the AWS SSO login of profile \"legacy\" expired 2 h ago",
                    "hints": ["aws sso login --profile legacy"],
                }],
            },
            {
                "name": "a-warehouse-with-a-long-name", "site": "prod", "state": "ready",
                "addresses": ["127.0.0.1:15450"], "idle_stop_seconds": 840, "today_usd": 0.005,
                "state_seconds": 60, "bastions": 1, "tunnels": 1, "holds": 1,
            },
        ],
    })
}

fn happening(seq: u64) -> Value {
    let time = format!("2026-01-02T06:16:0{seq}Z");
    match seq {
        1 => json!({ "seq": 1, "time": time, "message": "bastiond 0.1.0 started" }),
        2 => {
            json!({ "seq": 2, "time": time, "target": "prod-db", "message": "ready after 24 s" })
        }
        _ => json!({
            "seq": seq, "time": time, "target": "old-db", "kind": "problem_found",
            "message": "the AWS SSO login of profile \"legacy\" expired 2 h ago",
            "problem": {
                "code": "D18", "message": "the AWS SSO login of profile \"legacy\" expired 2 h ago",
                "hints": ["aws sso login --profile legacy"],
            },
        }),
    }
}

fn drawn(model: &Model, colour: bool, size: (u16, u16)) -> Buffer {
    painted(model, Paint { colour, letters: true }, size)
}

fn painted(model: &Model, paint: Paint, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, paint, frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let row = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", line.trim_end())
    };
    buffer.content.chunks(width).map(row).collect()
}

fn is(name: &str, model: &Model, size: (u16, u16)) {
    let text = text(&drawn(model, false, size));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/top/screens/{name}.txt"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{name} differs.\n--- expected\n{expected}\n--- is\n{text}");
}

const USUAL: (u16, u16) = (80, 24);
const WIDE: (u16, u16) = (120, 40);
const SMALL: (u16, u16) = (40, 10);

#[test]
fn targets_with_one_from_near() {
    is("list_80x24", &watched(""), USUAL);
    is("list_120x40", &watched(""), WIDE);
    is("list_40x10", &watched(""), SMALL);
}

#[test]
fn what_is_wrong_with_a_target_and_what_helps() {
    is("problem_80x24", &watched("jj"), USUAL);
    is("problem_120x40", &watched("jj"), WIDE);
    is("problem_40x10", &watched("jj\r"), SMALL);
}

#[test]
fn what_has_happened() {
    is("events_80x24", &watched("e"), USUAL);
    is("events_120x40", &watched("e"), WIDE);
    is("events_40x10", &watched("e"), SMALL);
}

#[test]
fn whether_to_close_a_target_that_is_in_use() {
    is("close_80x24", &watched("c"), USUAL);
    is("close_120x40", &watched("c"), WIDE);
    is("close_40x10", &watched("c"), SMALL);
}

#[test]
fn the_keys() {
    is("help_80x24", &watched("?"), USUAL);
    is("help_120x40", &watched("?"), WIDE);
    is("help_40x10", &watched("?"), SMALL);
}

#[test]
fn only_targets_with_this_in_their_names() {
    is("filter_80x24", &watched("/DB"), USUAL);
    is("filter_40x10", &watched("/nothing\r"), SMALL);
}

#[test]
fn a_daemon_that_is_away_and_what_it_last_said() {
    let away = |model: &mut Model, second| {
        let problem = Problem::new("C01", ProblemKind::NotRunning, "bastiond is not running")
            .because("/run/user/1000/bastiond/control.sock: nobody listens there");
        model.update(Event::Away(problem), Duration::from_secs(second));
    };
    let mut model = watched("");
    away(&mut model, 4);
    away(&mut model, 16);
    is("away_80x24", &model, USUAL);
    is("away_40x10", &model, SMALL);
}

#[test]
fn a_daemon_without_targets_and_one_that_has_not_answered_yet() {
    let mut none = status(0);
    none["targets"] = json!([]);
    is("none_80x24", &of(&[none], ""), USUAL);
    is("asking_80x24", &Model::default(), USUAL);
}

#[test]
fn fifty_targets_scroll_with_the_chosen_one_to_be_seen() {
    let mut many = status(0);
    let one = |number| json!({ "name": format!("db-{number:02}"), "site": "s", "state": "cold" });
    many["targets"] = (0..50).map(one).collect();
    let many = [many];
    is("many_80x24", &of(&many, "G"), USUAL);
    is("many_first_80x24", &of(&many, ""), USUAL);
    is("many_middle_40x10", &of(&many, "jjjjjjjjj"), SMALL);
}

#[test]
fn what_helps_is_seen_where_there_is_no_room_for_the_cause() {
    let mut wrong = status(0);
    let cause = "ecs:DescribeTasks answered: CannotPullContainerError: ".repeat(8);
    wrong["targets"][2]["problems"][0]["causes"] = json!([cause]);
    is("cause_80x24", &of(&[wrong.clone()], "jj"), USUAL);
    is("cause_40x10", &of(&[wrong], "jj\r"), SMALL);
}

#[test]
fn a_user_without_a_database_is_told_from_the_engine() {
    let mut one = status(0);
    one["targets"][0]["database"] = Value::Null;
    let text = text(&drawn(&of(&[one], ""), false, USUAL));
    assert!(text.contains("127.0.0.1:15432  postgres  as postgres  site prod"), "{text}");
}

#[test]
fn where_there_is_ascii_alone_nothing_else_is_drawn() {
    let plain = Paint { colour: false, letters: false };
    for pressed in ["", "jj", "e", "?", "c", "\r"] {
        for size in [USUAL, WIDE, SMALL] {
            let text = text(&painted(&watched(pressed), plain, size));
            assert!(text.is_ascii(), "{text}");
            assert!(!text.contains('?') || text.contains("? help") || pressed == "c", "{text}");
        }
    }
    assert!(text(&painted(&watched(""), plain, WIDE)).contains("Enter details"));
}

#[test]
fn no_size_breaks_it() {
    for pressed in ["", "\r", "e", "?", "c", "/x"] {
        let model = watched(pressed);
        for width in 0..90 {
            for height in [0, 1, 2, 3, 4, 5, 9, 14, 24] {
                drawn(&model, true, (width, height));
            }
        }
    }
}

#[test]
fn without_colour_the_same_is_said() {
    for pressed in ["", "jj", "e", "?", "c"] {
        let (plain, painted) =
            (drawn(&watched(pressed), false, USUAL), drawn(&watched(pressed), true, USUAL));
        assert_eq!(text(&plain), text(&painted));
        assert!(
            plain.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        );
        if pressed.is_empty() {
            assert!(painted.content.iter().any(|cell| cell.fg == Color::Green));
        }
    }
}

#[test]
fn words_from_elsewhere_cannot_steer_the_terminal() {
    let mut odd = status(0);
    odd["targets"][0]["name"] = json!("a\u{1b}[31mb");
    odd["targets"][0]["visits"][0]["program"] = json!("p\u{9b}31m\n");
    for pressed in ["", "c"] {
        let text = text(&drawn(&of(&[odd.clone()], pressed), true, USUAL));
        assert!(text.chars().all(|char| char == '\n' || !char.is_control()), "{text:?}");
    }
    let mut model = watched("");
    model.update(
        Event::Failed(Problem::new("D04", ProblemKind::Failed, "no\u{1b}[2J")),
        Duration::ZERO,
    );
    model.update(Event::Pressed(Key::Down), Duration::ZERO);
    assert!(text(&drawn(&model, true, USUAL)).contains("no\u{fffd}[2J"));
}
