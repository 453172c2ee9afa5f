//! The tunnel against the simulator: a real gateway that checks the signature, a real worker process, real destinations.
//!
//! The worker is this very program under the worker's name, so that nothing has to be built beside the test.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test has no tasks of the daemon's")]
#![expect(clippy::print_stdout, reason = "it is its own harness")]

#[path = "simulated/cuts.rs"]
mod cuts;
#[path = "simulated/stage.rs"]
mod stage;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bastion_sim::container::WORKER;
use ssm_tunnel::{Closed, FirstByte, Grant, Never, OpenError, Options, StreamEnd, Tunnel};
use stage::{STORY, Stage, echo, pattern, there_and_back};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

type Story = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// Every story, by its name.
const STORIES: &[(&str, Story)] = &[
    ("three_megabytes_go_up_and_come_down_unchanged", || {
        Box::pin(three_megabytes_go_up_and_come_down_unchanged())
    }),
    ("a_lossy_slow_line_loses_nothing", || Box::pin(a_lossy_slow_line_loses_nothing())),
    ("an_answer_after_the_visitor_has_shut_down_arrives", || {
        Box::pin(an_answer_after_the_visitor_has_shut_down_arrives())
    }),
    ("a_destination_that_refuses_is_told_and_the_tunnel_goes_on", || {
        Box::pin(a_destination_that_refuses_is_told_and_the_tunnel_goes_on())
    }),
    ("a_name_that_nobody_knows_ends_the_tunnel_with_the_agents_words", || {
        Box::pin(a_name_that_nobody_knows_ends_the_tunnel_with_the_agents_words())
    }),
    ("a_third_session_of_a_container_meets_the_handshake_deadline", || {
        Box::pin(a_third_session_of_a_container_meets_the_handshake_deadline())
    }),
    ("a_wrong_key_or_no_key_is_refused_at_the_upgrade", || {
        Box::pin(a_wrong_key_or_no_key_is_refused_at_the_upgrade())
    }),
    ("cuts_at_random_places_lose_no_byte_on_one_stream", || Box::pin(cuts::on_streams(1))),
    ("cuts_at_random_places_lose_no_byte_on_eight_streams", || Box::pin(cuts::on_streams(8))),
    ("closing_ends_the_session_at_the_gateway", || {
        Box::pin(closing_ends_the_session_at_the_gateway())
    }),
];

fn main() -> ExitCode {
    let own_name = std::env::args().next().unwrap_or_default();
    if Path::new(&own_name).file_name().is_some_and(|name| name == WORKER) {
        return bastion_sim::agent::worker::run(std::env::args());
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    let stories: Vec<_> = STORIES.iter().filter(|(name, _)| is_wanted(name)).collect();
    println!("\nrunning {} tests", stories.len());
    for (name, story) in &stories {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::time::timeout(STORY * cuts::length(), story()).await.unwrap()
        });
        println!("test {name} ... ok");
    }
    let left_out = STORIES.len() - stories.len();
    println!(
        "\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; {left_out} filtered out\n",
        stories.len()
    );
    ExitCode::SUCCESS
}

async fn three_megabytes_go_up_and_come_down_unchanged() {
    let stage = Stage::set(|_| {}).await;
    let (tunnel, _driving) = stage.tunnel("127.0.0.1", echo().await).await;
    assert_eq!(tunnel.agent_version(), "3.3.0.0");
    there_and_back(&tunnel, 3_000_000).await;
}

async fn a_lossy_slow_line_loses_nothing() {
    let stage = Stage::set(|settings| {
        for wire in [&mut settings.up, &mut settings.down] {
            wire.delay = Duration::from_millis(5);
            wire.loss = 0.01;
            wire.doubling = 0.01;
            wire.reordering = 0.01;
        }
    })
    .await;
    let (tunnel, _driving) = stage.tunnel("127.0.0.1", echo().await).await;
    there_and_back(&tunnel, 300_000).await;
}

async fn an_answer_after_the_visitor_has_shut_down_arrives() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        let (mut tcp, _from) = listener.accept().await.unwrap();
        let mut question = [0; 8];
        tcp.read_exact(&mut question).await.unwrap();
        // The agent would have closed by now, had a FIN come behind the question.
        tcp.write_all(&pattern(200_000)).await.unwrap();
    });
    let stage = Stage::set(|_| {}).await;
    let (tunnel, _driving) = stage.tunnel("127.0.0.1", port).await;

    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    stream.write_all(b"question").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();

    assert!(answer == pattern(200_000));
    assert_eq!(stream.ended(), Some(StreamEnd::Finished));
    answering.await.unwrap();
}

async fn a_destination_that_refuses_is_told_and_the_tunnel_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let stage = Stage::set(|_| {}).await;
    let (tunnel, _driving) = stage.tunnel("127.0.0.1", address.port()).await;

    let mut refused = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let error = refused.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(refused.ended(), Some(StreamEnd::DialFailed));

    let listener = TcpListener::bind(address).await.unwrap();
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let (mut tcp, _from) = listener.accept().await.unwrap();
    tcp.write_all(b"!").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
}

async fn a_name_that_nobody_knows_ends_the_tunnel_with_the_agents_words() {
    let stage = Stage::set(|_| {}).await;
    let grant = stage.grant("nowhere.invalid", 5432);
    // The agent may look the name up before or after the handshake is complete.
    let closed = match Tunnel::open(grant, Options::default(), Arc::new(Never)).await {
        Ok((_tunnel, driver)) => driver.await,
        Err(OpenError::Closed(closed)) => closed,
        Err(error) => panic!("{error:?}"),
    };
    let Closed::ByService { output } = closed else { panic!("{closed:?}") };
    assert!(output.contains("nowhere.invalid"), "{output}");
}

async fn a_third_session_of_a_container_meets_the_handshake_deadline() {
    let stage = Stage::set(|_| {}).await;
    let port = echo().await;
    let _first = stage.tunnel("127.0.0.1", port).await;
    let _second = stage.tunnel("127.0.0.1", port).await;
    let options = Options { handshake: Duration::from_millis(300), ..Options::default() };
    let error =
        Tunnel::open(stage.grant("127.0.0.1", port), options, Arc::new(Never)).await.unwrap_err();
    assert!(matches!(error, OpenError::HandshakeDeadline { .. }), "{error:?}");
}

async fn a_wrong_key_or_no_key_is_refused_at_the_upgrade() {
    let stage = Stage::set(|_| {}).await;
    let wrong = |grant: &mut Grant| grant.keys.as_mut().unwrap().secret_access_key.push('x');
    let none = |grant: &mut Grant| grant.keys = None;
    for spoil in [&wrong as &dyn Fn(&mut Grant), &none] {
        let mut grant = stage.grant("127.0.0.1", 1);
        spoil(&mut grant);
        let error = Tunnel::open(grant, Options::default(), Arc::new(Never)).await.unwrap_err();
        assert!(matches!(error, OpenError::Upgrade { status: 400..=403, .. }), "{error:?}");
    }
}

async fn closing_ends_the_session_at_the_gateway() {
    let stage = Stage::set(|_| {}).await;
    let (tunnel, driving) = stage.tunnel("127.0.0.1", echo().await).await;
    tunnel.close().await;
    assert!(matches!(driving.await.unwrap(), Closed::ByUs));
    let ended = stage
        .sim
        .until(STORY, |sim| sim.gateway().sessions().iter().all(|session| session.ended.is_some()));
    assert!(ended.await, "the session lives on");
}
