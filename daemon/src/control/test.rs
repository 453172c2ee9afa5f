//! `test`: opens the target, calls its own local address as any client would, and tells what the database says.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::extract::State;
use bastion_api::{EventKind, Login, SCHEMA_VERSION, TestAnswer};
use bastion_cloud::{Cloud, Secret};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use super::answer::{Failed, Named, Told};
use super::{Desk, password, status};
use crate::config::{Proof, Target};
use crate::explain;
use crate::keeper::Holder;
use crate::probe::{Found, Setback, Wish, probe};

/// `POST /v1/targets/{name}/test`
pub(super) async fn test(
    State(desk): State<Desk>,
    Named(name): Named,
) -> Result<Told<TestAnswer>, Failed> {
    let (target, cloud) = desk.pair(&name)?;
    desk.house.events.tell(Some(&name), EventKind::Asked, "asked to test");
    let Some(address) = address(&desk, &name) else {
        return Err(not_listening(&desk, &target).into());
    };
    // Until the end: a visit that comes and goes may not be what decides whether its bastion stays.
    let lease = desk.house.keeper.lease(&name, Holder::Person).await;
    let lease = lease.map_err(|refusal| explain::refusal(&target, &refusal))?;
    let wish = wish(&desk, &target, &*cloud).await?;
    let began = desk.house.clock.now();
    let found = match timeout(PATIENCE, call(&desk, &address, &wish, began)).await {
        Ok(Ok(found)) => found,
        Ok(Err(setback)) => return Err(why(&desk, &target, &*cloud, &setback, began).await),
        Err(_) => {
            let remote = &lease.route().remote;
            let met = met(&desk, &name, began);
            return Err(met
                .unwrap_or_else(|| explain::no_answer(&target, remote, PATIENCE))
                .into());
        }
    };
    let round_trip = found.round_trip();
    Ok(Told(TestAnswer {
        schema_version: SCHEMA_VERSION,
        target: name,
        engine: status::told(wish.engine),
        address: address.text(),
        task: Some(lease.route().bastion.task.as_str().to_owned()),
        server_version: found.version,
        tls: found.tls,
        user: wish.user.filter(|_| found.login == Login::Done),
        database: wish.database.filter(|_| found.login == Login::Done),
        login: found.login,
        answer_seconds: found.first_byte.map(|took| took.as_secs_f64()),
        login_seconds: found.logged_in.map(|took| took.as_secs_f64()),
        round_trip_seconds: round_trip.map(|took| took.as_secs_f64()),
        round_trips: u32::try_from(found.rounds.len()).unwrap_or(u32::MAX),
    }))
}

/// Where a target is called.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Address {
    Tcp(String),
    Unix(PathBuf),
}

impl Address {
    fn text(&self) -> String {
        match self {
            Self::Tcp(address) => address.clone(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

/// A target's address that we are let in at: any but Docker's, whose visitors are containers.
fn address(desk: &Desk, name: &str) -> Option<Address> {
    let mut all: Vec<Address> = desk
        .listeners
        .addresses(name)
        .into_iter()
        .map(|address| match address.strip_prefix("unix:") {
            Some(path) => Address::Unix(path.into()),
            None => Address::Tcp(address),
        })
        .collect();
    all.sort_by_key(|address| match address {
        Address::Tcp(address) if address.starts_with("127.0.0.1:") => 0,
        Address::Tcp(address) if address.starts_with("[::1]:") => 1,
        Address::Unix(_) => 2,
        Address::Tcp(_) => 3,
    });
    all.into_iter().next()
}

/// What the database is called with: a password is fetched where the config says from where, and kept nowhere.
async fn wish(desk: &Desk, target: &Target, cloud: &dyn Cloud) -> Result<Wish, Failed> {
    let engine = desk.house.engines.learn(target, cloud).await;
    let engine = engine.map_err(|err| explain::cloud(target, &err))?;
    let login = match target.password {
        Some(_) => Some(password::of(target, cloud).await?),
        None => None,
    };
    Ok(Wish {
        engine,
        user: target.user.clone().or(login.as_ref().and_then(|login| login.user.clone())),
        password: login.map(|login| Secret::new(login.password)),
        private: target.password == Some(Proof::Iam),
        database: target.db_name.clone(),
    })
}

async fn call(
    desk: &Desk,
    address: &Address,
    wish: &Wish,
    began: Instant,
) -> Result<Found, Setback> {
    let clock = &desk.house.clock;
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(Setback::Lost)?;
            // Small packets that are waited for, as every client's.
            stream.set_nodelay(true).map_err(Setback::Lost)?;
            probe(stream, wish, began, clock).await
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(Setback::Lost)?;
            probe(stream, wish, began, clock).await
        }
    }
}

/// Why it went wrong: what our own visit has met, which knows more; else what the database said.
async fn why(
    desk: &Desk,
    target: &Target,
    cloud: &dyn Cloud,
    setback: &Setback,
    began: Instant,
) -> Failed {
    let of_the_way = match setback {
        // The listener's own word is an error of the database's kind: 57P03, 1053.
        Setback::Said { .. } => !setback.is_wrong_password() && !setback.is_unknown_database(),
        Setback::Lost(_) => true,
        Setback::Foreign(_) | Setback::InTheClear | Setback::UnknownMethod(_) => false,
    };
    // Our side of the visit may notice its end a moment before the other has noted it.
    for _ in 0..if of_the_way { LOOKS } else { 0 } {
        if let Some(problem) = met(desk, &target.name, began) {
            return problem.into();
        }
        sleep(LOOK_AGAIN).await;
    }
    let changed = if setback.is_wrong_password() { changed(target, cloud).await } else { None };
    explain::setback(target, setback, changed.as_deref()).into()
}

/// What has gone wrong for the target's visitors since the test began.
fn met(desk: &Desk, name: &str, began: Instant) -> Option<bastion_api::Problem> {
    let now = desk.house.clock.now();
    let (problem, ago) = desk.house.roster.trouble(name, now)?;
    (ago <= now.saturating_duration_since(began)).then_some(problem)
}

/// When the secret was last changed, where we may know.
async fn changed(target: &Target, cloud: &dyn Cloud) -> Option<String> {
    let asked = cloud.examiner()?.secret_facts(target.secret()?);
    let facts = timeout(SECRET_PATIENCE, asked).await;
    facts.ok()?.ok()?.changed
}

fn not_listening(desk: &Desk, target: &Target) -> bastion_api::Problem {
    let known = desk.listeners.problems(&target.name).into_iter().next();
    known.unwrap_or_else(|| {
        let err = io::Error::from(io::ErrorKind::AddrNotAvailable);
        explain::place_taken(&target.name, &err, None)
    })
}

/// How long the database may take, with all questions: a handshake with TLS over a slow tunnel takes two or three seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked whether our own visit has noted what it met, and how long until the next look.
const LOOKS: usize = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long it may take to learn when a secret was changed: without that, the problem is a problem, too.
const SECRET_PATIENCE: Duration = Duration::from_secs(3);
