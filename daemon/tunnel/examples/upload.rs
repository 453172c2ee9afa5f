//! What an upload costs: megabytes a second and CPU seconds a gigabyte of the tunnel's own thread, against an agent that
//! takes all and acknowledges each message, in a thread of its own.
//!
//! ```text
//! cargo run --release -p ssm-tunnel --example upload -- 256        megabytes
//! ```
#![expect(clippy::unwrap_used, reason = "a tool for the workbench")]
#![expect(clippy::disallowed_methods, reason = "it has no tasks of the daemon's")]
#![expect(clippy::print_stdout, reason = "it prints figures")]

#[path = "../tests/agent/mod.rs"]
mod agent;

use std::sync::Arc;
use std::time::Instant;

use agent::{Gate, Heard};
use ssm_tunnel::{FirstByte, Never, Options, Tunnel};
use tokio::io::AsyncWriteExt as _;

fn main() {
    let megabytes: usize = std::env::args().nth(1).map_or(64, |text| text.parse().unwrap());
    let probing = std::env::args().nth(2).is_some_and(|word| word == "probing");
    let (tell, told) = std::sync::mpsc::channel();
    let far = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let gate = Gate::open().await;
            tell.send(gate.grant()).unwrap();
            let mut agent = gate.agent().await;
            agent.shake_hands("3.3.0.0").await;
            while !matches!(agent.hear().await, Heard::Gone | Heard::Closed(_)) {}
        });
    });
    let grant = told.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut options = Options::default();
        options.channel.probing = probing;
        let (tunnel, driver) = Tunnel::open(grant, options, Arc::new(Never)).await.unwrap();
        let driving = tokio::spawn(driver);
        let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
        let chunk = vec![7; 64 * 1024];
        let (start, cpu) = (Instant::now(), cpu_seconds());
        for _ in 0..megabytes * 16 {
            stream.write_all(&chunk).await.unwrap();
        }
        let (took, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let size = f64::from(u32::try_from(megabytes).unwrap()) * 1.048_576;
        println!("{:.1} MB/s, {:.2} CPU s/GB", size / took, cpu * 1000.0 / size);
        drop(stream);
        tunnel.close().await;
        driving.await.unwrap();
    });
    far.join().unwrap();
}

/// CPU seconds of this thread: Linux, proc_pid_schedstat.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
