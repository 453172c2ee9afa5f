//! Logins, with the real files of `aws sso login` and the SDK's own ways to renew them.
//!
//! The SDK looks for those files under `$HOME`, which belongs to a process: so a second one is started for each story, and
//! is asked line by line, while the simulator goes on in other threads.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime};

use bastion_aws::{Aws, Settings};
use bastion_cloud::{Cloud, DatabaseRef, Kind, LoginState, LoginWay, SessionId, Site};
use bastion_sim::world::SsoLogin;
use bastion_sim::{Fault, Sim, SimConfig, What};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::house::script_site;

const HOUR: i64 = 3600;

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
    let registration = stamp(24 * HOUR);
    let more = format!(
        r#","clientId":"c","clientSecret":"s","refreshToken":"refresh-1","registrationExpiresAt":"{registration}""#
    );
    home.write_token("corp", "old", -HOUR, &more);
    assert_eq!(home.ask("state"), "promising");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
    assert_eq!(home.sim.count("CreateToken"), 1);
    let renewed = std::fs::read_to_string(home.cache("corp")).unwrap();
    assert!(!renewed.contains("refresh-1"), "the SDK keeps what it was given");
    assert_eq!(home.ask("identity"), "ok assumed-role/AWSReservedSSO_Dev/dev");
    assert_eq!(home.sim.count("CreateToken"), 1);
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
    assert_eq!(home.ask("identity"), "login sso ended -3600");
    home.log_in("second", HOUR, None);
    home.write_token("corp", "second", HOUR, "");
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
        (What::Expired, "login sso ended -3600"),
        (What::Throttled, "other Throttled"),
        (What::Broken, "other Service"),
        (What::Reset { after: false }, "other Unreachable"),
    ] {
        home.sim.faults().add(Fault::on("ResumeSession", what));
        assert_eq!(home.ask("resume"), told);
        home.sim.faults().clear();
    }
}

const SESSION: &str = "sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
    [sso-session corp]\nsso_region = ap-northeast-1\nsso_start_url = https://corp.example/start\n";

/// A person's home with a simulated AWS, and a process that lives in it.
struct Home {
    sim: Sim,
    dir: TempDir,
    child: Child,
    asks: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Home {
    async fn new(profile: &str) -> Self {
        let sim = Sim::start(SimConfig::default()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(".aws/sso/cache")).unwrap();
        write_config(&sim, &dir, profile);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "logins::child_in_a_home", "--nocapture", "--quiet"])
            .env_clear()
            .env("HOME", dir.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AWS_ENDPOINT_URL", sim.endpoint())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asks, told) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { sim, dir, child, asks, told: BufReader::new(told) }
    }

    fn write_config(&self, profile: &str) {
        write_config(&self.sim, &self.dir, profile);
    }

    fn append_config(&self, more: &str) {
        let path = self.dir.path().join(".aws/config");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text + more).unwrap();
    }

    /// AWS's side of `aws sso login`.
    fn log_in(&self, token: &str, seconds: i64, refresh: Option<&str>) {
        let login = SsoLogin {
            expires_ms: (now() + seconds) * 1000,
            refresh: refresh.map(str::to_owned),
            roles: vec!["Dev".to_owned()],
            role_seconds: HOUR,
        };
        self.sim.world(|world| world.sso_logins.insert(token.to_owned(), login));
    }

    /// This machine's side of it.
    fn write_token(&self, identifier: &str, token: &str, seconds: i64, more: &str) {
        let expires = stamp(seconds);
        let text = format!(r#"{{"accessToken":"{token}","expiresAt":"{expires}"{more}}}"#);
        // As the AWS CLI does: a new file in the old one's place.
        let (path, beside) = (self.cache(identifier), self.dir.path().join("token"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    fn cache(&self, identifier: &str) -> PathBuf {
        use std::fmt::Write;
        let mut name = String::new();
        for byte in sha1(identifier) {
            write!(name, "{byte:02x}").unwrap();
        }
        self.dir.path().join(".aws/sso/cache").join(name + ".json")
    }

    /// Asks the process, and hears one line.
    fn ask(&mut self, what: &str) -> String {
        writeln!(self.asks, "{what}").unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.told.read_line(&mut line).unwrap() > 0, "the process has ended");
            if let Some((_, told)) = line.split_once("TOLD ") {
                return told.trim().to_owned();
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn write_config(sim: &Sim, dir: &TempDir, profile: &str) {
    let endpoint = sim.endpoint();
    let text =
        format!("[profile prod]\nregion = ap-northeast-1\nendpoint_url = {endpoint}\n{profile}");
    std::fs::write(dir.path().join(".aws/config"), text).unwrap();
}

fn sha1(text: &str) -> Vec<u8> {
    use sha1::{Digest, Sha1};
    Sha1::digest(text.as_bytes()).to_vec()
}

#[expect(clippy::disallowed_methods, reason = "the files of a login hold times of the real clock")]
fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// So many seconds from now, as the AWS CLI writes it.
fn stamp(seconds: i64) -> String {
    use aws_smithy_types::DateTime;
    use aws_smithy_types::date_time::Format;
    DateTime::from_secs(now() + seconds).fmt(Format::DateTime).unwrap()
}

/// A variable that tells the test below, started as a program of its own, to be the process in a home.
const CHILD: &str = "BASTION_TEST_HOME";

#[tokio::test]
async fn child_in_a_home() {
    if std::env::var_os(CHILD).is_none() {
        return; // only its parent has something to ask of it
    }
    let settings = Settings { credentials: Duration::from_secs(2), ..Settings::default() };
    let site = |profile: &str| Site { profile: Some(profile.to_owned()), ..script_site() };
    let aws = Aws::with(site("prod"), settings.clone());
    let good = Aws::with(site("good"), settings);
    loop {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).unwrap() == 0 {
            return;
        }
        let told = match line.trim() {
            "state" => match aws.login_state().await {
                LoginState::Promising => "promising".to_owned(),
                LoginState::Hopeless(error) => kind(&error.kind).replace("login", "hopeless"),
            },
            "resume" => {
                let session = SessionId::new("nobody-knows-me");
                aws.resume_session(&session)
                    .await
                    .map_or_else(|err| kind(&err.kind), |_| "ok".to_owned())
            }
            "find" => {
                let database = DatabaseRef::Rds("neuraKnot-prod-db".to_owned());
                aws.find_database(&database)
                    .await
                    .map_or_else(|err| kind(&err.kind), |_| "ok".to_owned())
            }
            who => {
                let identity =
                    if who == "good" { good.identity().await } else { aws.identity().await };
                identity.map_or_else(
                    |err| kind(&err.kind),
                    |identity| format!("ok {}", identity.arn.rsplit(':').next().unwrap()),
                )
            }
        };
        writeln!(std::io::stdout(), "TOLD {told}").unwrap();
    }
}

fn kind(kind: &Kind) -> String {
    if let Kind::Denied { action, .. } = kind {
        return format!("denied {}", action.as_deref().unwrap_or("nothing"));
    }
    let Kind::Login { way, .. } = kind else { return format!("other {kind:?}") };
    let way = match way {
        LoginWay::Console => "console".to_owned(),
        LoginWay::Helper { program, silent } => {
            format!("helper {program} {}", if *silent { "silent" } else { "failed" })
        }
        LoginWay::Keys => "keys".to_owned(),
        LoginWay::Mfa { serial } => format!("mfa {serial}"),
        LoginWay::Sso { ended: None } => "sso never".to_owned(),
        LoginWay::Sso { ended: Some(at) } => {
            let end = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
            // To the hundred: stories take some seconds.
            let ago = now() - end;
            format!("sso ended {}", (ago as f64 / 100.0).round() as i64 * 100)
        }
        LoginWay::Unknown => "unknown".to_owned(),
    };
    format!("login {way}")
}
