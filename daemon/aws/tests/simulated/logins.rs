//! Logins, with the real files of `aws sso login` and the SDK's own ways to renew them.

use std::path::PathBuf;
use std::time::Duration;

use bastion_sim::{Fault, What};
use tokio::time::Instant;

use crate::home::{HOUR, Home, stamp};

#[tokio::test(flavor = "multi_thread")]
async fn a_login_serves_and_its_end_is_told_without_asking_and_a_new_one_serves_at_once() {
    let mut home = Home::new(SESSION).await;
    home.log_in("first", HOUR, None);
    home.write_token("corp", "first", -HOUR, "");
    assert_eq!(home.ask("state"), "hopeless sso ended 3600");
    assert_eq!(home.ask("identity"), "login sso ended 3600");
    assert_eq!(home.sim.calls().len(), 0, "nobody was asked");
    home.log_in("second", HOUR, None);
    home.write_token("corp", "second", HOUR, "");
    assert_eq!(home.ask("state"), "promising");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_never_made_is_told_and_serves_once_it_is() {
    let mut home = Home::new(SESSION).await;
    assert_eq!(home.ask("state"), "hopeless sso never");
    assert_eq!(home.ask("identity"), "login sso never");
    home.log_in("first", HOUR, None);
    home.write_token("corp", "first", HOUR, "");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_ended_and_can_be_renewed_is_no_reason_to_ask_anybody() {
    let mut home = Home::new(SESSION).await;
    home.log_in("old", -HOUR, Some("refresh-1"));
    home.write_token("corp", "old", -HOUR, &renewable());
    assert_eq!(home.ask("state"), "promising");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
    assert_eq!(home.sim.count("CreateToken"), 1);
    let renewed = std::fs::read_to_string(home.cache("corp")).unwrap();
    assert!(!renewed.contains("refresh-1"), "the SDK keeps what it was given");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
    assert_eq!(home.sim.count("CreateToken"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_several_sites_need_at_once_is_renewed_once_and_serves_them_all() {
    let session = SESSION.split_once("[sso-session").unwrap().0;
    let mut home = Home::new(SESSION).await;
    home.append_config(&format!(
        "[profile good]\nregion = ap-northeast-1\nendpoint_url = {}\n{session}",
        home.sim.endpoint()
    ));
    home.log_in("old", -HOUR, Some("refresh-1"));
    home.write_token("corp", "old", -HOUR, &renewable());
    // Nobody has the new token before everybody has asked.
    home.sim.faults().add(Fault::on("CreateToken", What::Slow { ms: 300 }));
    assert_eq!(home.ask("all at once"), "ok, ok, ok, ok");
    assert_eq!(home.sim.count("CreateToken"), 1, "a refresh token is good once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_cli_renews_under_our_hands_serves() {
    let mut home = Home::new(SESSION).await;
    home.write_token("corp", "old", -HOUR, &renewable());
    let held = What::Held { name: "renewal".to_owned(), before: true };
    home.sim.faults().add(Fault::once("CreateToken", held));
    let told = home.ask_while("identity", async |home: &Home| {
        home.sim.faults().until_held("renewal", 1).await;
        home.log_in("new", HOUR, None);
        home.write_token("corp", "new", HOUR, "");
        home.sim.faults().release("renewal");
    });
    assert_eq!(told.await, "ok assumed-role/AWSReservedSSO_Dev/dev");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_has_ended_renews_nothing() {
    let mut home = Home::new(SESSION).await;
    home.log_in("old", -HOUR, Some("refresh-1"));
    let registration = stamp(-HOUR);
    let more = format!(
        r#","clientId":"c","clientSecret":"s","refreshToken":"refresh-1","registrationExpiresAt":"{registration}""#
    );
    home.write_token("corp", "old", -HOUR, &more);
    assert_eq!(home.ask("state"), "hopeless sso ended 3600");
    assert_eq!(home.ask("identity"), "login sso ended 3600");
    assert_eq!(home.sim.count("CreateToken"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_form_of_a_login_is_found_under_its_start_url() {
    let url = "https://corp.example/start";
    let older = format!(
        "sso_start_url = {url}\nsso_region = ap-northeast-1\nsso_account_id = 123456789012\nsso_role_name = Dev\n"
    );
    let mut home = Home::new(&older).await;
    assert_eq!(home.ask("state"), "hopeless sso never");
    home.log_in("first", HOUR, None);
    home.write_token(url, "first", HOUR, "");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_aws_has_revoked_is_told_though_its_file_says_otherwise() {
    let mut home = Home::new(SESSION).await;
    home.write_token("corp", "revoked", HOUR, "");
    assert_eq!(home.ask("state"), "promising");
    assert_eq!(home.ask("identity"), "login sso ended 0");
    assert_eq!(home.ask("changed"), "false");
    home.log_in("second", HOUR, None);
    home.write_token("corp", "second", HOUR, "");
    assert_eq!(home.ask("changed"), "true");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_the_login_may_not_take_is_denied_and_no_new_login_is_asked_for() {
    let mut home = Home::new(&SESSION.replace("= Dev", "= Admin")).await;
    home.log_in("first", HOUR, None);
    home.write_token("corp", "first", HOUR, "");
    assert_eq!(home.ask("identity"), "denied sso:GetRoleCredentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_fails_is_no_login_that_has_ended() {
    let mut home = Home::new(SESSION).await;
    home.log_in("first", HOUR, None);
    home.write_token("corp", "first", HOUR, "");
    for (what, told) in [
        (What::Throttled, "other Throttled"),
        (What::Broken, "other Service"),
        (What::Garbled, "other Service"),
        (What::Reset { after: false }, "other Unreachable"),
    ] {
        home.sim.faults().add(Fault::on("GetRoleCredentials", what));
        assert_eq!(home.ask("identity"), told);
        home.sim.faults().clear();
    }
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_login_has_given_outlives_it() {
    let mut home = Home::new(SESSION).await;
    home.log_in("first", HOUR, None);
    home.write_token("corp", "first", 2, "");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
    // Neither the file nor the credentials change when the token's time is up.
    let over = Instant::now() + Duration::from_secs(2);
    while Instant::now() < over {
        assert_eq!(home.ask("state"), "promising");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(home.ask("state"), "promising");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
    assert_eq!(home.ask("resume"), "other SessionOver", "signed, and refused for another reason");
    assert_eq!(home.sim.count("GetRoleCredentials"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_behind_a_login_is_assumed_and_its_login_is_the_one_that_ends() {
    let chain = format!(
        "role_arn = arn:aws:iam::123456789012:role/bastion-operator\nsource_profile = base\n[profile base]\nregion = ap-northeast-1\n{SESSION}"
    );
    let mut home = Home::new(&chain).await;
    assert_eq!(home.ask("state"), "hopeless sso never");
    home.log_in("first", HOUR, None);
    home.write_token("corp", "first", HOUR, "");
    let told = home.ask("identity");
    assert!(told.starts_with("ok assumed-role/bastion-operator/"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_wants_a_code_is_told_before_anybody_is_asked() {
    let mfa = "role_arn = arn:aws:iam::123456789012:role/bastion-operator-mfa\nsource_profile = base\n\
        mfa_serial = arn:aws:iam::123456789012:mfa/dev\n\
        [profile base]\naws_access_key_id = A\naws_secret_access_key = s\n";
    let mut home = Home::new(mfa).await;
    assert_eq!(home.ask("state"), "hopeless mfa arn:aws:iam::123456789012:mfa/dev");
    assert_eq!(home.ask("identity"), "login mfa arn:aws:iam::123456789012:mfa/dev");
    assert_eq!(home.sim.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_gives_no_answer_is_ended_with_all_that_it_started() {
    let mut home =
        Home::new("credential_process = sh -c 'sleep 987654 & echo $! > $HOME/pid; wait'\n").await;
    assert_eq!(home.ask("state"), "promising");
    assert_eq!(home.ask("identity"), "login helper sh silent");
    let pid = std::fs::read_to_string(home.dir.path().join("pid")).unwrap();
    let proc = PathBuf::from(format!("/proc/{}/cmdline", pid.trim()));
    let limit = Instant::now() + Duration::from_secs(5);
    while std::fs::read(&proc).is_ok_and(|line| !line.is_empty()) {
        assert!(Instant::now() < limit, "the helper's child lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_serves_alone_and_below_a_role_and_may_fail_at_first() {
    let script = "sh -c 'cat $HOME/keys.json || { echo the vault is locked >&2; exit 3; }'";
    let mut home = Home::new(&format!("credential_process = {script}\n")).await;
    assert_eq!(home.ask("identity"), "login helper sh failed");
    let key = bastion_sim::Key::default();
    let keys = format!(
        r#"{{"Version":1,"AccessKeyId":"{}","SecretAccessKey":"{}"}}"#,
        key.access_key_id, key.secret_access_key
    );
    std::fs::write(home.dir.path().join("keys.json"), keys).unwrap();
    assert_eq!(home.ask("identity"), "ok user/dev");
    home.write_config(&format!(
        "role_arn = arn:aws:iam::123456789012:role/bastion-operator\nsource_profile = base\n\
         [profile base]\ncredential_process = {script}\n"
    ));
    let told = home.ask("identity");
    assert!(told.starts_with("ok assumed-role/bastion-operator/"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_profile_leaves_the_other_sites_of_the_same_process_alone() {
    let mut home = Home::new(SESSION).await;
    let key = bastion_sim::Key::default();
    home.append_config(&format!(
        "[profile good]\nregion = ap-northeast-1\nendpoint_url = {}\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        home.sim.endpoint(),
        key.access_key_id,
        key.secret_access_key
    ));
    for _ in 0..3 {
        assert_eq!(home.ask("identity"), "login sso never");
        assert_eq!(home.ask("good"), "ok user/dev");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_aws_login_is_told_as_such() {
    let mut home = Home::new("login_session = arn:aws:iam::123456789012:user/dev\n").await;
    assert_eq!(home.ask("state"), "hopeless console");
    assert_eq!(home.ask("identity"), "login console");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_resumed_or_refused_and_each_refusal_has_its_own_kind() {
    let mut home = Home::new(SESSION).await;
    home.log_in("first", HOUR, None);
    home.write_token("corp", "first", HOUR, "");
    assert_eq!(home.ask("resume"), "other SessionOver");
    for (what, told) in [
        (What::AccessDenied { explicit: false, resource: None }, "denied ssm:ResumeSession"),
        (What::Expired, "login sso ended 0"),
        (What::Throttled, "other Throttled"),
        (What::Broken, "other Service"),
        (What::Reset { after: false }, "other Unreachable"),
    ] {
        home.sim.faults().add(Fault::on("ResumeSession", what));
        assert_eq!(home.ask("resume"), told);
        home.sim.faults().clear();
    }
}

/// What a token's file has more where the SDK can renew it.
fn renewable() -> String {
    let registration = stamp(24 * HOUR);
    format!(
        r#","clientId":"c","clientSecret":"s","refreshToken":"refresh-1","registrationExpiresAt":"{registration}""#
    )
}

const SESSION: &str = "sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
    [sso-session corp]\nsso_region = ap-northeast-1\nsso_start_url = https://corp.example/start\n";
