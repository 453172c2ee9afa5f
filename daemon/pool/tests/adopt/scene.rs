//! A journal and a cloud to compare.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bastion_cloud::{Runs, Seen, Select, SessionId, Site, TaskEnd, TaskFacts, TaskId, TaskSpec};
use bastion_pool::adopt::{Scene, Sighting, TARGET_VARIABLE, Verdict, Wanted, decide};
use bastion_pool::{Book, Intention, Raise, Record};

pub(crate) const MARK: &str = "bastiond/0123456789ab";

/// What is there, and when it is looked at.
pub(crate) struct Story {
    pub(crate) book: Book,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) seen: Vec<Sighting>,
    pub(crate) now: SystemTime,
}

impl Story {
    /// The config has one target, the journal says nothing, and the cloud shows nothing.
    pub(crate) fn begin() -> Self {
        let (book, seen) = (Book::default(), Vec::new());
        Self { book, wanted: vec![wanted("db")], seen, now: UNIX_EPOCH + secs(1_800_000_000) }
    }

    /// A task was wished for so long ago.
    pub(crate) fn asked(&mut self, token: &str, ago: u64) {
        self.asked_at(token, "db", site("prod"), ago);
    }

    pub(crate) fn asked_at(&mut self, token: &str, target: &str, site: Site, ago: u64) {
        let (at, spec) = (self.now - secs(ago), spec(token, target));
        let target = target.to_owned();
        self.book.apply(&Record::Intend(Box::new(Intention { at, target, site, spec })));
    }

    /// A task was wished for so long ago, and was named.
    pub(crate) fn named(&mut self, name: &str, ago: u64) {
        self.asked(name, ago);
        self.name(name);
    }

    /// The task of a wish has the wish's own name.
    pub(crate) fn name(&mut self, name: &str) {
        self.book.apply(&Record::Named { token: name.to_owned(), task: task(name) });
    }

    pub(crate) fn session(&mut self, session: &str, name: &str, target: &str) {
        let (session, target) = (SessionId::new(session), target.to_owned());
        self.book.apply(&Record::Session { session, task: task(name), target });
    }

    pub(crate) fn raised(&mut self) {
        let raise = Raise { at: self.now, site: site("prod"), from: 0, to: 1 };
        self.book.apply(&Record::Raised(Box::new(raise)));
    }

    pub(crate) fn sees(&mut self, name: &str, seen: Seen) {
        self.seen.push(Sighting { task: task(name), seen });
    }

    pub(crate) fn runs(&mut self, name: &str) {
        self.sees(
            name,
            Seen::Running { since: None, facts: facts(Some(MARK), Some("db"), self.now) },
        );
    }

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.verdicts_at(&site("prod"))
    }

    pub(crate) fn verdicts_at(&self, site: &Site) -> Vec<Verdict> {
        let Self { book, wanted, seen, now } = self;
        decide(&Scene { book, wanted, site, mark: MARK, seen, now: *now })
    }
}

pub(crate) fn facts(
    mark: Option<&str>,
    target: Option<&str>,
    created: SystemTime,
) -> Box<TaskFacts> {
    let mut facts = TaskFacts { started_by: mark.map(str::to_owned), ..TaskFacts::default() };
    facts.times.created = Some(created);
    let variable = |target: &str| (TARGET_VARIABLE.to_owned(), target.to_owned());
    facts.environment = target.map(variable).into_iter().collect();
    Box::new(facts)
}

pub(crate) fn ended() -> Box<TaskEnd> {
    Box::default()
}

pub(crate) fn wanted(target: &str) -> Wanted {
    Wanted { target: target.to_owned(), site: site("prod"), most: 1, life: LIFE }
}

pub(crate) fn site(name: &str) -> Site {
    Site {
        name: name.to_owned(),
        profile: Some(name.to_owned()),
        region: None,
        cluster: "cluster".to_owned(),
        runs: Runs::TaskDefinition("proxy:7".to_owned()),
        container: None,
        subnets: Select::Ids(vec!["subnet-1".to_owned()]),
        security_groups: Select::Ids(vec!["sg-1".to_owned()]),
        spot: false,
        assign_public_ip: false,
    }
}

pub(crate) fn spec(token: &str, target: &str) -> TaskSpec {
    TaskSpec {
        token: token.to_owned(),
        started_by: MARK.to_owned(),
        tags: Vec::new(),
        environment: vec![(TARGET_VARIABLE.to_owned(), target.to_owned())],
        command: None,
        subnets: vec!["subnet-1".to_owned()],
        security_groups: vec!["sg-1".to_owned()],
        spot: false,
    }
}

pub(crate) fn task(name: &str) -> TaskId {
    TaskId::new(name)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const LIFE: Duration = secs(12 * 60 * 60);
