//! Dialing: what the upgrade and the open message say, and how each way of failing is told.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test has no tasks of the daemon's")]

mod agent;
mod tls;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, Gate, Heard};
use ssm_tunnel::{
    BadAddress, Closed, FirstByte, Grant, Keys, Lost, Never, OpenError, Options, Proxies,
    ProxyFault, Roots, Trust, Tunnel,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

fn keys() -> Option<Keys> {
    Some(Keys {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: "secret".into(),
        session_token: Some("session".into()),
    })
}

#[tokio::test]
async fn the_upgrade_is_signed_and_the_open_message_brings_the_token() {
    let gate = Gate::open().await;
    let grant = Grant { keys: keys(), ..gate.grant() };
    let (opened, (headers, opening)) =
        tokio::join!(Tunnel::open(grant, Options::default(), Arc::new(Never)), async {
            // Only what was said is of interest here: the agent leaves without a word.
            let mut agent = gate.agent().await;
            let opening = agent.introduced().await;
            (agent.headers.clone(), opening)
        });
    assert!(matches!(opened.unwrap_err(), OpenError::Closed(Closed::Lost(_))));

    assert_eq!(headers["host"], format!("127.0.0.1:{}", gate.port()));
    assert_eq!(headers["x-amz-security-token"], "session");
    let authorization = headers["authorization"].to_str().unwrap();
    assert!(
        authorization.contains("/ap-northeast-1/ssmmessages/aws4_request, "),
        "{authorization}"
    );
    assert!(
        authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "),
        "{authorization}"
    );

    let fields = opening.as_object().unwrap();
    assert_eq!(fields.len(), 5, "{opening}");
    assert_eq!(opening["MessageSchemaVersion"], "1.0");
    assert_eq!(opening["TokenValue"], "TOKEN");
    assert_eq!(opening["ClientVersion"], "1.2.764.0");
    for id in ["RequestId", "ClientId"] {
        assert_eq!(opening[id].as_str().unwrap().len(), 36, "{opening}");
    }
    assert_ne!(opening["RequestId"], opening["ClientId"]);
}

#[tokio::test]
async fn a_presigned_address_or_a_grant_without_keys_goes_unsigned() {
    let gate = Gate::open().await;
    let presigned = Grant {
        url: format!("{}&X-Amz-Signature=abc", gate.grant().url),
        keys: keys(),
        ..gate.grant()
    };
    for grant in [presigned, gate.grant()] {
        let (_opened, headers) =
            tokio::join!(Tunnel::open(grant, Options::default(), Arc::new(Never)), async {
                gate.agent().await.headers.clone()
            });
        assert!(!headers.contains_key("authorization"));
        assert!(!headers.contains_key("x-amz-date"));
        assert!(!headers.contains_key("x-amz-security-token"));
    }
}

#[tokio::test]
async fn an_address_elsewhere_is_refused_before_anything_is_dialed() {
    let grant = Grant {
        url: "wss://ssmmessages.ap-northeast-1.amazonaws.com.evil.example/v1".into(),
        token: "TOKEN".into(),
        region: "ap-northeast-1".into(),
        keys: None,
    };
    let refused = Tunnel::open(grant, Options::default(), Arc::new(Never)).await.unwrap_err();
    assert!(matches!(refused, OpenError::Address(BadAddress::Host { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_refused_upgrade_tells_status_date_and_words() {
    let gate = Gate::open().await;
    let (opened, ()) =
        tokio::join!(Tunnel::open(gate.grant(), Options::default(), Arc::new(Never)), async {
            let mut tcp = gate.tcp().await;
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(tcp.read_u8().await.unwrap());
            }
            tcp.write_all(
                b"HTTP/1.1 403 Forbidden\r\nDate: Wed, 25 Nov 2026 20:00:00 GMT\r\n\
              Content-Length: 27\r\n\r\n{\"message\":\"token expired\"}",
            )
            .await
            .unwrap();
        });
    let error = opened.unwrap_err();
    let OpenError::Upgrade { host, status, date, body } = error else { panic!("{error:?}") };
    assert_eq!((host.as_str(), status), ("127.0.0.1", 403));
    assert_eq!(date.as_deref(), Some("Wed, 25 Nov 2026 20:00:00 GMT"));
    assert_eq!(body, r#"{"message":"token expired"}"#);
}

#[tokio::test]
async fn what_is_no_http_or_nobody_at_all_is_told_apart() {
    let gate = Gate::open().await;
    let (opened, ()) =
        tokio::join!(Tunnel::open(gate.grant(), Options::default(), Arc::new(Never)), async {
            gate.tcp().await.write_all(b"SSH-2.0-somebody-else\r\n").await.unwrap();
        });
    let error = opened.unwrap_err();
    assert!(matches!(error, OpenError::WebSocket { .. }), "{error:?}");

    let grant = gate.grant();
    drop(gate);
    let error = Tunnel::open(grant, Options::default(), Arc::new(Never)).await.unwrap_err();
    assert!(matches!(error, OpenError::Connect { .. }), "{error:?}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn an_agent_that_never_shakes_hands_is_waited_for_15_s_and_the_session_limit_is_named() {
    let gate = Gate::open().await;
    let opening = tokio::spawn(Tunnel::open(gate.grant(), Options::default(), Arc::new(Never)));
    let mut agent = gate.agent().await;
    agent.introduced().await;

    tokio::time::pause();
    let start = Instant::now();
    let error = opening.await.unwrap().unwrap_err();

    assert!(
        matches!(error, OpenError::HandshakeDeadline { waited } if waited == Duration::from_secs(15)),
        "{error:?}"
    );
    assert!(error.to_string().contains("limit of sessions"), "{error}");
    assert!(start.elapsed() >= Duration::from_secs(14), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(16), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_host_that_takes_the_connection_and_says_nothing_is_given_up() {
    let gate = Gate::open().await;
    let opening = tokio::spawn(Tunnel::open(gate.grant(), Options::default(), Arc::new(Never)));
    let silent = gate.tcp().await;

    tokio::time::pause();
    let error = opening.await.unwrap().unwrap_err();

    assert!(matches!(error, OpenError::DialDeadline { .. }), "{error:?}");
    drop(silent);
}

#[tokio::test]
async fn a_session_that_the_service_ends_during_the_handshake_says_why() {
    let gate = Gate::open().await;
    let (opened, ()) =
        tokio::join!(Tunnel::open(gate.grant(), Options::default(), Arc::new(Never)), async {
            let mut agent = gate.agent().await;
            agent.introduced().await;
            agent.channel_closed("Forwarding to IP address 169.254.169.254 is forbidden.").await;
            agent.hang_up(1000, "").await;
            while agent.hear().await != Heard::Gone {}
        });
    let error = opened.unwrap_err();
    assert!(
        matches!(&error, OpenError::Closed(Closed::ByService { output }) if output.ends_with("forbidden.")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_websocket_that_closes_during_the_handshake_says_how() {
    let gate = Gate::open().await;
    let (opened, ()) =
        tokio::join!(Tunnel::open(gate.grant(), Options::default(), Arc::new(Never)), async {
            let mut agent = gate.agent().await;
            agent.introduced().await;
            agent.hang_up(1008, "token used").await;
            while agent.hear().await != Heard::Gone {}
        });
    let error = opened.unwrap_err();
    assert!(
        matches!(
            &error,
            OpenError::Closed(Closed::Lost(Lost::Closed { code: 1008, reason })) if reason == "token used"
        ),
        "{error:?}"
    );
}

/// A grant for the gate over TLS, and options that list it.
fn over_tls(gate: &Gate, roots: Roots) -> (Grant, Options) {
    let host = format!("localhost:{}", gate.port());
    let grant = Grant { url: format!("wss://{host}/v1/data-channel/s"), ..gate.grant() };
    (grant, Options { extra_hosts: vec![host], trust: Trust::new(roots), ..Options::default() })
}

/// A driven tunnel to an agent behind TLS that echoes.
async fn echoing_over_tls(gate: &Gate, grant: Grant, options: Options) -> Tunnel {
    let shaking = async {
        let carrier = tls::acceptor().accept(gate.tcp().await).await.unwrap();
        let mut agent = Agent::upgrade(Box::new(carrier)).await;
        drop(agent.shake_hands("3.3.0.0").await);
        agent
    };
    let (opened, agent) = tokio::join!(Tunnel::open(grant, options, Arc::new(Never)), shaking);
    let (tunnel, driver) = opened.unwrap();
    drop(tokio::spawn(driver));
    drop(tokio::spawn(agent.echo()));
    tunnel
}

#[tokio::test]
async fn a_listed_endpoint_with_a_trusted_certificate_is_spoken_to_over_tls() {
    let gate = Gate::open().await;
    let (grant, options) = over_tls(&gate, Roots::Bundle(tls::file("ca.pem")));
    let tunnel = echoing_over_tls(&gate, grant, options).await;

    let sent = agent::pattern(500_000);
    let mut received = vec![0; sent.len()];
    let (mut reader, mut writer) =
        tokio::io::split(tunnel.open_stream(FirstByte::AnyTime).await.unwrap());
    let (wrote, read) = tokio::join!(writer.write_all(&sent), reader.read_exact(&mut received));
    wrote.unwrap();
    read.unwrap();
    assert!(sent == received);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_before_the_token_is_sent() {
    let gate = Gate::open().await;
    // The server's own certificate is no root for itself.
    let (grant, options) = over_tls(&gate, Roots::System);
    let (opened, accepted) = tokio::join!(Tunnel::open(grant, options, Arc::new(Never)), async {
        tls::acceptor().accept(gate.tcp().await).await
    });
    let error = opened.unwrap_err();
    let OpenError::Tls { issuer: Some(issuer), .. } = &error else { panic!("{error:?}") };
    assert_eq!(issuer, "Test CA of ssm-tunnel");
    assert!(accepted.is_err());
}

#[tokio::test]
async fn a_bundle_that_holds_no_certificate_is_told_as_such() {
    let gate = Gate::open().await;
    for file in ["key.pem", "nowhere.pem"] {
        let (grant, options) = over_tls(&gate, Roots::Bundle(tls::file(file)));
        let error = Tunnel::open(grant, options, Arc::new(Never)).await.unwrap_err();
        assert!(matches!(error, OpenError::Roots(_)), "{error:?}");
    }
}

/// A proxy that lets one client through to `port` of this machine, if it asks as it should; what it was asked.
async fn proxy(gate: TcpListener, port: u16, answer: &'static str) -> String {
    let (mut near, _from) = gate.accept().await.unwrap();
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(near.read_u8().await.unwrap());
    }
    near.write_all(answer.as_bytes()).await.unwrap();
    if answer.contains(" 200 ") {
        let mut far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        drop(tokio::spawn(async move {
            // However it ends, the proxy has nothing to add.
            let _how = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        }));
    }
    String::from_utf8(asked).unwrap()
}

/// Options that go through a proxy, and where it listens.
async fn through_a_proxy(options: Options) -> (Options, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://me:pass%20word@{}", listener.local_addr().unwrap());
    let proxies = Proxies::from_env(|name| (name == "HTTPS_PROXY").then(|| url.clone())).unwrap();
    (Options { proxies, ..options }, listener)
}

#[tokio::test]
async fn a_tunnel_goes_through_the_proxy_with_its_own_tls_inside() {
    let gate = Gate::open().await;
    let (grant, options) = over_tls(&gate, Roots::Bundle(tls::file("ca.pem")));
    let (options, listener) = through_a_proxy(options).await;
    let proxying = tokio::spawn(proxy(listener, gate.port(), "HTTP/1.1 200 OK\r\n\r\n"));
    let tunnel = echoing_over_tls(&gate, grant, options).await;
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    stream.write_all(b"!").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
    let asked = proxying.await.unwrap();
    assert!(
        asked.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", gate.port())),
        "{asked}"
    );
    assert!(asked.contains("\r\nProxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n"), "{asked}");
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_not_there_is_told_with_its_name_and_without_its_password() {
    let gate = Gate::open().await;
    let (grant, options) = over_tls(&gate, Roots::Bundle(tls::file("ca.pem")));
    let (options, listener) = through_a_proxy(options).await;
    let name = listener.local_addr().unwrap().to_string();
    let proxying = proxy(listener, 0, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let opening = Tunnel::open(grant.clone(), options.clone(), Arc::new(Never));
    let (opened, _asked) = tokio::join!(opening, proxying);
    let error = opened.unwrap_err();
    let OpenError::Proxy { proxy, fault: ProxyFault::Refused { status: 407, .. }, .. } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(*proxy, name);
    assert!(!format!("{error:?} {error}").contains("word"), "{error:?}");

    let error = Tunnel::open(grant, options, Arc::new(Never)).await.unwrap_err();
    assert!(matches!(error, OpenError::Proxy { fault: ProxyFault::Connect(_), .. }), "{error:?}");
}

#[tokio::test]
async fn this_machine_is_never_dialed_through_a_proxy() {
    let gate = Gate::open().await;
    let (options, _listener) = through_a_proxy(Options::default()).await;
    let (_tunnel, _driver, _agent) = gate.tunnel(options).await;
}
