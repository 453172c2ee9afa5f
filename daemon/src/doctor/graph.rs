//! Each check once, in the order of dependence.

use std::collections::BTreeMap;

use super::facts::{Facts, SiteFacts, TargetFacts};
use super::{
    Check, Verdict, container, database, lately, login, machine, network, permissions, place,
    reach, secret, tasks,
};

/// What a check has found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// What it is about.
    pub about: About,
    /// What came of it.
    pub verdict: Verdict,
}

/// What a check is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum About {
    /// This machine.
    Machine,
    /// A site.
    Site(String),
    /// A target of a site.
    Target {
        /// Its site.
        site: String,
        /// Its name.
        target: String,
    },
}

/// Everything that can be said of these facts, in the order of dependence.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let machine = Case { facts, site: None, target: None };
    make(&Check::MACHINE, &mut Known::new(), machine, &mut findings);
    for site in &facts.sites {
        let of_site = Case { site: Some(site), ..machine };
        for target in &site.targets {
            let of_target = Case { target: Some(target), ..of_site };
            make(&Check::HOST, &mut Known::new(), of_target, &mut findings);
        }
        let mut known = Known::new();
        make(&Check::SITE, &mut known, of_site, &mut findings);
        for target in &site.targets {
            let of_target = Case { target: Some(target), ..of_site };
            make(&Check::TARGET, &mut known.clone(), of_target, &mut findings);
        }
    }
    findings
}

/// What a check looks at.
#[derive(Clone, Copy)]
struct Case<'a> {
    facts: &'a Facts,
    site: Option<&'a SiteFacts>,
    target: Option<&'a TargetFacts>,
}

/// What came of the checks so far.
type Known = BTreeMap<Check, Verdict>;

/// Makes these checks; one that has nothing to look at gives nothing.
fn make(checks: &[Check], known: &mut Known, case: Case<'_>, findings: &mut Vec<Finding>) {
    for &check in checks {
        let Some(judged) = judge(check, case) else { continue };
        let verdict = match in_the_way(check, known) {
            Some(root) => Verdict::Skip(root),
            None => judged,
        };
        known.insert(check, verdict.clone());
        findings.push(Finding { check, about: About::of(case), verdict });
    }
}

fn judge(check: Check, case: Case<'_>) -> Option<Verdict> {
    let Case { facts, site, target } = case;
    match check {
        Check::Config => Some(machine::config(&facts.config)),
        Check::Port => target.map(machine::port),
        Check::Credentials => site.map(|site| login::credentials(site, facts.now)),
        Check::Network => site.map(login::network),
        Check::Clock => site.map(login::clock),
        Check::Aws => site.map(login::aws),
        Check::Permissions => site.map(permissions::permissions),
        Check::Cluster => site.map(place::cluster),
        Check::Service => site.and_then(place::service),
        Check::Definition => site.map(place::definition),
        Check::Container => site.map(container::container),
        Check::Roles => site.map(container::role),
        Check::Subnets => site.map(place::subnets),
        Check::WayOut => site.map(network::way_out),
        Check::Tasks => site.map(tasks::tasks),
        Check::Agent => site.map(|site| tasks::agent(site, facts.now)),
        Check::Sessions => target.and_then(lately::sessions),
        Check::RdsStatus => target.and_then(database::status),
        Check::Vpc => site.zip(target).and_then(|(site, target)| database::vpc(site, target)),
        Check::Reach => site.zip(target).and_then(|(site, target)| reach::reach(site, target)),
        Check::Name => site.zip(target).map(|(site, target)| database::name(site, target)),
        Check::Secret => target.and_then(|target| secret::secret(target, facts.now)),
        Check::Tunnel => target.and_then(lately::tunnel),
        Check::Visits => target.and_then(lately::visits),
    }
}

impl About {
    fn of(case: Case<'_>) -> Self {
        let site = case.site.map(|site| site.site.name.clone());
        let target = case.target.map(|target| target.target.name.clone());
        match (site, target) {
            (None, _) => Self::Machine,
            (Some(site), None) => Self::Site(site),
            (Some(site), Some(target)) => Self::Target { site, target },
        }
    }
}

/// The check that failed and has this one skipped.
fn in_the_way(check: Check, known: &Known) -> Option<Check> {
    check.needs().iter().find_map(|need| match known.get(need) {
        Some(Verdict::Fail(_)) => Some(*need),
        Some(Verdict::Skip(root)) => Some(*root),
        Some(Verdict::Ok(_) | Verdict::Unknown { .. }) | None => None,
    })
}
