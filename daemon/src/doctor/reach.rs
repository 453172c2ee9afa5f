//! The database's security groups let the bastion in (D10).

use bastion_cloud::{GroupFacts, NetworkFacts, PeerFacts, RuleFacts};

use super::asked::{Asked, asked};
use super::facts::told;
use super::{SiteFacts, TargetFacts, Verdict, cidr};
use crate::explain;
use crate::explain::doctor::Shut;

/// A rule of the database's groups lets the bastion's in, and one of the bastion's lets it out.
pub(super) fn reach(site: &SiteFacts, facts: &TargetFacts) -> Option<Verdict> {
    let target = &facts.target;
    let found = told(&facts.found);
    let database = told(&facts.database);
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
    let rules = rules(groups, port);
    let network = told(&site.network);
    let answer = lets_in(&rules, site.group_ids().unwrap_or_default(), network);
    let by_address = rules.iter().any(|rule| matches!(rule.peer, PeerFacts::Cidr(_)));
    // Between networks addresses may be translated.
    let elsewhere = super::database::their_vpc(facts).is_some_and(|vpc| Some(vpc) != site.vpc());
    match answer {
        Answer::Yes => {
            let names: Vec<&str> = groups.iter().map(|group| group.id.as_str()).collect();
            Some(Verdict::ok(format!("{} allows {port} from {from}", names.join(", "))))
        }
        Answer::No if elsewhere && by_address => {
            Some(Verdict::unknown(explain::doctor::rules_unclear(port)))
        }
        Answer::Perhaps => Some(Verdict::unknown(explain::doctor::rules_unclear(port))),
        Answer::No => {
            let allowed: Vec<String> = rules.iter().map(|rule| peer(&rule.peer)).collect();
            let group = groups.first().map(|group| group.id.clone()).unwrap_or_default();
            let shut = Shut::In { group, port, allowed, from };
            Some(Verdict::fail(explain::doctor::database_shut(target, &shut)))
        }
    }
}

/// Whether the database's rules name the bastion's own group, or the very addresses of its subnets: then networks are
/// joined, for EC2 takes no group of a network that is not.
pub(super) fn names_the_bastion(site: &SiteFacts, facts: &TargetFacts) -> bool {
    let port = facts.database.as_ref().and_then(|fact| fact.as_ref().ok()?.port);
    let (Some(Ok(groups)), Some(port)) = (&facts.groups, port) else { return false };
    let mut rules = rules(groups, port);
    rules.retain(|rule| !matches!(&rule.peer, PeerFacts::Cidr(block) if cidr::is_everybody(block)));
    let network = told(&site.network);
    lets_in(&rules, site.group_ids().unwrap_or_default(), network) == Answer::Yes
}

/// Whether rules let the bastion in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Answer {
    No,
    Perhaps,
    Yes,
}

/// Whether rules let tasks with these groups in: by a group, or by the addresses of all their subnets, for which several
/// rules may stand together.
pub(super) fn lets_in(
    rules: &[&RuleFacts],
    own: &[String],
    network: Option<&NetworkFacts>,
) -> Answer {
    let blocks: Vec<&str> = rules.iter().filter_map(|rule| block(&rule.peer)).collect();
    let by_address = network
        .filter(|network| !network.subnets.is_empty())
        .map(|network| network.subnets.iter().map(|one| covers(&blocks, one.cidr.as_deref())))
        .and_then(Iterator::min);
    let by_address = match by_address {
        Some(answer) => answer,
        None if blocks.is_empty() => Answer::No,
        // Where the subnets are is not known.
        None => Answer::Perhaps,
    };
    let by_name = rules.iter().map(|rule| match &rule.peer {
        PeerFacts::Group(group) if own.contains(group) => Answer::Yes,
        PeerFacts::Cidr(block) if block == EVERY_IPV4 => Answer::Yes,
        PeerFacts::Group(_) | PeerFacts::Cidr(_) => Answer::No,
        PeerFacts::PrefixList(_) => Answer::Perhaps,
    });
    by_name.max().unwrap_or(Answer::No).max(by_address)
}

/// Whether one of these blocks holds a subnet's. Parts of it may hold all of it together, and its IPv6 addresses are not
/// known.
fn covers(blocks: &[&str], subnet: Option<&str>) -> Answer {
    let one = |block: &&str| match subnet {
        Some(subnet) if cidr::holds(block, subnet) => Answer::Yes,
        Some(subnet) if !block.contains(':') && !cidr::holds(subnet, block) => Answer::No,
        Some(_) | None => Answer::Perhaps,
    };
    blocks.iter().map(one).max().unwrap_or(Answer::No)
}

fn block(peer: &PeerFacts) -> Option<&str> {
    match peer {
        PeerFacts::Cidr(block) => Some(block),
        PeerFacts::Group(_) | PeerFacts::PrefixList(_) => None,
    }
}

fn rules(groups: &[GroupFacts], port: u16) -> Vec<&RuleFacts> {
    groups.iter().flat_map(|group| &group.ingress).filter(|rule| rule.covers(port)).collect()
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

/// Everybody who has an IPv4 address.
const EVERY_IPV4: &str = "0.0.0.0/0";
