//! The websocket: dialed, signed, and introduced with the token.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::SinkExt as _;
use http::header::{CONNECTION, DATE, HOST, UPGRADE};
use http::{HeaderValue, Request, Response};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use uuid::Uuid;

use crate::address::{Address, Way};
use crate::error::OpenError;
use crate::grant::Grant;
use crate::proxy::ProxyFault;
use crate::sign::sign;
use crate::trust::Trust;
use crate::witness::issuer_seen;
use crate::{Options, driver};

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
        let carrier = connect(&address, options).await?;
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
async fn connect(address: &Address, options: &Options) -> Result<Box<dyn Carrier>, OpenError> {
    let host = &address.host;
    match address.way {
        Way::Loopback => Ok(Box::new(connect_directly(address).await?)),
        Way::Tls => {
            let trust = &options.trust;
            let Some(server) = options.proxies.server(host, address.port) else {
                let tcp = connect_directly(address).await?;
                return Ok(Box::new(agree(host, tcp, trust).await?));
            };
            let fault =
                |fault| OpenError::Proxy { host: host.clone(), proxy: server.name(), fault };
            let mut tcp = connect_tcp(&server.host, server.port, false)
                .await
                .map_err(|source| fault(ProxyFault::Connect(source)))?;
            let authority = format!("{}:{}", address.host_in_brackets(), address.port);
            if !server.tls {
                server.connect(&mut tcp, &authority).await.map_err(fault)?;
                return Ok(Box::new(agree(host, tcp, trust).await?));
            }
            let mut tls = match agree(&server.host, tcp, trust).await {
                Err(OpenError::Tls { source, .. }) => return Err(fault(ProxyFault::Tls(source))),
                agreed => agreed?,
            };
            server.connect(&mut tls, &authority).await.map_err(fault)?;
            Ok(Box::new(agree(host, tls, trust).await?))
        }
    }
}

async fn connect_directly(address: &Address) -> Result<TcpStream, OpenError> {
    connect_tcp(&address.host, address.port, address.way == Way::Loopback)
        .await
        .map_err(|source| OpenError::Connect { host: address.host.clone(), source })
}

/// TLS over a connection to `host`, whose certificate is checked.
async fn agree<C>(host: &str, carrier: C, trust: &Trust) -> Result<TlsStream<C>, OpenError>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let config = trust.config(driver::now().instant).await.map_err(OpenError::Roots)?;
    let refused = |source| {
        trust.forget();
        let issuer = issuer_seen(&source);
        OpenError::Tls { host: host.to_owned(), issuer, source }
    };
    let name =
        ServerName::try_from(host.to_owned()).map_err(|error| refused(io::Error::other(error)))?;
    TlsConnector::from(config).connect(name, carrier).await.map_err(refused)
}

/// Tries the host's addresses in turn; what is to stay on this machine is held to it by the address, not by the name.
async fn connect_tcp(host: &str, port: u16, only_loopback: bool) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for candidate in tokio::net::lookup_host((host, port)).await? {
        if only_loopback && !candidate.ip().is_loopback() {
            continue;
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

/// Bytes read or written at once: some thirty messages. Each tunnel that was used keeps two of these; larger ones
/// save an upload a tenth of its CPU at best.
const BUFFER: usize = 32 * 1024;

/// Bytes of the longest message that is taken; the agent's have 1144, newer agents may send longer ones.
const MESSAGE: usize = 1024 * 1024;

/// Bytes kept of the answer that refused an upgrade: AWS's are one short line of JSON.
const BODY_KEPT: usize = 1024;
