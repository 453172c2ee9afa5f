//! A cloud, and tunnels through it, that do as they are told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bastion_cloud::{
    Bastion, Cloud, CloudError, Database, DatabaseRef, Identity, Kind, Login, Place, Progress,
    Remote, Scaled, SecretRef, Seen, SessionGrant, SessionId, TaskEnd, TaskId, TaskSpec,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::tunnels::{Route, TunnelFailure, Ways};

/// A cloud that answers as it is told, and well where it is told nothing.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Orders>, Notify);

#[derive(Debug, Default)]
struct Orders {
    calls: Vec<&'static str>,
    stopped: Vec<String>,
    tokens: Vec<String>,
    made: usize,
    run: VecDeque<Result<TaskId, CloudError>>,
    held: Option<Arc<Notify>>,
    never_find: bool,
    refuse_stop: bool,
    dead: bool,
    lag: usize,
    listed: Vec<TaskId>,
    broken: bool,
    asked: CancellationToken,
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

    pub(super) fn never_find(&self) {
        self.orders().never_find = true;
    }

    pub(super) fn refuse_stop(&self, refuse: bool) {
        self.orders().refuse_stop = refuse;
    }

    /// Fails at every RunTask without a word, and has made this task all the same.
    pub(super) fn break_run(&self, made: &str) {
        let mut orders = self.orders();
        orders.broken = true;
        orders.listed = vec![task(made)];
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
        self.orders().dead = false;
    }

    pub(super) fn lag(&self, answers: usize) {
        self.orders().lag = answers;
    }

    pub(super) fn stopped(&self) -> Vec<String> {
        self.orders().stopped.clone()
    }

    pub(super) fn tokens(&self) -> usize {
        let mut tokens = self.orders().tokens.clone();
        tokens.dedup();
        tokens.len()
    }
}

#[async_trait]
impl Cloud for Told {
    async fn identity(&self) -> Result<Identity, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn find_place(&self) -> Result<Place, CloudError> {
        Ok(Place::default())
    }

    async fn find_database(&self, _: &DatabaseRef) -> Result<Database, CloudError> {
        self.call("find");
        let never = self.orders().never_find;
        if never {
            return std::future::pending().await;
        }
        let remote = Remote { host: "db.internal".to_owned(), port: 5432 };
        Ok(Database { remote, engine: None, managed_secret: None })
    }

    async fn run_task(&self, spec: &TaskSpec) -> Result<TaskId, CloudError> {
        let held = self.orders().held.take();
        self.orders().tokens.push(spec.token.clone());
        self.call("run");
        if let Some(held) = held {
            held.notified().await;
        }
        let mut orders = self.orders();
        if orders.broken {
            return Err(fault(Kind::Service));
        }
        orders.run.pop_front().unwrap_or_else(|| {
            orders.made += 1;
            Ok(task(&format!("t{}", orders.made)))
        })
    }

    async fn service_task(&self) -> Result<TaskId, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn scale_service(&self, _: u32, _: u32) -> Result<Scaled, CloudError> {
        Ok(Scaled::ByUs)
    }

    async fn task_logs(&self, _: &TaskId) -> Result<Vec<String>, CloudError> {
        Ok(Vec::new())
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
        if orders.lag > 0 {
            orders.lag -= 1;
            return Ok(vec![Seen::Missing]);
        }
        let ended = orders.dead || orders.stopped.contains(&tasks[0].as_str().to_owned());
        Ok(vec![if ended {
            Seen::Stopped(Box::new(TaskEnd { words: "it ended".to_owned(), ..TaskEnd::default() }))
        } else {
            Seen::Running { since: None, facts: Box::default() }
        }])
    }

    async fn list_tasks(&self, _: &str) -> Result<Vec<TaskId>, CloudError> {
        Ok(self.orders().listed.clone())
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

    async fn end_session(&self, _: &SessionId) -> Result<(), CloudError> {
        Ok(())
    }

    async fn secret(&self, _: &SecretRef) -> Result<Login, CloudError> {
        Err(fault(Kind::Invalid))
    }
}

/// Tunnels that stand at once, unless they are refused.
#[derive(Debug, Default)]
pub(super) struct Doors(Mutex<(bool, Vec<String>)>);

impl Doors {
    pub(super) fn refuse(&self) {
        self.0.lock().unwrap().0 = true;
    }

    pub(super) fn closed(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }
}

#[async_trait]
impl Ways for Doors {
    async fn prove(&self, _: &Route, _: Duration) -> Result<(), TunnelFailure> {
        if self.0.lock().unwrap().0 {
            return Err(TunnelFailure::Session(fault(Kind::NotConnected)));
        }
        Ok(())
    }

    async fn close(&self, task: &TaskId) {
        self.0.lock().unwrap().1.push(task.as_str().to_owned());
    }

    async fn close_route(&self, task: &TaskId, _: &Remote) {
        self.close(task).await;
    }

    fn crowded(&self, _: &TaskId) -> bool {
        false
    }

    fn tunnels(&self, _: &TaskId) -> usize {
        1
    }

    async fn fan(&self, _: &Route, tunnels: usize) -> Result<usize, TunnelFailure> {
        Ok(tunnels)
    }

    async fn prove_alive(&self, _: &TaskId) -> bool {
        true
    }

    fn keep(&self, _: &TaskId, _: bool) {}
}

pub(super) fn fault(kind: Kind) -> CloudError {
    CloudError { call: "a call", kind, message: "as told".to_owned(), request_id: None }
}

pub(super) fn task(name: &str) -> TaskId {
    TaskId::new(name)
}
