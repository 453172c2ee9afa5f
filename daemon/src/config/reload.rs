//! A config that was read again, compared with the one that the daemon runs with: what to add, drop and alter.
//!
//! ```text
//!   old ──┐                ┌─▶ added       its listeners are opened
//!         ├──▶ Plan::new ──┼─▶ dropped     its listeners are closed, its visits told so and ended, its bastion stopped
//!   new ──┘                ├─▶ altered     new visits meet what is new; those that are there end as they came
//!                          ├─▶ unchanged
//!                          └─▶ what waits for the next start
//! ```
//!
//! A file with faults does not get here: it changes nothing.

use bastion_cloud::Site;

use super::{Config, Rules, Target};

/// What a reload has to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Targets that are new.
    pub added: Vec<Target>,
    /// Targets that the file no longer names.
    pub dropped: Vec<String>,
    /// Targets of which something has changed.
    pub altered: Vec<Altered>,
    /// Targets that are as they were.
    pub unchanged: Vec<String>,
    /// The keys of what has changed and cannot be changed while the daemon runs.
    pub needs_restart: Vec<&'static str>,
}

/// A target of which something has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Altered {
    /// What it is now.
    pub target: Target,
    /// The keys of what has changed.
    pub keys: Vec<&'static str>,
}

impl Plan {
    /// The way from one config to another. A target is the same one as long as it keeps its name.
    pub fn new(old: &Config, new: &Config) -> Self {
        let mut plan = Self { needs_restart: for_the_next_start(old, new), ..Self::default() };
        for target in &new.targets {
            match old.targets.iter().find(|known| known.name == target.name) {
                None => plan.added.push(target.clone()),
                Some(known) if known == target => plan.unchanged.push(target.name.clone()),
                Some(known) => plan
                    .altered
                    .push(Altered { target: target.clone(), keys: changed(known, target) }),
            }
        }
        let kept = |known: &Target| new.targets.iter().any(|target| target.name == known.name);
        let dropped = old.targets.iter().filter(|known| !kept(known));
        plan.dropped = dropped.map(|known| known.name.clone()).collect();
        plan
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty() && self.altered.is_empty()
    }
}

/// What is made once, when the daemon starts.
fn for_the_next_start(old: &Config, new: &Config) -> Vec<&'static str> {
    let Config {
        path: _,
        on_stop: _,
        ca_bundle,
        rds_ca_bundle: _,
        unread_per_stream,
        unread_in_all,
        sites: _,
        targets: _,
    } = old;
    let keys = [
        ("ca_bundle", *ca_bundle != new.ca_bundle),
        ("unread_per_stream", *unread_per_stream != new.unread_per_stream),
        ("unread_in_all", *unread_in_all != new.unread_in_all),
    ];
    differing(keys)
}

/// The keys of a target, as the file calls them, whose values differ.
fn changed(old: &Target, new: &Target) -> Vec<&'static str> {
    // Every field by its name, so that a new one cannot be forgotten.
    let Target {
        name: _,
        site,
        database,
        engine,
        listen,
        idle_timeout,
        start_timeout,
        endpoints,
        rules,
        allow,
        db_name,
        user,
        password,
        danger,
    } = old;
    let mut keys = site_changed(site, &new.site);
    keys.extend(differing([
        ("rds, aurora, proxy or host", *database != new.database),
        ("engine", *engine != new.engine),
        ("listen", *listen != new.listen),
        ("idle_timeout", *idle_timeout != new.idle_timeout),
        ("start_timeout", *start_timeout != new.start_timeout),
        ("endpoints", *endpoints != new.endpoints),
    ]));
    keys.extend(rules_changed(rules, &new.rules));
    keys.extend(differing([
        ("allow", *allow != new.allow),
        ("database", *db_name != new.db_name),
        ("user", *user != new.user),
        ("password", *password != new.password),
        ("danger", *danger != new.danger),
    ]));
    keys
}

/// The keys of what is said about a target's bastions and tunnels.
fn rules_changed(old: &Rules, new: &Rules) -> Vec<&'static str> {
    let Rules {
        tunnels_per_bastion,
        max_bastions,
        keepalive,
        payload_probing,
        first_byte_timeout,
        silent_after,
        patience,
        max_life,
        command,
        share,
        scale_from_zero,
        price_per_hour,
    } = old;
    differing([
        ("tunnels_per_bastion", *tunnels_per_bastion != new.tunnels_per_bastion),
        ("max_bastions", *max_bastions != new.max_bastions),
        ("keepalive", *keepalive != new.keepalive),
        ("payload_probing", *payload_probing != new.payload_probing),
        ("first_byte_timeout", *first_byte_timeout != new.first_byte_timeout),
        ("silent_after", *silent_after != new.silent_after),
        ("patience", *patience != new.patience),
        ("max_life", *max_life != new.max_life),
        ("command", *command != new.command),
        ("share", *share != new.share),
        ("scale_from_zero", *scale_from_zero != new.scale_from_zero),
        ("price_per_hour", *price_per_hour != new.price_per_hour),
    ])
}

/// The keys of the site under a target.
fn site_changed(old: &Site, new: &Site) -> Vec<&'static str> {
    let Site {
        name,
        profile,
        region,
        cluster,
        runs,
        container,
        subnets,
        security_groups,
        spot,
        assign_public_ip,
    } = old;
    differing([
        ("site", *name != new.name),
        ("profile", *profile != new.profile),
        ("region", *region != new.region),
        ("cluster", *cluster != new.cluster),
        ("task_definition", *runs != new.runs),
        ("container", *container != new.container),
        ("subnets", *subnets != new.subnets),
        ("security_groups", *security_groups != new.security_groups),
        ("launch", *spot != new.spot),
        ("assign_public_ip", *assign_public_ip != new.assign_public_ip),
    ])
}

fn differing<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<&'static str> {
    keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, parse};
    use super::Plan;

    const SITE: &str = "[site.s]\nregion = \"eu-west-1\"\ncluster = \"c\"\ntask_definition = \"t\"\n\
        subnets = [\"subnet-0123456789abcdef0\"]\nsecurity_groups = [\"sg-0123456789abcdef0\"]\n";

    #[test]
    fn the_same_file_asks_for_nothing() {
        let config = config(&[("a", 15001, ""), ("b", 15002, "")]);
        let plan = Plan::new(&config, &config);
        assert!(plan.is_empty());
        assert_eq!(plan.unchanged, ["a", "b"]);
    }

    #[test]
    fn another_order_asks_for_nothing() {
        let one = config(&[("a", 15001, ""), ("b", 15002, "")]);
        let other = config(&[("b", 15002, ""), ("a", 15001, "")]);
        assert!(Plan::new(&one, &other).is_empty());
    }

    #[test]
    fn targets_come_go_and_change_each_under_its_own_name() {
        let old = config(&[("stays", 15001, ""), ("goes", 15002, ""), ("changes", 15003, "")]);
        let new = config(&[
            ("stays", 15001, ""),
            ("comes", 15002, ""),
            ("changes", 15004, "idle_timeout = \"2m\""),
        ]);
        let plan = Plan::new(&old, &new);
        let added: Vec<_> = plan.added.iter().map(|target| target.name.as_str()).collect();
        assert_eq!((added, &plan.dropped[..]), (vec!["comes"], &["goes".to_owned()][..]));
        let [altered] = &plan.altered[..] else { panic!("{plan:#?}") };
        assert_eq!(altered.target.name, "changes");
        assert_eq!(altered.keys, ["listen", "idle_timeout"]);
        assert_eq!(plan.unchanged, ["stays"]);
    }

    #[test]
    fn what_changes_at_a_site_changes_its_targets() {
        let old = config(&[("a", 15001, "")]);
        let new = parse(
            Path::new("config.toml"),
            &(SITE.replace("eu-west-1", "eu-west-2") + &target("a", 15001, "")),
        );
        let plan = Plan::new(&old, &new.unwrap());
        assert_eq!(plan.altered[0].keys, ["region"]);
    }

    #[test]
    fn what_is_made_at_the_start_waits_for_the_next_one() {
        let old = config(&[("a", 15001, "")]);
        let new = Config { unread_in_all: old.unread_in_all + 1, ..old.clone() };
        let plan = Plan::new(&old, &new);
        assert!(plan.is_empty());
        assert_eq!(plan.needs_restart, ["unread_in_all"]);
    }

    fn config(targets: &[(&str, u16, &str)]) -> Config {
        let targets = targets.iter().map(|(name, port, more)| target(name, *port, more));
        parse(Path::new("config.toml"), &(SITE.to_owned() + &targets.collect::<String>())).unwrap()
    }

    fn target(name: &str, port: u16, more: &str) -> String {
        format!(
            "[target.{name}]\nsite = \"s\"\nhost = \"db.internal\"\nport = 5432\nlisten = {port}\n{more}\n"
        )
    }
}
