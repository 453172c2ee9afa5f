//! What one more idle tunnel costs in resident memory, TLS included, with the agents in a process of their own.
//!
//! ```text
//! cargo run --release -p ssm-tunnel --example idle -- 50        tunnels
//! ```
#![expect(clippy::unwrap_used, reason = "a tool for the workbench")]
#![expect(clippy::disallowed_methods, reason = "it has no tasks of the daemon's")]
#![expect(clippy::print_stdout, reason = "it prints figures")]

#[path = "../tests/agent/mod.rs"]
mod agent;
#[path = "../tests/tls/mod.rs"]
mod tls;

use std::io::BufRead as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use agent::{Agent, Gate};
use ssm_tunnel::{FirstByte, Grant, Never, Options, Roots, Trust, Tunnel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn main() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    let word = std::env::args().nth(1).unwrap_or_else(|| "50".into());
    if word == "agents" {
        runtime.block_on(agents());
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("agents")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let port: u16 = lines.next().unwrap().unwrap().parse().unwrap();
    runtime.block_on(measure(port, word.parse().unwrap()));
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn measure(port: u16, tunnels: usize) {
    let host = format!("localhost:{port}");
    let options = Options {
        trust: Trust::new(Roots::Bundle(tls::file("ca.pem"))),
        extra_hosts: vec![host.clone()],
        ..Options::default()
    };
    let mut held = Vec::new();
    for number in 0..=tunnels {
        let grant = Grant {
            url: format!("wss://{host}/v1/data-channel/s"),
            token: "TOKEN".into(),
            region: "ap-northeast-1".into(),
            keys: None,
        };
        let opened = Tunnel::open(grant, options.clone(), Arc::new(Never)).await;
        let (tunnel, driver) = opened.unwrap();
        drop(tokio::spawn(driver));
        // Each was used, and is idle again.
        let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
        stream.write_all(&[7; 50_000]).await.unwrap();
        stream.read_exact(&mut vec![0; 50_000]).await.unwrap();
        held.push(tunnel);
        if number == 0 || number == tunnels {
            println!("{} tunnels: {} KiB resident", number + 1, resident());
        }
    }
}

async fn agents() {
    let gate = Gate::open().await;
    println!("{}", gate.port());
    loop {
        let tcp = gate.tcp().await;
        drop(tokio::spawn(async move {
            let mut agent =
                Agent::upgrade(Box::new(tls::acceptor().accept(tcp).await.unwrap())).await;
            agent.shake_hands("3.3.0.0").await;
            agent.echo().await;
        }));
    }
}

/// Linux: proc_pid_statm, the second number, in pages.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
}
