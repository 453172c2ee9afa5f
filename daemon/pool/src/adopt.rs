//! Journal and cloud compared after a crash: keep, stop, or forget.
//!
//! ```text
//!   in the journal, named ──▶ alive:   wanted ─▶ Keep      to be stopped, unwanted, too old, one too many ─▶ Stop
//!                             ended:   Forget
//!                             unknown: young ─▶ Later      else ─▶ Forget      (the cloud's reads lag behind)
//!
//!   in the journal, asked ──▶ young: Learn (the same RunTask again names its task)
//!   for, never named          else:  Forget: by now the list would show its task, which is judged by itself
//!
//!   in the cloud alone ─────▶ of our mark, and nobody has yet to learn a name:  as above, by the target in its environment
//!                             of our mark, while somebody has:                  Later
//!                             of another mark, or of none:                      nothing
//! ```
//!
//! A run that has died leaves no session to be resumed: each is ended ([`Verdict::EndSession`]), before its task is used
//! again, for the agent takes only so many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use bastion_cloud::{Seen, SessionId, Site, TaskId, TaskSpec};

use crate::{Book, Entry, Origin, Raise};

/// What is known of one place when it is to be decided upon.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What the journal says; empty where it is lost. Then nothing tells of a task that the list does not show yet: look
    /// again until [`LAG`] has passed.
    pub book: &'a Book,
    /// Every target that the config has, of any site.
    pub wanted: &'a [Wanted],
    /// A site of the place that was looked at ([`places`]). What is elsewhere is not judged.
    pub site: &'a Site,
    /// Our mark: `bastiond/<installation id>`.
    pub mark: &'a str,
    /// What was seen there: every task that the list shows under our mark, and every one that the journal names.
    pub seen: &'a [Sighting],
    /// The time.
    pub now: SystemTime,
}

/// A target that the config has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Its name.
    pub target: String,
    /// Its site, as it is defined now.
    pub site: Site,
    /// How many bastions of it may be kept, beside those that are kept already.
    pub most: usize,
    /// How old a bastion of it may become.
    pub life: Duration,
}

/// A task, and what the cloud shows of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// The task.
    pub task: TaskId,
    /// What has become of it.
    pub seen: Seen,
}

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// End this session: whoever could have gone on with it is dead.
    EndSession {
        /// The session.
        session: SessionId,
        /// The task that it goes through.
        task: TaskId,
    },
    /// Forget this session: nobody knows any more where it is, and the service ends it at its idle limit.
    ForgetSession {
        /// The session.
        session: SessionId,
    },
    /// Make a bastion of this task.
    Keep {
        /// The task.
        task: TaskId,
        /// The target that it is for.
        target: String,
        /// How old it is.
        age: Duration,
        /// How long it may still live: as the config says now, and as it was told when it was started.
        left: Duration,
        /// Whether the journal does not know it yet.
        unrecorded: bool,
    },
    /// Stop this task until it has ended.
    Stop {
        /// The task.
        task: TaskId,
        /// The target that it was for, where anybody knows.
        target: Option<String>,
        /// Why.
        because: Because,
        /// Whether the journal does not know it yet.
        unrecorded: bool,
    },
    /// Ask for this very task again, to learn its name, and then judge it ([`judge`]).
    Learn {
        /// The target that it is for.
        target: String,
        /// The request, unchanged.
        spec: Box<TaskSpec>,
    },
    /// Nothing is left of it: the journal may forget it.
    Forget {
        /// The task, where it had a name.
        task: Option<TaskId>,
        /// The token that it was asked for with, where we know that.
        token: Option<String>,
    },
    /// Look again at that time: until then nothing can be said, and nothing is to be started for this target.
    Later {
        /// The task, where it has a name.
        task: Option<TaskId>,
        /// The target that it is for, where anybody knows.
        target: Option<String>,
        /// When.
        at: SystemTime,
    },
    /// Set this service's desired count back.
    Lower(Box<Raise>),
}

/// Why a task is stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Because {
    /// It was being stopped, or given up, when we died.
    Stopping,
    /// The config does not know its target any more, or means another place by it.
    Unwanted,
    /// It is as old as it may be.
    TooOld,
    /// There are as many others as there may be.
    OneTooMany,
}

/// A site of each place that has to be looked at: those that the config has, and those that the journal remembers.
pub fn places<'a>(book: &'a Book, wanted: &'a [Wanted]) -> Vec<&'a Site> {
    let of_config = wanted.iter().map(|wanted| &wanted.site);
    let of_book = book.entries().iter().map(|entry| &entry.site);
    let raised = book.raised().map(|raise| &raise.site);
    let mut places: Vec<&Site> = Vec::new();
    for site in of_config.chain(of_book).chain(raised) {
        if !places.iter().any(|known| same_place(known, site)) {
            places.push(site);
        }
    }
    places
}

/// Whether the same account, region and cluster are meant: whoever lists the one sees the tasks of the other.
pub fn same_place(one: &Site, other: &Site) -> bool {
    (&one.profile, &one.region, &one.cluster) == (&other.profile, &other.region, &other.cluster)
}

/// Decides upon everything that is at one place.
pub fn decide(scene: &Scene<'_>) -> Vec<Verdict> {
    let (mut verdicts, mut learn) = (Vec::new(), Vec::new());
    let mut alive = Vec::new();
    let mut unnamed = BTreeSet::new();
    for entry in scene.book.entries().iter().filter(|entry| same_place(&entry.site, scene.site)) {
        match &entry.origin {
            Origin::Asked(spec) if age(entry.at, scene.now) < LAG => {
                unnamed.insert(entry.target.as_str());
                let (target, spec) = (entry.target.clone(), spec.clone());
                learn.push(Verdict::Learn { target, spec });
            }
            Origin::Asked(_) => verdicts.push(forget(entry)),
            Origin::Named(_, task) | Origin::Found(task) => match scene.sighting(task) {
                Some(Seen::Starting(_) | Seen::Running { .. }) => {
                    alive.push(Alive::of(entry, task))
                }
                // It is followed up until it has ended.
                Some(Seen::Stopping(_)) => {
                    verdicts.push(Alive::of(entry, task).stop(Because::Stopping));
                }
                Some(Seen::Stopped(_)) => verdicts.push(forget(entry)),
                Some(Seen::Missing) if age(entry.at, scene.now) >= LAG => {
                    verdicts.push(forget(entry));
                }
                Some(Seen::Missing) | None => {
                    let target = Some(entry.target.clone());
                    verdicts.push(scene.later(task, target));
                }
            },
        }
    }
    for stranger in scene.strangers() {
        // Where a name is being asked for, this may be the very task that bears it.
        if stranger.target.is_none_or(|target| unnamed.contains(target)) && !unnamed.is_empty() {
            verdicts.push(scene.later(stranger.task, stranger.target.map(str::to_owned)));
        } else {
            alive.push(stranger);
        }
    }
    verdicts.extend(choose(alive, scene));
    let raised = scene.book.raised().filter(|raise| same_place(&raise.site, scene.site));
    verdicts.extend(raised.map(|raise| Verdict::Lower(Box::new(raise.clone()))));
    let mut all = scene.sessions(&verdicts);
    all.extend(verdicts);
    // Last, for what comes of them is judged by what is kept already.
    all.extend(learn);
    all
}

/// Decides upon a task that the cloud has just named, while `kept` others of its target are kept: to be kept, or stopped.
pub fn judge(
    entry: &Entry,
    task: &TaskId,
    wanted: &[Wanted],
    kept: usize,
    now: SystemTime,
) -> Verdict {
    Alive::of(entry, task).judge(wanted, &entry.site, kept, now)
}

impl Scene<'_> {
    fn sighting(&self, task: &TaskId) -> Option<&Seen> {
        self.seen.iter().find(|sighting| sighting.task == *task).map(|sighting| &sighting.seen)
    }

    fn later(&self, task: &TaskId, target: Option<String>) -> Verdict {
        Verdict::Later { task: Some(task.clone()), target, at: self.now + AGAIN }
    }

    /// What lives and carries our mark, and is in no record.
    fn strangers(&self) -> impl Iterator<Item = Alive<'_>> {
        self.seen.iter().filter_map(|Sighting { task, seen }| {
            let facts = match seen {
                Seen::Starting(facts) | Seen::Running { facts, .. } => facts,
                Seen::Stopping(_) | Seen::Stopped(_) | Seen::Missing => return None,
            };
            let ours = facts.started_by.as_deref() == Some(self.mark);
            (ours && self.book.entry(task).is_none()).then(|| Alive {
                task,
                target: facts.variable(TARGET_VARIABLE),
                site: None,
                at: facts.times.created.unwrap_or(self.now),
                life: None,
                stopping: false,
            })
        })
    }

    /// What becomes of the sessions of the dead.
    fn sessions(&self, verdicts: &[Verdict]) -> Vec<Verdict> {
        let gone: BTreeSet<_> = verdicts
            .iter()
            .filter_map(|verdict| match verdict {
                Verdict::Forget { task, .. } => task.as_ref(),
                Verdict::EndSession { .. }
                | Verdict::ForgetSession { .. }
                | Verdict::Keep { .. }
                | Verdict::Stop { .. }
                | Verdict::Learn { .. }
                | Verdict::Later { .. }
                | Verdict::Lower(_) => None,
            })
            .collect();
        let open = self.book.sessions().filter(|(_, open)| !gone.contains(&open.task));
        open.filter_map(|(session, open)| {
            let entry = self.book.entry(&open.task).map(|entry| &entry.site);
            // A service's task is in no record of its own.
            let of_config = || Some(&self.wanted.iter().find(|w| w.target == open.target)?.site);
            let session = session.clone();
            match entry.or_else(of_config) {
                Some(site) if same_place(site, self.site) => {
                    Some(Verdict::EndSession { session, task: open.task.clone() })
                }
                Some(_) => None,
                None => Some(Verdict::ForgetSession { session }),
            }
        })
        .collect()
    }
}

/// A task that runs or is on its way.
#[derive(Debug)]
struct Alive<'a> {
    task: &'a TaskId,
    target: Option<&'a str>,
    /// Where it was to run; none where no record tells.
    site: Option<&'a Site>,
    at: SystemTime,
    /// How old it becomes by its own watchdog, where a record tells.
    life: Option<Duration>,
    stopping: bool,
}

impl<'a> Alive<'a> {
    fn of(entry: &'a Entry, task: &'a TaskId) -> Self {
        Self {
            task,
            target: Some(&entry.target),
            site: Some(&entry.site),
            at: entry.at,
            life: entry.life(),
            stopping: entry.stopping,
        }
    }

    fn judge(&self, wanted: &[Wanted], place: &Site, kept: usize, now: SystemTime) -> Verdict {
        let meant = |wanted: &&Wanted| {
            Some(wanted.target.as_str()) == self.target
                // What no record tells of was made for the place at which it was found.
                && self.site.map_or_else(|| same_place(&wanted.site, place), |site| *site == wanted.site)
        };
        let age = age(self.at, now);
        let left =
            |wanted: &Wanted| wanted.life.min(self.life.unwrap_or(wanted.life)).saturating_sub(age);
        match wanted.iter().find(meant) {
            _ if self.stopping => self.stop(Because::Stopping),
            None => self.stop(Because::Unwanted),
            Some(wanted) if left(wanted) < LEAST_LEFT => self.stop(Because::TooOld),
            Some(wanted) if kept >= wanted.most => self.stop(Because::OneTooMany),
            Some(wanted) => Verdict::Keep {
                task: self.task.clone(),
                target: wanted.target.clone(),
                age,
                left: left(wanted),
                unrecorded: self.site.is_none(),
            },
        }
    }

    fn stop(&self, because: Because) -> Verdict {
        Verdict::Stop {
            task: self.task.clone(),
            target: self.target.map(str::to_owned),
            because,
            unrecorded: self.site.is_none(),
        }
    }
}

/// Of each target's tasks the youngest are kept, for they live longest.
fn choose(mut alive: Vec<Alive<'_>>, scene: &Scene<'_>) -> Vec<Verdict> {
    alive.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.task.cmp(b.task)));
    let mut kept: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let judged = alive.iter().map(|one| {
        let count = kept.entry(one.target).or_default();
        let verdict = one.judge(scene.wanted, scene.site, *count, scene.now);
        *count += usize::from(matches!(verdict, Verdict::Keep { .. }));
        verdict
    });
    judged.collect()
}

fn forget(entry: &Entry) -> Verdict {
    let token = entry.token().map(str::to_owned);
    Verdict::Forget { task: entry.task().cloned(), token }
}

/// A clock that was set back makes nothing older.
fn age(at: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(at).unwrap_or_default()
}

/// The name under which a task's target travels in its environment: tags do not outlive StopTask, and the mark says
/// nothing of it.
pub const TARGET_VARIABLE: &str = "BASTIOND_TARGET";

/// How long the cloud's reads may lag behind its writes (aws.md 3.4: "up to five minutes"). Far within the 24 hours for
/// which a token names its task.
pub const LAG: Duration = Duration::from_secs(5 * 60);

/// How soon to look again at what is not to be seen yet.
const AGAIN: Duration = Duration::from_secs(5);

/// With less than this left, a bastion is not worth being kept.
const LEAST_LEFT: Duration = Duration::from_secs(5 * 60);
