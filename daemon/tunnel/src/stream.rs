//! One TCP conversation inside a tunnel, as AsyncRead and AsyncWrite.
//!
//! The agent cannot close one direction alone: our FIN makes it close the destination's socket at once, and what the
//! destination would still have said is lost. So shutting a stream down sends nothing. The FIN goes when the
//! destination has finished, when the stream is dropped, or when nothing has come for
//! [`Options::linger`](crate::Options::linger) since.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::StreamEnd;
use crate::line::Line;

/// One TCP conversation inside a tunnel.
///
/// Reading yields nothing more (end of file) after the destination has closed; an error of kind `ConnectionRefused`
/// where the agent could not reach it, `TimedOut` after a linger, `ConnectionReset` where the tunnel has ended.
#[derive(Debug)]
pub struct Stream {
    line: Arc<Line>,
}

impl Stream {
    pub(crate) fn new(line: Arc<Line>) -> Self {
        Self { line }
    }

    /// How the stream ended; `None` while it has not. What had come before can still be read.
    pub fn ended(&self) -> Option<StreamEnd> {
        self.line.end()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.line.poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.line.poll_write(cx, data)
    }

    /// Done at once: what was written is on its way.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Done at once: nothing more will be written, the answer is still awaited.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.listen();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.line.leave();
    }
}
