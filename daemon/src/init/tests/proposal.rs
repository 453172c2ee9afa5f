//! What is written of what was chosen.

use std::path::Path;

use bastion_api::{DatabaseChoice, Engine, InitRequest, SiteChoice};

use super::{account, wanting};
use crate::config::Listen::Loopback;
use crate::config::write::Found;
use crate::config::{Config, parse};
use crate::init::{Mismatch, Ports, Proposal, Wanted, databases, propose, sites};

fn script_way() -> InitRequest {
    asked(&wanting("neuraKnot-prod-ssm-proxy"))
}

fn cdk_way() -> InitRequest {
    asked(&Wanted { service: Some("bastion-service".to_owned()), ..Wanted::default() })
}

fn asked(wanted: &Wanted) -> InitRequest {
    let account = account();
    let site = sites(&account, wanted).remove(0);
    let databases = databases(&account).into_iter().filter(|one| one.vpc == site.vpc).collect();
    InitRequest {
        profile: Some("prod".to_owned()),
        region: Some("ap-northeast-1".to_owned()),
        account: Some("123456789012".to_owned()),
        site,
        databases,
        ..InitRequest::default()
    }
}

fn nobody(_: u16) -> bool {
    false
}

fn proposed(config: &Config, asked: &InitRequest) -> Result<Proposal, Mismatch> {
    let dir = tempfile::tempdir().unwrap();
    propose(config, asked, &mut Ports::remembered_where(dir.path(), nobody))
}

fn meaning(text: &str) -> Config {
    parse(Path::new("c.toml"), text).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

#[test]
fn what_is_written_means_what_was_chosen() {
    let proposal = proposed(&Config::default(), &script_way()).unwrap();
    let text = proposal.addition.text();
    let config = meaning(&text);
    let site = &config.sites["prod"];
    assert_eq!(site.site.profile.as_deref(), Some("prod"));
    assert_eq!(site.site.container.as_deref(), Some("proxy"));
    let names: Vec<_> =
        config.targets.iter().map(|one| (one.name.as_str(), one.listen[0])).collect();
    let expected = [
        ("front", Loopback(15432)),
        ("neuraknot-prod-db", Loopback(15433)),
        ("reports", Loopback(15434)),
    ];
    assert_eq!(names, expected, "{text}");
    assert!(text.contains("# Where bastions of prod run: account 123456789012"), "{text}");
    let commented = text.lines().filter(|line| line.starts_with("# ")).count();
    assert!(commented >= 2 * (config.targets.len() + 1), "{text}");
}

#[test]
fn what_stands_there_commented_out_may_be_set() {
    for way in [script_way(), cdk_way()] {
        let text = proposed(&Config::default(), &way).unwrap().addition.text();
        let set = text.lines().filter_map(|line| line.strip_prefix("# "));
        let set: Vec<&str> = set.filter(|line| line.contains(" = ")).collect();
        assert!(set.len() >= 5, "{text}");
        for line in set {
            // A second `listen` or `password` takes the first one's place.
            let key = line.split(' ').next().unwrap();
            let mut table = String::new();
            for old in text.split_inclusive("\n\n") {
                let here = old.contains(&format!("# {line}\n"));
                let kept = old.lines().filter(|own| !here || !own.starts_with(&format!("{key} =")));
                let kept: String = kept.map(|own| format!("{own}\n")).collect();
                table += &if here { kept.replace(&format!("# {line}"), line) } else { kept };
            }
            meaning(&table);
        }
    }
}

#[test]
fn what_is_called_usual_is_what_holds_without_it() {
    for way in [script_way(), cdk_way()] {
        let text = proposed(&Config::default(), &way).unwrap().addition.text();
        let said: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(set) if set.contains("# as usual") => format!("{set}\n"),
                Some(_) | None => format!("{line}\n"),
            })
            .collect();
        assert_eq!(said.matches("\nidle_timeout").count(), 1, "{said}");
        assert_eq!(meaning(&said), meaning(&text));
        let widest = text.lines().map(str::len).max().unwrap();
        assert!(widest <= 100, "{text}");
    }
}

#[test]
fn of_a_database_that_nobody_may_look_at_no_engine_is_said() {
    let mut asked = script_way();
    asked.databases = vec![DatabaseChoice {
        kind: bastion_api::DatabaseKind::Rds,
        id: "unseen".to_owned(),
        ..DatabaseChoice::default()
    }];
    let text = proposed(&Config::default(), &asked).unwrap().addition.text();
    assert!(!text.contains("\nengine = "), "{text}");
    assert!(text.contains("# RDS instance unseen.\n"), "{text}");
}

#[test]
fn a_place_with_public_subnets_alone_gets_public_addresses() {
    let mut account = account();
    for subnet in account.subnets.as_mut().unwrap() {
        subnet.public_route = Some(true);
    }
    let site = sites(&account, &wanting("neuraKnot-prod-ssm-proxy")).remove(0);
    assert_eq!((site.vpc.as_deref(), site.public_addresses), (Some("vpc-p"), true));
    let asked = InitRequest { site, ..script_way() };
    let text = proposed(&Config::default(), &asked).unwrap().addition.text();
    assert!(meaning(&text).sites["prod"].site.assign_public_ip, "{text}");
    let private = proposed(&Config::default(), &script_way()).unwrap().addition.text();
    assert!(!private.contains("assign_public_ip"), "{private}");
}

#[test]
fn a_second_time_nothing_is_missing() {
    let first = proposed(&Config::default(), &script_way()).unwrap();
    let config = meaning(&first.addition.text());
    let again = proposed(&config, &script_way()).unwrap();
    assert!(again.addition.is_empty(), "{}", again.addition.text());
    assert!(!again.site.new && again.targets.iter().all(|target| !target.new));
    let ports =
        |proposal: &Proposal| proposal.targets.iter().map(|one| one.port).collect::<Vec<_>>();
    assert_eq!(ports(&again), ports(&first));
}

#[test]
fn a_site_and_a_target_that_a_person_wrote_are_taken_for_what_they_are() {
    let config = meaning(
        "[site.mine]\nprofile = \"prod\"\ncluster = \"arn:aws:ecs:x:1:cluster/neuraKnot-prod-cluster\"\n\
         task_definition = \"neuraKnot-prod-ssm-proxy:7\"\nsubnets = [\"subnet-1\"]\nsecurity_groups = [\"sg-1\"]\n\
         [target.main]\nsite = \"mine\"\nrds = \"neuraKnot-prod-DB\"\nlisten = 15433\n",
    );
    let proposal = proposed(&config, &script_way()).unwrap();
    assert_eq!((proposal.site.name.as_str(), proposal.site.new), ("mine", false));
    let main = proposal.targets.iter().find(|one| one.id == "neuraknot-prod-db").unwrap();
    assert_eq!((main.name.as_str(), main.new, main.port), ("main", false, Some(15433)));
    let ports: Vec<_> = proposal.targets.iter().map(|one| one.port.unwrap()).collect();
    assert_eq!(ports, [15432, 15433, 15434], "and its port is nobody else's");
}

#[test]
fn a_place_of_another_account_is_another_place() {
    let first = proposed(&Config::default(), &script_way()).unwrap();
    let config = meaning(&first.addition.text());
    let other = InitRequest { profile: Some("other".to_owned()), ..script_way() };
    let proposal = proposed(&config, &other).unwrap();
    assert_eq!((proposal.site.name.as_str(), proposal.site.new), ("other", true));
    let names: Vec<_> = proposal.targets.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["front-2", "neuraknot-prod-db-2", "reports-2"]);
    let whole = first.addition.text() + &proposal.addition.text();
    assert_eq!(meaning(&whole).targets.len(), 6);
}

#[test]
fn a_site_is_called_as_it_is_wished_unless_that_is_another_place() {
    let wish = |name: &str| InitRequest { name: Some(name.to_owned()), ..script_way() };
    let called = proposed(&Config::default(), &wish("live")).unwrap().site.name;
    assert_eq!(called, "live");
    assert_eq!(
        proposed(&Config::default(), &wish("a b")).unwrap_err(),
        Mismatch::NoName("a b".to_owned())
    );
    let config = meaning("[site.live]\ncluster = \"c\"\nservice = \"s\"\n");
    let taken = proposed(&config, &wish("live")).unwrap_err();
    assert_eq!(taken, Mismatch::SiteTaken("live".to_owned()));
}

#[test]
fn names_come_from_the_environment_else_from_the_profile_else_from_the_cluster() {
    let called = |cluster: &str, profile: Option<&str>| {
        let mut asked = script_way();
        asked.site.cluster = cluster.to_owned();
        asked.site.task_definition = Some("jump".to_owned());
        asked.profile = profile.map(str::to_owned);
        proposed(&Config::default(), &asked).unwrap().site.name
    };
    assert_eq!(called("shop-stg-cluster", Some("work")), "stg");
    assert_eq!(called("shop", Some("my work")), "my-work");
    assert_eq!(called("shop-cluster", Some("default")), "shop");
    assert_eq!(called("cluster", None), "db");
}

#[test]
fn a_choice_that_lacks_something_is_refused_with_what_it_lacks() {
    let lacking = |alter: fn(&mut InitRequest)| {
        let mut asked = script_way();
        alter(&mut asked);
        proposed(&Config::default(), &asked).unwrap_err()
    };
    let missing = Mismatch::Missing;
    assert_eq!(lacking(|one| one.region = None), missing("which region"));
    assert_eq!(lacking(|one| one.site.cluster.clear()), missing("which cluster"));
    assert_eq!(lacking(|one| one.site.subnets.clear()), missing("which subnets"));
    assert_eq!(lacking(|one| one.site.security_groups.clear()), missing("which security groups"));
    assert_eq!(
        lacking(|one| one.site = SiteChoice::default()),
        missing("what a bastion is made of")
    );
    let unknown = lacking(|one| one.databases = vec![DatabaseChoice::default()]);
    assert!(matches!(unknown, Mismatch::NoDatabase(_)));
}

#[test]
fn engines_have_ports_of_their_own() {
    let mut asked = script_way();
    let like = asked.databases[0].clone();
    let with =
        |id: &str, engine, port| DatabaseChoice { id: id.to_owned(), engine, port, ..like.clone() };
    asked.databases = vec![
        with("pg", Engine::Postgres, Some(6543)),
        with("my", Engine::Mysql, None),
        with("ms", Engine::Other, Some(1433)),
        with("odd", Engine::Other, Some(50_000)),
    ];
    let proposal = proposed(&Config::default(), &asked).unwrap();
    let ports: Vec<_> = proposal.targets.iter().map(|one| one.port.unwrap()).collect();
    assert_eq!(ports, [15432, 13306, 11433, 20000]);
    meaning(&proposal.addition.text());
}

#[test]
fn a_dry_run_and_the_deed_tell_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let found = Found::read(&path).unwrap();
    let proposal = proposed(found.config(), &script_way()).unwrap();
    found.add(&proposal.addition).unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.ends_with(&proposal.addition.text()), "{written}");
}
