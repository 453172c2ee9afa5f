//! What is counted over all runs.

use std::fmt;

/// What became of one run, or of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) tasks: u64,
    pub(crate) visits: u64,
    /// Visits that were answered by the database.
    pub(crate) answered: u64,
    pub(crate) deaths: u64,
    /// Tasks of ours that ran later than the watchdog's bound.
    pub(crate) late: u64,
    /// Tasks that ran beside another one of the same target.
    pub(crate) doubles: u64,
    /// Tasks of others that were asked to stop.
    pub(crate) foreign: u64,
    /// Visits that did not end.
    pub(crate) hung: u64,
    /// By how many seconds the ledger differs most from the bill of one task.
    pub(crate) off: f64,
    /// What was done, for whoever looks why.
    pub(crate) story: String,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.tasks += other.tasks;
        self.visits += other.visits;
        self.answered += other.answered;
        self.deaths += other.deaths;
        self.late += other.late;
        self.doubles += other.doubles;
        self.foreign += other.foreign;
        self.hung += other.hung;
        self.off = self.off.max(other.off);
    }

    /// How much was lived through.
    pub(crate) fn lived(&self) -> String {
        let Self { tasks, visits, answered, deaths, .. } = self;
        format!("{tasks} tasks, {visits} visits of which {answered} were answered, {deaths} deaths")
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.late + self.doubles + self.foreign + self.hung == 0 && self.off <= A_SECOND
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, late tasks {}, double starts {}, foreign stops {}, hung visits {}, \
             ledger off by at most {:.1} s",
            self.runs, self.late, self.doubles, self.foreign, self.hung, self.off
        )
    }
}

/// The promise about the ledger.
const A_SECOND: f64 = 1.0;
