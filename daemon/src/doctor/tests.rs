//! The graph of checks, on facts made by hand: what is wrong, what waits for it, what cannot be known.

mod broken;
mod facts;
mod unusual;

use std::collections::BTreeSet;

use bastion_cloud::{CloudError, Kind};

use super::{Check, Facts, Finding, Verdict, examine};
use facts::{denied, error, well};

/// The codes that fail, in their order.
fn codes(facts: &Facts) -> Vec<String> {
    let failed = examine(facts).into_iter().filter_map(|finding| match finding.verdict {
        Verdict::Fail(problem) => Some(problem.code),
        Verdict::Ok(_) | Verdict::Unknown { .. } | Verdict::Skip(_) => None,
    });
    failed.collect()
}

fn of(findings: &[Finding], check: Check) -> &Verdict {
    &findings.iter().find(|finding| finding.check == check).unwrap().verdict
}

#[test]
fn of_a_house_in_order_nothing_fails_is_skipped_or_unknown() {
    let findings = examine(&well());
    for finding in &findings {
        assert!(matches!(finding.verdict, Verdict::Ok(_)), "{finding:?}");
    }
    let made: BTreeSet<Check> = findings.iter().map(|finding| finding.check).collect();
    // There is no service, and nobody was silent.
    let others = [Check::Service, Check::Visits];
    let all = Check::MACHINE.iter().chain(&Check::HOST).chain(&Check::SITE).chain(&Check::TARGET);
    let expected: BTreeSet<Check> = all.copied().filter(|check| !others.contains(check)).collect();
    assert_eq!(made, expected);
}

#[test]
fn a_check_depends_only_on_what_is_checked_before_it() {
    let order: Vec<Check> =
        [&Check::MACHINE[..], &Check::HOST, &Check::SITE, &Check::TARGET].concat();
    for (place, check) in order.iter().enumerate() {
        for need in check.needs() {
            assert!(order[..place].contains(need), "{check:?} needs {need:?}");
        }
    }
    let names: BTreeSet<&str> = order.iter().map(|check| check.name()).collect();
    assert_eq!(names.len(), order.len(), "each has a name of its own");
}

#[test]
fn what_depends_on_a_failure_waits_for_the_first_of_them_and_the_rest_is_told() {
    let mut facts = well();
    let site = &mut facts.sites[0];
    site.definition = Some(Err(error(
        "ecs:DescribeTaskDefinition",
        Kind::NotFound { what: "task definition", candidates: Vec::new() },
    )));
    site.role = None;
    let findings = examine(&facts);
    assert_eq!(codes(&facts), ["D03"]);
    for check in [Check::Container, Check::Roles, Check::Tasks, Check::Agent, Check::Tunnel] {
        assert_eq!(of(&findings, check), &Verdict::Skip(Check::Definition), "{check:?}");
    }
    for check in [Check::Cluster, Check::Subnets, Check::RdsStatus, Check::Reach, Check::Secret] {
        assert!(matches!(of(&findings, check), Verdict::Ok(_)), "{check:?}");
    }
}

#[test]
fn a_missing_permission_is_neither_well_nor_wrong_and_skips_nothing() {
    let mut facts = well();
    facts.sites[0].cluster = Some(Err(denied("ecs:DescribeClusters")));
    let findings = examine(&facts);
    assert_eq!(codes(&facts), [""; 0]);
    let Verdict::Unknown { words, grant } = of(&findings, Check::Cluster) else { panic!() };
    assert_eq!(grant.as_deref(), Some("ecs:DescribeClusters"));
    assert!(words.starts_with("cannot know"), "{words}");
    assert!(!findings.iter().any(|finding| matches!(finding.verdict, Verdict::Skip(_))));
}

#[test]
fn without_permission_for_rds_the_config_may_say_it_instead() {
    let mut facts = well();
    let target = &mut facts.sites[0].targets[0];
    (target.database, target.groups) = (Some(Err(denied("rds:DescribeDBInstances"))), None);
    let findings = examine(&facts);
    let Verdict::Unknown { words, .. } = of(&findings, Check::RdsStatus) else { panic!() };
    assert_eq!(
        words,
        "cannot know: no rds:DescribeDBInstances permission (grant it, or set host = \"…\" in the config)"
    );
}

#[test]
fn without_a_login_nobody_else_is_asked_and_all_wait_for_it() {
    let mut facts = well();
    let expired = CloudError {
        call: "sts:GetCallerIdentity",
        kind: Kind::Login {
            profile: Some("prod".to_owned()),
            way: bastion_cloud::LoginWay::Sso { ended: None },
        },
        message: "no token".to_owned(),
        request_id: None,
    };
    let site = &mut facts.sites[0];
    let targets = std::mem::take(&mut site.targets);
    let login = bastion_cloud::LoginState::Hopeless(expired);
    let (gateway, clock) = (site.gateway.take(), site.clock.take());
    *site = super::SiteFacts { gateway, clock, ..super::SiteFacts::of(site.site.clone(), login) };
    for mut target in targets {
        target.found = None;
        target.database = None;
        target.groups = None;
        target.secret = None;
        target.password = None;
        site.targets.push(target);
    }
    let findings = examine(&facts);
    assert_eq!(codes(&facts), ["D18"]);
    let by_itself = [Check::Config, Check::Port, Check::Credentials, Check::Network, Check::Clock];
    for finding in findings.iter().filter(|finding| !by_itself.contains(&finding.check)) {
        assert_eq!(finding.verdict, Verdict::Skip(Check::Credentials), "{:?}", finding.check);
    }
}

#[test]
fn whoever_waits_waits_for_one_that_failed_and_every_failure_has_one_thing_to_do() {
    for (name, facts, _) in broken::all() {
        let findings = examine(&facts);
        let failed: Vec<Check> = findings
            .iter()
            .filter(|finding| matches!(finding.verdict, Verdict::Fail(_)))
            .map(|finding| finding.check)
            .collect();
        for finding in &findings {
            match &finding.verdict {
                Verdict::Skip(root) => {
                    assert!(
                        failed.contains(root),
                        "{name}: {:?} waits for {root:?}",
                        finding.check
                    );
                }
                Verdict::Fail(problem) => {
                    assert_eq!(problem.hints.len(), 1, "{name}: {problem:?}");
                    assert!(!problem.message.ends_with('.'), "{name}: {problem:?}");
                }
                Verdict::Ok(words) | Verdict::Unknown { words, .. } => {
                    assert!(!words.is_empty(), "{name}: {:?}", finding.check);
                }
            }
        }
    }
}

#[test]
fn each_fault_is_found_by_its_code_and_no_other() {
    for (name, facts, expected) in broken::all() {
        assert_eq!(codes(&facts), expected, "{name}: {:#?}", examine(&facts));
    }
}

#[test]
fn any_two_faults_are_found_together_unless_one_hides_the_other() {
    let all = broken::faults();
    for (first, broke, one) in &all {
        for (second, breaks, other) in &all {
            let mut facts = well();
            broke(&mut facts);
            breaks(&mut facts);
            let found = codes(&facts);
            assert!(!found.is_empty(), "{first} and {second}");
            // Whatever is found is one of the two, and the first of the two in the order of dependence is among them.
            let either =
                |code: &String| one.contains(&code.as_str()) || other.contains(&code.as_str());
            assert!(found.iter().all(either), "{first} and {second}: {found:?}");
        }
    }
}

#[test]
fn no_fix_has_what_a_shell_would_take_for_a_pattern() {
    // zsh, which macOS has, refuses words with brackets that match no file.
    for (name, facts, _) in broken::all() {
        for finding in examine(&facts) {
            let Verdict::Fail(problem) = finding.verdict else { continue };
            for hint in problem.hints.iter().filter(|hint| hint.starts_with("aws ")) {
                let bare: String = hint.split('\'').step_by(2).collect();
                assert!(!bare.contains(['[', '*', '?', '<', '…', '!']), "{name}: {hint}");
            }
        }
    }
}
