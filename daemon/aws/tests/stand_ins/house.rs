//! The stand-ins themselves: started for one test each.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bastion_aws::{Aws, Settings};
use bastion_cloud::{Runs, Select, Site};
use tempfile::TempDir;

/// A stand-in on a free loopback port, which ends with this.
pub(crate) struct StandIn {
    child: Child,
    pub(crate) dir: TempDir,
    pub(crate) endpoint: String,
}

impl StandIn {
    pub(crate) fn moto() -> Self {
        Self::start("moto_server", "-H 127.0.0.1 -p 0", &[])
    }

    pub(crate) fn ministack() -> Self {
        let env = [
            ("BIND_HOST", "127.0.0.1"),
            ("GATEWAY_PORT", "0"),
            ("MINISTACK_REGION", "ap-northeast-1"),
            ("MINISTACK_ACCOUNT_ID", "123456789012"),
        ];
        Self::start("ministack", "", &env)
    }

    fn start(program: &str, arguments: &str, env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = venv().join("bin").join(program);
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("exec '{}' {arguments} 2>&1", program.display()))
            .envs(env.iter().copied())
            .env("TMPDIR", dir.path())
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (told, heard) = mpsc::channel();
        // Reads on until the end, lest the stand-in block on a full pipe.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once("Running on ") {
                    drop(told.send(url.split_whitespace().next().unwrap_or_default().to_owned()));
                }
            }
        });
        let endpoint =
            heard.recv_timeout(Duration::from_secs(60)).expect("the stand-in did not start");
        let there = Self { child, dir, endpoint };
        let profile = format!(
            "[profile there]\nregion = ap-northeast-1\nendpoint_url = {}\naws_access_key_id = test\naws_secret_access_key = test\n",
            there.endpoint
        );
        std::fs::write(there.dir.path().join("config"), profile).unwrap();
        there
    }

    pub(crate) fn site(&self) -> Site {
        Site {
            name: "there".to_owned(),
            profile: Some("there".to_owned()),
            region: None,
            cluster: "neuraKnot-prod-cluster".to_owned(),
            runs: Runs::TaskDefinition("neuraKnot-prod-ssm-proxy".to_owned()),
            container: None,
            subnets: Select::Name("neuraKnot-prod-private-*".to_owned()),
            security_groups: Select::Name("neuraKnot-prod-ecs-sg".to_owned()),
            spot: false,
            assign_public_ip: false,
        }
    }

    pub(crate) fn aws(&self) -> Aws {
        self.aws_of(self.site())
    }

    pub(crate) fn aws_of(&self, site: Site) -> Aws {
        Aws::with(site, self.settings())
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            config_file: Some(self.dir.path().join("config")),
            credentials_file: Some(self.dir.path().join("credentials")),
            ..Settings::default()
        }
    }

    /// What a person's own tools would use to set up the account.
    pub(crate) fn sdk(&self) -> SdkConfig {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::new("ap-northeast-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .http_client(http)
            .build()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn venv() -> PathBuf {
    let venv = std::env::var_os("BASTION_TEST_VENV");
    let venv =
        venv.expect("BASTION_TEST_VENV names no folder: run `cargo xtask test`, which makes one");
    Path::new(&venv).to_owned()
}
