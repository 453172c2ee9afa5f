//! Others agree with us about the data channel: a third party's client with our simulator, our client with a third
//! party's server.
//!
//! ```text
//!   near end ─► aws-ssm-bridge ─► simulator ─► worker ─► far end
//!   near end ─► ssm-tunnel ─────► localemu ────────────► far end
//! ```
//!
//! Both ends speak at once.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test's own tasks end with its runtime")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bastion_e2e::{Plan, Running};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ssm_tunnel::{Closed, FirstByte, Grant, Never, Options, Tunnel};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the third-party client that cargo xtask test builds"]
async fn aws_ssm_bridge_forwards_1_mb_up_and_down_byte_exact() {
    let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = far.local_addr().unwrap().port();
    let house = Plan::without_config().route("far.internal:7000", port).lay().await;
    let sim = house.sim();
    let connected =
        sim.until(LIMIT, |sim| sim.tasks().iter().any(|task| task.of_service() && task.connected));
    assert!(connected.await, "the service keeps a task of its own");
    let task = sim.tasks().into_iter().find(|task| task.of_service() && task.connected).unwrap();
    let runtime = &task.container("bastion").unwrap().runtime_id;

    let mut bridge = house.inside(&peer("peer-ssm-bridge"));
    bridge.envs(sim.env());
    bridge.arg(format!("ecs:dev-cluster_{}_{runtime}", task.id)).args(["far.internal", "7000"]);
    let (bridge, told) = told(Running::start(&mut bridge)).await;
    assert_eq!(told["agent"], "3.3.0.0");

    let local = u16::try_from(told["port"].as_u64().unwrap()).unwrap();
    let near = TcpStream::connect(("127.0.0.1", local)).await.unwrap();
    converse(near, &far, 1_000_000).await;

    let session = told["session"].as_str().unwrap();
    assert_eq!(sim.gateway().session(session).unwrap().ended, None, "it waits for the next visit");
    let process = Pid::from_raw(i32::try_from(bridge.id().unwrap()).unwrap()).unwrap();
    kill_process(process, Signal::TERM).unwrap();
    bridge.finish().await.ok();
    assert!(sim.gateway().until(LIMIT, session, |view| view.ended.is_some()).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Python environment that cargo xtask test makes"]
async fn our_client_forwards_3_mb_through_localemus_session_server_byte_exact() {
    let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = far.local_addr().unwrap().port().to_string();
    let house = Plan::without_config().lay().await;
    let words = ["127.0.0.1", port.as_str()];
    let (server, told) = told(house.python("localemu_session_server.py", words)).await;
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    let grant = Grant {
        url: text("url"),
        token: text("token"),
        region: "ap-northeast-1".to_owned(),
        keys: None,
    };

    let (tunnel, driver) = Tunnel::open(grant, Options::default(), Arc::new(Never)).await.unwrap();
    let driving = tokio::spawn(driver);
    converse(tunnel.open_stream(FirstByte::AnyTime).await.unwrap(), &far, 3_000_000).await;
    // Another stream of the same session, which localemu keeps apart by its number alone.
    converse(tunnel.open_stream(FirstByte::AnyTime).await.unwrap(), &far, 10_000).await;

    tunnel.close().await;
    assert!(matches!(driving.await.unwrap(), Closed::ByUs));
    server.finish().await.ok();
}

/// As many bytes each way at once; then the near end closes, and the far end hears of it.
///
/// # Panics
/// When one byte is lost, changed or doubled, or it takes longer than the limit.
async fn converse(near: impl AsyncRead + AsyncWrite, far: &TcpListener, count: usize) {
    let (up, down) = (bytes(1, count), bytes(2, count));
    let near = async {
        let (mut read, mut write) = tokio::io::split(near);
        let mut heard = vec![0; count];
        let (said, came) = tokio::join!(write.write_all(&up), read.read_exact(&mut heard));
        said.unwrap();
        came.unwrap();
        assert!(heard == down, "what came down is what was sent");
    };
    let far = async {
        let (mut socket, _) = far.accept().await.unwrap();
        let (mut read, mut write) = socket.split();
        let (last, most) = down.split_last().unwrap();
        let mut heard = vec![0; count];
        let (said, came) = tokio::join!(write.write_all(most), read.read_exact(&mut heard));
        said.unwrap();
        came.unwrap();
        assert!(heard == up, "what came up is what was sent");
        // The near end closes when it has everything, which would cut off what is still on its way up.
        write.write_u8(*last).await.unwrap();
        let mut more = Vec::new();
        read.read_to_end(&mut more).await.unwrap();
        assert_eq!(more.len(), 0, "nothing comes twice");
    };
    let both = async { tokio::join!(near, far) };
    tokio::time::timeout(LIMIT, both).await.expect("all of it arrives in time");
}

/// Bytes without a pattern, the same ones for the same seed.
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// The one line of JSON with which a program tells that it is ready.
async fn told(mut program: Running) -> (Running, Value) {
    let mut line = String::new();
    let mut out = BufReader::new(program.child().stdout.take().unwrap());
    let read = tokio::time::timeout(LIMIT, out.read_line(&mut line));
    read.await.expect("it is ready in time").unwrap();
    match serde_json::from_str(&line) {
        Ok(told) => (program, told),
        Err(_) => panic!("{line}{}", program.finish().await),
    }
}

/// A program of `tests/peers`.
fn peer(name: &str) -> PathBuf {
    let dir = std::env::var_os("BASTION_PEERS_DIR").map(PathBuf::from);
    dir.expect("BASTION_PEERS_DIR is set (cargo xtask test builds what is in it)").join(name)
}

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
