use std::future::poll_fn;
use std::task::Poll;

use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

use crate::error::Failure;

/// What interrupts us: Ctrl-C, and being asked to end.
pub(crate) struct Signals {
    interrupt: Listener,
    terminate: Listener,
}

/// A signal that ends us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// Asked to end.
    Terminate,
}

impl Signals {
    /// Begins to listen; from now on a signal does not kill.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::System);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            if self.interrupt.poll_recv(context).is_ready() {
                return Poll::Ready(Signal::Interrupt);
            }
            self.terminate.poll_recv(context).map(|_| Signal::Terminate)
        })
        .await
    }
}

impl Signal {
    /// The exit code of a program that it ended: 128 and its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}
