//! What stands between a caller and the cloud, in offices and hotels: a box that opens TLS, a filter that lets no WebSocket
//! through.
//!
//! ```text
//!   caller ─► 127.0.0.1:port ─ Inspector: TLS with a certificate that nobody vouches for ─► the simulator
//!                            └ Filter: as it comes; an upgrade is answered in the cloud's place
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::realm::Realm;

/// What stands between a caller and the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Between {
    /// Opens TLS and shows a certificate of its own making, signed by [`INSPECTOR`].
    Inspector,
    /// Lets no WebSocket through: it says so itself, as [`FILTER`].
    Filter,
}

/// Who signs for an inspector.
pub const INSPECTOR: &str = "Example Inspection CA";

/// How a filter calls itself in `Via`.
pub const FILTER: &str = "1.1 filter.example.com";

impl Between {
    /// The address at which it listens.
    pub(crate) fn endpoint(self, at: SocketAddr) -> String {
        match self {
            Self::Inspector => format!("https://localhost:{}", at.port()),
            Self::Filter => format!("http://{at}"),
        }
    }

    /// Stands there until the simulator ends.
    pub(crate) async fn serve(self, realm: Realm, listener: TcpListener, behind: SocketAddr) {
        let tls = match self {
            Self::Inspector => Some(TlsAcceptor::from(certified())),
            Self::Filter => None,
        };
        while let Ok((near, _)) = listener.accept().await {
            let tls = tls.clone();
            realm.spawn(async move {
                let ended = match tls {
                    Some(tls) => inspect(tls, near, behind).await,
                    None => filter(near, behind).await,
                };
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection between ended");
                }
            });
        }
    }
}

async fn inspect(tls: TlsAcceptor, near: TcpStream, behind: SocketAddr) -> io::Result<()> {
    // Whoever trusts nobody goes away here.
    let near = tls.accept(near).await?;
    pass(near, &[], behind).await
}

async fn filter(mut near: TcpStream, behind: SocketAddr) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        head.push(near.read_u8().await?);
    }
    // An upgrade is always the first request of its connection.
    let asked = String::from_utf8_lossy(&head).to_lowercase();
    if asked.contains("upgrade: websocket") {
        let refused = format!(
            "HTTP/1.1 403 Forbidden\r\nVia: {FILTER}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        return near.write_all(refused.as_bytes()).await;
    }
    pass(near, &head, behind).await
}

async fn pass<S>(mut near: S, first: &[u8], behind: SocketAddr) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut far = TcpStream::connect(behind).await?;
    far.set_nodelay(true)?;
    far.write_all(first).await?;
    copy_bidirectional(&mut near, &mut far).await.map(drop)
}

/// A certificate for this machine, signed by an authority that was made for it.
fn certified() -> Arc<ServerConfig> {
    let authority_key = KeyPair::generate().expect("ring makes keys");
    let mut authority = CertificateParams::new(Vec::new()).expect("there is no name to be wrong");
    authority.distinguished_name.push(DnType::CommonName, INSPECTOR);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("ring makes keys");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("both are names");
    let certificate = params.signed_by(&key, &issuer).expect("the authority may sign");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version that rustls does")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(config.expect("the certificate is of that key"))
}

/// The longest head of a request that is looked at.
const HEAD: usize = 64 * 1024;
