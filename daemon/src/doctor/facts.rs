//! What is known before anything is judged.

use std::sync::Arc;

use bastion_api::{ConfigFault, Problem};
use bastion_cloud::{
    CloudError, ClusterFacts, Database, DatabaseFacts, DefinitionFacts, EndClass, GatewayFacts,
    GroupFacts, Identity, LoginState, NetworkFacts, Permission, Place, Runs, SecretFacts,
    ServiceFacts, Site, Skew, Subnet, TaskFact,
};
use jiff::Timestamp;

use crate::config::Target;
use crate::listen::shadow::Owner;

/// What came of asking; none where nobody was asked, because something before it had failed.
pub type Fact<T> = Option<Result<T, CloudError>>;

/// The answer, where there is one.
pub(super) fn told<T>(fact: &Fact<T>) -> Option<&T> {
    fact.as_ref()?.as_ref().ok()
}

/// Everything that is known.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When it was gathered.
    pub now: Timestamp,
    /// The config.
    pub config: ConfigFacts,
    /// The sites, each with its targets.
    pub sites: Vec<SiteFacts>,
}

/// What is known of the config file.
#[derive(Clone, Debug, Default)]
pub struct ConfigFacts {
    /// The file; none where there is none.
    pub path: Option<String>,
    /// How many targets it has.
    pub targets: usize,
    /// The local ports that they want.
    pub ports: Vec<u16>,
    /// What is wrong with it as it is now.
    pub faults: Vec<ConfigFault>,
    /// Whether the daemon runs with what stood in it before.
    pub outdated: bool,
}

/// What is known of a site.
#[derive(Clone, Debug)]
pub struct SiteFacts {
    /// The site.
    pub site: Site,
    /// What files tell of its login.
    pub login: LoginState,
    /// Who we are.
    pub identity: Fact<Identity>,
    /// When a person has to log in again, where anything tells.
    pub login_ends: Option<Timestamp>,
    /// What stands between here and AWS.
    pub gateway: Fact<GatewayFacts>,
    /// How far our clock is off.
    pub clock: Fact<Skew>,
    /// What policies say to all that the daemon does at this site and for its targets.
    pub permissions: Fact<Vec<Permission>>,
    /// The cluster.
    pub cluster: Fact<ClusterFacts>,
    /// The service; none inside where the site runs tasks of its own.
    pub service: Fact<Option<ServiceFacts>>,
    /// The task definition.
    pub definition: Fact<DefinitionFacts>,
    /// What policies say to what the agent does with the task role.
    pub role: Fact<Vec<Permission>>,
    /// Subnets and security groups of tasks.
    pub place: Fact<Place>,
    /// The network around them.
    pub network: Fact<NetworkFacts>,
    /// The bastion's security groups.
    pub groups: Fact<Vec<GroupFacts>>,
    /// The security groups of endpoints that lead to the session service.
    pub endpoint_groups: Fact<Vec<GroupFacts>>,
    /// Tasks of late, the newest first.
    pub tasks: Fact<Vec<TaskFact>>,
    /// The last lines of the newest task's log, where it died.
    pub log: Vec<String>,
    /// Whoever asks for what the site's own targets mean.
    pub targets: Vec<TargetFacts>,
}

/// What is known of a target.
#[derive(Clone, Debug)]
pub struct TargetFacts {
    /// The target.
    pub target: Arc<Target>,
    /// What this machine tells of its port.
    pub host: HostFacts,
    /// Where its database listens, as the daemon finds it.
    pub found: Fact<Database>,
    /// How its database is.
    pub database: Fact<DatabaseFacts>,
    /// Its database's security groups.
    pub groups: Fact<Vec<GroupFacts>>,
    /// Its secret, without what is in it.
    pub secret: Fact<SecretFacts>,
    /// What can be read of it.
    pub password: Fact<SecretFound>,
    /// What the running daemon knows; none where none runs.
    pub live: Option<LiveFacts>,
}

/// What this machine tells of a target's port.
#[derive(Clone, Debug, Default)]
pub struct HostFacts {
    /// Where the target wants to listen, in words.
    pub wanted: Vec<String>,
    /// Others that stand in the way.
    pub strangers: Vec<Owner>,
    /// Why the daemon cannot listen, as it says itself.
    pub problem: Option<Problem>,
    /// The first port that it wants.
    pub port: Option<u16>,
    /// A port that is free.
    pub free: Option<u16>,
}

/// What a secret holds, but for the password itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecretFound {
    /// The user that it names.
    pub user: Option<String>,
    /// Whether there is a password in it.
    pub password: bool,
}

/// What a running daemon knows of a target.
#[derive(Clone, Debug, Default)]
pub struct LiveFacts {
    /// What is wrong, the newest first, since it last went well.
    pub problems: Vec<Problem>,
    /// How many tunnels stand.
    pub tunnels: usize,
    /// How many bastions there are.
    pub bastions: usize,
    /// Whether visits go through.
    pub ready: bool,
}

impl SiteFacts {
    /// A site of which nobody has asked anything.
    pub fn of(site: Site, login: LoginState) -> Self {
        Self {
            site,
            login,
            identity: None,
            login_ends: None,
            gateway: None,
            clock: None,
            permissions: None,
            cluster: None,
            service: None,
            definition: None,
            role: None,
            place: None,
            network: None,
            groups: None,
            endpoint_groups: None,
            tasks: None,
            log: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// One of its targets, to speak of the site with.
    ///
    /// # Panics
    /// When it has none: nobody looks at a site without targets.
    pub(super) fn whose(&self) -> &Target {
        &self.targets.first().expect("a site is looked at for a target").target
    }

    /// The VPC that bastions run in, where anybody told it.
    pub(super) fn vpc(&self) -> Option<&str> {
        let network = told(&self.network);
        let place = told(&self.place);
        let groups = told(&self.groups);
        let told = network.map(|network| network.vpc.as_str()).filter(|vpc| !vpc.is_empty());
        told.or_else(|| place.and_then(|place| place.vpc.as_deref()))
            .or_else(|| groups.and_then(|groups| groups.first()).map(|group| group.vpc.as_str()))
    }

    /// The subnets of tasks and their zones, in words.
    pub(super) fn zones(&self) -> Option<String> {
        let place = told(&self.place)?;
        let subnet = |subnet: &Subnet| match &subnet.zone {
            Some(zone) => format!("{} ({zone})", subnet.id),
            None => subnet.id.clone(),
        };
        Some(place.subnets.iter().map(subnet).collect::<Vec<_>>().join(", "))
    }

    /// The ids of the bastion's security groups.
    pub(super) fn group_ids(&self) -> Option<&[String]> {
        match (&self.place, &self.service) {
            (_, Some(Ok(Some(service)))) => Some(&service.security_groups),
            (Some(Ok(place)), _) => Some(&place.security_groups),
            _ => None,
        }
    }

    /// The account that we are in.
    pub(super) fn account(&self) -> Option<&str> {
        Some(told(&self.identity)?.account.as_str())
    }

    /// Tasks of late that are or were bastions, the newest first: of a service all, else those that somebody's bastiond
    /// has started, or a person by hand. Others may be made of the same definition.
    pub(super) fn bastions(&self) -> impl Iterator<Item = &TaskFact> {
        let tasks = told(&self.tasks);
        let of_service = matches!(self.site.runs, Runs::Service(_));
        tasks.into_iter().flatten().filter(move |task| {
            of_service
                || match &task.started_by {
                    Some(who) => who.starts_with(BASTIOND),
                    None => task.exec,
                }
        })
    }

    /// Whether a tunnel stands at this moment through any bastion of the site.
    pub(super) fn stands(&self) -> bool {
        self.targets.iter().any(|target| target.live.as_ref().is_some_and(|live| live.tunnels > 0))
    }

    /// Whether anything shows that tasks do not get to AWS: an agent that stopped or stayed away, an image that did not
    /// come.
    pub(super) fn went_astray(&self) -> bool {
        let told = self.lately(&["D04", "D06", "D08", "D09"]).is_some();
        told || self.bastions().next().is_some_and(|task| {
            task.agent.as_deref() == Some("STOPPED") && task.end.is_none()
                || matches!(task.end, Some(EndClass::Route | EndClass::Image))
        })
    }

    /// What is wrong of late with one of these codes, as the running daemon says of any of its targets.
    pub(super) fn lately(&self, codes: &[&str]) -> Option<&Problem> {
        self.targets.iter().find_map(|target| target.lately(codes))
    }

    /// Every call that did not do what was asked, but for the gateway's, which is asked in a way of its own, and IAM's:
    /// no visit needs that one, which takes few questions and is out of reach in many a network that reaches all else.
    pub(super) fn failures(&self) -> Vec<&CloudError> {
        fn error<T>(fact: &Fact<T>) -> Option<&CloudError> {
            fact.as_ref()?.as_ref().err()
        }
        let site = [
            error(&self.identity),
            error(&self.clock),
            error(&self.cluster),
            error(&self.service),
            error(&self.definition),
            error(&self.place),
            error(&self.network),
            error(&self.groups),
            error(&self.endpoint_groups),
            error(&self.tasks),
        ];
        let targets = self.targets.iter().flat_map(|target| {
            [
                error(&target.found),
                error(&target.database),
                error(&target.groups),
                error(&target.secret),
                error(&target.password),
            ]
        });
        site.into_iter().chain(targets).flatten().collect()
    }
}

impl TargetFacts {
    /// A target of which nobody has asked anything.
    pub fn of(target: Arc<Target>) -> Self {
        Self {
            target,
            host: HostFacts::default(),
            found: None,
            database: None,
            groups: None,
            secret: None,
            password: None,
            live: None,
        }
    }

    /// What is wrong of late with one of these codes, as the running daemon says.
    pub(super) fn lately(&self, codes: &[&str]) -> Option<&Problem> {
        let live = self.live.as_ref()?;
        live.problems.iter().find(|problem| codes.contains(&problem.code.as_str()))
    }
}

/// How `startedBy` begins in every task that a bastiond has started.
const BASTIOND: &str = "bastiond/";
