//! `by_hand`: the commands that do by hand what the daemon does. Asks AWS, and starts nothing.

use std::time::Duration;

use axum::extract::State;
use bastion_api::{ByHand, SCHEMA_VERSION};
use bastion_cloud::{Cloud, CloudError, DefinitionFacts, Examine, Kind, LoginState, Runs};
use dbwire::Engine;
use tokio::time::timeout;

use super::Office;
use super::answer::{Failed, Named, Told};
use crate::by_hand::{Facts, Found, steps};
use crate::config::{BastionCommand, Target};
use crate::explain;
use crate::listen::engine_of;

/// `GET /v1/targets/{name}/by_hand`
pub(super) async fn by_hand(
    State(office): State<Office>,
    Named(name): Named,
) -> Result<Told<ByHand>, Failed> {
    let (target, cloud) = office.pair(&name)?;
    let facts = facts(&office, &target, cloud.as_ref()).await;
    Ok(Told(ByHand {
        schema_version: SCHEMA_VERSION,
        target: target.name.clone(),
        account: facts.identity.known().map(|identity| identity.account.clone()),
        region: facts.region.clone(),
        profile: target.site.profile.clone(),
        steps: steps(&facts),
    }))
}

/// Everything that is known of a target, or can be asked for.
async fn facts(office: &Office, target: &Target, cloud: &dyn Cloud) -> Facts {
    let look = Look::at(target, cloud).await;
    let service = matches!(target.site.runs, Runs::Service(_));
    let (identity, place, database, definition, task) = tokio::join!(
        look.up(cloud.identity()),
        look.up_if(!service, cloud.find_place()),
        look.up(cloud.find_database(&target.database)),
        look.up_definition(cloud.examiner()),
        look.up_if(service, cloud.service_task()),
    );
    let scaled_to_zero = matches!(&task, Err(Missed::Error(err)) if err.kind == Kind::ScaledToZero);
    let held = office.live.is_some().then(|| port(target)).flatten();
    let engine = office.engines.known(target).or_else(|| Some(engine_of(database.as_ref().ok()?)));
    let engine = engine.unwrap_or(Engine::Other);
    let definition = look.found(definition);
    Facts {
        target: target.name.clone(),
        site: target.site.clone(),
        region: target.site.region.clone().or_else(|| region(definition.known()?)),
        ca_bundle: office.running.now().config.ca_bundle.clone(),
        identity: look.found(identity),
        place: look.found(place),
        container: container(target, &definition),
        definition: named(&definition),
        service_task: look.found(task.map(|task| task.as_str().to_owned())),
        scale: scaled_to_zero && target.rules.scale_from_zero,
        database: target.database.clone(),
        managed_secret: database.as_ref().ok().and_then(|found| found.managed_secret.clone()),
        remote: look.found(database.map(|database| database.remote)),
        engine,
        user: target.user.clone(),
        db_name: target.db_name.clone(),
        proof: target.password.clone(),
        port: held.map_or_else(|| port(target).unwrap_or_else(|| usual(engine)), beside),
        held,
        watchdog: match target.rules.command {
            BastionCommand::Watchdog => Some(target.rules.max_life),
            BastionCommand::Keep => None,
        },
    }
}

/// How things are looked up for one target.
struct Look<'a> {
    target: &'a Target,
    /// Why nothing needs to be asked: all of it would fail.
    hopeless: Option<CloudError>,
}

/// Why something was not found.
enum Missed {
    Error(Box<CloudError>),
    TooSlow,
    /// It is not asked for, or there is nobody to ask.
    Unasked,
}

impl<'a> Look<'a> {
    async fn at(target: &'a Target, cloud: &dyn Cloud) -> Self {
        let hopeless = match cloud.login_state().await {
            LoginState::Hopeless(err) => Some(err),
            LoginState::Promising => None,
        };
        Self { target, hopeless }
    }

    async fn up<T>(&self, asked: impl Future<Output = Result<T, CloudError>>) -> Result<T, Missed> {
        if let Some(err) = &self.hopeless {
            return Err(Missed::Error(Box::new(err.clone())));
        }
        match timeout(PATIENCE, asked).await {
            Ok(came) => came.map_err(|err| Missed::Error(Box::new(err))),
            Err(_) => Err(Missed::TooSlow),
        }
    }

    async fn up_if<T>(
        &self,
        wanted: bool,
        asked: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, Missed> {
        if wanted { self.up(asked).await } else { Err(Missed::Unasked) }
    }

    async fn up_definition(
        &self,
        examiner: Option<&dyn Examine>,
    ) -> Result<DefinitionFacts, Missed> {
        match examiner {
            Some(examiner) => self.up(examiner.definition()).await,
            None => Err(Missed::Unasked),
        }
    }

    /// What was found, or in words why not.
    fn found<T>(&self, came: Result<T, Missed>) -> Found<T> {
        let problem = match came {
            Ok(known) => return Found::Known(known),
            Err(Missed::Error(err)) => explain::cloud(self.target, &err),
            Err(Missed::TooSlow) => explain::call_too_slow(),
            Err(Missed::Unasked) => return Found::Unknown { why: String::new(), help: None },
        };
        let login = problem.kind == bastion_api::ProblemKind::Login;
        let help = problem.hints.into_iter().next().filter(|_| login);
        Found::Unknown { why: problem.message, help }
    }
}

/// The container whose agent is used: the one that the config names, else the only one.
fn container(target: &Target, definition: &Found<DefinitionFacts>) -> Found<String> {
    if let Some(name) = &target.site.container {
        return Found::Known(name.clone());
    }
    match definition {
        Found::Unknown { why, help } => Found::Unknown { why: why.clone(), help: help.clone() },
        Found::Known(definition) => match &definition.containers[..] {
            [only] => Found::Known(only.name.clone()),
            several => {
                let candidates = several.iter().map(|one| one.name.clone()).collect();
                let err = CloudError {
                    call: "ecs:DescribeTaskDefinition",
                    kind: Kind::Ambiguous { what: "container", candidates },
                    message: String::new(),
                    request_id: None,
                };
                Found::Unknown { why: explain::cloud(target, &err).message, help: None }
            }
        },
    }
}

fn named(definition: &Found<DefinitionFacts>) -> Found<String> {
    match definition {
        Found::Known(definition) => Found::Known(definition.name.clone()),
        Found::Unknown { why, help } => Found::Unknown { why: why.clone(), help: help.clone() },
    }
}

/// The fourth part of an ARN.
fn region(definition: &DefinitionFacts) -> Option<String> {
    let region = definition.arn.split(':').nth(3)?;
    (!region.is_empty()).then(|| region.to_owned())
}

/// The local port that the config names.
fn port(target: &Target) -> Option<u16> {
    target.listen.iter().find_map(|place| place.port())
}

/// A port that is likely free, next to one that the daemon holds.
fn beside(held: u16) -> u16 {
    held.checked_add(APART).unwrap_or(held.saturating_sub(APART))
}

/// A local port for a target that has none.
fn usual(engine: Engine) -> u16 {
    match engine {
        Engine::Postgres | Engine::Other => 15432,
        Engine::Mysql => 13306,
    }
}

/// How long one look-up may take: all of them are made at once, and the whole call has its deadline.
const PATIENCE: Duration = Duration::from_secs(20);

/// How far a port by hand is from the daemon's, so that neighbouring targets keep apart, too.
const APART: u16 = 10_000;
