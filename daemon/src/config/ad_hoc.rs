//! A target that the config does not name: written as the config would say it, and checked as what the config says.

use std::path::Path;

use bastion_api::{Engine, ForwardRequest};

use super::fault::Faults;
use super::words::string;
use super::{Config, Listen, Target, check, file, listen};

/// What a call asks for, as a target; a site that it names is the config's.
pub fn target(asked: &ForwardRequest, name: &str, config: &Config) -> Result<Target, Faults> {
    let mut faults = Faults::new(Path::new("the request"));
    let written = file::read(&text(asked, name), &mut faults);
    let meant = written.map(|file| check::beside(file, &config.sites, &mut faults));
    let target = meant.and_then(|config| config.targets.into_iter().next());
    faults.or(target).map(|target| target.expect("what has no fault is a target"))
}

/// The target that listens where this one would.
pub fn in_the_way<'a>(
    wanted: &Target,
    others: impl Iterator<Item = &'a Target>,
) -> Option<&'a Target> {
    let mut others = others.filter(|other| other.name != wanted.name);
    others.find(|other| {
        let meets = |one: &Listen| other.listen.iter().any(|it| listen::meet(*one, *it));
        wanted.listen.iter().any(meets)
    })
}

/// The file that would say so.
fn text(asked: &ForwardRequest, name: &str) -> String {
    let mut text = String::new();
    let site = match &asked.site {
        Some(site) => site.clone(),
        None => {
            text.push_str(&format!("[site.{}]\n", string(name)));
            // Both the site and the target may say whose credentials, and where; here it is the site.
            for (key, value) in [
                ("cluster", &asked.cluster),
                ("service", &asked.service),
                ("container", &asked.container),
                ("profile", &asked.profile),
                ("region", &asked.region),
            ] {
                line(&mut text, key, value.as_deref());
            }
            name.to_owned()
        }
    };
    text.push_str(&format!("[target.{}]\n", string(name)));
    line(&mut text, "site", Some(&site));
    if asked.site.is_some() {
        line(&mut text, "profile", asked.profile.as_deref());
        line(&mut text, "region", asked.region.as_deref());
    }
    line(&mut text, "host", asked.host.as_deref());
    line(&mut text, "rds", asked.rds.as_deref());
    line(&mut text, "engine", asked.engine.map(Engine::word));
    // An RDS instance's port is looked up with it.
    if let Some(port) = asked.remote_port.filter(|_| asked.host.is_some()) {
        text.push_str(&format!("port = {port}\n"));
    }
    let ports = asked.local_port.iter().map(ToString::to_string);
    let places: Vec<String> = ports.chain(asked.listen.iter().map(|place| string(place))).collect();
    text.push_str(&format!("listen = [{}]\n", places.join(", ")));
    text
}

fn line(text: &mut String, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        text.push_str(&format!("{key} = {}\n", string(value)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bastion_cloud::{DatabaseRef, Runs};

    use super::*;

    fn config() -> Config {
        let text = "[site.prod]\nregion = \"eu-west-1\"\ncluster = \"c\"\ntask_definition = \"t\"\n\
             subnets = [\"subnet-0123456789abcdef0\"]\nsecurity_groups = [\"sg-0123456789abcdef0\"]\n\
             idle_timeout = \"5m\"\n[target.a]\nsite = \"prod\"\nhost = \"a.internal\"\nport = 5432\nlisten = 15432\n";
        super::super::parse(Path::new("config.toml"), text).unwrap()
    }

    fn through_site() -> ForwardRequest {
        ForwardRequest {
            site: Some("prod".into()),
            host: Some("db.internal".into()),
            remote_port: Some(3306),
            local_port: Some(13306),
            ..ForwardRequest::default()
        }
    }

    #[test]
    fn through_a_site_it_is_a_target_like_the_configs_own() {
        let asked = ForwardRequest { region: Some("eu-west-2".into()), ..through_site() };
        let target = target(&asked, "forward-13306", &config()).unwrap();
        assert_eq!(target.database, DatabaseRef::Host("db.internal".into(), 3306));
        assert_eq!(target.listen, [Listen::Loopback(13306)]);
        assert_eq!(
            (target.site.name.as_str(), target.site.region.as_deref()),
            ("prod", Some("eu-west-2"))
        );
        assert_eq!(target.idle_timeout, Duration::from_secs(300));
        assert!(target.allow.same_user_only);
    }

    #[test]
    fn a_service_needs_no_site() {
        let asked = ForwardRequest {
            cluster: Some("dev-cluster".into()),
            service: Some("bastion-service".into()),
            profile: Some("dev".into()),
            rds: Some("dev-mysql".into()),
            engine: Some(Engine::Mysql),
            local_port: Some(3306),
            listen: vec!["docker".into()],
            ..ForwardRequest::default()
        };
        let target = target(&asked, "forward-3306", &Config::default()).unwrap();
        assert_eq!(target.site.runs, Runs::Service("bastion-service".into()));
        assert_eq!(
            (target.site.profile.as_deref(), target.site.cluster.as_str()),
            (Some("dev"), "dev-cluster")
        );
        assert_eq!(target.database, DatabaseRef::Rds("dev-mysql".into()));
        assert_eq!(target.listen, [Listen::Loopback(3306), Listen::Docker(3306)]);
        assert!(target.allow.docker);
    }

    #[test]
    fn what_is_wrong_is_told_and_nothing_that_is_said_becomes_another_setting() {
        let sly = "x\"\nexposed = true\nport = 1";
        for asked in [
            ForwardRequest { site: Some("nowhere".into()), ..through_site() },
            ForwardRequest { host: Some(sly.into()), ..through_site() },
            ForwardRequest { remote_port: None, ..through_site() },
            ForwardRequest { listen: vec!["0.0.0.0:13306".into()], ..through_site() },
            ForwardRequest { listen: vec!["13306".into()], ..through_site() },
            ForwardRequest { rds: Some("db".into()), ..through_site() },
        ] {
            let faults = target(&asked, "forward-13306", &config()).unwrap_err();
            assert_eq!(faults.iter().len(), 1, "{asked:?}: {faults:?}");
        }
    }

    #[test]
    fn a_port_of_another_target_is_in_the_way() {
        let config = config();
        let asked = ForwardRequest { local_port: Some(15432), ..through_site() };
        let wanted = target(&asked, "forward-15432", &config).unwrap();
        let found = in_the_way(&wanted, config.targets.iter());
        assert_eq!(found.map(|it| it.name.as_str()), Some("a"));
        let free = target(&through_site(), "forward-13306", &config).unwrap();
        assert!(in_the_way(&free, config.targets.iter()).is_none());
    }
}
