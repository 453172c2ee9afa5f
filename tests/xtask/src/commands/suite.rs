//! A suite of tests that a command runs: each line heard as it comes, and what the lines come to.

#![expect(
    clippy::print_stdout,
    reason = "a suite's output and its last word are the command's data"
)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use xtask::Failure;
use xtask::process::Process;

/// Runs tests whose last word is `NAME ok: …` or `NAME failed: …`: shows what they print as it comes, and that at the end.
pub(super) fn judge(
    tests: &mut Command,
    limit: Duration,
    name: &'static str,
    promise: &str,
) -> Result<(), Failure> {
    let (sum, succeeded) =
        hear(tests, limit, move |sum: &mut Option<String>, line| match verdict(name, line) {
            Some(verdict) => *sum = Some(verdict.to_owned()),
            None => println!("{line}"),
        })?;
    let Some(sum) = sum else {
        return Err(Failure::unexpected("a sum at the end", "none"));
    };
    println!("{sum}");
    if succeeded { Ok(()) } else { Err(Failure::unexpected(promise, sum)) }
}

/// Runs tests and gives each of their lines away as it comes: what they came to, and whether cargo was content.
pub(super) fn hear<T: Default + Send + 'static>(
    tests: &mut Command,
    limit: Duration,
    mut add: impl FnMut(&mut T, &str) + Send + 'static,
) -> Result<(T, bool), Failure> {
    let mut process = Process::spawn(tests.stdout(Stdio::piped()).stdin(Stdio::null()))?;
    let output = process.child().stdout.take().expect("it was asked for");
    let reader = std::thread::spawn(move || {
        let mut sum = T::default();
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            add(&mut sum, &line);
        }
        sum
    });
    let ended = process.wait(limit);
    // Whatever still held the pipe is gone with the process group.
    drop(process);
    let sum = reader.join().expect("the reader does not panic");
    Ok((sum, ended?.success()))
}

/// The last word of a suite, where a line is that.
fn verdict<'a>(name: &str, line: &'a str) -> Option<&'a str> {
    let at = ["ok", "failed"].iter().find_map(|end| line.find(&format!("{name} {end}: ")))?;
    Some(&line[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_on_chaos_is_found_whatever_stands_before_it() {
        let line = "test whatever_happens ... chaos ok: 300 runs, late tasks 0";
        assert_eq!(verdict("chaos", line), Some("chaos ok: 300 runs, late tasks 0"));
        assert_eq!(verdict("chaos", "chaos failed: 1 runs"), Some("chaos failed: 1 runs"));
        assert_eq!(verdict("chaos", "chaos: 36 tasks, 60 visits"), None);
    }

    #[test]
    fn the_verdict_on_clients_is_found_whatever_stands_before_it() {
        let line = "test every_client ... clients ok: 200 of 200 cells as documented";
        assert_eq!(verdict("clients", line), Some("clients ok: 200 of 200 cells as documented"));
        assert_eq!(
            verdict("clients", "clients failed: 1 of 2 cells as documented"),
            Some("clients failed: 1 of 2 cells as documented")
        );
        assert_eq!(verdict("clients", "client      ready"), None);
    }
}
