//! The websocket of the moment, and the one before it.
//!
//! ```text
//!            lost              another stands
//!   ┌────┐ ───────▶ ┌──────┐ ─────────────────▶ ┌────┐
//!   │ Up │          │ Away │                    │ Up │
//!   └────┘ ◀─────── └──────┘                    └────┘
//!           a lost one that could not be written to is still read, until it ends or the next one has stood for a while
//! ```
//!
//! The agent repairs only ten messages a second of those that are lost with a websocket, so none is given up unread.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::{Sink as _, Stream as _};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::comeback::Coming;
use crate::error::{Closed, Lost};
use crate::socket::Socket;

/// What carries the channel's messages.
pub(crate) struct Link {
    road: Road,
    old: Option<Old>,
    /// Something was put into the websocket's buffer since the last flush.
    unflushed: bool,
}

/// What a link has brought.
#[derive(Debug)]
pub(crate) enum Brought {
    /// A message.
    Message(Message),
    /// A message of the websocket before this one.
    Late(Message),
    /// The websocket is lost. Nothing more comes of it.
    Lost(Lost),
}

#[expect(clippy::large_enum_variant, reason = "a link has one road, and it is up nearly always")]
enum Road {
    Up(Socket),
    Away(Coming),
    /// For good.
    Gone,
}

/// A websocket that is only read.
struct Old {
    socket: Socket,
    /// Till when; not known before there is another one.
    until: Option<Instant>,
}

impl Link {
    /// A link on a websocket that stands.
    pub(crate) fn new(socket: Socket) -> Self {
        Self { road: Road::Up(socket), old: None, unflushed: true }
    }

    /// Whether there is a websocket to write to.
    pub(crate) fn is_up(&self) -> bool {
        match self.road {
            Road::Up(_) => true,
            Road::Away(_) | Road::Gone => false,
        }
    }

    /// When the websocket before this one need not be read any more.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.old.as_ref().and_then(|old| old.until)
    }

    /// Lets go of the websocket before this one, when it is time.
    pub(crate) fn expire(&mut self, now: Instant) {
        if self.due().is_some_and(|until| until <= now) {
            self.old = None;
        }
    }

    /// Goes away: from now on `coming` is at work. The websocket is still read, where it may have something to say.
    pub(crate) fn leave(&mut self, coming: Coming) {
        self.unflushed = false;
        if let Road::Up(socket) = std::mem::replace(&mut self.road, Road::Away(coming)) {
            self.old = Some(Old { socket, until: None });
        }
    }

    /// Gives up the websocket for good.
    pub(crate) fn end(&mut self) {
        (self.road, self.old) = (Road::Gone, None);
    }

    /// Comes back, where another websocket stands now or there will never be one.
    pub(crate) fn poll_back(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Option<Closed>> {
        let Road::Away(coming) = &mut self.road else { return Poll::Pending };
        match ready!(coming.as_mut().poll(cx)) {
            Ok(socket) => {
                self.road = Road::Up(socket);
                self.unflushed = true;
                if let Some(old) = &mut self.old {
                    old.until = Some(now + LATE);
                }
                Poll::Ready(None)
            }
            Err(closed) => {
                self.end();
                Poll::Ready(Some(closed))
            }
        }
    }

    /// Goes back to the websocket that was believed lost: it has shown that it lives.
    pub(crate) fn revive(&mut self) -> bool {
        match (&self.road, self.old.take()) {
            (Road::Away(_), Some(old)) => {
                self.road = Road::Up(old.socket);
                true
            }
            (_, old) => {
                self.old = old;
                false
            }
        }
    }

    /// What has come.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Brought> {
        if let Some(old) = &mut self.old {
            match Pin::new(&mut old.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Close(_)) | Err(_)) | None) => self.old = None,
                Poll::Ready(Some(Ok(message))) => return Poll::Ready(Brought::Late(message)),
                Poll::Pending => {}
            }
        }
        let Road::Up(socket) = &mut self.road else { return Poll::Pending };
        Poll::Ready(match ready!(Pin::new(&mut *socket).poll_next(cx)) {
            Some(Ok(Message::Close(frame))) => {
                // Its own closing frame is answered, if that can be done at once.
                let _answered = Pin::new(socket).poll_flush(cx);
                Brought::Lost(Lost::from(frame))
            }
            Some(Ok(message)) => Brought::Message(message),
            Some(Err(error)) => Brought::Lost(Lost::Broken(error.into())),
            None => Brought::Lost(Lost::Ended),
        })
    }

    /// Waits for room in the websocket's buffer.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        match &mut self.road {
            Road::Up(socket) => Pin::new(socket).poll_ready(cx),
            Road::Away(_) | Road::Gone => Poll::Pending,
        }
    }

    /// Puts a message into the websocket's buffer.
    pub(crate) fn put(&mut self, message: Message) -> Result<(), WsError> {
        match &mut self.road {
            Road::Up(socket) => {
                self.unflushed = true;
                Pin::new(socket).start_send(message)
            }
            Road::Away(_) | Road::Gone => Ok(()),
        }
    }

    /// Sends what is in the websocket's buffer.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        let Road::Up(socket) = &mut self.road else { return Poll::Ready(Ok(())) };
        ready!(Pin::new(socket).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }
}

/// How long what was sent on the websocket before this one may still be on its way.
const LATE: Duration = Duration::from_secs(10);
