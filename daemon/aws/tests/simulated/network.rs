//! What stands between this machine and AWS: certificates of one's own, proxies, strangers.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bastion_aws::{Aws, Settings};
use bastion_cloud::{Cloud, Kind};
use bastion_sim::{Sim, SimConfig};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::home::Home;
use crate::house::{House, write};

pub(crate) const INSPECTOR: &str = "Example Inspection CA (Example Corp)";

#[tokio::test]
async fn a_certificate_that_only_the_bundle_vouches_for_is_taken_with_it() {
    let house = House::new().await;
    let front = Front::new(&house.sim).await;
    let aws = front.aws(&house, Some(tls("ca.pem")));
    assert_eq!(aws.identity().await.unwrap().account, "123456789012");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_told_with_who_signed_it() {
    let house = House::new().await;
    let front = Front::new(&house.sim).await;
    let error = front.aws(&house, None).identity().await.unwrap_err();
    assert_eq!(error.kind, Kind::Intercepted { issuer: Some(INSPECTOR.to_owned()) }, "{error}");
    assert!(house.sim.calls().is_empty());
}

#[tokio::test]
async fn a_bundle_is_all_that_is_trusted_and_is_read_again_when_it_changes() {
    let house = House::new().await;
    let front = Front::new(&house.sim).await;
    let bundle = house.dir.path().join("bundle.pem");
    // A certificate that vouches for nobody but itself.
    std::fs::copy(tls("server.pem"), &bundle).unwrap();
    let aws = front.aws(&house, Some(bundle.clone()));
    let error = aws.identity().await.unwrap_err();
    assert!(matches!(error.kind, Kind::Intercepted { .. }), "{error:?}");
    let own = std::fs::read_to_string(tls("server.pem")).unwrap();
    let authority = std::fs::read_to_string(tls("ca.pem")).unwrap();
    write(&bundle, &(own + &authority));
    aws.identity().await.unwrap();
}

#[tokio::test]
async fn a_bundle_that_holds_no_certificates_is_told_by_its_name() {
    let house = House::new().await;
    let front = Front::new(&house.sim).await;
    let bundle = house.dir.path().join("bundle.pem");
    for text in
        [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    {
        if let Some(text) = text {
            write(&bundle, text);
        }
        let error = front.aws(&house, Some(bundle.clone())).identity().await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid, "{text:?}");
        assert!(error.message.contains("bundle.pem"), "{}", error.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_used_for_awss_own_names_and_the_environments_bundle_with_it() {
    let (sim, front, proxy) = between(Answer::Through).await;
    let mut home = home(sim, &[proxy.variable(), ("AWS_CA_BUNDLE", path("ca.pem"))]);
    assert_eq!(home.ask("identity"), "ok user/dev");
    assert_eq!(proxy.asked(), ["CONNECT sts.ap-northeast-1.amazonaws.com:443 HTTP/1.1"]);
    drop(front);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profiles_own_bundle_is_taken_where_no_other_is_named() {
    let (sim, front, proxy) = between(Answer::Through).await;
    let config = format!("{}ca_bundle = {}\n", config(), path("ca.pem"));
    let mut home = Home::with(sim, &config, &[proxy.variable()]);
    assert_eq!(home.ask("identity"), "ok user/dev");
    drop(front);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_opens_what_goes_through_it_is_told_with_who_signs_for_it() {
    let (sim, front, proxy) = between(Answer::Through).await;
    let mut home = home(sim, &[proxy.variable()]);
    assert_eq!(home.ask("identity"), format!("intercepted {INSPECTOR}"));
    drop(front);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_told_as_what_it_is() {
    for answer in
        [Answer::Refused("407 Proxy Authentication Required"), Answer::Refused("403 Forbidden")]
    {
        let (sim, front, proxy) = between(answer).await;
        let mut home = home(sim, &[proxy.variable(), ("AWS_CA_BUNDLE", path("ca.pem"))]);
        assert_eq!(home.ask("identity"), "intercepted nobody", "{answer:?}");
        drop(front);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_to_be_reached_directly_is() {
    let (sim, front, proxy) = between(Answer::Refused("500 No")).await;
    let config = format!("{}endpoint_url = {}\n", config(), front.endpoint);
    let no_proxy = ("NO_PROXY", "localhost,example.com".to_owned());
    let bundle = ("AWS_CA_BUNDLE", path("ca.pem"));
    let mut home = Home::with(sim, &config, &[proxy.variable(), no_proxy, bundle]);
    assert_eq!(home.ask("identity"), "ok user/dev");
    assert_eq!(proxy.asked(), Vec::<String>::new());
}

/// A simulator, a front that speaks TLS for it, and a proxy to that front.
pub(crate) async fn between(answer: Answer) -> (Sim, Front, Proxy) {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let front = Front::new(&sim).await;
    let proxy = Proxy::new(&front, answer).await;
    (sim, front, proxy)
}

/// A profile that leads to AWS's own names.
pub(crate) fn config() -> String {
    let key = bastion_sim::Key::default();
    format!(
        "[profile prod]\nregion = ap-northeast-1\nmax_attempts = 1\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        key.access_key_id, key.secret_access_key
    )
}

fn home(sim: Sim, variables: &[(&str, String)]) -> Home {
    Home::with(sim, &config(), variables)
}

pub(crate) fn tls(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

pub(crate) fn path(name: &str) -> String {
    tls(name).display().to_string()
}

/// Speaks TLS in front of a simulator, with a certificate for `localhost` and for one of AWS's own names.
pub(crate) struct Front {
    endpoint: String,
    port: u16,
    serving: JoinHandle<()>,
}

impl Front {
    pub(crate) async fn new(sim: &Sim) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let behind = sim.endpoint().strip_prefix("http://").unwrap().to_owned();
        let certificates = CertificateDer::pem_file_iter(tls("server.pem")).unwrap();
        let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(tls("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let serving = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                spawn(async move {
                    // Whoever trusts nobody goes away.
                    let Ok(mut near) = acceptor.accept(stream).await else { return };
                    let mut far = TcpStream::connect(behind).await.unwrap();
                    drop(copy_bidirectional(&mut near, &mut far).await);
                });
            }
        });
        Self { endpoint: format!("https://localhost:{port}"), port, serving }
    }

    pub(crate) fn aws(&self, house: &House, ca_bundle: Option<PathBuf>) -> Aws {
        write(
            &house.config_file(),
            &format!(
                "[profile prod]\nregion = ap-northeast-1\nmax_attempts = 1\nendpoint_url = {}\n{}",
                self.endpoint,
                house.keys()
            ),
        );
        Aws::with(house.site(), Settings { ca_bundle, ..house.settings() })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// How a proxy answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Through,
    Refused(&'static str),
}

/// A proxy that leads everybody to one front, whatever name they ask for.
pub(crate) struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Proxy {
    async fn new(front: &Front, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), front.port);
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        let serving = spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let heard = Arc::clone(&heard);
                spawn(async move {
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        let Ok(byte) = near.read_u8().await else { return };
                        head.push(char::from(byte));
                    }
                    heard.lock().unwrap().push(head.lines().next().unwrap().to_owned());
                    let mut said = String::new();
                    match answer {
                        Answer::Through => {
                            said.push_str("HTTP/1.1 200 Connection established\r\n\r\n")
                        }
                        Answer::Refused(why) => {
                            write!(said, "HTTP/1.1 {why}\r\nContent-Length: 0\r\n\r\n").unwrap();
                        }
                    }
                    near.write_all(said.as_bytes()).await.unwrap();
                    if matches!(answer, Answer::Through) {
                        let mut far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                        drop(copy_bidirectional(&mut near, &mut far).await);
                    }
                });
            }
        });
        Self { port, asked, serving }
    }

    pub(crate) fn variable(&self) -> (&'static str, String) {
        ("HTTPS_PROXY", format!("http://127.0.0.1:{}", self.port))
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test tool has no Tasks")]
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(work)
}
