//! The websocket: dialed, signed, and introduced with the token.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::SinkExt as _;
use http::header::{CONNECTION, DATE, HOST, UPGRADE};
use http::{HeaderValue, Request, Response};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use uuid::Uuid;

use crate::address::{Address, Way};
use crate::error::OpenError;
use crate::grant::Grant;
use crate::sign::sign;
use crate::{Options, Roots};

/// A websocket over whatever carries it.
pub(crate) type Socket = WebSocketStream<Box<dyn Carrier>>;

/// What can carry a websocket: TCP, or TLS over it.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Carrier for T {}

/// Dials the grant's data channel at the time `at`, and says who we are: ping, then the open message.
///
/// `client_id` is the same for all dials of one session.
pub(crate) async fn dial(
    grant: &Grant,
    options: &Options,
    client_id: Uuid,
    at: SystemTime,
) -> Result<Socket, OpenError> {
    let address = Address::check(&grant.url, &grant.region, &options.extra_hosts)?;
    let request = upgrade(&address, grant, at)?;
    let dialing = async {
        let carrier = connect(&address, &options.roots).await?;
        let (mut socket, _answer) = client_async_with_config(request, carrier, Some(limits()))
            .await
            .map_err(|error| not_a_websocket(&address, error))?;
        introduce(&mut socket, grant, options, client_id).await.map_err(|source| {
            OpenError::WebSocket { host: address.host.clone(), source: Box::new(source) }
        })?;
        Ok(socket)
    };
    timeout(options.dial, dialing).await.unwrap_or_else(|_elapsed| {
        Err(OpenError::DialDeadline { host: address.host.clone(), waited: options.dial })
    })
}

/// The request for the upgrade, signed unless it carries its signature in its address.
fn upgrade(address: &Address, grant: &Grant, at: SystemTime) -> Result<Request<()>, OpenError> {
    let mut request = Request::new(());
    *request.uri_mut() = address.uri.clone();
    let headers = request.headers_mut();
    if let Some(keys) = &grant.keys
        && !address.is_presigned()
    {
        *headers = sign(address, keys, &grant.region, at)?;
    }
    let host = HeaderValue::from_str(address.authority()).expect("a checked host fits a header");
    let key = HeaderValue::from_str(&generate_key()).expect("base64 fits a header");
    headers.insert(HOST, host);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
    headers.insert("sec-websocket-key", key);
    Ok(request)
}

/// The connection that the websocket will stand on.
async fn connect(address: &Address, roots: &Roots) -> Result<Box<dyn Carrier>, OpenError> {
    let tcp = connect_tcp(address)
        .await
        .map_err(|source| OpenError::Connect { host: address.host.clone(), source })?;
    match address.way {
        Way::Loopback => Ok(Box::new(tcp)),
        Way::Tls => {
            let trust = trust(roots.clone()).await.map_err(OpenError::Roots)?;
            let refused = |source| OpenError::Tls { host: address.host.clone(), source };
            let name = ServerName::try_from(address.host.clone())
                .map_err(|error| refused(io::Error::other(error)))?;
            let tls = TlsConnector::from(trust).connect(name, tcp).await.map_err(refused)?;
            Ok(Box::new(tls))
        }
    }
}

/// Tries the host's addresses in turn; what is to stay on this machine is held to it by the address, not by the name.
async fn connect_tcp(address: &Address) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for candidate in tokio::net::lookup_host((address.host.as_str(), address.port)).await? {
        match address.way {
            Way::Loopback if !candidate.ip().is_loopback() => continue,
            Way::Loopback | Way::Tls => {}
        }
        match TcpStream::connect(candidate).await {
            Ok(tcp) => {
                // Else each small answer waits for the acknowledgement of the one before: 43 ms a round trip.
                tcp.set_nodelay(true)?;
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whom TLS trusts. Read afresh for each dial: certificates change while a daemon runs, and dials are rare.
async fn trust(roots: Roots) -> io::Result<Arc<ClientConfig>> {
    tokio::task::spawn_blocking(move || {
        let mut store = RootCertStore::empty();
        let certificates = match roots {
            Roots::System => {
                let found = rustls_native_certs::load_native_certs();
                if let (true, Some(error)) =
                    (found.certs.is_empty(), found.errors.into_iter().next())
                {
                    return Err(io::Error::other(error));
                }
                found.certs
            }
            Roots::Bundle(path) => CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect)
                .map_err(io::Error::other)?,
        };
        let (trusted, _unreadable) = store.add_parsable_certificates(certificates);
        if trusted == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no certificate to trust"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks every version that rustls does")
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Arc::new(config))
    })
    .await?
}

/// Says who we are. As Amazon's plugin, the ping goes first.
async fn introduce(
    socket: &mut Socket,
    grant: &Grant,
    options: &Options,
    client_id: Uuid,
) -> Result<(), WsError> {
    let opening = serde_json::json!({
        "MessageSchemaVersion": "1.0",
        "RequestId": Uuid::new_v4().to_string(),
        "TokenValue": grant.token,
        "ClientId": client_id.to_string(),
        "ClientVersion": options.channel.client_version,
    });
    socket.feed(ping()).await?;
    socket.feed(Message::text(opening.to_string())).await?;
    socket.flush().await
}

/// The ping that keeps a websocket from looking dead.
pub(crate) fn ping() -> Message {
    Message::Ping(Bytes::from_static(b"keepalive"))
}

/// What the answer to an upgrade was, if no websocket.
fn not_a_websocket(address: &Address, error: WsError) -> OpenError {
    let host = address.host.clone();
    if let WsError::Http(answer) = &error {
        return refusal(host, answer);
    }
    OpenError::WebSocket { host, source: Box::new(error) }
}

/// What is worth keeping of an HTTP answer that is not the one asked for.
fn refusal(host: String, answer: &Response<Option<Vec<u8>>>) -> OpenError {
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
    let body = answer.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(&body[..body.len().min(BODY_KEPT)]).into_owned();
    OpenError::Upgrade { host, status: answer.status().as_u16(), date, body }
}

/// What one websocket may keep in memory.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE))
}

/// Time for connecting, TLS and upgrade together: several round trips across the world, lost packets included.
pub(crate) const DIAL: Duration = Duration::from_secs(10);

/// Bytes read or written at once: some fifty messages of the agent, as many as come in one wake-up.
const BUFFER: usize = 64 * 1024;

/// Bytes of the longest message that is taken; the agent's have 1144, newer agents may send longer ones.
const MESSAGE: usize = 1024 * 1024;

/// Bytes kept of the answer that refused an upgrade: AWS's are one short line of JSON.
const BODY_KEPT: usize = 1024;
