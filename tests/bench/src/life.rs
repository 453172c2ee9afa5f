//! What the life of bastions and of the daemon promises: how long a death is felt, how soon a restart is over, what many
//! visits leave behind, and whom one target's failure slows down.

mod death;
mod many;
mod other;
mod restart;

use crate::figure::Figure;

pub(crate) const NAMES: &[&str] =
    &[death::ALONE, death::BACK, restart::NAME, many::NAME, other::NAME];

/// Measures one of [`NAMES`]; some give several figures.
pub(crate) async fn measure(name: &'static str) -> Vec<Figure> {
    match name {
        death::ALONE => vec![death::alone().await],
        death::BACK => vec![death::back().await],
        restart::NAME => restart::measure().await,
        many::NAME => many::measure().await,
        _ => other::measure().await,
    }
}
