//! The config as JSON: what `--check --json` and the control socket show.

use std::path::Path;

use bastion_api::paths::{self, Env};
use bastion_api::{ConfigFault, ConfigReport, SCHEMA_VERSION};
use bastion_cloud::{AuroraEndpoint, DatabaseRef, Runs, SecretRef, Select};
use serde_json::{Map, Value, json};

use super::{
    Allow, BastionCommand, Config, Faults, KeepAlive, Listen, Patience, Proof, Rules, SiteConfig,
    Target,
};

/// Reports what [`super::load`] made of the config, whether it is good or not.
pub fn report(explicit: Option<&Path>, loaded: &Result<Config, Faults>) -> ConfigReport {
    let env = Env::of_process();
    let mut report = match loaded {
        Ok(config) => config.report(),
        Err(faults) => faults.report(),
    };
    // Where there is no file, people want to know where it would have been.
    report.path = paths::config_path(explicit, &env).ok().map(|path| path.display().to_string());
    report
}

impl Config {
    /// This config as JSON.
    pub fn report(&self) -> ConfigReport {
        let sites = self.sites.iter().map(|(name, site)| (name.clone(), site.report()));
        let targets = self.targets.iter().map(|target| (target.name.clone(), target.report()));
        ConfigReport {
            schema_version: SCHEMA_VERSION,
            path: self.path.as_ref().map(|path| path.display().to_string()),
            exists: self.path.is_some(),
            ok: true,
            faults: Vec::new(),
            sites: Value::Object(sites.collect()),
            targets: Value::Object(targets.collect()),
        }
    }
}

impl Faults {
    /// These faults as JSON.
    pub fn report(&self) -> ConfigReport {
        let fault = |fault: &super::Fault| ConfigFault {
            file: fault.file.display().to_string(),
            line: fault.line.map(|line| line as u64),
            key: fault.key.clone(),
            reason: fault.reason.clone(),
            hint: fault.hint.clone(),
        };
        ConfigReport {
            schema_version: SCHEMA_VERSION,
            path: Some(self.file().display().to_string()),
            exists: self.file().exists(),
            ok: false,
            faults: self.iter().map(fault).collect(),
            sites: Value::Null,
            targets: Value::Null,
        }
    }
}

impl SiteConfig {
    fn report(&self) -> Value {
        let site = &self.site;
        let mut shown = json!({
            "profile": site.profile,
            "region": site.region,
            "cluster": site.cluster,
            "container": site.container,
            "idle_timeout_seconds": self.idle_timeout.as_secs(),
            "start_timeout_seconds": self.start_timeout.as_secs(),
            "endpoints": self.endpoints,
        });
        merge(&mut shown, self.rules.report(matches!(site.runs, Runs::Service(_))));
        let more = match &site.runs {
            Runs::TaskDefinition(name) => json!({
                "task_definition": name,
                "subnets": select(&site.subnets),
                "security_groups": select(&site.security_groups),
                "launch": if site.spot { "FARGATE_SPOT" } else { "FARGATE" },
                "assign_public_ip": site.assign_public_ip,
            }),
            Runs::Service(name) => json!({ "service": name }),
        };
        merge(&mut shown, more);
        shown
    }
}

impl Rules {
    /// What a site says for its targets.
    fn report(&self, service: bool) -> Value {
        let mut shown = json!({
            "tunnels_per_bastion": self.tunnels_per_bastion,
            "keepalive": match self.keepalive {
                KeepAlive::Auto => "auto",
                KeepAlive::Never => "never",
            },
            "payload_probing": self.payload_probing,
            "price_per_hour": self.price_per_hour,
        });
        merge(&mut shown, self.own());
        let more = if service {
            json!({ "scale_from_zero": self.scale_from_zero })
        } else {
            json!({
                "max_life_seconds": self.max_life.as_secs(),
                "command": match self.command {
                    BastionCommand::Watchdog => "watchdog",
                    BastionCommand::Keep => "keep",
                },
                "share": self.share,
            })
        };
        merge(&mut shown, more);
        shown
    }

    /// What a target may say for itself.
    fn own(&self) -> Value {
        json!({
            "max_bastions": self.max_bastions,
            "first_byte_timeout_seconds": self.first_byte_timeout.as_secs_f64(),
            "silent_after_seconds": self.silent_after.map_or(0, |time| time.as_secs()),
            "patience_seconds": self.patience.seconds(),
        })
    }
}

impl Patience {
    /// None where it depends on the visitor.
    fn seconds(self) -> Option<u64> {
        match self {
            Self::Auto => None,
            Self::AtMost(time) => Some(time.as_secs()),
        }
    }
}

impl Allow {
    fn words(self) -> &'static [&'static str] {
        match (self.same_user_only, self.docker) {
            (true, false) => &["same-user"],
            (true, true) => &["same-user", "docker"],
            (false, _) => &["any"],
        }
    }
}

impl Target {
    fn report(&self) -> Value {
        let mut shown = json!({
            "site": self.site.name,
            "engine": self.engine.map(|engine| engine.word()),
            "listen": self.listen.iter().map(listen).collect::<Vec<_>>(),
            "database": self.db_name,
            "user": self.user,
            "password": self.password.as_ref().map(|proof| match proof {
                Proof::Secret(SecretRef::Named(name)) => json!({ "secret": name }),
                Proof::Secret(SecretRef::Managed(_)) => json!({ "rds_managed": true }),
                Proof::Iam => json!({ "iam": true }),
            }),
            "danger": self.danger,
            "profile": self.site.profile,
            "region": self.site.region,
            "idle_timeout_seconds": self.idle_timeout.as_secs(),
            "start_timeout_seconds": self.start_timeout.as_secs(),
            "endpoints": self.endpoints,
            "allow": self.allow.words(),
        });
        merge(&mut shown, self.rules.own());
        merge(
            &mut shown,
            match &self.database {
                DatabaseRef::Rds(id) => json!({ "rds": id }),
                DatabaseRef::Aurora(id, endpoint) => json!({
                    "aurora": id,
                    "endpoint": match endpoint {
                        AuroraEndpoint::Writer => "writer",
                        AuroraEndpoint::Reader => "reader",
                        AuroraEndpoint::Custom(id) => id,
                    },
                }),
                DatabaseRef::Proxy(name) => json!({ "proxy": name }),
                DatabaseRef::Host(host, port) => json!({ "host": host, "port": port }),
            },
        );
        shown
    }
}

/// One place as the config file writes it.
fn listen(listen: &Listen) -> Value {
    match listen {
        Listen::Loopback(port) => json!(port),
        Listen::Docker(_) => json!("docker"),
        Listen::Unix => json!("unix"),
        Listen::Address(address) => json!(address.to_string()),
    }
}

fn select(select: &Select) -> Value {
    match select {
        Select::Ids(ids) => json!(ids),
        Select::Name(name) => json!({ "name": name }),
        Select::Tags(tags) => {
            let tags = tags.iter().map(|(tag, value)| (tag.clone(), json!(value)));
            json!({ "tags": tags.collect::<Map<_, _>>() })
        }
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
