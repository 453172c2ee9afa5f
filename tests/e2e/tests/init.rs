//! From an AWS login alone to a first row: `bastionctl init` with real programs on a simulated AWS.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use bastion_e2e::clients::{Finished, Running};
use bastion_e2e::logins::{HOUR, SSO_PROFILE};
use bastion_e2e::{House, Plan, configs};
use bastion_sim::{Fault, What};
use tokio::sync::{Mutex, MutexGuard};

/// The script way's definition: one of the two places that the default account has.
const SCRIPT: [&str; 2] = ["--task-definition", "neuraKnot-prod-ssm-proxy"];

/// Ports from 15432 on are for one story at a time: between init and a daemon's start anybody may take them.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// A person with a profile and nothing else.
async fn newcomer() -> House {
    let house = Plan::without_config().keys_in_files().postgres().mariadb().lay().await;
    house.write_profiles(&house.keys_profile("prod"));
    house
}

async fn init(house: &House, words: &[&str]) -> Finished {
    let mut command = house.program("bastionctl");
    let env = house.sim().env().into_iter();
    command.envs(env.filter(|(name, _)| !name.contains("KEY") && !name.contains("REGION")));
    Running::start(command.arg("init").args(words)).finish().await
}

fn config(house: &House) -> PathBuf {
    house.path("config/bastiond/config.toml")
}

fn text(house: &House) -> String {
    fs::read_to_string(config(house)).unwrap()
}

/// The local port of a target, as the config has it.
fn port(house: &House, target: &str) -> u16 {
    let text = text(house);
    let (_, table) = text.split_once(&format!("[target.{target}]\n")).unwrap();
    let (_, port) = table.split_once("listen = ").unwrap();
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    port.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_comes_from_a_login_to_a_first_row() {
    let _alone = alone().await;
    let mut house = newcomer().await;
    let said = init(&house, &[&SCRIPT[..], &["--yes"]].concat()).await;
    assert_eq!(said.code(), Some(0), "{said}");
    assert!(said.err.contains("bastionctl open "), "{said}");
    house.ctl(&["config", "check"]).await.ok();
    house.start().await;
    let port = port(&house, "neuraknot-prod-db");
    assert_eq!(house.psql_on(port, "SELECT 42").finish().await.ok(), "42");
    let password = house.ctl(&["password", "neuraknot-prod-db"]).await;
    assert_eq!(password.ok(), "prod-secret-password");

    let (text, metadata) = (text(&house), fs::metadata(config(&house)).unwrap());
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert!(text.contains("profile = \"prod\""), "{text}");
    assert!(!text.contains("secret-password"), "{text}");
    assert_eq!(house.sim().count("CreateCluster") + house.sim().count("GetSecretValue"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_with_nothing_new_changes_not_a_byte() {
    let _alone = alone().await;
    let house = newcomer().await;
    init(&house, &[&SCRIPT[..], &["--yes"]].concat()).await.ok();
    let before = (text(&house), fs::metadata(config(&house)).unwrap().mtime_nsec());
    let said = init(&house, &SCRIPT).await;
    assert_eq!(said.code(), Some(0), "{said}");
    assert_eq!(init(&house, &SCRIPT).await.code(), Some(0));
    let after = (text(&house), fs::metadata(config(&house)).unwrap().mtime_nsec());
    assert_eq!(before, after);
    let told = init(&house, &[&SCRIPT[..], &["--json"]].concat()).await.json();
    assert_eq!((&told["written"], &told["text"]), (&false.into(), &"".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_wrote_stays_and_a_daemon_that_runs_takes_the_rest_at_once() {
    let _alone = alone().await;
    let mut house = newcomer().await;
    let mine = configs::SCRIPT_WAY
        .replace("{idle}", "33m")
        .replace("{start}", "1m")
        .replace("{port:prod-db}", "15432")
        .replace("[site.prod]", "\t# by hand, and ugly   \n[site.prod]\nprofile = 'prod'");
    fs::create_dir_all(config(&house).parent().unwrap()).unwrap();
    fs::write(config(&house), &mine).unwrap();
    house.start().await;
    let said = init(&house, &["--service", "bastion-service"]).await;
    assert_eq!(said.code(), Some(0), "{said}");
    assert!(text(&house).starts_with(&mine), "{}", text(&house));
    // The same place by another way is what is there already, whatever it is called.
    let said = init(&house, &SCRIPT).await;
    assert_eq!(said.code(), Some(0), "{said}");
    assert!(text(&house).starts_with(&mine), "{}", text(&house));
    assert!(!text(&house).contains("[site.prod-2]"), "{}", text(&house));
    assert!(!text(&house).contains("[target.neuraknot-prod-db]"), "{}", text(&house));
    let names: Vec<String> =
        house.status().await.targets.into_iter().map(|target| target.name).collect();
    let expected = ["prod-db", "dev-mysql", "managed-db", "neuraknot-aurora", "neuraknot-proxy"];
    assert_eq!(names, expected);
    let port = port(&house, "dev-mysql");
    let row = Running::start(house.mariadb_on(port).args(["-N", "-e", "SELECT 7"])).finish().await;
    assert_eq!(row.ok(), "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_keeps_its_port_when_it_comes_back_and_never_gets_one_in_use() {
    let _alone = alone().await;
    let house = newcomer().await;
    // Somebody has it already, unless another program of this machine is that somebody.
    let _held = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 15432));
    let only = |name| [&SCRIPT[..], &["--database", name]].concat();
    init(&house, &only("neuraknot-prod-db")).await.ok();
    init(&house, &only("managed-db")).await.ok();
    let (first, second) = (port(&house, "neuraknot-prod-db"), port(&house, "managed-db"));
    assert!(first > 15432 && second > first, "{first} {second}");
    // The person throws the first one out, and wants it back later.
    let text = text(&house);
    let (head, rest) = text.split_once("# RDS instance neuraknot-prod-db").unwrap();
    let (_, tail) = rest.split_once("\n\n").unwrap();
    fs::write(config(&house), format!("{head}{tail}")).unwrap();
    init(&house, &only("neuraknot-aurora")).await.ok();
    assert!(port(&house, "neuraknot-aurora") > second);
    init(&house, &only("neuraknot-prod-db")).await.ok();
    assert_eq!(port(&house, "neuraknot-prod-db"), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_places_and_nobody_to_ask_is_exit_code_2_and_nothing_is_written() {
    let house = newcomer().await;
    let said = init(&house, &["--yes"]).await;
    assert_eq!(said.code(), Some(2), "{said}");
    for part in ["--task-definition", "--service", "bastion-service", "neuraKnot-prod-ssm-proxy"] {
        assert!(said.err.contains(part), "{said}");
    }
    assert!(!config(&house).exists());
    assert!(!house.path("state/bastiond").exists());
    house.write_profiles(&(house.keys_profile("one") + &house.keys_profile("two")));
    let said = init(&house, &SCRIPT).await;
    assert_eq!(said.code(), Some(2), "{said}");
    assert!(said.err.contains("--profile") && said.err.contains("two"), "{said}");
    assert_eq!(init(&house, &[&SCRIPT[..], &["--profile", "two"]].concat()).await.code(), Some(0));
    assert!(text(&house).contains("profile = \"two\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_or_a_region_that_is_not_there_is_told_with_those_that_are() {
    let house = newcomer().await;
    let said = init(&house, &["--profile", "prdo"]).await;
    assert_eq!(said.code(), Some(6), "{said}");
    assert!(said.err.contains("no profile \"prdo\"") && said.err.contains("prod"), "{said}");
    // There, AWS does not know the credentials, or nobody answers: the login has no part in it.
    let said = init(&house, &["--region", "ap-northeast-9"]).await;
    assert_eq!(said.code(), Some(6), "{said}");
    assert!(said.err.contains("no region \"ap-northeast-9\""), "{said}");
    assert!(said.err.contains("eu-central-1") && !said.err.contains("login"), "{said}");
    // A profile that names none leaves it open.
    let profile = house.keys_profile("prod").replace("region = ap-northeast-1\n", "");
    house.write_profiles(&profile);
    let said = init(&house, &SCRIPT).await;
    assert_eq!(said.code(), Some(2), "{said}");
    assert!(said.err.contains("--region") && said.err.contains("us-west-2"), "{said}");
    let here = [&SCRIPT[..], &["--region", "ap-northeast-1", "--dry-run"]].concat();
    assert_eq!(init(&house, &here).await.code(), Some(0));
    house.write_profiles("[profile prod\n");
    let said = init(&house, &here).await;
    assert_eq!(said.code(), Some(1), "{said}");
    assert!(said.err.contains("on line 1") && said.err.contains("hint: mend"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_login_is_told_with_its_command_and_exit_code_4() {
    let house = newcomer().await;
    house.write_profiles(&SSO_PROFILE.replace("{name}", "prod"));
    house.sso_login("token", HOUR);
    house.sso_ends("token");
    let said = init(&house, &SCRIPT).await;
    assert_eq!(said.code(), Some(4), "{said}");
    assert!(said.err.contains("aws sso login --profile prod"), "{said}");
    assert!(said.err.contains("D18"), "{said}");
    assert!(!config(&house).exists());
    house.sso_login("again", HOUR);
    assert_eq!(init(&house, &SCRIPT).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_config_is_told_and_not_touched() {
    let house = newcomer().await;
    fs::create_dir_all(config(&house).parent().unwrap()).unwrap();
    let faulty = "[site.prod]\nclustre = \"x\"\n";
    fs::write(config(&house), faulty).unwrap();
    let said = init(&house, &SCRIPT).await;
    assert_eq!(said.code(), Some(2), "{said}");
    assert!(said.err.contains("clustre") && said.err.contains("nothing was written"), "{said}");
    assert_eq!(text(&house), faulty);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_looked_at_is_told_with_what_to_grant_and_the_rest_is_written() {
    let house = newcomer().await;
    for action in ["ListSecrets", "DescribeDBProxies", "DescribeSecurityGroups"] {
        let denied = What::AccessDenied { explicit: false, resource: None };
        house.sim().faults().add(Fault::on(action, denied));
    }
    let said = init(&house, &SCRIPT).await;
    assert_eq!(said.code(), Some(2), "{said}");
    for part in ["--security-groups", "cannot know the secrets", "secretsmanager:ListSecrets"] {
        assert!(said.err.contains(part), "{said}");
    }
    let more = ["--security-groups", "neuraKnot-prod-ecs-sg"];
    let said = init(&house, &[&SCRIPT[..], &more].concat()).await;
    assert_eq!(said.code(), Some(0), "{said}");
    let text = text(&house);
    assert!(text.contains("[target.neuraknot-prod-db]"), "{text}");
    assert!(text.contains("# password = { secret = \"NAME\" }"), "{text}");
    assert!(!text.contains("[target.neuraknot-proxy]"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_anything_is_told_to_make_a_stack() {
    let house = newcomer().await;
    house.sim().world(|world| {
        world.services.clear();
        world.task_definitions.clear();
    });
    let said = init(&house, &[]).await;
    assert_eq!(said.code(), Some(6), "{said}");
    assert!(said.err.contains("bastionctl init --stack"), "{said}");
}
