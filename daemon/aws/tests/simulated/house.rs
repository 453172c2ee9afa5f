//! What every story needs: a simulated AWS, a profile that leads to it, and the script way's site.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bastion_aws::{Aws, Settings};
use bastion_cloud::{Kind, Runs, Select, Site, TaskSpec};
use bastion_sim::{Fault, Sim, SimConfig};
use tempfile::TempDir;

/// Longer than any wait of a story that goes well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct House {
    pub(crate) sim: Sim,
    pub(crate) dir: TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(SimConfig::default()).await
    }

    pub(crate) async fn with(config: SimConfig) -> Self {
        let house =
            Self { sim: Sim::start(config).await.unwrap(), dir: tempfile::tempdir().unwrap() };
        house.write_profile(&house.keys());
        house
    }

    /// An AWS for the script way's site.
    pub(crate) fn aws(&self) -> Aws {
        self.aws_of(self.site())
    }

    pub(crate) fn aws_of(&self, site: Site) -> Aws {
        Aws::with(site, self.settings())
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            config_file: Some(self.config_file()),
            credentials_file: Some(self.dir.path().join("credentials")),
            ..Settings::default()
        }
    }

    pub(crate) fn site(&self) -> Site {
        script_site()
    }

    /// The CDK way's site.
    pub(crate) fn service_site(&self) -> Site {
        Site {
            cluster: "dev-cluster".to_owned(),
            runs: Runs::Service("bastion-service".to_owned()),
            ..self.site()
        }
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// Writes the profile `prod`: where the simulator is, and `more`.
    pub(crate) fn write_profile(&self, more: &str) {
        let endpoint = self.sim.endpoint();
        let text =
            format!("[profile prod]\nregion = ap-northeast-1\nendpoint_url = {endpoint}\n{more}");
        write(&self.config_file(), &text);
    }

    /// The lines of a profile that hold the simulator's own key.
    pub(crate) fn keys(&self) -> String {
        let env = self.sim.env();
        let value = |name: &str| env.iter().find(|(key, _)| key == name).unwrap().1.clone();
        key_lines(&value("AWS_ACCESS_KEY_ID"), &value("AWS_SECRET_ACCESS_KEY"))
    }

    /// The parameters of each call of an action, in order.
    pub(crate) fn asked(&self, action: &str) -> Vec<serde_json::Value> {
        let calls = self.sim.calls().into_iter().filter(|call| call.action == action);
        calls.map(|call| call.parameters).collect()
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.sim.faults().add(fault);
    }
}

/// The script way's site.
pub(crate) fn script_site() -> Site {
    Site {
        name: "prod".to_owned(),
        profile: Some("prod".to_owned()),
        region: Some("ap-northeast-1".to_owned()),
        cluster: "neuraKnot-prod-cluster".to_owned(),
        runs: Runs::TaskDefinition("neuraKnot-prod-ssm-proxy".to_owned()),
        container: None,
        subnets: Select::Name("neuraKnot-prod-private-*".to_owned()),
        security_groups: Select::Name("neuraKnot-prod-ecs-sg".to_owned()),
        spot: false,
        assign_public_ip: false,
    }
}

pub(crate) fn key_lines(id: &str, secret: &str) -> String {
    format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// A task as the daemon asks for it.
pub(crate) fn spec(token: &str) -> TaskSpec {
    TaskSpec {
        token: token.to_owned(),
        started_by: "bastiond/house".to_owned(),
        tags: vec![("bastiond:target".to_owned(), "prod-db".to_owned())],
        environment: vec![("MAX_LIFE".to_owned(), "3600".to_owned())],
        command: None,
        subnets: vec!["subnet-0a11ce0000000001a".to_owned(), "subnet-0a11ce0000000001c".to_owned()],
        security_groups: vec!["sg-0a11ce000000000ec".to_owned()],
        spot: false,
    }
}

/// A denial that names neither action nor resource.
pub(crate) fn denied(explicit: bool) -> Kind {
    Kind::Denied { explicit, action: None, resource: None }
}

/// A kind without what only AWS's words tell of it.
pub(crate) fn simple(kind: Kind) -> Kind {
    if let Kind::Denied { explicit, .. } = kind { denied(explicit) } else { kind }
}

/// For who does not want to hear of stages.
pub(crate) fn quiet(_: bastion_cloud::Stage) {}
