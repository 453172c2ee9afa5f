//! What a process takes of the processor.

use std::fs;

/// Processor time of all its threads, in seconds.
///
/// # Panics
/// Where there is no `/proc`, and where the process is gone.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    // Behind the name, which may hold anything: field 3 and on; user and system time are 14 and 15.
    let rest = line.rsplit_once(')').expect("a name in brackets").1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<f64>().expect("a number of ticks");
    (ticks(14) + ticks(15)) / TICKS
}

/// Linux counts in hundredths of a second on every architecture that we run on (USER_HZ).
const TICKS: f64 = 100.0;
