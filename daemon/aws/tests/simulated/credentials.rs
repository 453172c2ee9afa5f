//! Whose credentials, from where, and what is said when they do not serve.

use std::process::Command;
use std::time::Duration;

use bastion_aws::{Aws, Settings};
use bastion_cloud::{Cloud, CloudError, Kind, Site};
use bastion_sim::{Fault, Key, SimConfig, What};

use crate::house::{House, key_lines, spec, write};

/// Whether it asks for a new login of the house's profile, by whatever way.
fn wants_login(error: &CloudError) -> bool {
    matches!(&error.kind, Kind::Login { profile, .. } if profile.as_deref() == Some("prod"))
}

#[tokio::test]
async fn the_profile_says_who_we_are() {
    let house = House::new().await;
    let identity = house.aws().identity().await.unwrap();
    assert_eq!(identity.account, "123456789012");
    assert_eq!(identity.arn, "arn:aws:iam::123456789012:user/dev");
}

#[tokio::test]
async fn a_wrong_secret_asks_for_a_login_in_every_protocol() {
    let house = House::new().await;
    house.write_profile(&key_lines("AKIASIMULATEDKEY0001", "wrong/secret"));
    let aws = house.aws();
    let errors = [
        aws.identity().await.unwrap_err(),
        aws.find_place().await.unwrap_err(),
        aws.run_task(&spec("token-1")).await.unwrap_err(),
    ];
    for error in errors {
        assert!(wants_login(&error), "{error:?}");
    }
    assert_eq!(house.sim.tasks().iter().filter(|task| !task.of_service()).count(), 0);
}

#[tokio::test]
async fn an_unknown_key_and_an_expired_token_ask_for_a_login() {
    let temporary = Key {
        access_key_id: "ASIASIMULATEDTEMP001".to_owned(),
        secret_access_key: "temporary/secret".to_owned(),
        session_token: Some("token".to_owned()),
        user: "dev".to_owned(),
        expires_ms: Some(0),
    };
    let house =
        House::with(SimConfig { keys: vec![Key::default(), temporary], ..SimConfig::default() })
            .await;
    let expired =
        key_lines("ASIASIMULATEDTEMP001", "temporary/secret") + "aws_session_token = token\n";
    for lines in [key_lines("AKIANOBODYKNOWSME001", "x"), expired] {
        house.write_profile(&lines);
        for error in [
            house.aws().identity().await.unwrap_err(),
            house.aws().find_place().await.unwrap_err(),
            house.aws().run_task(&spec("token-1")).await.unwrap_err(),
        ] {
            assert!(wants_login(&error), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_new_login_serves_without_a_restart() {
    let house = House::new().await;
    house.write_profile(&key_lines("AKIANOBODYKNOWSME001", "x"));
    let aws = house.aws();
    assert!(wants_login(&aws.identity().await.unwrap_err()));
    house.write_profile(&house.keys());
    aws.identity().await.unwrap();
}

#[tokio::test]
async fn a_profile_file_that_changes_is_read_again_though_nothing_failed() {
    let second = Key {
        access_key_id: "AKIASECONDKEY0000001".to_owned(),
        secret_access_key: "second/secret".to_owned(),
        user: "second".to_owned(),
        ..Key::default()
    };
    let house =
        House::with(SimConfig { keys: vec![Key::default(), second], ..SimConfig::default() }).await;
    let aws = house.aws();
    assert!(aws.identity().await.unwrap().arn.ends_with("user/dev"));
    house.write_profile(&key_lines("AKIASECONDKEY0000001", "second/secret"));
    assert!(aws.identity().await.unwrap().arn.ends_with("user/second"));
}

#[tokio::test]
async fn a_login_that_was_never_made_asks_for_one_and_works_once_it_is_made() {
    let house = House::new().await;
    let sso = "sso_session = house-of-tests\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
               [sso-session house-of-tests]\nsso_region = ap-northeast-1\nsso_start_url = https://example.com/start\n";
    house.write_profile(sso);
    let aws = house.aws();
    for _ in 0..2 {
        let error = aws.identity().await.unwrap_err();
        assert!(wants_login(&error), "{error:?}");
        assert!(error.message.contains("SSO token"), "{}", error.message);
        assert!(!error.message.contains("already taken"), "{}", error.message);
    }
    house.write_profile(&house.keys());
    aws.identity().await.unwrap();
}

#[tokio::test]
async fn a_helper_that_never_answers_is_told_as_such_within_its_time() {
    let house = House::new().await;
    house.write_profile("credential_process = sleep 600\n");
    let settings = Settings { credentials: Duration::from_secs(1), ..house.settings() };
    let aws = Aws::with(house.site(), settings);
    let error =
        tokio::time::timeout(Duration::from_secs(20), aws.identity()).await.unwrap().unwrap_err();
    assert!(wants_login(&error), "{error:?}");
}

#[tokio::test]
async fn a_helper_that_fails_is_told_in_its_own_words() {
    let house = House::new().await;
    house.write_profile("credential_process = sh -c 'echo the vault is locked >&2; exit 3'\n");
    let error = house.aws().identity().await.unwrap_err();
    assert!(wants_login(&error), "{error:?}");
    assert!(error.message.contains("the vault is locked"), "{}", error.message);
}

#[tokio::test]
async fn a_misspelt_profile_is_not_found_and_nobody_is_asked() {
    let house = House::new().await;
    let aws = house.aws_of(Site { profile: Some("prd".to_owned()), ..house.site() });
    let error = aws.identity().await.unwrap_err();
    let candidates = vec!["prod".to_owned()];
    assert_eq!(error.kind, Kind::NotFound { what: "profile", candidates });
    assert!(house.sim.calls().is_empty());
}

#[tokio::test]
async fn a_role_is_assumed_and_a_refused_one_is_told_as_denied() {
    let house = House::new().await;
    let endpoint = house.sim.endpoint();
    let base = format!(
        "[profile base]\nregion = ap-northeast-1\nendpoint_url = {endpoint}\n{}",
        house.keys()
    );
    let role = |name: &str| {
        format!("role_arn = arn:aws:iam::123456789012:role/{name}\nsource_profile = base\n{base}")
    };
    house.write_profile(&role("bastion-operator"));
    let arn = house.aws().identity().await.unwrap().arn;
    assert!(arn.contains("assumed-role/bastion-operator/"), "{arn}");
    house.write_profile(&role("bastion-operator-mfa"));
    let error = house.aws().identity().await.unwrap_err();
    assert!(matches!(error.kind, Kind::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_with_its_seconds() {
    for offset in [3_600, -3_600] {
        let config = SimConfig { clock_offset_seconds: offset, ..SimConfig::default() };
        let house = House::with(config).await;
        let aws = house.aws();
        for error in [
            aws.identity().await.unwrap_err(),
            aws.find_place().await.unwrap_err(),
            aws.run_task(&spec("token-1")).await.unwrap_err(),
        ] {
            let Kind::ClockSkew { seconds: Some(ahead) } = error.kind else { panic!("{error:?}") };
            assert!((ahead + offset).abs() <= 5, "cloud ahead by {offset}, told {ahead}");
        }
    }
}

#[tokio::test]
async fn expired_in_the_middle_of_a_life_is_told_and_forgotten() {
    let house = House::new().await;
    let aws = house.aws();
    aws.identity().await.unwrap();
    house.fault(Fault::on("GetCallerIdentity", What::Expired));
    assert!(wants_login(&aws.identity().await.unwrap_err()));
    house.sim.faults().clear();
    aws.identity().await.unwrap();
}

#[tokio::test]
async fn an_aws_that_is_not_there_is_unreachable() {
    let house = House::new().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    write(
        &house.config_file(),
        &format!(
            "[profile prod]\nregion = ap-northeast-1\nendpoint_url = http://{nobody}\nmax_attempts = 1\n{}",
            house.keys()
        ),
    );
    let error = house.aws().identity().await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(error.message.contains("onnection refused"), "{}", error.message);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_timed_out() {
    let house = House::new().await;
    house.fault(Fault::on(
        "GetCallerIdentity",
        What::Held { name: "held".to_owned(), before: true },
    ));
    let settings = Settings {
        attempt: Duration::from_millis(200),
        operation: Duration::from_secs(2),
        ..house.settings()
    };
    let error = Aws::with(house.site(), settings).identity().await.unwrap_err();
    assert_eq!((error.kind, error.call), (Kind::TimedOut, "sts:GetCallerIdentity"));
}

#[tokio::test]
async fn an_endpoint_of_one_service_alone_is_used_for_it_alone() {
    let house = House::new().await;
    let other = House::new().await;
    let text = format!(
        "[profile prod]\nregion = ap-northeast-1\nendpoint_url = {}\nservices = local\n{}\
         [services local]\nsts =\n  endpoint_url = {}\n",
        house.sim.endpoint(),
        house.keys(),
        other.sim.endpoint()
    );
    write(&house.config_file(), &text);
    let aws = house.aws();
    aws.identity().await.unwrap();
    aws.find_place().await.unwrap();
    assert_eq!(
        (house.sim.count("GetCallerIdentity"), other.sim.count("GetCallerIdentity")),
        (0, 1)
    );
    assert_eq!((house.sim.count("DescribeSubnets"), other.sim.count("DescribeSubnets")), (1, 0));
}

/// A variable that tells the test below, started as a program of its own, to be the child of the one after it.
const CHILD: &str = "BASTION_TEST_CHILD";

#[tokio::test]
async fn child_of_the_environment() {
    if std::env::var_os(CHILD).is_none() {
        return; // only its parent has something to ask of it
    }
    let site = Site { profile: None, region: None, ..House::new().await.site() };
    let aws = Aws::new(site);
    aws.identity().await.unwrap();
    aws.find_place().await.unwrap();
}

#[tokio::test]
async fn keys_region_and_endpoints_come_from_the_environment_where_the_site_names_no_profile() {
    let house = House::new().await;
    let other = House::new().await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "credentials::child_of_the_environment"])
        .env_clear()
        .envs(house.sim.env())
        .env("HOME", house.dir.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_ENDPOINT_URL_EC2", other.sim.endpoint())
        .env(CHILD, "1");
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(
        (house.sim.count("GetCallerIdentity"), other.sim.count("GetCallerIdentity")),
        (1, 0)
    );
    assert_eq!((house.sim.count("DescribeSubnets"), other.sim.count("DescribeSubnets")), (0, 1));
}
