//! A person's home: the SDK looks for a login's files under `$HOME`, which belongs to a process, as all its variables do. So a
//! second one is started for each story, and is asked line by line, while the simulator goes on in other threads.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime};

use bastion_aws::{Aws, Settings};
use bastion_cloud::{Cloud, GatewayFacts, Kind, LoginState, LoginWay, SessionId, Site};
use bastion_sim::world::SsoLogin;
use bastion_sim::{Sim, SimConfig};
use tempfile::TempDir;

use crate::house::script_site;

pub(crate) const HOUR: i64 = 3600;

/// A person's home with a simulated AWS, and a process that lives in it.
pub(crate) struct Home {
    pub(crate) sim: Sim,
    pub(crate) dir: TempDir,
    child: Child,
    asks: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Home {
    /// A home whose profile leads to its simulator.
    pub(crate) async fn new(profile: &str) -> Self {
        let sim = Sim::start(SimConfig::default()).await.unwrap();
        let endpoint = ("AWS_ENDPOINT_URL", sim.endpoint());
        let config = config(&sim, profile);
        Self::with(sim, &config, &[endpoint])
    }

    /// A home with this config file and these variables.
    pub(crate) fn with(sim: Sim, config: &str, variables: &[(&str, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(".aws/sso/cache")).unwrap();
        std::fs::write(dir.path().join(".aws/config"), config).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "home::child_in_a_home", "--nocapture", "--quiet"])
            .env_clear()
            .env("HOME", dir.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env(CHILD, "1")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asks, told) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { sim, dir, child, asks, told: BufReader::new(told) }
    }

    pub(crate) fn write_config(&self, profile: &str) {
        std::fs::write(self.dir.path().join(".aws/config"), config(&self.sim, profile)).unwrap();
    }

    pub(crate) fn append_config(&self, more: &str) {
        let path = self.dir.path().join(".aws/config");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text + more).unwrap();
    }

    /// AWS's side of `aws sso login`.
    pub(crate) fn log_in(&self, token: &str, seconds: i64, refresh: Option<&str>) {
        let login = SsoLogin {
            expires_ms: (now() + seconds) * 1000,
            refresh: refresh.map(str::to_owned),
            roles: vec!["Dev".to_owned()],
            role_seconds: HOUR,
        };
        self.sim.world(|world| world.sso_logins.insert(token.to_owned(), login));
    }

    /// This machine's side of it.
    pub(crate) fn write_token(&self, identifier: &str, token: &str, seconds: i64, more: &str) {
        let expires = stamp(seconds);
        let text = format!(r#"{{"accessToken":"{token}","expiresAt":"{expires}"{more}}}"#);
        // As the AWS CLI does: a new file in the old one's place.
        let (path, beside) = (self.cache(identifier), self.dir.path().join("token"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    pub(crate) fn cache(&self, identifier: &str) -> PathBuf {
        use std::fmt::Write;
        let mut name = String::new();
        for byte in sha1(identifier) {
            write!(name, "{byte:02x}").unwrap();
        }
        self.dir.path().join(".aws/sso/cache").join(name + ".json")
    }

    /// Asks the process, and hears one line.
    pub(crate) fn ask(&mut self, what: &str) -> String {
        writeln!(self.asks, "{what}").unwrap();
        self.hear()
    }

    /// Asks the process, does something meanwhile, and hears one line.
    pub(crate) async fn ask_while(&mut self, what: &str, deed: impl AsyncFnOnce(&Self)) -> String {
        writeln!(self.asks, "{what}").unwrap();
        deed(self).await;
        self.hear()
    }

    fn hear(&mut self) -> String {
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

/// A config file whose profile `prod` leads to a simulator.
fn config(sim: &Sim, profile: &str) -> String {
    let endpoint = sim.endpoint();
    format!("[profile prod]\nregion = ap-northeast-1\nendpoint_url = {endpoint}\n{profile}")
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
pub(crate) fn stamp(seconds: i64) -> String {
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
            "changed" => aws.login_changed().to_string(),
            "state" => match aws.login_state().await {
                LoginState::Promising => "promising".to_owned(),
                LoginState::Hopeless(error) => kind(&error.kind).replace("login", "hopeless"),
            },
            "gateway" => {
                let gateway = aws.examiner().unwrap().gateway().await;
                gateway.map_or_else(|err| kind(&err.kind), |facts| gateway_words(&facts))
            }
            "resume" => {
                let session = SessionId::new("nobody-knows-me");
                aws.resume_session(&session)
                    .await
                    .map_or_else(|err| kind(&err.kind), |_| "ok".to_owned())
            }
            "all at once" => {
                let all =
                    tokio::join!(aws.identity(), good.identity(), aws.identity(), good.identity());
                let all = [all.0, all.1, all.2, all.3];
                let told = all.map(|one| one.map_or_else(|err| kind(&err.kind), |_| "ok".into()));
                told.join(", ")
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

fn gateway_words(facts: &GatewayFacts) -> String {
    let mut told = format!("{} by {}:", facts.host, facts.proxy.as_deref().unwrap_or("nobody"));
    if let Some(issuer) = &facts.distrusted_issuer {
        told.push_str(&format!(" distrusted {issuer}"));
    }
    if let Some(upgrade) = &facts.upgrade {
        told.push_str(&format!(" upgrade {upgrade}"));
    }
    told
}

fn kind(kind: &Kind) -> String {
    if let Kind::Denied { action, .. } = kind {
        return format!("denied {}", action.as_deref().unwrap_or("nothing"));
    }
    if let Kind::Intercepted { issuer } = kind {
        return format!("intercepted {}", issuer.as_deref().unwrap_or("nobody"));
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
