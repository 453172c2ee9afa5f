//! The database's security groups let the bastion in (D10).

use bastion_cloud::{GroupFacts, PeerFacts, RuleFacts};

use super::asked::{Asked, asked};
use super::{SiteFacts, TargetFacts, Verdict, cidr};
use crate::explain;
use crate::explain::doctor::Shut;

/// A rule of the database's groups lets the bastion's in, and one of the bastion's lets it out.
pub(super) fn reach(site: &SiteFacts, facts: &TargetFacts) -> Option<Verdict> {
    let target = &facts.target;
    let found = facts.found.as_ref().and_then(|fact| fact.as_ref().ok());
    let database = facts.database.as_ref().and_then(|fact| fact.as_ref().ok());
    let port = database
        .and_then(|database| database.port)
        .or_else(|| found.map(|found| found.remote.port))?;
    let own = match asked(&site.groups) {
        Asked::Told(groups) => groups,
        Asked::Wrong(err) => {
            return Some(Verdict::unknown(explain::doctor::no_answer(err.call)));
        }
        Asked::Nothing(verdict) => return Some(verdict),
    };
    let from = own.first().map(|group| group.id.clone()).unwrap_or_default();
    let theirs = database.map(|database| database.security_groups.as_slice()).unwrap_or_default();
    if !own.iter().any(|group| lets_out(group, port, theirs)) {
        let shut = Shut::Out { group: from, port, to: theirs.first().cloned() };
        return Some(Verdict::fail(explain::doctor::database_shut(target, &shut)));
    }
    // Whose groups a plain host has, nobody knows.
    facts.groups.as_ref()?;
    let groups = match asked(&facts.groups) {
        Asked::Told(groups) => groups,
        Asked::Wrong(err) => {
            return Some(Verdict::unknown(explain::doctor::no_answer(err.call)));
        }
        Asked::Nothing(verdict) => return Some(verdict),
    };
    let rules = || groups.iter().flat_map(|group| &group.ingress).filter(|rule| rule.covers(port));
    let let_in = rules().map(|rule| answer(rule, site));
    match let_in.max() {
        Some(Answer::Yes) => {
            let names: Vec<&str> = groups.iter().map(|group| group.id.as_str()).collect();
            Some(Verdict::ok(format!("{} allows {port} from {from}", names.join(", "))))
        }
        Some(Answer::Perhaps) => Some(Verdict::unknown(explain::doctor::rules_unclear(port))),
        Some(Answer::No) | None => {
            let allowed: Vec<String> = rules().map(|rule| peer(&rule.peer)).collect();
            let group = groups.first().map(|group| group.id.clone()).unwrap_or_default();
            let shut = Shut::In { group, port, allowed, from };
            Some(Verdict::fail(explain::doctor::database_shut(target, &shut)))
        }
    }
}

/// Whether the database's rules let the very addresses of the bastion's subnets in: then networks are joined.
pub(super) fn lets_in_by_address(site: &SiteFacts, facts: &TargetFacts) -> bool {
    let port = facts.database.as_ref().and_then(|fact| fact.as_ref().ok()?.port);
    let (Some(Ok(groups)), Some(port)) = (&facts.groups, port) else { return false };
    groups.iter().flat_map(|group| &group.ingress).any(|rule| {
        let narrow = matches!(&rule.peer, PeerFacts::Cidr(block) if !cidr::is_everybody(block));
        narrow && rule.covers(port) && answer(rule, site) == Answer::Yes
    })
}

/// Whether a rule is about the bastion.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Answer {
    No,
    Perhaps,
    Yes,
}

fn answer(rule: &RuleFacts, site: &SiteFacts) -> Answer {
    match &rule.peer {
        PeerFacts::Group(group) => {
            let own = site.group_ids().is_some_and(|own| own.contains(group));
            if own { Answer::Yes } else { Answer::No }
        }
        PeerFacts::Cidr(block) if cidr::is_everybody(block) => Answer::Yes,
        PeerFacts::Cidr(block) => {
            let network = site.network.as_ref().and_then(|fact| fact.as_ref().ok());
            let blocks: Option<Vec<&str>> = network
                .map(|network| network.subnets.iter().map(|one| one.cidr.as_deref()).collect())
                .unwrap_or_default();
            match blocks {
                Some(blocks) if !blocks.is_empty() => {
                    let all = blocks.iter().all(|own| cidr::holds(block, own));
                    if all { Answer::Yes } else { Answer::No }
                }
                Some(_) | None => Answer::Perhaps,
            }
        }
        PeerFacts::PrefixList(_) => Answer::Perhaps,
    }
}

/// Whether a group of the bastion's lets it out to the database. Addresses are taken for the database's own: which those
/// are changes, and is not told.
fn lets_out(group: &GroupFacts, port: u16, theirs: &[String]) -> bool {
    group.egress.iter().filter(|rule| rule.covers(port)).any(|rule| match &rule.peer {
        PeerFacts::Group(to) => theirs.is_empty() || theirs.contains(to),
        PeerFacts::Cidr(_) | PeerFacts::PrefixList(_) => true,
    })
}

fn peer(peer: &PeerFacts) -> String {
    match peer {
        PeerFacts::Cidr(name) | PeerFacts::Group(name) | PeerFacts::PrefixList(name) => {
            name.clone()
        }
    }
}
