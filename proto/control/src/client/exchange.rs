use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::error::{ClientError, Oddity};
use super::lines::Lines;
use crate::{ErrorBody, Refused};

/// A call that was answered with success, its body still to be read.
pub(super) struct Exchange {
    pub(super) call: String,
    body: Incoming,
    wire: Wire,
    /// hyper closes the connection when this goes.
    _sender: SendRequest<Full<Bytes>>,
}

impl Exchange {
    /// Sends a request and waits for the head of its answer; a failure is read whole.
    pub(super) async fn begin(
        stream: UnixStream,
        method: Method,
        path: String,
        body: Option<Vec<u8>>,
        deadline: Duration,
    ) -> Result<Self, ClientError> {
        let call = format!("{method} {path}");
        let exchange = Self::head(stream, call.clone(), request(method, path, body));
        let answered = timeout(deadline, exchange).await;
        let Ok(answered) = answered else {
            return Err(ClientError::TimedOut { call, after: deadline });
        };
        let (status, mut exchange) = answered?;
        if status.is_success() {
            return Ok(exchange);
        }
        let said = exchange.whole(deadline).await?;
        Err(failure(call, status, &said))
    }

    async fn head(
        stream: UnixStream,
        call: String,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Self), ClientError> {
        let lost = |source| ClientError::Lost { call: call.clone(), source };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        let mut wire = Wire::Open(Box::pin(connection));
        let response = wire.alongside(sender.send_request(request)).await.map_err(lost)?;
        let (head, body) = response.into_parts();
        Ok((head.status, Self { call, body, wire, _sender: sender }))
    }

    /// The body as one JSON value.
    pub(super) async fn json<T: DeserializeOwned>(
        mut self,
        deadline: Duration,
    ) -> Result<T, ClientError> {
        let body = self.whole(deadline).await?;
        serde_json::from_slice(&body).map_err(|error| self.odd(Oddity::Shape(error)))
    }

    /// The body as JSON values, one a line, with at most so much silence before each.
    pub(super) fn lines<T>(self, silence: Option<Duration>) -> Lines<T> {
        Lines { exchange: self, silence, buffer: Vec::new(), ended: false, of: PhantomData }
    }

    /// The next piece of the body; none when it has ended.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let Some(frame) = self.wire.alongside(self.body.frame()).await else {
                return Ok(None);
            };
            match frame {
                // Trailers say nothing to us.
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Err(source) => return Err(ClientError::Lost { call: self.call.clone(), source }),
            }
        }
    }

    /// This call's answer makes no sense.
    pub(super) fn odd(&self, source: Oddity) -> ClientError {
        ClientError::Protocol { call: self.call.clone(), source }
    }

    async fn whole(&mut self, deadline: Duration) -> Result<Vec<u8>, ClientError> {
        let call = self.call.clone();
        let reading = async {
            let mut body = Vec::new();
            while let Some(piece) = self.piece().await? {
                body.extend_from_slice(&piece);
                if body.len() > MAX_BODY {
                    return Err(self.odd(Oddity::TooLong(MAX_BODY)));
                }
            }
            Ok(body)
        };
        let Ok(read) = timeout(deadline, reading).await else {
            return Err(ClientError::TimedOut { call, after: deadline });
        };
        read
    }
}

/// The connection, which moves only while somebody waits for something from it: no task of its own.
enum Wire {
    Open(Pin<Box<Connection<TokioIo<UnixStream>, Full<Bytes>>>>),
    /// It ended, well or not; what is waited for says which.
    Over,
}

impl Wire {
    /// Waits for the future and keeps the connection moving meanwhile.
    async fn alongside<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let over = match self {
                Self::Open(connection) => connection.as_mut().poll(context).is_ready(),
                Self::Over => false,
            };
            if over {
                *self = Self::Over;
            }
            match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(output),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

fn request(method: Method, path: String, body: Option<Vec<u8>>) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "bastiond")
        .header(USER_AGENT, concat!("bastion-api/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json, application/x-ndjson");
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(body.unwrap_or_default()));
    request.body(body).expect("our paths are escaped and our headers are constants")
}

/// What an answer that is not a success says.
fn failure(call: String, status: StatusCode, body: &[u8]) -> ClientError {
    if status == StatusCode::CONFLICT
        && let Ok(refused) = serde_json::from_slice::<Refused>(body)
    {
        return ClientError::Refused(Box::new(refused));
    }
    if let Ok(error) = serde_json::from_slice::<ErrorBody>(body) {
        return ClientError::Problem(Box::new(error.problem));
    }
    // No such route: a daemon of another version. One that knows the call says what it misses.
    if status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED {
        return ClientError::UnknownCall { call };
    }
    ClientError::Protocol { call, source: Oddity::Status(status) }
}

/// The longest answer that is taken: thousands of targets with their visits.
const MAX_BODY: usize = 16 << 20;
