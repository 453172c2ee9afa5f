//! A cloud that does as it is told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bastion_cloud::{
    Bastion, Cloud, CloudError, Database, DatabaseRef, EndClass, Identity, Kind, Login, LoginState,
    LoginWay, Place, Progress, Remote, Scaled, SecretRef, Seen, SessionGrant, SessionId, Subnet,
    TaskEnd, TaskFacts, TaskId, TaskSpec,
};
use bastion_pool::adopt;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// A cloud that answers as it is told, and well where it is told nothing.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Orders>, Notify);

#[derive(Debug, Default)]
struct Orders {
    calls: Vec<&'static str>,
    stopped: Vec<String>,
    specs: Vec<TaskSpec>,
    /// Every task that was made, by the token that it was asked for with.
    made: Vec<(String, TaskId, Box<TaskFacts>)>,
    run: VecDeque<Result<TaskId, CloudError>>,
    held: Option<Arc<Notify>>,
    swallow: Option<Swallow>,
    never_find: bool,
    unreachable: bool,
    slow: bool,
    hopeless: bool,
    refused: bool,
    changed: bool,
    refuse_stop: bool,
    dead: bool,
    lag: usize,
    foreign: Vec<(TaskId, Box<TaskFacts>)>,
    broken: bool,
    zones: Vec<&'static str>,
    /// None where nobody may look at it.
    entry_point: Option<&'static [&'static str]>,
    desired: Option<u32>,
    ended: Vec<String>,
    asked: CancellationToken,
}

/// Where a call is when its caller dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Swallow {
    /// It has not reached the cloud.
    Call,
    /// The cloud has done it, and has not answered yet.
    Answer,
}

impl Told {
    fn orders(&self) -> std::sync::MutexGuard<'_, Orders> {
        self.0.lock().unwrap()
    }

    fn call(&self, name: &'static str) {
        self.orders().calls.push(name);
        self.1.notify_waiters();
    }

    pub(super) fn called(&self, name: &str) -> usize {
        self.orders().calls.iter().filter(|call| **call == name).count()
    }

    pub(super) async fn until_called(&self, name: &str) {
        loop {
            let next = self.1.notified();
            if self.called(name) > 0 {
                return;
            }
            next.await;
        }
    }

    pub(super) fn answer_run(&self, answer: Result<TaskId, CloudError>) {
        self.orders().run.push_back(answer);
    }

    /// Keeps the next RunTask's answer back until the notice.
    pub(super) fn hold_run(&self) -> Arc<Notify> {
        Arc::clone(self.orders().held.insert(Arc::default()))
    }

    /// The next RunTask never returns.
    pub(super) fn swallow_run(&self, what: Swallow) {
        self.orders().swallow = Some(what);
    }

    pub(super) fn never_find(&self) {
        self.orders().never_find = true;
    }

    /// Nothing can be listed, and nothing looked at.
    pub(super) fn unreachable(&self, unreachable: bool) {
        self.orders().unreachable = unreachable;
    }

    /// A list takes a second.
    pub(super) fn slow_list(&self) {
        self.orders().slow = true;
    }

    /// The files say that there is no login.
    pub(super) fn hopeless(&self, hopeless: bool) {
        self.orders().hopeless = hopeless;
    }

    /// AWS does not know who we are.
    pub(super) fn refuse_login(&self, refused: bool) {
        self.orders().refused = refused;
    }

    /// Somebody has written one of the files that the login rests on.
    pub(super) fn change_login(&self) {
        self.orders().changed = true;
    }

    pub(super) fn refuse_stop(&self, refuse: bool) {
        self.orders().refuse_stop = refuse;
    }

    /// Fails at every RunTask without a word, and has made this task all the same.
    pub(super) fn break_run(&self, made: &str) {
        let mut orders = self.orders();
        orders.broken = true;
        orders.made.push((String::new(), task(made), facts("db")));
    }

    /// Puts a task of somebody else's beside ours.
    pub(super) fn add_foreign(&self, name: &str, started_by: Option<&str>) {
        let started_by = started_by.map(str::to_owned);
        let facts = Box::new(TaskFacts { started_by, ..*facts("db") });
        self.orders().foreign.push((task(name), facts));
    }

    /// The cloud tells when a task that stands beside ours was made.
    pub(super) fn made_at(&self, name: &str, at: SystemTime) {
        let mut orders = self.orders();
        let made = orders.foreign.iter_mut().find(|(known, _)| known.as_str() == name);
        made.unwrap().1.times.created = Some(at);
    }

    /// The site has a subnet in each of these zones.
    pub(super) fn zones(&self, zones: &[&'static str]) {
        self.orders().zones = zones.to_vec();
    }

    /// The container runs its command with this.
    pub(super) fn enter_by(&self, words: &'static [&'static str]) {
        self.orders().entry_point = Some(words);
    }

    /// The service is meant to run so many tasks.
    pub(super) fn desire(&self, desired: u32) {
        self.orders().desired = Some(desired);
    }

    pub(super) fn desired(&self) -> Option<u32> {
        self.orders().desired
    }

    /// Returns once nobody asks for a session any more, where somebody did.
    pub(super) async fn no_longer_asked(&self) {
        let asked = self.orders().asked.clone();
        asked.cancelled().await;
    }

    pub(super) fn kill(&self) {
        self.orders().dead = true;
    }

    pub(super) fn revive(&self) {
        let mut orders = self.orders();
        orders.dead = false;
        let made: Vec<_> =
            orders.made.iter().map(|(_, task, _)| task.as_str().to_owned()).collect();
        orders.stopped.extend(made);
    }

    pub(super) fn lag(&self, answers: usize) {
        self.orders().lag = answers;
    }

    pub(super) fn stopped(&self) -> Vec<String> {
        self.orders().stopped.clone()
    }

    /// The sessions that were ended.
    pub(super) fn ended(&self) -> Vec<String> {
        self.orders().ended.clone()
    }

    /// The tasks that were made, by their names.
    pub(super) fn made(&self) -> Vec<String> {
        self.orders().made.iter().map(|(_, task, _)| task.as_str().to_owned()).collect()
    }

    pub(super) fn specs(&self) -> Vec<TaskSpec> {
        self.orders().specs.clone()
    }

    /// How many different tokens tasks were asked for with.
    pub(super) fn tokens(&self) -> usize {
        let specs = self.specs();
        let tokens: BTreeSet<&str> = specs.iter().map(|spec| spec.token.as_str()).collect();
        tokens.len()
    }
}

impl Orders {
    /// The same token is the same task.
    fn make(&mut self, spec: &TaskSpec) -> TaskId {
        if let Some((_, task, _)) = self.made.iter().find(|(token, ..)| *token == spec.token) {
            return task.clone();
        }
        let task = task(&format!("t{}", self.made.len() + 1));
        let facts = TaskFacts {
            started_by: Some(spec.started_by.clone()),
            environment: spec.environment.clone(),
            ..TaskFacts::default()
        };
        self.made.push((spec.token.clone(), task.clone(), Box::new(facts)));
        task
    }

    fn see(&self, task: &TaskId) -> Seen {
        let made = self.made.iter().find(|(_, known, _)| known == task).map(|(.., facts)| facts);
        let foreign = self.foreign.iter().find(|(known, _)| known == task).map(|(_, facts)| facts);
        let facts = made.or(foreign).cloned().unwrap_or_else(|| facts("db"));
        if self.dead || self.stopped.contains(&task.as_str().to_owned()) {
            let words = "it ended".to_owned();
            let class = EndClass::Exited;
            Seen::Stopped(Box::new(TaskEnd { class, words, facts: *facts, ..TaskEnd::default() }))
        } else {
            Seen::Running { since: None, facts }
        }
    }
}

fn facts(target: &str) -> Box<TaskFacts> {
    Box::new(TaskFacts {
        started_by: Some("bastiond/test".to_owned()),
        environment: vec![(adopt::TARGET_VARIABLE.to_owned(), target.to_owned())],
        ..TaskFacts::default()
    })
}

#[async_trait]
impl Cloud for Told {
    async fn identity(&self) -> Result<Identity, CloudError> {
        self.call("identity");
        self.orders().changed = false;
        if self.orders().refused {
            return Err(login());
        }
        Ok(Identity { account: "123456789012".to_owned(), arn: "arn:aws:iam::us".to_owned() })
    }

    async fn login_state(&self) -> LoginState {
        if self.orders().hopeless { LoginState::Hopeless(login()) } else { LoginState::Promising }
    }

    fn login_changed(&self) -> bool {
        self.orders().changed
    }

    async fn find_place(&self) -> Result<Place, CloudError> {
        let orders = self.orders();
        let subnet =
            |zone: &&str| Subnet { id: format!("subnet-{zone}"), zone: Some((*zone).to_owned()) };
        Ok(Place { subnets: orders.zones.iter().map(subnet).collect(), ..Place::default() })
    }

    async fn find_database(&self, database: &DatabaseRef) -> Result<Database, CloudError> {
        self.call("find");
        let never = self.orders().never_find;
        if never {
            return std::future::pending().await;
        }
        let host = match database {
            DatabaseRef::Host(host, _) => host.clone(),
            DatabaseRef::Rds(_) | DatabaseRef::Aurora(..) | DatabaseRef::Proxy(_) => {
                "db.internal".to_owned()
            }
        };
        Ok(Database { remote: Remote { host, port: 5432 }, engine: None, managed_secret: None })
    }

    async fn entry_point(&self) -> Result<Vec<String>, CloudError> {
        match self.orders().entry_point {
            Some(words) => Ok(words.iter().map(|word| (*word).to_owned()).collect()),
            None => Err(fault(Kind::Denied { explicit: false, action: None, resource: None })),
        }
    }

    async fn run_task(&self, spec: &TaskSpec) -> Result<TaskId, CloudError> {
        let (held, swallow) = {
            let mut orders = self.orders();
            orders.specs.push(spec.clone());
            (orders.held.take(), orders.swallow.take())
        };
        if swallow == Some(Swallow::Answer) {
            self.orders().make(spec);
        }
        self.call("run");
        if swallow.is_some() {
            return std::future::pending().await;
        }
        if let Some(held) = held {
            held.notified().await;
        }
        let mut orders = self.orders();
        if orders.broken {
            return Err(fault(Kind::Service));
        }
        if let Some(answer) = orders.run.pop_front() {
            return answer;
        }
        Ok(orders.make(spec))
    }

    async fn service_task(&self) -> Result<TaskId, CloudError> {
        match self.orders().desired {
            Some(0) => Err(fault(Kind::ScaledToZero)),
            Some(_) => Ok(task("service")),
            None => Err(fault(Kind::Invalid)),
        }
    }

    async fn scale_service(&self, from: u32, to: u32) -> Result<Scaled, CloudError> {
        self.call("scale");
        let mut orders = self.orders();
        if orders.desired != Some(from) {
            return Ok(Scaled::Already(orders.desired.unwrap_or_default()));
        }
        orders.desired = Some(to);
        Ok(Scaled::ByUs)
    }

    async fn task_logs(&self, _: &TaskId) -> Result<Vec<String>, CloudError> {
        Ok(vec!["its last line".to_owned()])
    }

    async fn agent_ready(
        &self,
        task: &TaskId,
        _: Progress<'_>,
        _: Duration,
    ) -> Result<Bastion, CloudError> {
        let (container, runtime_id) = ("proxy".to_owned(), "r".to_owned());
        Ok(Bastion { task: task.clone(), container, runtime_id })
    }

    async fn see_tasks(&self, tasks: &[TaskId]) -> Result<Vec<Seen>, CloudError> {
        self.call("see");
        let mut orders = self.orders();
        if orders.unreachable {
            return Err(fault(Kind::Unreachable));
        }
        if orders.lag > 0 {
            orders.lag -= 1;
            return Ok(vec![Seen::Missing; tasks.len()]);
        }
        Ok(tasks.iter().map(|task| orders.see(task)).collect())
    }

    async fn list_tasks(&self, _: &str) -> Result<Vec<TaskId>, CloudError> {
        self.call("list");
        let slow = self.orders().slow;
        if slow {
            sleep(Duration::from_secs(1)).await;
        }
        let orders = self.orders();
        if orders.unreachable {
            return Err(fault(Kind::Unreachable));
        }
        let ours = orders.made.iter().map(|(_, task, _)| task);
        let foreign = orders.foreign.iter().map(|(task, _)| task);
        let lives = |task: &&TaskId| !orders.stopped.contains(&task.as_str().to_owned());
        Ok(ours.chain(foreign).filter(lives).cloned().collect())
    }

    async fn stop_task(&self, task: &TaskId, _: &str) -> Result<(), CloudError> {
        self.call("stop");
        let mut orders = self.orders();
        if orders.refuse_stop {
            return Err(fault(Kind::Denied { explicit: false, action: None, resource: None }));
        }
        orders.stopped.push(task.as_str().to_owned());
        Ok(())
    }

    async fn start_session(
        &self,
        _: &Bastion,
        _: &Remote,
        _: Duration,
    ) -> Result<SessionGrant, CloudError> {
        // Nobody answers; whether anybody still asks is seen by the guard.
        let _asking = self.orders().asked.clone().drop_guard();
        self.call("session");
        std::future::pending().await
    }

    async fn resume_session(&self, _: &SessionId) -> Result<SessionGrant, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn end_session(&self, session: &SessionId) -> Result<(), CloudError> {
        self.orders().ended.push(session.as_str().to_owned());
        Ok(())
    }

    async fn secret(&self, _: &SecretRef) -> Result<Login, CloudError> {
        Err(fault(Kind::Invalid))
    }
}

fn login() -> CloudError {
    fault(Kind::Login { profile: None, way: LoginWay::Unknown })
}

pub(super) fn fault(kind: Kind) -> CloudError {
    CloudError { call: "a call", kind, message: "as told".to_owned(), request_id: None }
}

pub(super) fn task(name: &str) -> TaskId {
    TaskId::new(name)
}
