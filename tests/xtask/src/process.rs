//! A program that we started: in a process group of its own, and gone when we are.

#![expect(clippy::disallowed_methods, reason = "a tool for people measures real time")]

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::failure::{Failure, words};
use crate::leash;

/// A running program, with everything it starts in turn.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    ended: bool,
}

impl Process {
    /// Starts a program in a process group of its own, so that Ctrl-C reaches us alone and we end things in order.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self, Failure> {
        let name = words(command);
        let child =
            command.process_group(0).spawn().map_err(Failure::io(format!("starting {name}")))?;
        leash::hold(child.id());
        Ok(Self { child, name, ended: false })
    }

    /// Its process id, which is its group's too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let status =
            self.child.try_wait().map_err(Failure::io(format!("asking after {}", self.name)))?;
        if status.is_some() && !self.ended {
            self.ended = true;
            leash::free(self.child.id());
        }
        Ok(status)
    }

    /// Sends the program itself a signal; a program that has ended gets none.
    pub fn signal(&mut self, signal: Signal) {
        if let (Ok(None), Some(pid)) = (self.ended(), self.pid()) {
            // It may have ended in between, which is what was wanted.
            let _ = kill_process(pid, signal);
        }
    }

    /// Sends a signal and waits for the end; whatever is left of the group after the grace is killed.
    ///
    /// # Errors
    /// When it outlived the grace, or the system cannot tell.
    pub fn stop(&mut self, signal: Signal, grace: Duration) -> Result<ExitStatus, Failure> {
        self.signal(signal);
        self.wait(grace)
    }

    /// Waits for the end; whatever is left of the group after the limit is killed.
    ///
    /// # Errors
    /// When it did not end by itself within the limit, or the system cannot tell.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, Failure> {
        let ended = within(limit, &format!("the end of {}", self.name), || match self.ended() {
            Ok(Some(status)) => Some(Ok(status)),
            Ok(None) => None,
            Err(failure) => Some(Err(failure)),
        });
        self.kill();
        ended?
    }

    /// Ends the whole group at once.
    fn kill(&mut self) {
        if let Some(group) = self.pid() {
            // Mostly nobody is left of it.
            let _ = kill_process_group(group, Signal::KILL);
        }
        if !self.ended {
            drop(self.child.wait());
            self.ended = true;
            leash::free(self.child.id());
        }
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
        }
    }
}

/// Asks again and again until there is an answer or the time is up.
///
/// # Errors
/// When the time is up.
pub fn within<T>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> Option<T>,
) -> Result<T, Failure> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if start.elapsed() >= limit {
            return Err(Failure::TookTooLong { what: what.to_owned(), limit, seen: String::new() });
        }
        std::thread::sleep(ASK_AGAIN);
    }
}

/// How often something is looked at that cannot be waited for; well below anything that a person would notice.
const ASK_AGAIN: Duration = Duration::from_millis(20);
