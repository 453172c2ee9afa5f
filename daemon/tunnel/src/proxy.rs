//! The proxy that stands before the internet: which one, for whom, and how it is asked to let us through.

use std::fmt;
use std::io;
use std::net::IpAddr;

use http::Uri;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Which hosts are dialed through which proxy. The default is none for any.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Proxies {
    server: Option<Server>,
    direct: Vec<Exception>,
}

/// A proxy.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Server {
    /// Its host, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether it is spoken to over TLS itself.
    pub(crate) tls: bool,
    /// The value of `Proxy-Authorization`, a secret.
    authorization: Option<String>,
}

/// Why a proxy's address cannot be used. The address itself is not told: it may hold a password.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum BadProxy {
    /// It is no address with a host.
    #[error("{variable} is not a proxy's address")]
    NotAnAddress {
        /// The variable that it stands in.
        variable: &'static str,
    },
    /// It is a proxy of a kind that we do not speak to.
    #[error("{variable} names a proxy of the kind {scheme}, only http and https are spoken")]
    Scheme {
        /// The variable that it stands in.
        variable: &'static str,
        /// The scheme as given.
        scheme: String,
    },
}

/// What went wrong with a proxy.
#[derive(Debug, Error)]
pub enum ProxyFault {
    /// It cannot be reached.
    #[error("connecting to it")]
    Connect(#[source] io::Error),
    /// It is to be spoken to over TLS, and no TLS could be agreed upon.
    #[error("agreeing on TLS with it")]
    Tls(#[source] io::Error),
    /// It does not let us through.
    #[error("it answered {status} {reason}")]
    Refused {
        /// The HTTP status of its answer; 407 where it wants a password.
        status: u16,
        /// The words beside the status.
        reason: String,
    },
    /// It hung up, or what it said is no HTTP.
    #[error("its answer")]
    Answer(#[source] io::Error),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Exception {
    All,
    /// A host and what is below it, in lower case; for one port only, where one is named.
    Name(String, Option<u16>),
    /// Addresses that begin with the same so many bits.
    Net(IpAddr, u8),
}

impl Proxies {
    /// What the environment says: `HTTPS_PROXY`, else `ALL_PROXY`, and `NO_PROXY`, each in small letters first, as curl
    /// takes them. `get` looks a variable up.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, BadProxy> {
        let find = |names: [&'static str; 2]| {
            let told = names.into_iter().filter_map(|name| Some((name, get(name)?)));
            told.map(|(name, said)| (name, said.trim().to_owned()))
                .find(|(_, said)| !said.is_empty())
        };
        let server =
            find(["https_proxy", "HTTPS_PROXY"]).or_else(|| find(["all_proxy", "ALL_PROXY"]));
        let Some((variable, url)) = server else { return Ok(Self::default()) };
        let direct = find(["no_proxy", "NO_PROXY"]).map(|(_, said)| said).unwrap_or_default();
        let direct = direct.split([',', ' ']).filter_map(Exception::read).collect();
        Ok(Self { server: Some(Server::read(variable, &url)?), direct })
    }

    /// The proxy for a host, which is given without brackets.
    pub(crate) fn server(&self, host: &str, port: u16) -> Option<&Server> {
        let is_direct = self.direct.iter().any(|exception| exception.covers(host, port));
        self.server.as_ref().filter(|_| !is_direct)
    }
}

impl Server {
    fn read(variable: &'static str, url: &str) -> Result<Self, BadProxy> {
        let bad = || BadProxy::NotAnAddress { variable };
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str().unwrap_or_default() {
            "http" => false,
            "https" => true,
            other => return Err(BadProxy::Scheme { variable, scheme: other.to_owned() }),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(bad());
        }
        let port = authority.port_u16().unwrap_or(if tls { TLS_PORT } else { PLAIN_PORT });
        let authorization = authority.as_str().rsplit_once('@').map(|(user, _)| {
            let user: Vec<u8> = match user.split_once(':') {
                // A colon of the user's name would be taken for the border, so each is decoded for itself.
                Some((name, password)) => percent_decode_str(name)
                    .chain(percent_decode_str(":"))
                    .chain(percent_decode_str(password))
                    .collect(),
                None => percent_decode_str(user).chain(percent_decode_str(":")).collect(),
            };
            format!("Basic {}", base64(&user))
        });
        Ok(Self { host, port, tls, authorization })
    }

    /// Its name, for people.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Asks for a way through to `authority`, a host with its port.
    pub(crate) async fn connect(
        &self,
        carrier: &mut (impl AsyncRead + AsyncWrite + Unpin),
        authority: &str,
    ) -> Result<(), ProxyFault> {
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        carrier.write_all(request.as_bytes()).await.map_err(ProxyFault::Answer)?;
        carrier.flush().await.map_err(ProxyFault::Answer)?;
        let head = read_head(carrier).await.map_err(ProxyFault::Answer)?;
        let (status, reason) = status(&head).ok_or_else(|| ProxyFault::Answer(no_http()))?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        Err(ProxyFault::Refused { status, reason })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.name())
    }
}

impl Exception {
    fn read(said: &str) -> Option<Self> {
        let said = said.trim().to_ascii_lowercase();
        if said == "*" {
            return Some(Self::All);
        }
        if let Some((net, bits)) = said.split_once('/') {
            let net: IpAddr = net.parse().ok()?;
            let bits = bits.parse().ok().filter(|bits| *bits <= width(net))?;
            return Some(Self::Net(net, bits));
        }
        if let Ok(ip) = said.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Some(Self::Net(ip, width(ip)));
        }
        let (name, port) = match said.rsplit_once(':') {
            Some((name, port)) => (name.to_owned(), Some(port.parse().ok()?)),
            None => (said, None),
        };
        let name = name.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.');
        (!name.is_empty()).then(|| Self::Name(name.to_owned(), port))
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Name(name, of_port) => {
                let host = host.to_ascii_lowercase();
                let below = host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                below && of_port.is_none_or(|of_port| of_port == port)
            }
            Self::Net(net, bits) => host
                .parse()
                .is_ok_and(|ip| shared_bits(*net, ip).is_some_and(|shared| shared >= *bits)),
        }
    }
}

/// How many bits an address has.
fn width(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// How many of their first bits two addresses share; `None` where they are of two kinds.
fn shared_bits(one: IpAddr, other: IpAddr) -> Option<u8> {
    let bits = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    };
    u8::try_from(bits).ok()
}

/// Reads up to the empty line and no further: what follows is not the proxy's any more. Byte by byte, as it is a line or two.
async fn read_head(carrier: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD {
            return Err(no_http());
        }
        head.push(carrier.read_u8().await?);
    }
    Ok(head)
}

/// Status and words of an answer's first line.
fn status(head: &[u8]) -> Option<(u16, String)> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let line = String::from_utf8_lossy(line);
    let rest = line.strip_prefix("HTTP/1.")?;
    let mut words = rest.splitn(3, ' ').skip(1);
    let status = words.next()?.parse().ok()?;
    Some((status, words.next().unwrap_or_default().trim().to_owned()))
}

fn no_http() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no HTTP")
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for sextet in 0..4 {
            let letter = (group >> (18 - 6 * sextet) & 63) as usize;
            text.push(if sextet > three.len() { '=' } else { char::from(BASE64[letter]) });
        }
    }
    text
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The usual port of an `http` proxy, where none is named.
const PLAIN_PORT: u16 = 80;

/// The usual port of an `https` proxy, where none is named.
const TLS_PORT: u16 = 443;

/// The longest head of a proxy's answer.
const HEAD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Result<Proxies, BadProxy> {
        Proxies::from_env(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn no(direct: &str) -> Proxies {
        env(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", direct)]).unwrap()
    }

    const HOST: &str = "ssmmessages.ap-northeast-1.amazonaws.com";

    #[test]
    fn without_a_variable_no_host_goes_through_a_proxy() {
        assert_eq!(env(&[]).unwrap().server(HOST, 443), None);
        assert_eq!(
            env(&[("HTTPS_PROXY", " "), ("NO_PROXY", "x")]).unwrap().server(HOST, 443),
            None
        );
        assert_eq!(env(&[("HTTP_PROXY", "http://proxy")]).unwrap().server(HOST, 443), None);
    }

    #[test]
    fn small_letters_go_first_and_all_proxy_last() {
        let chosen =
            |pairs: &[(&str, &str)]| env(pairs).unwrap().server(HOST, 443).unwrap().host.clone();
        assert_eq!(chosen(&[("HTTPS_PROXY", "http://big"), ("https_proxy", "small:1")]), "small");
        assert_eq!(chosen(&[("HTTPS_PROXY", "http://big"), ("ALL_PROXY", "http://all")]), "big");
        assert_eq!(chosen(&[("all_proxy", "http://all")]), "all");
    }

    #[test]
    fn an_address_is_read_with_its_usual_port_and_its_user() {
        let server = |url| Server::read("HTTPS_PROXY", url).unwrap();
        assert_eq!((server("http://p").port, server("https://p").port), (80, 443));
        assert_eq!((server("p:3128").port, server("p:3128").tls), (3128, false));
        assert_eq!(server("http://[::1]:8080/").host, "::1");
        assert_eq!(server("http://p").authorization, None);
        let told = server("http://Aladdin:open%20sesame@p:1").authorization;
        assert_eq!(told.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        let told = server("http://me@p").authorization;
        assert_eq!(told.as_deref(), Some("Basic bWU6"));
    }

    #[test]
    fn what_is_no_proxy_of_ours_is_told_without_its_password() {
        let bad = env(&[("HTTPS_PROXY", "socks5://me:SECRET@p:1080")]).unwrap_err();
        assert_eq!(bad, BadProxy::Scheme { variable: "HTTPS_PROXY", scheme: "socks5".into() });
        let bad = env(&[("https_proxy", "http://me:SEC RET@p")]).unwrap_err();
        assert_eq!(bad, BadProxy::NotAnAddress { variable: "https_proxy" });
        let proxies = env(&[("HTTPS_PROXY", "http://me:SECRET@p:3128")]).unwrap();
        let printed = format!("{proxies:?}");
        assert!(printed.contains("http://p:3128") && !printed.contains("SECRET"), "{printed}");
    }

    #[test]
    fn exceptions_are_hosts_with_all_below_them_networks_or_all() {
        for (direct, host, port, is_direct) in [
            ("*", HOST, 443, true),
            ("amazonaws.com", HOST, 443, true),
            (".amazonaws.com", HOST, 443, true),
            ("*.amazonaws.com", HOST, 443, true),
            ("AmazonAWS.com", HOST, 443, true),
            (HOST, HOST, 443, true),
            ("a.example, amazonaws.com", HOST, 443, true),
            ("a.example amazonaws.com", HOST, 443, true),
            ("zonaws.com", HOST, 443, false),
            ("amazonaws.com.cn", HOST, 443, false),
            ("x.ssmmessages.ap-northeast-1.amazonaws.com", HOST, 443, false),
            ("amazonaws.com:443", HOST, 443, true),
            ("amazonaws.com:8443", HOST, 443, false),
            ("", HOST, 443, false),
            (",.,", HOST, 443, false),
            ("10.0.0.0/8", "10.255.3.4", 443, true),
            ("10.0.0.0/8", "11.0.0.1", 443, false),
            ("10.0.0.0/8", HOST, 443, false),
            ("0.0.0.0/0", "8.8.8.8", 443, true),
            ("0.0.0.0/0", "::1", 443, false),
            ("192.168.1.7", "192.168.1.7", 443, true),
            ("192.168.1.7", "192.168.1.70", 443, false),
            ("fd00::/8", "fd12::1", 443, true),
            ("[fd12::1]", "fd12::1", 443, true),
            ("fd00::/8", "fe80::1", 443, false),
            ("10.0.0.0/33", "10.0.0.1", 443, false),
        ] {
            let direct_now = no(direct).server(host, port).is_none();
            assert_eq!(direct_now, is_direct, "{direct:?} and {host}");
        }
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_its_empty_line_and_no_further() {
        let server = Server::read("HTTPS_PROXY", "http://me:pw@p:1").unwrap();
        let (mut near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"HTTP/1.0 200 Connection established\r\nX: y\r\n\r\nrest").await.unwrap();
        server.connect(&mut near, "host:443").await.unwrap();
        let mut rest = [0; 4];
        near.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"rest");
        drop(near);
        let mut asked = String::new();
        far.read_to_string(&mut asked).await.unwrap();
        let head = "CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n";
        assert_eq!(asked, head);
    }

    #[tokio::test]
    async fn a_refusal_tells_its_status_and_what_is_no_http_or_never_ends_is_no_answer() {
        let server = Server::read("HTTPS_PROXY", "http://p:1").unwrap();
        let ask = async |said: &[u8]| {
            let (mut near, mut far) = tokio::io::duplex(64 * 1024);
            far.write_all(said).await.unwrap();
            far.shutdown().await.unwrap();
            server.connect(&mut near, "host:443").await.unwrap_err()
        };
        let fault = ask(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        let ProxyFault::Refused { status: 407, reason } = fault else { panic!("{fault:?}") };
        assert_eq!(reason, "Proxy Authentication Required");
        for said in [&b"SSH-2.0-x\r\n\r\n"[..], b"HTTP/1.1 2xx\r\n\r\n", b"", &[b'a'; 20_000]] {
            let fault = ask(said).await;
            assert!(matches!(fault, ProxyFault::Answer(_)), "{fault:?}");
        }
    }
}
