//! What clients cannot show. Everything else they do: README's table says the same.

use super::cell::Cell;
use super::program::{Mode, Program};
use super::scene::Scene;

/// How much of a problem a client shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shows {
    /// Code, message, detail and hint.
    All,
    /// That the connection has ended, in its own words: the reason stands in `status` and `events`.
    Nothing,
}

/// What this cell is documented to show.
pub(crate) fn documented(cell: Cell) -> Shows {
    match cell.scene {
        Scene::Lost => match (cell.program.is_postgres(), cell.mode) {
            // A session in the clear is told between two messages.
            (true, Mode::Disable) => Shows::All,
            // Nobody but the database can speak in an encrypted one, and MySQL's has no place for a third's word.
            (true, Mode::Prefer | Mode::Require | Mode::VerifyFull) | (false, _) => Shows::Nothing,
        },
        Scene::Ready
        | Scene::Impatient
        | Scene::Login
        | Scene::Definition
        | Scene::Image
        | Scene::Capacity
        | Scene::Database => match cell.program {
            Program::Psql | Program::Psycopg | Program::Node | Program::Java => Shows::All,
            Program::MariaDb | Program::PyMySql => Shows::All,
            Program::Connector | Program::ConnectorPure => Shows::All,
        },
    }
}

#[test]
fn readmes_table_says_the_same() {
    let readme = std::fs::read_to_string(xtask::place::workspace().join("README.md")).unwrap();
    let (_, section) = readme.split_once("## What your client shows").unwrap();
    for program in Program::ALL {
        let name = program.name().trim_end_matches(" (pure)");
        let row = section.lines().find(|line| line.starts_with(&format!("| {name} ")));
        let row = row.unwrap_or_else(|| panic!("README has no row for {name}"));
        let columns: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        for (scene, mode, column) in [
            (Scene::Login, Mode::Prefer, columns[1]),
            (Scene::Lost, Mode::Disable, columns[2]),
            (Scene::Lost, Mode::VerifyFull, columns[3]),
        ] {
            let all = documented(Cell { program, mode, scene }) == Shows::All;
            assert_eq!(column.starts_with("all of it"), all, "{name}: {column}");
        }
    }
}
