//! What the life of bastions and of the daemon promises: how long a death is felt, how soon a restart is over, what many
//! visits leave behind, and whom one target's failure slows down.

mod death;
mod many;
mod other;
mod restart;

use bastion_e2e::configs;

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

/// A config with so many targets `t0`, `t1`, … of one site, each of which leads to the default world's PostgreSQL.
fn targets(count: usize) -> String {
    (0..count).map(target).fold(site("prod", ""), |config, target| config + &target)
}

fn target(number: usize) -> String {
    format!(
        "\n[target.t{number}]\nsite = \"prod\"\nrds = \"neuraKnot-prod-db\"\nengine = \"postgres\"\n\
         listen = {{port:t{number}}}\n"
    )
}

/// The script way's site by another name, with more settings.
fn site(name: &str, more: &str) -> String {
    let (site, _) = configs::SCRIPT_WAY.split_once("\n[target.").expect("it has a target");
    let head = format!("[site.{name}]\n{more}");
    format!("{}\n", site.replace("[site.prod]\n", &head))
}
