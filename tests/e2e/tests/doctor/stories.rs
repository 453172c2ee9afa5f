//! What needs no table.

use std::time::Duration;

use bastion_api::{CheckStatus, DoctorReport};
use bastion_e2e::logins::{HOUR, SSO_PROFILE};
use bastion_e2e::{House, Plan, configs};
use bastion_sim::iam::Policies;
use bastion_sim::{Fault, What};

fn report(out: &str) -> DoctorReport {
    serde_json::from_str(out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_well_nothing_fails_and_nothing_is_unknown() {
    for (config, target) in [(configs::SCRIPT_WAY, "prod-db"), (configs::CDK_WAY, "dev-mysql")] {
        let house = Plan::new(config).build().await;
        let asked = house.ctl(&["doctor", target]).await;
        assert_eq!(asked.code(), Some(0), "{asked}");
        assert!(asked.out.ends_with("0 problems, 0 unknown.\n"), "{asked}");
        assert!(asked.out.contains("123456789012 as dev"), "{asked}");
        let began = ["RunTask", "StartSession", "UpdateService", "StopTask"];
        let began: usize = began.iter().map(|action| house.sim().count(action)).sum();
        assert_eq!(began, 0, "a doctor only looks");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_by_sso_is_told_until_when() {
    let config = configs::SCRIPT_WAY.replace("[site.prod]\n", "[site.prod]\nprofile = \"prod\"\n");
    let mut house = Plan::new(&config).keys_in_files().lay().await;
    house.write_profiles(&SSO_PROFILE.replace("{name}", "prod"));
    house.sso_login("token", 6 * HOUR + 12 * 60 + 30);
    house.start().await;
    let asked = house.ctl(&["doctor", "prod-db"]).await;
    let own = asked.ok().lines().find(|line| line.starts_with("ok    credentials")).unwrap();
    assert!(own.ends_with("123456789012 as AWSReservedSSO_Dev (expires in 6 h 12 min)"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lacks_a_permission_is_neither_well_nor_wrong_and_skips_nothing() {
    let house = Plan::new(configs::SCRIPT_WAY).build().await;
    let denied = || What::AccessDenied { explicit: false, resource: None };
    for action in ["DescribeClusters", "DescribeRouteTables", "SimulatePrincipalPolicy"] {
        house.sim().faults().add(Fault::on(action, denied()));
    }
    let asked = house.ctl(&["doctor", "prod-db", "--json"]).await;
    assert_eq!(asked.code(), Some(0), "{asked}");
    let report = report(&asked.out);
    let of = |status: CheckStatus| -> Vec<(&str, Option<&str>)> {
        let found = report.checks.iter().filter(|check| check.status == status);
        found.map(|check| (check.name.as_str(), check.grant.as_deref())).collect()
    };
    assert_eq!(
        of(CheckStatus::Unknown),
        [
            ("permissions", Some("iam:SimulatePrincipalPolicy")),
            ("cluster", Some("ecs:DescribeClusters")),
            ("task role", Some("iam:SimulatePrincipalPolicy")),
            ("way out", Some("ec2:DescribeRouteTables")),
        ],
        "{asked}"
    );
    assert_eq!((of(CheckStatus::Skip), of(CheckStatus::Fail)), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_the_doctor_comes_all_the_same() {
    let house = Plan::new(configs::SCRIPT_WAY).lay().await;
    house.sim().world(|account| drop(account.clusters.remove("neuraKnot-prod-cluster")));
    let mut asked = house.ctl_alone(&["doctor", "prod-db", "--json"]);
    let asked = bastion_e2e::Running::start(&mut asked).finish().await;
    let report = report(&asked.out);
    assert_eq!(
        (asked.code(), report.root(), report.live),
        (Some(11), Some("D02"), false),
        "{asked}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_a_faulty_config_is_what_is_wrong() {
    let house = Plan::new(&configs::SCRIPT_WAY.replace("cluster =", "clutser =")).lay().await;
    let asked = bastion_e2e::Running::start(&mut house.ctl_alone(&["doctor"])).finish().await;
    assert_eq!(asked.code(), Some(11), "{asked}");
    assert!(asked.out.contains("FAIL  config") && asked.out.contains("clutser"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_targets_what_a_site_shares_is_asked_once() {
    let config =
        format!("{}{}", configs::SCRIPT_WAY, configs::target("other", "prod", "other.internal"));
    let house = Plan::new(&config).build().await;
    let asked = house.ctl(&["doctor", "--json"]).await;
    let report = report(&asked.out);
    assert_eq!(report.targets, ["prod-db", "other"]);
    let clusters = report.checks.iter().filter(|check| check.name == "cluster").count();
    assert_eq!((clusters, house.called("DescribeClusters").len()), (1, 1), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_targets_in_front_of_one_database_it_is_asked_about_once() {
    let house = Plan::new(&configs::targets(12)).build().await;
    let asked = house.ctl(&["doctor"]).await;
    assert_eq!(asked.code(), Some(0), "{asked}");
    let groups = house.called("DescribeSecurityGroups").len();
    // The database twice: as the daemon finds it, and as it is. Groups: by name, of the place; the site's, the database's.
    assert_eq!((house.called("DescribeDBInstances").len(), groups), (2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_a_real_daemon_holds_none_of_its_secrets() {
    let house = Plan::new(configs::SCRIPT_WAY).build().await;
    house.sim().faults().add(Fault::on("RunTask", What::NoCapacity));
    assert!(!house.ctl(&["open", "prod-db"]).await.status.success());
    house.ctl(&["password", "prod-db"]).await.ok();
    let asked = house.ctl(&["doctor", "--bundle", "support.txt"]).await;
    assert_eq!(asked.code(), Some(11), "{asked}");
    let text = std::fs::read_to_string(house.path("support.txt")).unwrap();
    let key = house.sim().keys(|keys| keys[0].clone());
    for secret in ["prod-secret-password", &key.secret_access_key, &key.access_key_id] {
        assert!(!text.contains(secret), "{secret}");
    }
    for wanted in ["D27", "neuraKnot-prod-cluster", "== status ==", "problem_found"] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
}

/// Gives the simulated account's person this policy and no other.
fn bind(house: &House, policy: &serde_json::Value) {
    house.sim().world(|account| {
        let own = [("printed".to_owned(), policy.clone())].into();
        account.users.get_mut("dev").unwrap().policies = Policies { own, boundary: None };
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_policy_that_we_print_nothing_is_missing_and_with_the_doctors_part_all_is_known() {
    for (config, target) in [(configs::SCRIPT_WAY, "prod-db"), (configs::CDK_WAY, "dev-mysql")] {
        let house = Plan::new(config).build().await;
        let whole = house.ctl(&["policy", "--doctor"]).await;
        let least = house.ctl(&["policy"]).await;

        bind(&house, &serde_json::from_str(whole.ok()).unwrap());
        let asked = house.ctl(&["doctor", target]).await;
        assert!(asked.out.ends_with("0 problems, 0 unknown.\n"), "{asked}");

        bind(&house, &serde_json::from_str(least.ok()).unwrap());
        let asked = house.ctl(&["doctor", target]).await;
        assert_eq!(asked.code(), Some(0), "{asked}");
        assert!(asked.out.contains("cannot know: no iam:SimulatePrincipalPolicy"), "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_vpc_does_not_know_fails_the_open_and_stands_in_the_status_until_it_does() {
    let config = configs::SCRIPT_WAY
        .replace("rds = \"neuraKnot-prod-db\"", "host = \"nowhere.internal\"\nport = 5432");
    let house = Plan::new(&config).route("db.internal:5432", 1).errors_expected().build().await;
    let opened = house.ctl(&["open", "prod-db"]).await;
    assert_eq!(opened.code(), Some(10), "{opened}");
    assert!(opened.err.contains("no such host"), "{opened}");
    let codes = |target: &bastion_api::TargetStatus| -> Vec<String> {
        target.problems.iter().map(|problem| problem.code.clone()).collect()
    };
    assert_eq!(codes(&house.target("prod-db").await), ["D25"]);
    let events = house.ctl(&["events", "--json"]).await;
    let closed = events.ok().lines().find(|line| line.contains("\"tunnel_closed\"")).unwrap();
    assert!(closed.contains("\"D25\""), "{events}");
    // Whoever keeps the bastion does not try again and again.
    assert!(house.sim().count("StartSession") <= 2, "{}", house.sim().count("StartSession"));

    let known = std::fs::read_to_string(house.path("config.toml")).unwrap();
    let known = known.replace("nowhere.internal", "db.internal");
    std::fs::write(house.path("config.toml"), known).unwrap();
    house.ctl(&["reload"]).await.ok();
    let opened = house.ctl(&["open", "prod-db"]).await;
    assert_eq!(opened.code(), Some(0), "{opened}");
    bastion_e2e::until("the problem is over", Duration::from_secs(20), async || {
        codes(&house.target("prod-db").await).is_empty().then_some(())
    })
    .await;
}
