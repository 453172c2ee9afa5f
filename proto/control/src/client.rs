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
use crate::paths::{Env, control_sockets};
use crate::{
    Audit, ByHand, CloseAnswer, CloseRequest, ConfigReport, Cost, DoctorReport, Event,
    ForwardRequest, GroupBy, Health, Info, InitAnswer, InitRequest, OpenEvent, OpenRequest,
    Password, Policy, PolicyFor, ReloadAnswer, Status, Survey, Targets, TestAnswer, Timestamp,
    Version,
};

/// The daemon, as a program sees it that talks to it.
#[derive(Clone, Debug)]
pub struct Client {
    places: Vec<PathBuf>,
    oneshot: Option<Oneshot>,
}

/// Which events are wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventsWanted {
    /// Go on telling them as they happen.
    pub follow: bool,
    /// Only those with a higher number.
    pub since: Option<u64>,
    /// Only those of this target.
    pub target: Option<String>,
}

/// What is known already when an account is looked into.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SurveyWanted {
    /// The profile; the obvious one where none is named.
    pub profile: Option<String>,
    /// The region; the profile's where none is named.
    pub region: Option<String>,
    /// Only places in this cluster.
    pub cluster: Option<String>,
    /// Only places of this task definition.
    pub task_definition: Option<String>,
    /// Only this service.
    pub service: Option<String>,
}

/// Which part of the ledger is wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LedgerWanted {
    /// From when; the daemon's own choice where none is given: today, for the cost, else a week.
    pub since: Option<Timestamp>,
    /// Until when; until now where none is given.
    pub until: Option<Timestamp>,
    /// Only what concerns this target.
    pub target: Option<String>,
    /// Sums of what each row stands for.
    pub by: Option<GroupBy>,
}

/// Which policy is wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyWanted {
    /// Whose rights.
    pub whose: PolicyFor,
    /// Only for these sites; all of them where none is named.
    pub sites: Vec<String>,
    /// With what the doctor asks, too.
    pub doctor: bool,
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

impl PolicyWanted {
    fn path(&self) -> String {
        let whose = Some(format!("for={}", self.whose.word()));
        let sites = (!self.sites.is_empty()).then(|| {
            let sites: Vec<String> = self.sites.iter().map(|site| escaped(site)).collect();
            format!("site={}", sites.join(","))
        });
        let doctor = self.doctor.then(|| "doctor=true".to_owned());
        with_query("/v1/policy", [whose, sites, doctor])
    }
}

impl EventsWanted {
    fn path(&self) -> String {
        let since = self.since.map(|seq| format!("since={seq}"));
        let target = self.target.as_deref().map(|name| format!("target={}", escaped(name)));
        let follow = self.follow.then(|| "follow=true".to_owned());
        with_query("/v1/events", [follow, since, target])
    }
}

impl SurveyWanted {
    fn path(&self) -> String {
        let said = |key: &str, value: &Option<String>| {
            value.as_deref().map(|value| format!("{key}={}", escaped(value)))
        };
        let query = [
            said("profile", &self.profile),
            said("region", &self.region),
            said("cluster", &self.cluster),
            said("task_definition", &self.task_definition),
            said("service", &self.service),
        ];
        with_query("/v1/survey", query)
    }
}

impl LedgerWanted {
    fn path(&self, call: &str) -> String {
        let since = self.since.map(|time| format!("since={}", escaped(&time.to_string())));
        let until = self.until.map(|time| format!("until={}", escaped(&time.to_string())));
        let target = self.target.as_deref().map(|name| format!("target={}", escaped(name)));
        let by = self.by.map(|by| format!("by={}", by.word()));
        with_query(call, [since, until, target, by])
    }
}

/// A call's path with what is asked for behind it.
fn with_query<const N: usize>(call: &str, query: [Option<String>; N]) -> String {
    let query: Vec<String> = query.into_iter().flatten().collect();
    if query.is_empty() { call.into() } else { format!("{call}?{}", query.join("&")) }
}

fn body(request: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(request).expect("our requests have string keys only")
}

/// A name as one segment of a path or one value of a query (RFC 3986: all but the unreserved is escaped).
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

/// How long an answer may take that the daemon has at hand.
const QUICK: Duration = Duration::from_secs(10);
/// How long an answer may take for which the daemon asks AWS, with its retries.
const SLOW: Duration = Duration::from_secs(60);
/// How long an examination may take: a little more than the daemon itself allows it.
const EXAMINATION: Duration = Duration::from_secs(120);
/// How long a start may say nothing: longer than any stage takes, for the daemon has a deadline of its own.
const START_SILENCE: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        assert_eq!(escaped("prod-db_1.x~"), "prod-db_1.x~");
        assert_eq!(escaped("a/../b?c=d&e é"), "a%2F..%2Fb%3Fc%3Dd%26e%20%C3%A9");
    }

    #[test]
    fn only_what_is_wanted_stands_in_the_query() {
        assert_eq!(EventsWanted::default().path(), "/v1/events");
        let wanted = EventsWanted { follow: true, since: Some(7), target: Some("a b".into()) };
        assert_eq!(wanted.path(), "/v1/events?follow=true&since=7&target=a%20b");
        assert_eq!(SurveyWanted::default().path(), "/v1/survey");
        let wanted = SurveyWanted {
            profile: Some("a b".into()),
            service: Some("s".into()),
            ..SurveyWanted::default()
        };
        assert_eq!(wanted.path(), "/v1/survey?profile=a%20b&service=s");
        assert_eq!(LedgerWanted::default().path("/v1/cost"), "/v1/cost");
        let wanted = LedgerWanted {
            since: Some(Timestamp::UNIX_EPOCH),
            by: Some(GroupBy::Day),
            ..LedgerWanted::default()
        };
        assert_eq!(wanted.path("/v1/audit"), "/v1/audit?since=1970-01-01T00%3A00%3A00Z&by=day");
    }
}
