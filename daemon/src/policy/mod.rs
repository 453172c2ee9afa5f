//! The least that IAM has to allow for a config. Decided here, from the config and from what is known of the account;
//! who wants to know asks the cloud first (control/policy.rs).
//!
//! ```text
//!   Config ──▶ Seat: a site, its targets ─┐
//!   cloud  ──▶ Facts: account, ARNs, … ───┴──▶ bastions.rs  run, see, stop; a service's tasks
//!                                              sessions.rs  open, resume, end; the data channel
//!                                              databases.rs find, secrets, tokens      ──▶ Draft ──▶ Policy
//!                                              doctor.rs    what only the doctor asks
//! ```
//!
//! What is not known is a pattern, as narrow as can be, with a note.

mod bastions;
mod databases;
mod doctor;
mod draft;
mod facts;
mod names;
mod role;
mod sessions;

use std::collections::BTreeSet;
use std::sync::Arc;

use bastion_api::{Policy, PolicyFor};
use bastion_cloud::Site;

use crate::config::{Config, Rules, Target};

pub use facts::{Facts, KnownDatabase};

use draft::Draft;
use names::Names;

/// A site as one login sees it: what is done there, for whom, and what is known of it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The site, with the profile and the region of the login.
    pub site: Site,
    /// Its targets with that profile and region; none where nobody uses the site yet.
    pub targets: Vec<Arc<Target>>,
    /// What is said about its bastions.
    pub rules: Rules,
    /// What the cloud told of it.
    pub facts: Facts,
}

/// The seats of these sites, or of all where none is named; nothing is known of them yet. A name that is no site's is
/// the error.
pub fn seats<'a>(config: &Config, names: &'a [String]) -> Result<Vec<Seat>, &'a str> {
    if let Some(unknown) = names.iter().find(|name| !config.sites.contains_key(*name)) {
        return Err(unknown);
    }
    let wanted = |name: &String| names.is_empty() || names.contains(name);
    let sites = config.sites.iter().filter(|(name, _)| wanted(name));
    Ok(sites.flat_map(|(name, own)| of_site(config, name, &own.site, own.rules)).collect())
}

fn of_site(config: &Config, name: &str, site: &Site, rules: Rules) -> Vec<Seat> {
    let mut seats: Vec<Seat> = Vec::new();
    for target in config.targets.iter().filter(|target| target.site.name == name) {
        let target = Arc::new(target.clone());
        match seats.iter_mut().find(|seat| seat.site == target.site) {
            Some(seat) => seat.targets.push(target),
            None => seats.push(Seat {
                site: target.site.clone(),
                rules: target.rules,
                targets: vec![target],
                facts: Facts::default(),
            }),
        }
    }
    if seats.is_empty() {
        let (site, targets, facts) = (site.clone(), Vec::new(), Facts::default());
        seats.push(Seat { site, targets, rules, facts });
    }
    seats
}

/// What the person's user or role needs, and with `doctor` also what only the doctor asks.
pub fn user(seats: &[Seat], doctor: bool) -> Policy {
    let mut drafts: Vec<Draft> = Vec::new();
    for seat in seats {
        let names = Names::of(seat);
        let mut own = bastions::statements(seat, &names);
        own.extend(sessions::statements(&names));
        own.extend(databases::statements(seat, &names));
        if doctor {
            own.extend(doctor::statements(seat, &names));
        }
        drafts.extend(own.into_iter().map(|draft| draft.at(&seat.site.name)));
    }
    let mut policy = draft::policy(PolicyFor::User, sites(seats), drafts);
    policy.notes.splice(0..0, accounts(seats));
    policy
}

/// What the role of the task needs, for its agent to connect, and who may take it.
pub fn task_role(seats: &[Seat]) -> Policy {
    let own = |seat: &Seat| role::statement().at(&seat.site.name);
    let mut policy =
        draft::policy(PolicyFor::TaskRole, sites(seats), seats.iter().map(own).collect());
    let names: Vec<Names> = seats.iter().map(Names::of).collect();
    policy.trust = Some(role::trust(&names));
    policy.notes.splice(0..0, accounts(seats));
    policy
}

fn sites(seats: &[Seat]) -> Vec<String> {
    let names: BTreeSet<String> = seats.iter().map(|seat| seat.site.name.clone()).collect();
    names.into_iter().collect()
}

/// A policy lives in one account, and says its number.
fn accounts(seats: &[Seat]) -> Vec<String> {
    let of = |seat: &Seat| (Names::of(seat).known_account(), seat.site.name.clone());
    let pairs: BTreeSet<(Option<String>, String)> = seats.iter().map(of).collect();
    let of_account = |account: Option<&str>| {
        let sites = pairs.iter().filter(|(own, _)| own.as_deref() == account);
        sites.map(|(_, site)| site.as_str()).collect::<Vec<_>>().join(", ")
    };
    let known: BTreeSet<&str> =
        pairs.iter().filter_map(|(account, _)| account.as_deref()).collect();
    let mut notes = Vec::new();
    if known.len() > 1 {
        let each: Vec<String> = (known.iter())
            .map(|account| format!("{account} ({})", of_account(Some(account))))
            .collect();
        notes.push(format!(
            "the sites are of several accounts, each of which needs its own part (--site): {}",
            each.join(", ")
        ));
    }
    let unknown = of_account(None);
    if !unknown.is_empty() {
        notes.push(format!(
            "the account could not be asked for, so * stands for its number: {unknown}"
        ));
    }
    notes
}
