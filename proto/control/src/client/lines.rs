use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::{ClientError, Oddity};
use super::exchange::Exchange;

/// An answer that comes line by line, as things happen.
pub struct Lines<T> {
    pub(super) exchange: Exchange,
    pub(super) silence: Option<Duration>,
    pub(super) buffer: Vec<u8>,
    pub(super) ended: bool,
    pub(super) of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    /// The next one; none when the daemon has said all. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        let Some(silence) = self.silence else { return self.line().await };
        match timeout(silence, self.line()).await {
            Ok(line) => line,
            Err(_) => {
                let call = self.exchange.call.clone();
                Err(ClientError::TimedOut { call, after: silence })
            }
        }
    }

    /// The error for a stream that ended before it had said what it must.
    pub fn cut(&self) -> ClientError {
        self.exchange.odd(Oddity::Cut)
    }

    async fn line(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(line) = self.buffered() {
                // An empty line is a sign of life.
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let value = serde_json::from_slice(&line);
                return value.map(Some).map_err(|error| self.exchange.odd(Oddity::Shape(error)));
            }
            if self.ended {
                return Ok(None);
            }
            match self.exchange.piece().await? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => self.ended = true,
            }
            if self.buffer.len() > MAX_LINE {
                return Err(self.exchange.odd(Oddity::TooLong(MAX_LINE)));
            }
        }
    }

    /// The first whole line of the buffer; at the end of the stream also one without its newline.
    fn buffered(&mut self) -> Option<Vec<u8>> {
        if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let rest = self.buffer.split_off(end + 1);
            return Some(std::mem::replace(&mut self.buffer, rest));
        }
        if self.ended && !self.buffer.is_empty() {
            return Some(std::mem::take(&mut self.buffer));
        }
        None
    }
}

/// The longest line that is taken, and what may lie unread before one: a target with thousands of visits.
const MAX_LINE: usize = 4 << 20;
