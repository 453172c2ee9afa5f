//! The keeper on a cloud that does as it is told, and on a clock that is turned by hand.

mod crashes;
mod doors;
mod ends;
mod manners;
mod sleeps;
mod told;

use std::sync::Arc;
use std::time::Duration;

use bastion_api::{EventKind, State};
use bastion_cloud::{Cloud, CloudError, DatabaseRef, Kind, LoginWay, Runs};
use bastion_pool::BastionId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Holder, JournaledSessions, Keeper, News, Parts, Refusal, Running, Standing};
use crate::clock::{Clock, Hand};
use crate::config::{BastionCommand, OnStop, Target};
use crate::events::Events;
use crate::state::Journal;
use crate::tasks::Tasks;
use crate::tunnels::{self, Tunnels, Ways};
use doors::Doors;
use told::{Told, fault, task};

#[tokio::test(start_paused = true)]
async fn fifty_leases_make_one_task_and_all_go_through_it() {
    let it = Story::begin();
    let leases = (0..50).map(|_| it.keeper.lease("db", Holder::Visit));
    let leases = futures_util::future::join_all(leases).await;
    assert!(leases.iter().all(|lease| lease.as_ref().unwrap().route().bastion.task == task("t1")));
    assert_eq!(it.aws.called("run"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_bastion_is_stopped_when_its_time_is_up_and_not_before() {
    let it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.standing().await;
    it.turn(IDLE - Duration::from_millis(1)).await;
    assert_eq!(it.standing().await.state, State::Ready);
    it.turn(Duration::from_millis(1)).await;
    it.until(State::Cold).await;
    assert_eq!(it.aws.stopped(), ["t1"]);
    assert_eq!(it.ways.closed(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_start_is_told_once_and_leaves_nothing() {
    let mut it = Story::begin();
    it.aws.answer_run(Err(fault(Kind::NoCapacity)));
    let refused = it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    assert!(matches!(refused, Refusal::Cloud(CloudError { kind: Kind::NoCapacity, .. })));
    assert_eq!(it.standing().await.state, State::Problem);
    assert_eq!(it.told(), 1);
    assert_eq!(it.aws.stopped(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_tunnel_cannot_be_proved_stops_its_task() {
    let it = Story::begin();
    it.ways.refuse();
    let refused = it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    assert!(matches!(refused, Refusal::Tunnel(_)), "{refused:?}");
    it.until(State::Problem).await;
    assert_eq!(it.aws.stopped(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_another_request_made_under_our_token_is_adopted_at_the_last_try_too() {
    let it = Story::begin();
    it.aws.answer_run(Err(fault(Kind::TimedOut)));
    it.aws.answer_run(Err(fault(Kind::TimedOut)));
    it.aws.answer_run(Err(fault(Kind::Conflict { tasks: vec![task("made")] })));
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("made"));
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_answers_were_all_lost_is_found_by_its_token_and_stopped() {
    let mut it = Story::begin();
    for _ in 0..4 {
        it.aws.answer_run(Err(fault(Kind::TimedOut)));
    }
    let refused = it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    assert!(matches!(refused, Refusal::Cloud(CloudError { kind: Kind::TimedOut, .. })));
    it.until(State::Problem).await;
    assert_eq!(it.aws.stopped(), ["t1"]);
    assert_eq!(it.aws.tokens(), 1, "every wish was the same wish");
    assert_eq!(it.told(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_named_while_the_daemon_stops_is_stopped_before_it_ends() {
    let it = Story::begin();
    let held = it.aws.hold_run();
    let visit = tokio::join!(it.keeper.lease("db", Holder::Visit), async {
        it.aws.until_called("run").await;
        tokio::join!(it.keeper.stop(), async {
            it.until(State::Stopping).await;
            held.notify_one();
        });
    });
    assert!(matches!(visit.0, Err(Refusal::Stopping)), "{:?}", visit.0);
    assert_eq!(it.aws.stopped(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_nobody_says_what_was_started_sweeps_and_asks_for_nothing_more() {
    let it = Story::begin();
    it.aws.break_run("made");
    it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    let (asked, begun) = (it.aws.called("run"), tokio::time::Instant::now());
    it.keeper.stop().await;
    assert_eq!(it.aws.stopped(), ["made"]);
    assert_eq!((it.aws.called("run"), begun.elapsed()), (asked, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_discovery_waits_for_nothing_and_starts_nothing() {
    let it = Story::begin();
    it.aws.never_find();
    let visit = tokio::join!(it.keeper.lease("db", Holder::Visit), async {
        it.aws.until_called("find").await;
        it.keeper.stop().await;
    });
    assert!(matches!(visit.0, Err(Refusal::Stopping)), "{:?}", visit.0);
    assert_eq!(it.aws.called("run"), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_a_start_is_no_problem() {
    let mut it = Story::begin();
    it.aws.never_find();
    let visit = tokio::join!(it.keeper.lease("db", Holder::Visit), async {
        it.aws.until_called("find").await;
        it.keeper.close("db").await.unwrap();
    });
    assert!(matches!(visit.0, Err(Refusal::Closed)), "{:?}", visit.0);
    it.until(State::Cold).await;
    assert_eq!(it.told(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_puts_a_problem_aside() {
    let it = Story::begin();
    it.aws.answer_run(Err(fault(Kind::NoCapacity)));
    it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    it.keeper.close("db").await.unwrap();
    assert_eq!(it.standing().await.state, State::Cold);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_too_long_is_a_problem_though_nobody_waits() {
    let mut it = Story::begin();
    let _held = it.aws.hold_run();
    let given_up =
        tokio::time::timeout(Duration::from_secs(1), it.keeper.lease("db", Holder::Visit));
    assert!(given_up.await.is_err());
    it.turn(START).await;
    it.until(State::Stopping).await;
    let failure = it.standing().await.failure;
    assert!(matches!(failure, Some(Refusal::TookTooLong(_))), "{failure:?}");
    assert_eq!(it.told(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_who_doubt_a_dead_task_do_not_end_the_next_start() {
    let it = Story::begin();
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    // One that dies at once counts as a failed start, which is not tried again at once.
    it.turn(Duration::from_secs(61)).await;
    it.aws.kill();
    for _ in 0..20 {
        it.keeper.doubt("db");
    }
    assert!(matches!(lease.revoked().await, Refusal::TaskGone(_)));
    it.aws.revive();
    let next = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(next.route().bastion.task, task("t2"));
    assert_eq!(it.ways.closed(), ["t1"], "a dead bastion's tunnels are closed");
    assert_eq!(it.standing().await.state, State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_aws_refuses_is_a_problem_and_holds_nobody_for_ever() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.aws.refuse_stop(true);
    it.keeper.close("db").await.unwrap();
    it.aws.until_called("stop").await;
    let waits = it.keeper.lease("db", Holder::Visit);
    let (refused, ()) = tokio::join!(waits, async {
        it.until_stuck(true).await;
        it.turn(super::errands::STOP_PATIENCE).await;
    });
    let denied = |refusal: &Refusal| {
        matches!(refusal, Refusal::Cloud(CloudError { kind: Kind::Denied { .. }, .. }))
    };
    assert!(refused.as_ref().is_err_and(denied), "{refused:?}");
    assert_eq!(it.told(), 1, "told once, however often it is refused");
    it.aws.refuse_stop(false);
    it.until(State::Cold).await;
    assert!(it.standing().await.stuck.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_knows_yet_is_ordered_to_stop_until_it_is_known() {
    let it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.aws.lag(1);
    it.keeper.close("db").await.unwrap();
    it.until(State::Cold).await;
    assert_eq!(it.aws.stopped(), ["t1", "t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_for_a_bastion_that_was_closed_is_asked_for_no_longer() {
    let it = Story::begin_with(|parts| {
        let clock = Clock::machine();
        let tunnels = tunnels::Parts::new(parts.tasks.clone(), clock.clone(), Events::new(clock));
        parts.tunnels = Arc::new(Tunnels::new(tunnels));
    });
    let visit = tokio::join!(it.keeper.lease("db", Holder::Visit), async {
        it.aws.until_called("session").await;
        it.keeper.close("db").await.unwrap();
    });
    assert!(matches!(visit.0, Err(Refusal::Closed)), "{:?}", visit.0);
    it.aws.no_longer_asked().await;
    assert_eq!(it.aws.called("session"), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_wakes_a_keeper_of_cold_targets() {
    let it = Story::prepare(|_| {});
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, it.running.next_tick()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn each_time_that_nobody_uses_a_bastion_any_more_is_told() {
    let it = Story::begin();
    for _ in 0..2 {
        drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
        it.standing().await;
    }
    let (past, _) = it.events.since(0);
    assert_eq!(past.iter().filter(|event| event.kind == EventKind::BastionIdle).count(), 2);
}

/// A keeper of one target, and those that come after its death.
struct Story {
    keeper: Keeper,
    aws: Arc<Told>,
    ways: Arc<Doors>,
    hand: Hand,
    clock: Clock,
    events: Events,
    failures: mpsc::UnboundedReceiver<(Arc<Target>, Refusal)>,
    journal: Journal,
    /// What the next one's config says.
    targets: Vec<Target>,
    tasks: Ending,
    state: tempfile::TempDir,
}

/// A keeper that does not run yet.
struct Prepared {
    running: Running,
    story: Story,
}

/// Ends the keeper with its story.
struct Ending(Tasks);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stop_token().cancel();
    }
}

impl Story {
    fn prepare(alter: impl FnOnce(&mut Parts)) -> Prepared {
        let (clock, hand) = Clock::by_hand();
        let (aws, ways) = (Arc::new(Told::default()), Arc::new(Doors::default()));
        let state = tempfile::tempdir().unwrap();
        Self::live(clock, hand, aws, ways, state, vec![target()], alter)
    }

    fn live(
        clock: Clock,
        hand: Hand,
        aws: Arc<Told>,
        ways: Arc<Doors>,
        state: tempfile::TempDir,
        targets: Vec<Target>,
        alter: impl FnOnce(&mut Parts),
    ) -> Prepared {
        let tasks = Tasks::new();
        let (tell, failures) = mpsc::unbounded_channel();
        let events = Events::new(clock.clone());
        let (journal, scribe, left) = Journal::open(state.path()).unwrap();
        tasks.spawn("journal", async move { scribe.run(CancellationToken::new()).await.unwrap() });
        let cloud = Arc::clone(&aws) as Arc<dyn Cloud>;
        let pair = |target: &Target| (Arc::new(target.clone()), Arc::clone(&cloud));
        let sites =
            left.book.entries().iter().map(|entry| (entry.site.clone(), Arc::clone(&cloud)));
        let mut parts = Parts {
            targets: targets.iter().map(pair).collect(),
            left_at: sites.collect(),
            left,
            journal: journal.clone(),
            clock: clock.clone(),
            events: events.clone(),
            tunnels: Arc::clone(&ways) as Arc<dyn Ways>,
            tasks: tasks.clone(),
            failures: tell,
            ..Parts::example(&state.path().join("other"))
        };
        alter(&mut parts);
        let (keeper, running) = Keeper::new(parts);
        let tasks = Ending(tasks);
        let story = Self {
            keeper,
            aws,
            ways,
            hand,
            clock,
            events,
            failures,
            journal,
            targets,
            tasks,
            state,
        };
        Prepared { running, story }
    }

    fn begin() -> Self {
        Self::begin_with(|_| {})
    }

    fn begin_with(alter: impl FnOnce(&mut Parts)) -> Self {
        Self::run(Self::prepare(alter))
    }

    fn run(prepared: Prepared) -> Self {
        let Prepared { running, story } = prepared;
        story.tasks.0.spawn("keeper", running.run());
        story
    }

    /// The keeper dies, with all its errands as far as anybody hears of them, and the next one begins.
    async fn crash(&mut self) {
        self.halt().await;
        self.again().await;
    }

    /// A visit is under way when the keeper dies at this call.
    async fn crash_at(&mut self, call: &str) {
        let keeper = self.keeper.clone();
        let visit = async move { keeper.lease("db", Holder::Visit).await };
        tokio::select! {
            came = visit => panic!("it was to hang: {came:?}"),
            () = self.aws.until_called(call) => {}
        }
        self.crash().await;
    }

    /// The keeper dies.
    async fn halt(&mut self) {
        // What it has said until now is on disk; what its errands say from now on is not heard.
        self.journal.write(bastion_pool::Record::Lowered { site: String::new() }).await.unwrap();
        self.tasks.0.stop_token().cancel();
    }

    /// The next one begins.
    async fn again(&mut self) {
        *self = Self::run(self.next(|_| {}));
        self.keeper.standings().await;
    }

    /// The next one, which does not run yet.
    fn next(&mut self, alter: impl FnOnce(&mut Parts)) -> Prepared {
        let state = std::mem::replace(&mut self.state, tempfile::tempdir().unwrap());
        let (aws, ways) = (Arc::clone(&self.aws), Arc::clone(&self.ways));
        let (clock, hand, targets) = (self.clock.clone(), self.hand.clone(), self.targets.clone());
        Self::live(clock, hand, aws, ways, state, targets, alter)
    }

    /// How much the journal says may be out there.
    async fn left(&mut self) -> usize {
        self.halt().await;
        Journal::open(self.state.path()).unwrap().2.book.entries().len()
    }

    /// An errand for a bastion tells this, whatever has become of the bastion.
    fn tell(&self, bastion: BastionId, news: News) {
        self.keeper.ask(super::Ask::Told { bastion, news }).unwrap();
    }

    async fn reload(&self, targets: &[Target]) {
        let cloud = Arc::clone(&self.aws) as Arc<dyn Cloud>;
        let pair = |target: &Target| (Arc::new(target.clone()), Arc::clone(&cloud));
        self.keeper.reload(targets.iter().map(pair).collect(), OnStop::Stop).await;
    }

    /// The machine sleeps, and the keeper sees it.
    async fn sleep(&self, by: Duration) {
        self.hand.sleep(by);
        self.standing().await;
        self.standing().await;
    }

    async fn standing(&self) -> Standing {
        self.keeper.standings().await.remove(0)
    }

    /// Lets time pass, and the keeper see it.
    async fn turn(&self, by: Duration) {
        self.hand.turn(by);
        // The first ask is what the keeper wakes for; its answer to the second shows what came of it.
        self.standing().await;
        self.standing().await;
    }

    async fn until(&self, state: State) {
        self.look_until(|standing| standing.state == state).await;
    }

    async fn until_stuck(&self, stuck: bool) {
        self.look_until(|standing| standing.stuck.is_some() == stuck).await;
    }

    async fn look_until(&self, fits: impl Fn(&Standing) -> bool) {
        for _ in 0..10_000 {
            let standing = self.standing().await;
            if fits(&standing) {
                return;
            }
            // Paused time: whatever waits for less than this goes on.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never came: {:?}", self.standing().await);
    }

    /// How many failures were handed on to be explained, so far.
    fn told(&mut self) -> usize {
        std::iter::from_fn(|| self.failures.try_recv().ok()).count()
    }
}

/// A target whose bastions are a service's, which may be woken.
fn service() -> (Arc<Target>, Arc<dyn Cloud>) {
    let mut target = target();
    target.rules.scale_from_zero = true;
    target.site.runs = Runs::Service("bastion".to_owned());
    (Arc::new(target), Arc::new(Told::default()))
}

fn target() -> Target {
    Target { listen: Vec::new(), idle_timeout: IDLE, start_timeout: START, ..Target::example("db") }
}

const IDLE: Duration = Duration::from_secs(900);
const START: Duration = Duration::from_secs(180);
