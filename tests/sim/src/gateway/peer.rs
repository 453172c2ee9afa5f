//! One side's websocket, written to without waiting and flushed once for many frames.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// One side's websocket.
pub(super) struct Peer {
    pub(super) ws: WebSocketStream<TcpStream>,
    pub(super) since: Instant,
    /// Something is written and not flushed.
    pub(super) unflushed: bool,
    /// Nothing passes, and nobody is told.
    pub(super) black_hole: bool,
}

impl Peer {
    pub(super) fn new(ws: WebSocketStream<TcpStream>) -> Self {
        Self { ws, since: Instant::now(), unflushed: false, black_hole: false }
    }

    /// Takes a frame if it can be written without waiting.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        next: impl FnOnce() -> Option<Bytes>,
    ) -> Write {
        match self.ws.poll_ready_unpin(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Write::Gone,
            Poll::Pending => return Write::Full,
        }
        let Some(frame) = next() else { return Write::Nothing };
        self.unflushed = true;
        match self.ws.start_send_unpin(Message::Binary(frame)) {
            Ok(()) => Write::Done,
            Err(_) => Write::Gone,
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if self.unflushed {
            let flushed = ready!(self.ws.poll_flush_unpin(cx));
            self.unflushed = false;
            flushed.map_err(|_| Gone)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Resets the connection.
    pub(super) fn cut(self) {
        self.ws.get_ref().set_zero_linger().ok();
    }

    /// Says farewell and waits a little for the answer.
    pub(super) async fn close(mut self, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let farewell = async {
            if self.ws.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.ws.next().await {}
            }
        };
        // Who does not answer is cut off by the drop.
        tokio::time::timeout(FAREWELL_LIMIT, farewell).await.ok();
    }
}

/// The websocket is gone.
pub(super) struct Gone;

/// How an attempt to write went.
pub(super) enum Write {
    Done,
    Nothing,
    Full,
    Gone,
}

/// How long a websocket's close may take.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
