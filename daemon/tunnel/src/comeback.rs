//! Dialing a session again, until it stands or is certainly over.
//!
//! ```text
//!                    ┌────────────────── wait a little, longer each time ◀─┐
//!                    ▼                                                     │ it may go better
//!   lost ──▶ ask for a token ──▶ dial with it ──▶ upgraded: back           │
//!                │   │  └────────────┴─────────── failed ──────────────────┤
//!                │   └─ a login is needed: say so, ask again soon ─────────┘
//!                └───── the session is over, or resuming is not permitted: closed
//! ```
//!
//! Tries are not counted: a laptop may be away for long. Away for longer than the service keeps a session, there is
//! nothing left to come back to.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::debug;
use uuid::Uuid;

use crate::error::{Closed, Lost};
use crate::resume::{Cause, Resume, ResumeError, State};
use crate::socket::{self, Socket};
use crate::{Options, driver};

/// The way back to one session.
#[derive(Debug)]
pub(crate) struct Comeback {
    pub(crate) options: Options,
    pub(crate) resumer: Arc<dyn Resume>,
    /// The same for all websockets of the session.
    pub(crate) client_id: Uuid,
    /// Where the session was dialed first.
    pub(crate) url: String,
    /// Where it is told how things are.
    pub(crate) state: watch::Sender<State>,
    /// Ends a wait before its time.
    pub(crate) hurry: Notify,
}

/// A websocket that was lost.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    /// How.
    pub(crate) lost: Lost,
    /// When anything was heard last, by the tunnel's clock.
    pub(crate) heard: Instant,
    /// How many websockets in a row were lost as soon as they stood.
    pub(crate) tries: u32,
}

/// Coming back, to be polled.
pub(crate) type Coming = Pin<Box<dyn Future<Output = Result<Socket, Closed>> + Send>>;

impl Comeback {
    /// Comes back after a loss.
    pub(crate) fn begin(self: &Arc<Self>, loss: Loss) -> Coming {
        let comeback = Arc::clone(self);
        Box::pin(async move { comeback.come(loss).await })
    }

    async fn come(&self, loss: Loss) -> Result<Socket, Closed> {
        let Loss { lost, heard, mut tries } = loss;
        let since = self.options.clock.now();
        self.tell(State::Resuming { since, why: lost.clone(), trouble: None });
        let mut refusals = 0;
        loop {
            if tries > 0 {
                self.wait(backoff(tries)).await;
            }
            tries += 1;
            let trouble = match timeout(ASKING, self.resumer.resume()).await {
                Ok(Ok(grant)) => {
                    let url =
                        if grant.url.is_empty() { self.url.clone() } else { grant.url.clone() };
                    let grant = crate::Grant { url, ..grant };
                    let (at, id) = (driver::wall_time(), self.client_id);
                    match socket::dial(&grant, &self.options, id, at).await {
                        Ok(socket) => return Ok(socket),
                        // A token that came too late is answered with 403, too: another one is asked for.
                        Err(error) => Trouble::Other(Arc::new(error)),
                    }
                }
                Ok(Err(ResumeError::Over(output))) => {
                    return Err(Closed::SessionOver { output, lost });
                }
                Ok(Err(ResumeError::Login(cause))) => Trouble::Login(cause),
                Ok(Err(ResumeError::Transient(cause))) => Trouble::Other(cause),
                Ok(Err(ResumeError::Refused(cause))) => {
                    refusals += 1;
                    if refusals >= REFUSALS {
                        return Err(Closed::ResumeRefused { cause });
                    }
                    Trouble::Other(cause)
                }
                Err(_elapsed) => Trouble::Other(Arc::new(NoAnswer)),
            };
            let away = self.options.clock.now().saturating_duration_since(heard);
            debug!(?trouble, tries, away = ?away, "not back yet");
            if away > self.options.idle_limit + MARGIN {
                return Err(Closed::AwayTooLong { away, lost });
            }
            let why = lost.clone();
            match trouble {
                Trouble::Login(trouble) => {
                    self.tell(State::WaitingForLogin { since, why, trouble });
                    // A person is at work: no reason to wait longer each time, as the next login ends it.
                    tries = 0;
                    self.wait(LOGIN).await;
                }
                Trouble::Other(trouble) => {
                    self.tell(State::Resuming { since, why, trouble: Some(trouble) });
                }
            }
        }
    }

    fn tell(&self, state: State) {
        self.state.send_replace(state);
    }

    async fn wait(&self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            () = self.hurry.notified() => {}
        }
    }
}

/// Why it did not go this time.
#[derive(Debug)]
enum Trouble {
    Login(Cause),
    Other(Cause),
}

#[derive(Debug, Error)]
#[error("asking for another token: no answer after {} s", ASKING.as_secs())]
struct NoAnswer;

/// How long to wait before the next of so many tries: twice as long each time, and not all tunnels at once.
fn backoff(tries: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_WAIT);
    let dice = u32::from(Uuid::new_v4().as_bytes()[0]);
    longest / 2 + longest / 2 * dice / 255
}

/// As Amazon's plugin begins.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Short enough that nobody who has the network again waits long.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Time for one token, the credentials that it takes included: a helper program may have to be asked.
const ASKING: Duration = Duration::from_secs(30);

/// How soon a new login is noticed.
const LOGIN: Duration = Duration::from_secs(2);

/// Refusals that are believed.
const REFUSALS: u32 = 3;

/// What the service's clock may be later than ours.
const MARGIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_are_never_over_at_once() {
        for tries in 1..100 {
            for _ in 0..20 {
                let wait = backoff(tries);
                assert!(wait >= FIRST_WAIT / 2 && wait <= LONGEST_WAIT, "{tries}: {wait:?}");
            }
        }
        assert!(backoff(1) <= FIRST_WAIT);
        assert!(backoff(50) >= LONGEST_WAIT / 2);
    }
}
