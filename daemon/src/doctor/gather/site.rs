//! What AWS tells of a site and of its targets.

use std::collections::HashSet;
use std::sync::Arc;

use bastion_cloud::{
    Cloud, CloudError, Database, DatabaseFacts, DatabaseRef, Examine, Identity, LoginState,
    NetworkFacts, SecretFacts, SecretRef, Site, TaskId, Wish,
};
use futures_util::future::join_all;
use futures_util::join;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::super::facts::{Fact, SecretFound, SiteFacts, TargetFacts, told};
use super::super::network::session_endpoint;
use super::super::wishes::{self, Known};
use super::by_deadline;

/// Everything that can be asked of a site.
pub(super) async fn look(
    site: Site,
    cloud: Arc<dyn Cloud>,
    targets: Vec<TargetFacts>,
) -> SiteFacts {
    let login = cloud.login_state().await;
    let mut facts = SiteFacts { targets, ..SiteFacts::of(site, login) };
    let Some(examiner) = cloud.examiner() else { return facts };
    let hopeless = matches!(facts.login, LoginState::Hopeless(_));
    let (identity, gateway, clock) = join!(
        async { if hopeless { None } else { Some(by_deadline(IDENTITY, cloud.identity()).await) } },
        by_deadline("ssmmessages:OpenDataChannel", examiner.gateway()),
        by_deadline(IDENTITY, examiner.clock_ahead()),
    );
    (facts.identity, facts.gateway, facts.clock) = (identity, Some(gateway), Some(clock));
    if !matches!(facts.identity, Some(Ok(_))) {
        // Whoever is not known is told nothing.
        return facts;
    }
    let ends = examiner.login_ends().await;
    facts.login_ends = ends.and_then(|ends| Timestamp::try_from(ends).ok());
    things(&mut facts, &*cloud, examiner).await;
    what_follows(&mut facts, &*cloud, examiner).await;
    facts
}

/// What can be asked for by its name.
async fn things(facts: &mut SiteFacts, cloud: &dyn Cloud, examiner: &dyn Examine) {
    let databases = distinct(facts.targets.iter().map(|target| &target.target.database));
    let secrets = distinct(facts.targets.iter().filter_map(|target| target.target.secret()));
    let few = Semaphore::new(AT_ONCE);
    let (cluster, service, definition, place, tasks, of_databases, of_secrets) = join!(
        by_deadline("ecs:DescribeClusters", examiner.cluster()),
        by_deadline("ecs:DescribeServices", examiner.service()),
        by_deadline("ecs:DescribeTaskDefinition", examiner.definition()),
        by_deadline("ec2:DescribeSubnets", cloud.find_place()),
        by_deadline("ecs:ListTasks", examiner.recent_tasks()),
        join_all(databases.iter().map(|one| of_database(one, cloud, examiner, &few))),
        join_all(secrets.iter().map(|one| of_secret(one, cloud, examiner, &few))),
    );
    facts.cluster = Some(cluster);
    facts.service = Some(service);
    facts.definition = Some(definition);
    facts.place = Some(place);
    facts.tasks = Some(tasks);
    for target in &mut facts.targets {
        let mut own = databases.iter().zip(&of_databases);
        if let Some((_, (found, described))) = own.find(|(one, _)| **one == target.target.database)
        {
            (target.found, target.database) = (Some(found.clone()), described.clone());
        }
        let wanted = target.target.secret();
        if let Some((_, (known, read))) =
            secrets.iter().zip(&of_secrets).find(|(one, _)| Some(*one) == wanted)
        {
            (target.secret, target.password) = (Some(known.clone()), Some(read.clone()));
        }
    }
}

/// Each once: many targets may lead to one database.
fn distinct<'a, T: PartialEq + Clone + 'a>(all: impl Iterator<Item = &'a T>) -> Vec<T> {
    let mut each: Vec<T> = Vec::new();
    for one in all {
        if !each.contains(one) {
            each.push(one.clone());
        }
    }
    each
}

/// Where a database listens, as the daemon finds it, and how it is.
async fn of_database(
    database: &DatabaseRef,
    cloud: &dyn Cloud,
    examiner: &dyn Examine,
    few: &Semaphore,
) -> (Result<Database, CloudError>, Fact<DatabaseFacts>) {
    let call = "rds:DescribeDBInstances";
    let described = async {
        match database {
            DatabaseRef::Host(..) => None,
            DatabaseRef::Rds(_) | DatabaseRef::Aurora(..) | DatabaseRef::Proxy(_) => {
                Some(by_deadline(call, in_turn(few, examiner.database_facts(database))).await)
            }
        }
    };
    join!(by_deadline(call, in_turn(few, cloud.refresh_database(database))), described)
}

/// A secret, and what can be read of it.
async fn of_secret(
    secret: &SecretRef,
    cloud: &dyn Cloud,
    examiner: &dyn Examine,
    few: &Semaphore,
) -> (Result<SecretFacts, CloudError>, Result<SecretFound, CloudError>) {
    let read = async {
        let asked = in_turn(few, cloud.secret(secret));
        let read = by_deadline("secretsmanager:GetSecretValue", asked).await;
        // The password itself goes no further than this.
        read.map(|login| SecretFound {
            password: !login.password.reveal().is_empty(),
            user: login.user,
        })
    };
    let known = in_turn(few, examiner.secret_facts(secret));
    join!(by_deadline("secretsmanager:DescribeSecret", known), read)
}

/// An answer once its turn has come. The wait for it counts: where all is slow, all are told to be.
async fn in_turn<T>(few: &Semaphore, asked: impl Future<Output = T>) -> T {
    let _turn = few.acquire().await;
    asked.await
}

/// What can be asked only once the former is known.
async fn what_follows(facts: &mut SiteFacts, cloud: &dyn Cloud, examiner: &dyn Examine) {
    let subnets = subnets(facts);
    let groups = facts.group_ids().map(<[String]>::to_vec);
    let asked = distinct(facts.targets.iter().filter_map(database_groups));
    let (permissions, role, (network, endpoint_groups), groups, theirs, log) = join!(
        permissions(facts, examiner),
        role(facts, examiner),
        network(subnets, examiner),
        of_groups(groups, examiner),
        join_all(asked.iter().map(|groups| of_groups(Some(groups.clone()), examiner))),
        log(facts, cloud),
    );
    facts.permissions = permissions;
    facts.role = role;
    facts.network = network;
    facts.endpoint_groups = endpoint_groups;
    facts.groups = groups;
    facts.log = log;
    for target in &mut facts.targets {
        let wanted = database_groups(target);
        let own = asked.iter().zip(&theirs).find(|(one, _)| Some(*one) == wanted);
        target.groups = own.and_then(|(_, theirs)| theirs.clone());
    }
}

/// The ids of a database's security groups, where they are known.
fn database_groups(target: &TargetFacts) -> Option<&Vec<String>> {
    Some(&told(&target.database)?.security_groups)
}

/// The subnets of tasks: the service's, or those that were found.
fn subnets(facts: &SiteFacts) -> Option<Vec<String>> {
    match (&facts.service, &facts.place) {
        (Some(Ok(Some(service))), _) => Some(service.subnets.clone()),
        (_, Some(Ok(place))) => Some(place.subnet_ids()),
        _ => None,
    }
}

async fn permissions(
    facts: &SiteFacts,
    examiner: &dyn Examine,
) -> Fact<Vec<bastion_cloud::Permission>> {
    let identity = told(&facts.identity)?;
    let known = known(facts, identity);
    let mut wishes = known.of_site();
    for target in &facts.targets {
        let database = told(&target.database);
        let secret = told(&target.secret);
        wishes.extend(known.of_target(&target.target, database, secret));
    }
    let mut seen = HashSet::new();
    wishes.retain(|wish| seen.insert(wish.clone()));
    let wishes = everywhere(&known, wishes);
    Some(by_deadline(SIMULATE, examiner.simulate(&identity.arn, &wishes)).await)
}

async fn role(facts: &SiteFacts, examiner: &dyn Examine) -> Fact<Vec<bastion_cloud::Permission>> {
    let definition = told(&facts.definition)?;
    let role = definition.task_role.as_deref()?;
    let known = known(facts, told(&facts.identity)?);
    let wishes = everywhere(&known, wishes::of_the_agent());
    Some(by_deadline(SIMULATE, examiner.simulate(role, &wishes)).await)
}

fn known<'a>(facts: &'a SiteFacts, identity: &'a Identity) -> Known<'a> {
    Known {
        site: &facts.site,
        identity,
        cluster: told(&facts.cluster),
        definition: told(&facts.definition),
        service: facts.service.as_ref().and_then(|fact| fact.as_ref().ok()?.as_ref()),
        scales: facts.targets.iter().any(|target| target.target.rules.scale_from_zero),
    }
}

/// The wishes with what every call brings along.
fn everywhere(known: &Known<'_>, mut wishes: Vec<Wish>) -> Vec<Wish> {
    let more = known.anywhere();
    wishes.iter_mut().for_each(|wish| wish.context.extend(more.iter().cloned()));
    wishes
}

/// The network around the subnets, and the groups of what leads to the session service.
async fn network(
    subnets: Option<Vec<String>>,
    examiner: &dyn Examine,
) -> (Fact<NetworkFacts>, Fact<Vec<bastion_cloud::GroupFacts>>) {
    let Some(subnets) = subnets else { return (None, None) };
    let network = by_deadline("ec2:DescribeSubnets", examiner.ways_out(&subnets)).await;
    let endpoint = network.as_ref().ok().and_then(session_endpoint);
    let groups = endpoint.map(|endpoint| endpoint.security_groups.clone());
    (Some(network), of_groups(groups, examiner).await)
}

async fn of_groups(
    groups: Option<Vec<String>>,
    examiner: &dyn Examine,
) -> Fact<Vec<bastion_cloud::GroupFacts>> {
    let groups = groups?;
    Some(by_deadline("ec2:DescribeSecurityGroups", examiner.groups(&groups)).await)
}

/// The last words of the newest task, where it ended by itself and keeps a log that we may read.
async fn log(facts: &SiteFacts, cloud: &dyn Cloud) -> Vec<String> {
    let newest = facts.bastions().next();
    let Some(task) = newest.filter(|task| task.end.is_some()) else { return Vec::new() };
    let id = TaskId::new(task.arn.clone());
    by_deadline("logs:GetLogEvents", cloud.task_logs(&id)).await.unwrap_or_default()
}

const IDENTITY: &str = "sts:GetCallerIdentity";
const SIMULATE: &str = "iam:SimulatePrincipalPolicy";

/// How many questions about targets are under way at once: of fifty at a time AWS would throttle some.
const AT_ONCE: usize = 10;
