//! The database: whether it is available, where it is, and what it is called.

use std::net::IpAddr;

use bastion_cloud::{DatabaseFacts, DatabaseRef, Kind};

use super::asked::{Asked, asked};
use super::facts::told;
use super::{SiteFacts, TargetFacts, Verdict, cidr};
use crate::explain;

/// The database is available (D11); a plain host is nobody's to ask.
pub(super) fn status(facts: &TargetFacts) -> Option<Verdict> {
    let target = &facts.target;
    match &target.database {
        DatabaseRef::Rds(_) | DatabaseRef::Aurora(..) | DatabaseRef::Proxy(_) => {}
        DatabaseRef::Host(..) => return None,
    }
    let database = match asked(&facts.database) {
        Asked::Told(database) => database,
        Asked::Wrong(err) => {
            let down =
                if let Kind::NotAvailable { status } = &err.kind { Some(status) } else { None };
            return Some(Verdict::fail(match down {
                Some(status) => {
                    let unseen =
                        DatabaseFacts { status: status.clone(), ..DatabaseFacts::default() };
                    explain::doctor::database_down(target, &unseen)
                }
                None => explain::doctor::refused(target, err),
            }));
        }
        Asked::Nothing(Verdict::Unknown { grant: Some(grant), .. }) => {
            let words = explain::doctor::database_unknown(&grant);
            return Some(Verdict::Unknown { words, grant: Some(grant) });
        }
        Asked::Nothing(verdict) => return Some(verdict),
    };
    // Whoever finds it for visits knows in which states it takes none.
    let closed =
        matches!(&facts.found, Some(Err(err)) if matches!(err.kind, Kind::NotAvailable { .. }));
    Some(if !closed && !DOWN.contains(&database.status.as_str()) {
        Verdict::ok(format!("{} is {}", database.id, database.status))
    } else {
        Verdict::fail(explain::doctor::database_down(target, database))
    })
}

/// The database's VPC, where it is told, or that of its groups.
pub(super) fn their_vpc(facts: &TargetFacts) -> Option<&str> {
    let database = facts.database.as_ref()?.as_ref().ok();
    let groups = told(&facts.groups);
    let told = database.and_then(|database| database.vpc.as_deref());
    let of_group = groups.and_then(|groups| groups.first()).map(|group| group.vpc.as_str());
    told.or(of_group).filter(|vpc| !vpc.is_empty())
}

/// The database is in the bastion's VPC (D12).
pub(super) fn vpc(site: &SiteFacts, facts: &TargetFacts) -> Option<Verdict> {
    let (Some(ours), Some(theirs)) = (site.vpc(), their_vpc(facts)) else {
        // Where either is not known, that is told of the subnets or of the database.
        return None;
    };
    if ours == theirs {
        return Some(Verdict::ok(format!("both are in {ours}")));
    }
    if super::reach::names_the_bastion(site, facts) {
        return Some(Verdict::ok(format!("{theirs}, whose rules let {ours} in: they are joined")));
    }
    let database = told(&facts.database);
    if database.is_some_and(|database| database.public) || super::network::may_lead_elsewhere(site)
    {
        return Some(Verdict::unknown(explain::doctor::vpcs_unclear(ours, theirs)));
    }
    Some(Verdict::fail(explain::doctor::another_vpc(&facts.target, ours, theirs)))
}

/// The database's name is known in the VPC, and its address is none that the agent refuses (D25).
pub(super) fn name(site: &SiteFacts, facts: &TargetFacts) -> Verdict {
    let target = &facts.target;
    let found = told(&facts.found);
    let host = found.map(|found| found.remote.host.as_str());
    let address = host.and_then(|host| host.parse::<IpAddr>().ok());
    if let Some(address) = address
        && let Some(why) = forbidden(site, address)
    {
        return Verdict::fail(explain::doctor::address_forbidden(target, address, &why));
    }
    if let Some(Ok(network)) = &site.network
        && network.dns == Some(false)
        && address.is_none()
        // Another DNS may be named to the VPC, which a tunnel that stands shows to know it.
        && !site.stands()
    {
        return Verdict::fail(explain::doctor::vpc_without_names(target, &network.vpc));
    }
    if let Some(problem) = facts.lately(&["D25"]) {
        let name = host.filter(|_| address.is_none());
        return Verdict::fail(match name {
            Some(_) => explain::doctor::name_refused(target, problem, site.vpc()),
            None => explain::doctor::lately(target, problem),
        });
    }
    match host {
        Some(host) => Verdict::ok(host),
        None => Verdict::ok("nothing speaks against it"),
    }
}

/// Why the agent refuses an address: the cloud's own, and those that AWS keeps in the task's subnet (aws.md 3.2).
fn forbidden(site: &SiteFacts, address: IpAddr) -> Option<String> {
    if OF_AWS.iter().any(|own| own.parse() == Ok(address)) {
        return Some("it is one of AWS's own".to_owned());
    }
    let network = told(&site.network)?;
    network.subnets.iter().find_map(|subnet| {
        let block = subnet.cidr.as_deref()?;
        let kept = KEPT.iter().any(|place| cidr::nth(block, *place) == Some(address));
        kept.then(|| format!("AWS keeps it for itself in {block}"))
    })
}

/// What RDS calls a database that is certainly not there for anybody. In other states it is worth a try.
const DOWN: [&str; 6] = ["creating", "deleting", "failed", "starting", "stopped", "stopping"];

/// Metadata, DNS, time, credentials.
const OF_AWS: [&str; 9] = [
    "169.254.169.254",
    "169.254.169.253",
    "169.254.169.123",
    "169.254.169.250",
    "169.254.169.251",
    "fd00:ec2::254",
    "fd00:ec2::253",
    "fd00:ec2::240",
    "fd00:ec2::123",
];

/// Which addresses of a subnet AWS keeps: the first four, and the last.
const KEPT: [i64; 5] = [0, 1, 2, 3, -1];
