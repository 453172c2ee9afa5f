//! One run: a daemon, a simulated AWS, and whatever the dice say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use bastion_api::AuditRecord;
use bastion_e2e::dice::Dice;
use bastion_e2e::{House, Plan, Running, configs, databases};
use bastion_sim::{Fault, ForeignTask, Status, TaskView, Timings, What};
use rustix::process::Signal;
use tokio::time::sleep;

use super::verdict::Tally;

/// Lives through one run and counts what went wrong.
pub(crate) async fn live(mut dice: Dice) -> Tally {
    let mut run = Run::begin(&mut dice).await;
    for _ in 0..dice.roll(6) + 2 {
        run.act(&mut dice).await;
        sleep(dice.pause(2_000)).await;
    }
    run.kill().await;
    if dice.roll(4) == 0 {
        run.never_again().await;
    }
    run.end().await
}

struct Run {
    house: House,
    visits: Vec<Running>,
    foreign: Vec<String>,
    mark: String,
    tally: Tally,
    begun: Instant,
}

impl Run {
    async fn begin(dice: &mut Dice) -> Self {
        let config = format!("{}{OTHER}", configs::SCRIPT_WAY);
        let database = databases::postgres().port();
        let mut house = Plan::new(&config)
            .idle("3s")
            .start_timeout("20s")
            .errors_expected()
            .postgres()
            .route("other.internal:5432", database)
            .sim(|sim| {
                sim.timings = Timings { list_lag_ms: 200, pulling_ms: 150, ..Timings::quick() };
                sim.session.idle_ms = IDLE_LIMIT.as_millis() as u64;
            })
            .lay()
            .await;
        let bin = house.path("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("sleep"), SLEEP).unwrap();
        fs::set_permissions(bin.join("sleep"), fs::Permissions::from_mode(0o755)).unwrap();
        house.sim().world(|world| {
            let path = format!("{}:/usr/bin:/bin", bin.display());
            for definition in world.task_definitions.values_mut() {
                for container in &mut definition.containers {
                    container.environment.insert("PATH".to_owned(), path.clone());
                }
            }
        });
        house.start().await;
        let installation = fs::read_to_string(house.path("state/bastiond/installation")).unwrap();
        let mark = format!("bastiond/{}", installation.trim());
        let theirs = [None, Some("bastiond/another0000000000000".to_owned())];
        let foreign = (0..dice.roll(3)).map(|_| ForeignTask {
            cluster: "neuraKnot-prod-cluster".to_owned(),
            definition: "neuraKnot-prod-ssm-proxy".to_owned(),
            started_by: dice.one_of(&theirs),
            command: None,
            subnets: Vec::new(),
        });
        let foreign = foreign.map(|task| house.sim().start_foreign_task(task)).collect();
        let tally = Tally { runs: 1, ..Tally::default() };
        Self { house, visits: Vec::new(), foreign, mark, tally, begun: Instant::now() }
    }

    fn tell(&mut self, what: &str) {
        let at = self.begun.elapsed().as_secs_f64();
        writeln!(self.tally.story, "{at:7.3} {what}").unwrap();
    }

    async fn act(&mut self, dice: &mut Dice) {
        match dice.roll(10) {
            0..=3 => {
                let target = dice.one_of(&["prod-db", "other"]);
                let query = dice.one_of(&["SELECT 1", "SELECT pg_sleep(1)"]);
                self.tell(&format!("visits {target}"));
                let visit = self.house.psql(target, query);
                self.visits.push(visit);
            }
            4 => {
                let target = dice.one_of(&["prod-db", "other"]);
                self.tell(&format!("closes {target}"));
                drop(self.house.ctl(&["close", target, "--yes"]).await);
            }
            5 => {
                self.tell("reloads");
                self.house.signal(Signal::HUP);
            }
            6 | 7 => {
                let action = dice.one_of(&ACTIONS);
                let what = dice.one_of(&[
                    What::Throttled,
                    What::Broken,
                    What::NoCapacity,
                    What::Reset { after: false },
                    What::Reset { after: true },
                    What::Slow { ms: 700 },
                ]);
                self.tell(&format!("{} at {action}", what.kind()));
                self.house.sim().faults().add(Fault::once(action, what));
            }
            8 => self.die_within_a_call(dice).await,
            _ => {
                self.kill().await;
                self.come_back(dice).await;
            }
        }
    }

    /// The daemon dies while a call of it is under way: before it is done, or before it is answered.
    async fn die_within_a_call(&mut self, dice: &mut Dice) {
        let action = dice.one_of(&ACTIONS);
        let before = dice.roll(2) == 0;
        self.tell(&format!("dies at {action}, {}", if before { "undone" } else { "unanswered" }));
        let what = What::Held { name: "held".to_owned(), before };
        self.house.sim().faults().add(Fault::once(action, what));
        let visit = self.house.psql("prod-db", "SELECT 1");
        self.visits.push(visit);
        let faults = self.house.sim().faults();
        let held = tokio::time::timeout(Duration::from_secs(5), faults.until_held("held", 1)).await;
        self.kill().await;
        self.house.sim().faults().drop_held("held");
        if held.is_err() {
            self.house.sim().faults().clear();
        }
        self.come_back(dice).await;
    }

    async fn kill(&mut self) {
        self.tell("is killed");
        self.tally.deaths += 1;
        self.house.kill().await;
    }

    async fn start(&mut self) {
        self.tell("starts");
        self.house.start().await;
    }

    /// The daemon comes back, and maybe somebody visits before it can know what it had left.
    async fn come_back(&mut self, dice: &mut Dice) {
        let hurried = dice.roll(2) == 0;
        if hurried {
            let slow = Fault::once("ListTasks", What::Slow { ms: 700 });
            self.house.sim().faults().add(slow);
        }
        self.start().await;
        if hurried {
            let target = dice.one_of(&["prod-db", "other"]);
            self.tell(&format!("visits {target} at once"));
            let visit = self.house.psql(target, "SELECT 1");
            self.visits.push(visit);
        }
    }

    /// Nobody comes back: every task ends by itself, within the session's idle limit and the watchdog's patience.
    async fn never_again(&mut self) {
        self.tell("is not started again");
        let deadline = Instant::now() + IDLE_LIMIT + PATIENCE + FIRST;
        while self.living() > 0 && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        self.tally.late += self.living();
    }

    /// The daemon is started one last time, everything is closed, and the sum is drawn.
    async fn end(mut self) -> Tally {
        self.house.sim().faults().clear();
        self.start().await;
        for visit in std::mem::take(&mut self.visits) {
            self.tally.visits += 1;
            match tokio::spawn(visit.finish_within(VISIT)).await {
                Ok(ended) => self.tally.answered += u64::from(ended.status.success()),
                Err(_) => self.tally.hung += 1,
            }
        }
        self.tell("closes everything");
        let deadline = Instant::now() + CLOSING;
        while Instant::now() < deadline {
            for target in ["prod-db", "other"] {
                drop(self.house.ctl(&["close", target, "--yes"]).await);
            }
            if self.living() == 0 && self.unwritten().is_empty() {
                break;
            }
            sleep(LOOK).await;
        }
        self.tally.late += self.living();
        let unwritten = self.unwritten();
        if !unwritten.is_empty() {
            self.tell(&format!("not in the ledger: {unwritten:?}"));
        }
        self.tally.off = self.off();
        self.tally.doubles = self.doubles();
        self.tally.tasks = self.ours().count() as u64;
        let stopped = self.house.sim().asked_to_stop();
        self.tally.foreign =
            self.foreign.iter().filter(|task| stopped.contains(task)).count() as u64;
        if !self.tally.is_clean() {
            let log = self.house.log();
            let tasks: Vec<_> = self.ours().map(|task| (task.id, task.times)).collect();
            write!(self.tally.story, "{tasks:#?}\n{log}").unwrap();
        }
        self.house.stop().await;
        self.tally
    }

    fn ours(&self) -> impl Iterator<Item = TaskView> + use<> {
        let mark = self.mark.clone();
        self.house
            .sim()
            .tasks()
            .into_iter()
            .filter(move |task| task.started_by.as_deref() == Some(mark.as_str()))
    }

    fn living(&self) -> u64 {
        self.ours().filter(|task| task.last_status != Status::Stopped).count() as u64
    }

    /// Tasks that were begun beside another of the same target that nobody had told to stop.
    fn doubles(&self) -> u64 {
        let mut of_target: BTreeMap<String, Vec<(i64, Option<i64>)>> = BTreeMap::new();
        for task in self.ours() {
            let target = target_of(&task);
            of_target.entry(target).or_default().push((task.times.created, task.times.stopping));
        }
        let mut doubles = 0;
        for lives in of_target.values_mut() {
            lives.sort_unstable();
            let beside = |pair: &&[(i64, Option<i64>)]| pair[0].1.is_none_or(|end| end > pair[1].0);
            doubles += lives.windows(2).filter(beside).count() as u64;
        }
        doubles
    }

    /// The ends that the ledger tells: for how long each task was paid for, and within how many seconds that is
    /// estimated. The minute that AWS bills at least would hide every difference, so it is left out.
    fn written(&self) -> BTreeMap<String, (f64, f64)> {
        let mut ends = BTreeMap::new();
        let months = fs::read_dir(self.house.path("state/bastiond/ledger"));
        for month in months.into_iter().flatten() {
            let text = fs::read_to_string(month.unwrap().path()).unwrap_or_default();
            for line in text.lines() {
                if let Ok(AuditRecord::BastionEnded(end)) = serde_json::from_str(line) {
                    let seconds = end.time.duration_since(end.billed_from).as_secs_f64();
                    let within = end.estimated_within.unwrap_or_default();
                    ends.insert(end.task, (seconds, within));
                }
            }
        }
        ends
    }

    /// For how long each task of ours cost something.
    fn billed(&self) -> BTreeMap<String, f64> {
        let bill = self.house.sim().bill().into_iter();
        let ours = bill.filter(|it| it.started_by.as_deref() == Some(self.mark.as_str()));
        ours.map(|charge| (charge.task, charge.seconds)).collect()
    }

    fn unwritten(&self) -> Vec<String> {
        let written = self.written();
        let missing = |(task, billed): (String, f64)| {
            (billed > 0.0 && !written.contains_key(&task)).then_some(task)
        };
        self.billed().into_iter().filter_map(missing).collect()
    }

    /// By how much the ledger differs most from the bill of one task, beyond what it says is estimated.
    fn off(&self) -> f64 {
        let written = self.written();
        let off = |(task, billed): (String, f64)| {
            let (seconds, within) = written.get(&task).copied().unwrap_or_default();
            ((seconds - billed).abs() - within).max(0.0)
        };
        self.billed().into_iter().map(off).fold(0.0, f64::max)
    }
}

fn target_of(task: &TaskView) -> String {
    let overrides = task.overrides["containerOverrides"].as_array().cloned().unwrap_or_default();
    let pairs = overrides.iter().flat_map(|of| of["environment"].as_array().cloned());
    let target = pairs.flatten().find(|pair| pair["name"] == "BASTIOND_TARGET");
    target.and_then(|pair| pair["value"].as_str().map(str::to_owned)).unwrap_or_default()
}

const OTHER: &str = "
[target.other]
site = \"prod\"
host = \"other.internal\"
port = 5432
engine = \"postgres\"
listen = {port:other}
database = \"neuraKnot\"
user = \"postgres\"
";

/// What the daemon asks of AWS on a task's way.
const ACTIONS: [&str; 6] =
    ["RunTask", "StopTask", "DescribeTasks", "ListTasks", "StartSession", "TerminateSession"];

/// In the containers, time passes twenty times as fast: the watchdog's seconds are counted by this.
const SLEEP: &str = "#!/bin/sh\ncase $1 in 0) exit 0 ;; esac\nexec /bin/sleep 0.05\n";

/// How long a session may be silent: the service's twenty minutes, shortened.
const IDLE_LIMIT: Duration = Duration::from_secs(6);
/// The watchdog's patience: 90 s in the containers' time, and what a loaded machine takes to do it.
const PATIENCE: Duration = Duration::from_secs(9);
/// The first session may come so late, in the containers' time: the start's deadline and two minutes.
const FIRST: Duration = Duration::from_secs(8);
/// A visit that takes longer hangs: a start may take 20 s, and a wait for a decision as long again.
const VISIT: Duration = Duration::from_secs(60);
/// How long the last start may take to stop and write down everything.
const CLOSING: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(250);
