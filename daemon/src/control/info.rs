//! `info`: what clients have to be told about targets: their own names, whom to trust, how to prove oneself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::State;
use bastion_api::paths::{self, Env};
use bastion_api::{Contact, Info, ProofKind, Roots, SCHEMA_VERSION, TlsKnown};
use bastion_cloud::{Cloud, Database, DatabaseRef, Remote};
use futures_util::future::join_all;
use serde::Deserialize;
use tokio::time::timeout;

use super::answer::{Failed, Queried, Told};
use super::{Office, Pair, status};
use crate::config::{Config, Listen, Proof, Target};
use crate::explain;
use crate::listen::{roots, shadow};

/// What `?…` may hold.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// Names with commas between.
    targets: Option<String>,
    /// Whether the accounts are wanted, too.
    #[serde(default)]
    accounts: bool,
}

/// `GET /v1/info?targets=A,B&accounts=true`
pub(super) async fn info(
    State(office): State<Office>,
    Queried(asked): Queried<Asked>,
) -> Result<Told<Info>, Failed> {
    let loaded = office.loaded()?;
    let wanted = match &asked.targets {
        Some(names) => named(&office, names)?,
        None => loaded.targets.clone(),
    };
    let (accounts, contacts) = tokio::join!(
        accounts(if asked.accounts { &wanted } else { &[] }),
        join_all(wanted.iter().map(|(target, cloud)| contact(&office, target, &**cloud))),
    );
    let with_account = |mut contact: Contact, (target, _): &Pair| {
        contact.account = accounts.get(&target.site.profile).cloned();
        contact
    };
    let targets = contacts.into_iter().zip(&wanted);
    Ok(Told(Info {
        schema_version: SCHEMA_VERSION,
        roots: roots_of(&office.state_dir, &loaded.config),
        targets: targets.map(|(contact, pair)| with_account(contact, pair)).collect(),
    }))
}

/// The targets of these names, in the order in which they were asked for.
fn named(office: &Office, names: &str) -> Result<Vec<Pair>, Failed> {
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(|name| office.pair(name)).collect()
}

/// The account behind each profile, as far as it could be asked: it only sorts what is shown.
async fn accounts(pairs: &[Pair]) -> BTreeMap<Option<String>, String> {
    let mut clouds: BTreeMap<Option<String>, &dyn Cloud> = BTreeMap::new();
    for (target, cloud) in pairs {
        clouds.entry(target.site.profile.clone()).or_insert(&**cloud);
    }
    let asked = clouds.into_iter().map(|(profile, cloud)| async move {
        let identity = timeout(LOOK, cloud.identity()).await.ok()?.ok()?;
        Some((profile, identity.account))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn contact(office: &Office, target: &Target, cloud: &dyn Cloud) -> Contact {
    let looked = timeout(LOOK, async {
        office.engines.learn(target, cloud).await?;
        cloud.find_database(&target.database).await
    });
    let found = match looked.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(err)) => Err(explain::cloud(target, &err)),
        Err(_) => Err(explain::call_too_slow()),
    };
    let (remote, problem) = match found {
        Ok(Database { remote, .. }) => (Some(remote), None),
        Err(problem) => (None, Some(problem)),
    };
    let docker_port = target.listen.iter().find_map(|listen| match listen {
        Listen::Docker(port) => Some(*port),
        Listen::Loopback(_) | Listen::Unix | Listen::Address(_) => None,
    });
    Contact {
        target: status::info(office, target),
        account: None,
        region: target.site.region.clone(),
        tls: tls(target, remote.as_ref()),
        remote_port: remote.as_ref().map(|remote| remote.port),
        remote_host: remote.map(|remote| remote.host),
        proof: match target.password {
            Some(Proof::Secret(_)) => ProofKind::Secret,
            Some(Proof::Iam) => ProofKind::Iam,
            None => ProofKind::Unsaid,
        },
        docker_host: docker_port
            .and_then(|_| shadow::docker_gateway())
            .map(|address| address.to_string()),
        docker_port,
        problem,
    }
}

/// What a database's place tells of its TLS.
fn tls(target: &Target, remote: Option<&Remote>) -> TlsKnown {
    let of_rds = match &target.database {
        DatabaseRef::Rds(_) | DatabaseRef::Aurora(..) | DatabaseRef::Proxy(_) => true,
        DatabaseRef::Host(..) => remote.is_some_and(|remote| is_rds_name(&remote.host)),
    };
    match remote {
        Some(remote) if is_rds_name(&remote.host) && !is_proxy(target, &remote.host) => {
            TlsKnown::Rds
        }
        // A token is never sent in the clear.
        Some(_) | None if of_rds || target.password == Some(Proof::Iam) => TlsKnown::Spoken,
        Some(_) | None => TlsKnown::Unknown,
    }
}

/// A name that RDS gives: `….rds.amazonaws.com`, in China `….rds.cn-north-1.amazonaws.com.cn`.
fn is_rds_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host.contains(".rds.")
        && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
}

/// A proxy's certificate is of Amazon's public authorities, not of RDS's (aws.md 3.9).
fn is_proxy(target: &Target, host: &str) -> bool {
    matches!(target.database, DatabaseRef::Proxy(_)) || host.contains(".proxy-")
}

fn roots_of(state_dir: &Path, config: &Config) -> Roots {
    let Some(bundle) = bundle(config, &Env::of_process()) else {
        return Roots { bundle: BUNDLE.to_owned(), file: None, problem: None };
    };
    let (file, problem) = match roots::joined(state_dir, &bundle) {
        Ok(file) => (file, None),
        Err(err) => (None, Some(explain::roots_unusable(&err))),
    };
    Roots {
        bundle: bundle.display().to_string(),
        file: file.map(|path| path.display().to_string()),
        problem,
    }
}

/// Where the authorities of RDS are looked for: where the config says, else beside the config.
fn bundle(config: &Config, env: &Env) -> Option<PathBuf> {
    if let Some(bundle) = &config.rds_ca_bundle {
        return Some(bundle.clone());
    }
    let beside = config.path.clone().or_else(|| paths::config_path(None, env).ok())?;
    Some(std::path::absolute(beside.with_file_name(BUNDLE)).unwrap_or(beside))
}

/// The usual name of RDS's bundle.
const BUNDLE: &str = "rds-global-bundle.pem";

/// How long AWS is asked about one database: without an answer the rest is worth telling.
const LOOK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn target(database: DatabaseRef, password: Option<Proof>) -> Target {
        Target { database, password, ..Target::example("t") }
    }

    fn at(host: &str) -> Remote {
        Remote { host: host.to_owned(), port: 5432 }
    }

    #[test]
    fn only_rds_itself_is_known_to_be_certified_by_rds() {
        let rds = target(DatabaseRef::Rds("d".into()), None);
        let name = at("d.cx1.ap-northeast-1.rds.amazonaws.com");
        assert_eq!(tls(&rds, Some(&name)), TlsKnown::Rds);
        let chinese = at("d.cx1.rds.cn-north-1.amazonaws.com.cn");
        assert_eq!(tls(&rds, Some(&chinese)), TlsKnown::Rds);
        assert_eq!(tls(&rds, Some(&at("localhost"))), TlsKnown::Spoken);
        assert_eq!(tls(&rds, None), TlsKnown::Spoken);

        let proxy = target(DatabaseRef::Proxy("p".into()), None);
        let its = at("p.proxy-cx1.ap-northeast-1.rds.amazonaws.com");
        assert_eq!(tls(&proxy, Some(&its)), TlsKnown::Spoken);

        let host = |host: &str| target(DatabaseRef::Host(host.into(), 5432), None);
        assert_eq!(tls(&host(&name.host), Some(&name)), TlsKnown::Rds);
        assert_eq!(tls(&host(&its.host), Some(&its)), TlsKnown::Spoken);
        for other in ["db.internal", "rds.amazonaws.com.evil.example", "10.0.0.7"] {
            assert_eq!(tls(&host(other), Some(&at(other))), TlsKnown::Unknown, "{other}");
        }
    }

    #[test]
    fn a_token_needs_tls_wherever_it_goes() {
        let host = DatabaseRef::Host("db.internal".into(), 5432);
        assert_eq!(
            tls(&target(host, Some(Proof::Iam)), Some(&at("db.internal"))),
            TlsKnown::Spoken
        );
    }

    #[test]
    fn the_bundle_lies_beside_the_config_unless_the_config_says_otherwise() {
        let env = Env { config_dir: Some("/home/amy/.config/bastiond".into()), ..Env::default() };
        let usual = Config::default();
        let beside = "/home/amy/.config/bastiond/rds-global-bundle.pem";
        assert_eq!(bundle(&usual, &env), Some(beside.into()));
        let named = Config { path: Some("/etc/b/c.toml".into()), ..Config::default() };
        assert_eq!(bundle(&named, &env), Some("/etc/b/rds-global-bundle.pem".into()));
        let said = Config { rds_ca_bundle: Some("/x.pem".into()), ..named };
        assert_eq!(bundle(&said, &env), Some("/x.pem".into()));
        assert_eq!(bundle(&usual, &Env::default()), None);
    }
}
