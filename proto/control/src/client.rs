//! Asks the daemon: HTTP/1 over its Unix socket, one connection a call. Every wait ends, by answer or by deadline.
//!
//! ```text
//!   Client ──dial──► the first place where somebody answers   (dial.rs; waits a moment for a daemon that is starting)
//!      │
//!      ├─ a call ───► Exchange ──► one JSON body, or the reason why not   (exchange.rs)
//!      └─ a stream ─► Exchange ──► Lines<T>, one JSON object each         (lines.rs)
//! ```
//!
//! What needs no bastion is answered without a daemon, too: by `bastiond --oneshot`, started for that call (oneshot.rs).

mod dial;
mod error;
mod exchange;
mod lines;
mod oneshot;
mod wanted;

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::error::{ClientError, Oddity, Tried, Why};
use self::exchange::Exchange;
pub use self::lines::Lines;
use self::oneshot::Oneshot;
pub use self::oneshot::daemon_program;
pub use self::wanted::{EventsWanted, LedgerWanted, PolicyWanted, SurveyWanted};
use self::wanted::{escaped, with_query};
use crate::paths::{Env, control_sockets};
use crate::{
    Audit, ByHand, CloseAnswer, CloseRequest, ConfigReport, Cost, DoctorReport, Event,
    ForwardRequest, Health, Info, InitAnswer, InitRequest, OpenEvent, OpenRequest, Password,
    Policy, ReloadAnswer, Status, Survey, Targets, TestAnswer, Version,
};

/// The daemon, as a program sees it that talks to it.
#[derive(Clone, Debug)]
pub struct Client {
    places: Vec<PathBuf>,
    oneshot: Option<Oneshot>,
}

impl Client {
    /// A client that looks where the environment of this process says.
    pub fn of_process() -> Self {
        Self { oneshot: Some(Oneshot::new(None)), ..Self::new(control_sockets(&Env::of_process())) }
    }

    /// Nobody but a `bastiond --oneshot` that reads this config file, or the usual one.
    pub fn without_daemon(config: Option<&Path>) -> Self {
        Self { places: Vec::new(), oneshot: Some(Oneshot::new(config)) }
    }

    /// A client that tries these places in this order.
    pub fn new(places: Vec<PathBuf>) -> Self {
        Self { places, oneshot: None }
    }

    /// The daemon and all its targets at this moment.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status".into(), QUICK).await
    }

    /// Every target of the config.
    pub async fn targets(&self) -> Result<Targets, ClientError> {
        self.office_get("/v1/targets".into(), QUICK).await
    }

    /// Starts a target's bastion and tells how it goes. To stop listening does not stop the start.
    pub async fn open(
        &self,
        target: &str,
        request: &OpenRequest,
    ) -> Result<Lines<OpenEvent>, ClientError> {
        let path = format!("/v1/targets/{}/open", escaped(target));
        let exchange = self.send(Method::POST, path, Some(body(request)), QUICK).await?;
        Ok(exchange.lines(Some(START_SILENCE)))
    }

    /// Serves a database that the config does not name, for as long as the lines are listened to.
    pub async fn forward(&self, request: &ForwardRequest) -> Result<Lines<OpenEvent>, ClientError> {
        let path = "/v1/forward".into();
        let exchange = self.send(Method::POST, path, Some(body(request)), QUICK).await?;
        // Once it is ready, nothing is told for days.
        Ok(exchange.lines(None))
    }

    /// Ends a target's visits and holds and stops its bastion.
    pub async fn close(
        &self,
        target: &str,
        request: &CloseRequest,
    ) -> Result<CloseAnswer, ClientError> {
        let path = format!("/v1/targets/{}/close", escaped(target));
        self.call(Method::POST, path, Some(body(request)), SLOW).await
    }

    /// Speaks to a target's database over the way that every visitor takes; where no bastion runs it is started first.
    pub async fn test(&self, target: &str) -> Result<TestAnswer, ClientError> {
        let path = format!("/v1/targets/{}/test", escaped(target));
        self.call(Method::POST, path, None, SLOW).await
    }

    /// A target's password, fresh from where it is kept.
    pub async fn password(&self, target: &str) -> Result<Password, ClientError> {
        self.office_get(format!("/v1/targets/{}/password", escaped(target)), SLOW).await
    }

    /// What stands for a user's password at a target's database for some minutes; the target's own user where none is
    /// named.
    pub async fn token(&self, target: &str, user: Option<&str>) -> Result<Password, ClientError> {
        let user = user.map(|user| format!("user={}", escaped(user)));
        let path = format!("/v1/targets/{}/token", escaped(target));
        self.office_get(with_query(&path, [user]), SLOW).await
    }

    /// What clients have to be told about these targets; about all of them where none is named. In whose account each
    /// lies is asked only where that is wanted.
    pub async fn info(&self, targets: &[String], accounts: bool) -> Result<Info, ClientError> {
        let names: Vec<String> = targets.iter().map(|name| escaped(name)).collect();
        let wanted = (!names.is_empty()).then(|| format!("targets={}", names.join(",")));
        let accounts = accounts.then(|| "accounts=true".to_owned());
        self.office_get(with_query("/v1/info", [wanted, accounts]), SLOW).await
    }

    /// What a person types to do by hand what the daemon does for a target.
    pub async fn by_hand(&self, target: &str) -> Result<ByHand, ClientError> {
        self.office_get(format!("/v1/targets/{}/by_hand", escaped(target)), SLOW).await
    }

    /// What happened, oldest first; with `follow` also what is going to happen, without an end.
    pub async fn events(&self, wanted: &EventsWanted) -> Result<Lines<Event>, ClientError> {
        let exchange = self.send(Method::GET, wanted.path(), None, QUICK).await?;
        // Nothing may happen for days.
        let silence = if wanted.follow { None } else { Some(QUICK) };
        Ok(exchange.lines(silence))
    }

    /// What is wrong with a target, or with all of them, and what helps.
    pub async fn doctor(&self, target: Option<&str>) -> Result<DoctorReport, ClientError> {
        let target = target.map(|name| format!("target={}", escaped(name)));
        self.office_get(with_query("/v1/doctor", [target]), EXAMINATION).await
    }

    /// What an account holds that sites and targets can be made of.
    pub async fn survey(&self, wanted: &SurveyWanted) -> Result<Survey, ClientError> {
        self.office_get(wanted.path(), EXAMINATION).await
    }

    /// What stands in the config for what was chosen of a survey; writes it where that is asked for.
    pub async fn init(&self, request: &InitRequest) -> Result<InitAnswer, ClientError> {
        self.office_call(Method::POST, "/v1/init".into(), Some(body(request)), SLOW).await
    }

    /// The least that IAM has to allow for a config.
    pub async fn policy(&self, wanted: &PolicyWanted) -> Result<Policy, ClientError> {
        self.office_get(wanted.path(), SLOW).await
    }

    /// What bastions have cost.
    pub async fn cost(&self, wanted: &LedgerWanted) -> Result<Cost, ClientError> {
        self.get(wanted.path("/v1/cost"), SLOW).await
    }

    /// Who went where.
    pub async fn audit(&self, wanted: &LedgerWanted) -> Result<Audit, ClientError> {
        self.get(wanted.path("/v1/audit"), SLOW).await
    }

    /// Has the daemon read its config again.
    pub async fn reload(&self) -> Result<ReloadAnswer, ClientError> {
        self.call(Method::POST, "/v1/reload".into(), None, QUICK).await
    }

    /// The config that the daemon runs with.
    pub async fn config(&self) -> Result<ConfigReport, ClientError> {
        self.get("/v1/config".into(), QUICK).await
    }

    /// Whether the daemon is well.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get("/v1/health".into(), QUICK).await
    }

    /// Which daemon answers.
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.get("/v1/version".into(), QUICK).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: String,
        deadline: Duration,
    ) -> Result<T, ClientError> {
        self.call(Method::GET, path, None, deadline).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: Option<Vec<u8>>,
        deadline: Duration,
    ) -> Result<T, ClientError> {
        self.send(method, path, body, deadline).await?.json(deadline).await
    }

    /// A call that needs no bastion.
    async fn office_get<T: DeserializeOwned>(
        &self,
        path: String,
        deadline: Duration,
    ) -> Result<T, ClientError> {
        self.office_call(Method::GET, path, None, deadline).await
    }

    /// A call that needs no bastion: the daemon answers, and where none runs, or one that is too old to know the call, a
    /// `bastiond --oneshot`.
    async fn office_call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: Option<Vec<u8>>,
        deadline: Duration,
    ) -> Result<T, ClientError> {
        let asked = self.call(method.clone(), path.clone(), body.clone(), deadline).await;
        let (Some(oneshot), Err(ClientError::NotRunning { .. } | ClientError::UnknownCall { .. })) =
            (&self.oneshot, &asked)
        else {
            return asked;
        };
        let (stream, child) = match oneshot.start() {
            Ok(started) => started,
            // A daemon that is too old for the call is all there is.
            Err(_) if matches!(asked, Err(ClientError::UnknownCall { .. })) => return asked,
            Err(error) => return Err(error),
        };
        let answer = async {
            Exchange::begin(stream, method, path, body, deadline).await?.json(deadline).await
        };
        match answer.await {
            Err(
                error @ (ClientError::Lost { .. }
                | ClientError::Protocol { source: Oddity::Cut, .. }),
            ) => Err(oneshot::ended(child).await.unwrap_or(error)),
            other => other,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: String,
        body: Option<Vec<u8>>,
        deadline: Duration,
    ) -> Result<Exchange, ClientError> {
        let stream = dial::dial(&self.places).await?;
        Exchange::begin(stream, method, path, body, deadline).await
    }
}

fn body(request: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(request).expect("our requests have string keys only")
}

/// How long an answer may take that the daemon has at hand.
const QUICK: Duration = Duration::from_secs(10);
/// How long an answer may take for which the daemon asks AWS, with its retries.
const SLOW: Duration = Duration::from_secs(60);
/// How long an examination may take: a little more than the daemon itself allows it.
const EXAMINATION: Duration = Duration::from_secs(120);
/// How long a start may say nothing: longer than any stage takes, for the daemon has a deadline of its own.
const START_SILENCE: Duration = Duration::from_secs(15 * 60);
