//! Logins end and come back, with the real files of a person's home and no restart of the daemon.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::time::Duration;

use bastion_api::{Problem, State, Timestamp};
use bastion_e2e::logins::{HOUR, REFRESH, SSO_PROFILE};
use bastion_e2e::{House, Plan, configs, until};

/// The promise.
const PICKED_UP: Duration = Duration::from_secs(2);
/// What a loaded machine adds.
const SLACK: Duration = Duration::from_secs(2);
const HINT: &str = "aws sso login --profile prod";

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_has_ended_is_told_before_anything_is_started_and_a_new_one_serves_within_two_seconds()
 {
    let house = sso_house("1h", |house| house.write_sso_token("old", -HOUR, "")).await;

    let opened = house.ctl(&["open", "prod-db"]).await;
    let visited = house.psql("prod-db", "SELECT 1").finish().await;

    assert_eq!(opened.code(), Some(4), "{opened}");
    assert!(opened.err.contains(HINT), "{opened}");
    assert!(visited.err.contains(HINT), "psql shows the command: {visited}");
    let problem = the_problem(&house, "prod-db").await;
    assert_eq!(problem.code, "D18");
    assert_eq!(problem.hints, [HINT]);
    let shown = house.ctl(&["status"]).await;
    assert!(shown.out.contains("D18"), "{shown}");
    assert_eq!(house.sim().calls().len(), 0, "the files had told enough");

    let pid = house.pid();
    house.sso_login("new", HOUR);
    let logged_in = Timestamp::now().as_millisecond();
    let visit = until("a visit that is let in", PICKED_UP + SLACK, async || {
        let shown = house.psql("prod-db", "SELECT 6 * 7").finish().await;
        shown.status.success().then_some(shown)
    });

    assert_eq!(visit.await.ok(), "42");
    let asked = house.called("RunTask");
    let took = asked[0].at_ms - logged_in;
    assert!(u128::try_from(took).unwrap() <= PICKED_UP.as_millis(), "picked up after {took} ms");
    assert_eq!((asked.len(), house.pid()), (1, pid));
    assert_eq!(house.target("prod-db").await.problems, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_problem_goes_by_itself_once_there_is_a_login_though_nobody_visits() {
    let house = sso_house("1h", |_| {}).await;
    let opened = house.ctl(&["open", "prod-db"]).await;
    assert_eq!(opened.code(), Some(4), "{opened}");
    assert_eq!(house.target("prod-db").await.state, State::Problem);

    house.sso_login("first", HOUR);

    until("the problem's end", PICKED_UP + SLACK, async || {
        let target = house.target("prod-db").await;
        (target.problems.is_empty() && target.state == State::Cold).then_some(())
    })
    .await;
    let events = house.ctl(&["events"]).await;
    assert!(events.ok().contains("there is a new AWS login"), "{events}");
    assert_eq!(house.sim().count("RunTask"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_can_be_renewed_is_renewed_and_nobody_is_asked_to_log_in() {
    let house = sso_house("1h", |house| house.sso_login_to_renew("old")).await;

    assert_eq!(house.psql("prod-db", "SELECT 6 * 7").finish().await.ok(), "42");

    assert_eq!(house.sim().count("CreateToken"), 1);
    let kept = fs::read_to_string(house.sso_cache()).unwrap();
    assert!(!kept.contains(REFRESH), "what AWS gave in return is kept");
    let events = house.ctl(&["events"]).await;
    assert!(!events.ok().contains("D18"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ends_under_a_bastion_leaves_its_visits_alone_and_the_next_one_stops_the_task()
{
    let house = sso_house("2s", |house| house.sso_login("first", HOUR)).await;
    let visit = house.psql("prod-db", "SELECT pg_sleep(5), 42");
    house.until_state("prod-db", State::Ready).await;

    house.sso_ends("first");

    assert_eq!(visit.finish().await.ok(), "|42", "it asks nothing of AWS");
    let told = until("the stop that AWS refuses", Duration::from_secs(30), async || {
        house.target("prod-db").await.problems.into_iter().next()
    })
    .await;
    assert_eq!(
        (told.code.as_str(), told.hints.join(" ").contains(HINT)),
        ("D18", true),
        "{told:?}"
    );
    assert_eq!(house.sim().running(), 1, "nobody may stop it");

    house.sso_login("second", HOUR);

    house.until_nothing_runs(Duration::from_secs(35)).await;
    let target = house.until_state("prod-db", State::Cold).await;
    assert_eq!(target.problems, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_whose_helper_fails_at_first_serves_once_it_gives_credentials() {
    let house = own_files("1h", |house| {
        let helper = house.path("home/keys.json");
        house.write_profiles(&format!(
            "[profile prod]\nregion = ap-northeast-1\ncredential_process = cat {}\n",
            helper.display()
        ));
    })
    .await;
    let opened = house.ctl(&["open", "prod-db"]).await;
    assert_eq!(opened.code(), Some(4), "{opened}");
    assert!(opened.err.contains("--profile prod"), "{opened}");
    let visited = house.psql("prod-db", "SELECT 1").finish().await;
    assert!(!visited.status.success(), "{visited}");

    let key = house.sim().keys(|keys| keys[0].clone());
    let keys = serde_json::json!({
        "Version": 1, "AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key,
    });
    fs::write(house.path("home/keys.json"), keys.to_string()).unwrap();

    // A person's own wish waits for no back-off.
    house.ctl(&["open", "prod-db"]).await.ok();
    assert_eq!(house.psql("prod-db", "SELECT 2").finish().await.ok(), "2");
    assert_eq!(house.target("prod-db").await.problems, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_written_only_after_the_daemons_start_serves() {
    let house = own_files("1h", |house| house.write_profiles("")).await;
    let opened = house.ctl(&["open", "prod-db"]).await;
    assert!(!opened.status.success(), "{opened}");
    assert!(opened.err.contains("prod"), "{opened}");

    house.write_profiles(&house.keys_profile("prod"));

    house.ctl(&["open", "prod-db"]).await.ok();
    assert_eq!(house.psql("prod-db", "SELECT 2").finish().await.ok(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_profile_is_the_trouble_of_its_own_targets_alone() {
    let helper = "[profile stuck]\nregion = ap-northeast-1\ncredential_process = sleep 600\n";
    let mut house = four_sites().await;
    house.write_profiles(&[SSO_PROFILE.replace("{name}", "ended").as_str(), helper, MFA].concat());
    house.write_sso_token("old", -HOUR, "");
    let profiles = fs::read_to_string(house.path("home/.aws/config")).unwrap();
    house.write_profiles(&(profiles + &house.keys_profile("prod")));
    house.start().await;
    // It asks on a terminal that isn't there, and is given ten seconds.
    let stuck = house.ctl_started(&["open", "stuck-db"]);

    let ended = house.ctl(&["open", "ended-db"]).await;
    let mfa = house.ctl(&["open", "mfa-db"]).await;
    assert_eq!(house.psql("prod-db", "SELECT 6 * 7").finish().await.ok(), "42");

    assert_eq!((ended.code(), mfa.code()), (Some(4), Some(4)), "{ended}\n{mfa}");
    assert_eq!(house.target("prod-db").await.problems, []);
    let stuck = stuck.finish().await;
    assert_eq!(stuck.code(), Some(4), "{stuck}");
    for (target, code) in [("ended-db", "D18"), ("mfa-db", "D28"), ("stuck-db", "D29")] {
        assert_eq!(the_problem(&house, target).await.code, code, "{target}");
    }
    assert_eq!(house.target("prod-db").await.state, State::Ready);
    assert_eq!(house.sim().count("RunTask"), 1, "none but for the good one");
}

/// A house whose site logs in by SSO, and whose person has done this before the daemon starts.
async fn sso_house(idle: &str, done: impl FnOnce(&House)) -> House {
    own_files(idle, |house| {
        house.write_profiles(&SSO_PROFILE.replace("{name}", "prod"));
        done(house);
    })
    .await
}

/// A house whose site names the profile `prod`, and whose person has done this before the daemon starts.
async fn own_files(idle: &str, done: impl FnOnce(&House)) -> House {
    let config = configs::SCRIPT_WAY.replace("[site.prod]\n", "[site.prod]\nprofile = \"prod\"\n");
    let plan = Plan::new(&config).postgres().idle(idle).keys_in_files();
    let mut house = plan.lay().await;
    done(&house);
    house.start().await;
    house
}

/// A good site and three whose profiles are named after what they lack.
async fn four_sites() -> House {
    let (site, target) = configs::SCRIPT_WAY.split_once("[target.prod-db]").unwrap();
    let mut config = format!("{site}profile = \"prod\"\n[target.prod-db]{target}");
    for name in ["ended", "stuck", "mfa"] {
        config += &site.replace("[site.prod]", &format!("[site.{name}]\nprofile = \"{name}\""));
        let target = target.replace("{port:prod-db}", &format!("{{port:{name}-db}}"));
        let target = target.replace("site = \"prod\"", &format!("site = \"{name}\""));
        config += &format!("[target.{name}-db]{target}");
    }
    Plan::new(&config).postgres().keys_in_files().lay().await
}

async fn the_problem(house: &House, target: &str) -> Problem {
    let problems = house.target(target).await.problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

const MFA: &str = "[profile mfa]
region = ap-northeast-1
role_arn = arn:aws:iam::123456789012:role/bastion-operator-mfa
source_profile = prod
mfa_serial = arn:aws:iam::123456789012:mfa/dev
";
