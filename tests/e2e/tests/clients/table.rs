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
