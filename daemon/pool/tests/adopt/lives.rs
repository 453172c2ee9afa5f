//! Random crashes: a journal that stops anywhere, a cloud that lags, and decisions until nothing is open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bastion_cloud::{Seen, SessionId, TaskId};
use bastion_pool::adopt::{LAG, Scene, Sighting, Verdict, Wanted, decide, judge};
use bastion_pool::{Book, Finding, Intention, Record};

use super::dice::Dice;
use super::scene::{LIFE, MARK, ended, facts, secs, site, spec, task};

/// Whatever was written, and whatever the cloud shows when: every task of ours is kept or ends, no more are kept than are
/// wanted, and nobody else's is touched.
#[test]
fn every_task_is_kept_or_stopped_and_nobody_elses_is_touched() {
    for seed in 0..10_000 {
        let mut crash = Crash::new(seed);
        crash.happens();
        for _ in 0..40 {
            let lags = crash.lost && crash.now < crash.begun + LAG;
            if crash.decides() && !lags {
                break;
            }
            let pause = secs(5 + crash.roll(60));
            crash.now += pause;
        }
        crash.is_settled();
    }
}

struct Crash {
    seed: u64,
    dice: Dice,
    now: SystemTime,
    begun: SystemTime,
    /// Whether the journal is: then nothing says what a lagging list does not show yet.
    lost: bool,
    book: Book,
    wanted: Vec<Wanted>,
    /// What is really there.
    cloud: BTreeMap<TaskId, Real>,
    /// What each token has started.
    tokens: BTreeMap<String, TaskId>,
    kept: BTreeMap<TaskId, String>,
    sessions_ended: BTreeSet<SessionId>,
    sessions: BTreeSet<SessionId>,
}

struct Real {
    target: String,
    ours: bool,
    made: SystemTime,
    /// Until when reads do not show it.
    hidden_until: SystemTime,
    ended: bool,
}

impl Crash {
    fn new(seed: u64) -> Self {
        let most = 1 + usize::try_from(seed % 2).unwrap();
        let wanted = |target: &str| Wanted {
            target: target.to_owned(),
            site: site("prod"),
            most,
            life: LIFE,
        };
        Self {
            seed,
            dice: Dice(seed),
            now: UNIX_EPOCH + secs(1_800_000_000),
            begun: UNIX_EPOCH + secs(1_800_000_000),
            lost: false,
            book: Book::default(),
            wanted: vec![wanted("a"), wanted("b")],
            cloud: BTreeMap::new(),
            tokens: BTreeMap::new(),
            kept: BTreeMap::new(),
            sessions_ended: BTreeSet::new(),
            sessions: BTreeSet::new(),
        }
    }

    /// A run that did some things and died at some point of the last.
    fn happens(&mut self) {
        let (count, lost) = (self.roll(5), self.roll(6) == 0);
        for number in 0..count {
            let target = ["a", "b", "dropped"][usize::try_from(self.roll(3)).unwrap()];
            let token = format!("k{number}");
            let ago = [5, 100, 400, 50_000][usize::try_from(self.roll(4)).unwrap()];
            let at = self.now - secs(ago + self.roll(100));
            let last = number + 1 == count;
            let site = if self.roll(8) == 0 { site_before() } else { site("prod") };
            let spec = spec(&token, target);
            let intention = Intention { at, target: target.to_owned(), site, spec };
            self.book.apply(&Record::Intend(Box::new(intention)));
            // Died between intention and call.
            if last && self.roll(3) == 0 {
                break;
            }
            let made = self.run_task(&token, target, at);
            // Died between call and answer.
            if last && self.roll(3) == 0 {
                break;
            }
            self.book.apply(&Record::Named { token, task: made.clone() });
            for _ in 0..self.roll(3) {
                let session = SessionId::new(format!("s{}", self.sessions.len()));
                let target = target.to_owned();
                let open = Record::Session { session: session.clone(), task: made.clone(), target };
                self.book.apply(&open);
                self.sessions.insert(session);
            }
            match self.roll(6) {
                0 => self.book.apply(&Record::Stopping { task: made }),
                1 => self.cloud.get_mut(&made).unwrap().ended = true,
                _ => {}
            }
        }
        for number in 0..self.roll(3) {
            let real = Real {
                target: "a".to_owned(),
                ours: false,
                made: self.now,
                hidden_until: self.now,
                ended: false,
            };
            self.cloud.insert(task(&format!("foreign{number}")), real);
        }
        self.lost = lost;
        if lost {
            self.book = Book::default();
            self.sessions.clear();
        }
    }

    fn run_task(&mut self, token: &str, target: &str, at: SystemTime) -> TaskId {
        if let Some(task) = self.tokens.get(token) {
            return task.clone();
        }
        let made = task(&format!("t{}", self.cloud.len()));
        let hidden_until = at + secs(self.roll(200));
        let target = target.to_owned();
        let real = Real { target, ours: true, made: at, hidden_until, ended: false };
        self.cloud.insert(made.clone(), real);
        self.tokens.insert(token.to_owned(), made.clone());
        made
    }

    /// Looks, decides, and does what was decided; whether nothing is left to be looked at again.
    fn decides(&mut self) -> bool {
        let known: Vec<_> = self.book.entries().iter().filter_map(|e| e.task().cloned()).collect();
        let mut seen = Vec::new();
        for (task, real) in &self.cloud {
            let visible = real.hidden_until <= self.now;
            let mark = if real.ours { MARK } else { "bastiond/ffffffffffff" };
            let facts = facts(Some(mark), Some(&real.target), real.made);
            let state = match (visible, real.ended) {
                (false, _) => Seen::Missing,
                (true, true) => Seen::Stopped(ended()),
                (true, false) => Seen::Running { since: None, facts },
            };
            if known.contains(task) || (visible && !real.ended) {
                seen.push(Sighting { task: task.clone(), seen: state });
            }
        }
        // What this run has decided upon is its own affair.
        seen.retain(|sighting| !self.kept.contains_key(&sighting.task));
        let site = site("prod");
        let mut wanted = self.wanted.clone();
        for wanted in &mut wanted {
            wanted.most -= self.kept_of(&wanted.target);
        }
        let scene = Scene {
            book: &self.book,
            wanted: &wanted,
            site: &site,
            mark: MARK,
            seen: &seen,
            now: self.now,
        };
        let verdicts = decide(&scene);
        let mut open = false;
        for verdict in verdicts {
            open |= self.does(verdict);
        }
        !open
    }

    fn does(&mut self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::EndSession { session, .. } => {
                self.holds(
                    self.kept.is_empty() || !self.sessions_ended.contains(&session),
                    "twice",
                );
                self.book.apply(&Record::SessionOver { session: session.clone() });
                self.sessions_ended.insert(session);
                false
            }
            Verdict::ForgetSession { session } => {
                self.book.apply(&Record::SessionOver { session: session.clone() });
                self.sessions_ended.insert(session);
                false
            }
            Verdict::Keep { task, target, age, .. } => {
                self.holds(age < LIFE, "kept beyond its life");
                self.holds(self.cloud[&task].target == target, "kept for another target");
                self.keep(task, target);
                false
            }
            Verdict::Stop { task, unrecorded, .. } => {
                self.holds(self.cloud[&task].ours, "stopped somebody else's");
                self.holds(!self.kept.contains_key(&task), "stopped what was kept");
                if unrecorded {
                    self.record(&task);
                }
                self.book.apply(&Record::Stopping { task: task.clone() });
                self.cloud.get_mut(&task).unwrap().ended = true;
                self.book.apply(&Record::Gone { task });
                false
            }
            Verdict::Learn { target, spec } => {
                let entry = self.book.entries().iter().find(|e| e.token() == Some(&spec.token));
                let entry = entry.unwrap().clone();
                let age = self.now.duration_since(entry.at).unwrap_or_default();
                self.holds(age < Duration::from_secs(24 * 60 * 60), "the token has expired");
                self.holds(entry.target == target, "for another target");
                let task = self.run_task(&spec.token, &target, self.now);
                self.book.apply(&Record::Named { token: spec.token, task: task.clone() });
                let kept = self.kept_of(&target);
                let verdict = judge(&entry, &task, &self.wanted, kept, self.now);
                if !self.cloud[&task].ended {
                    self.does(verdict);
                }
                true
            }
            Verdict::Forget { task, token } => {
                match (task, token) {
                    (Some(task), _) => {
                        self.holds(self.cloud[&task].ended, "forgot what lives");
                        self.book.apply(&Record::Gone { task });
                    }
                    (None, Some(token)) => self.book.apply(&Record::Refused { token }),
                    (None, None) => self.holds(false, "forgot nothing"),
                }
                false
            }
            Verdict::Later { at, .. } => {
                self.holds(at > self.now, "at once is not later");
                true
            }
            Verdict::Lower(_) => false,
        }
    }

    fn kept_of(&self, target: &str) -> usize {
        self.kept.values().filter(|of| *of == target).count()
    }

    fn keep(&mut self, task: TaskId, target: String) {
        self.holds(self.cloud[&task].ours, "kept somebody else's");
        let open = self.book.sessions().any(|(_, open)| open.task == task);
        self.holds(!open, "kept with a session of the dead");
        self.record(&task);
        // From here on it is the pool's.
        self.book.apply(&Record::Gone { task: task.clone() });
        self.kept.insert(task, target);
    }

    fn record(&mut self, task: &TaskId) {
        let (at, target) = (self.now, self.cloud[task].target.clone());
        let finding = Finding { at, target, site: site("prod"), task: task.clone() };
        self.book.apply(&Record::Found(Box::new(finding)));
    }

    fn is_settled(&self) {
        self.holds(self.book.is_empty(), "the journal stays open");
        for (task, real) in &self.cloud {
            let fate = self.kept.contains_key(task) || real.ended;
            self.holds(fate == real.ours, "a task was left, or touched");
            self.holds(real.ours || !real.ended, "somebody else's has ended");
        }
        for wanted in &self.wanted {
            self.holds(self.kept_of(&wanted.target) <= wanted.most, "more than are wanted");
        }
        self.holds(!self.kept.values().any(|target| target == "dropped"), "kept for nobody");
        let all = self.sessions.iter().all(|session| {
            self.sessions_ended.contains(session)
                || self.book.sessions().all(|(id, _)| id != session)
        });
        self.holds(all, "a session of the dead is open");
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice.roll(sides)
    }

    #[track_caller]
    fn holds(&self, truth: bool, otherwise: &str) {
        assert!(truth, "{}: {otherwise}", self.seed);
    }
}

/// The same place, as the config meant it once.
fn site_before() -> bastion_cloud::Site {
    let mut before = site("prod");
    before.assign_public_ip = true;
    before
}
