//! What a visit costs that waits for its bastion.

use std::fs;
use std::time::Duration;

use bastion_e2e::knock::{SSL_REQUEST, connect};
use bastion_e2e::{House, Plan, configs, until};
use bastion_sim::{Fault, What};
use tokio::io::AsyncWriteExt;

/// Beside which the allocator's and the roster's own growth is small.
const CROWD: usize = 1000;

/// The promise, in bytes.
const COSTS: u64 = 16 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_waits_costs_no_more_than_16_kb() {
    let house = Plan::new(configs::SCRIPT_WAY).start_timeout("120s").build().await;
    let held = What::Held { name: "start".to_owned(), before: true };
    house.sim().faults().add(Fault::on("RunTask", held));
    let mut waiting = Vec::new();
    // What is made once for all is made by the first.
    come(&house, &mut waiting, 20).await;
    let before = resident(&house);
    come(&house, &mut waiting, CROWD).await;
    let each = (resident(&house) - before) / CROWD as u64;
    println!("a waiting visit costs {each} bytes");
    assert!(each <= COSTS, "a waiting visit costs {each} bytes");
    drop(waiting);
    house.sim().faults().clear();
    house.sim().faults().release("start");
}

/// So many more visitors, all of whom wait.
async fn come(house: &House, waiting: &mut Vec<tokio::net::TcpStream>, many: usize) {
    for _ in 0..many {
        let mut stream = connect(house.port("prod-db")).await;
        stream.write_all(&SSL_REQUEST).await.unwrap();
        waiting.push(stream);
    }
    until("everybody waiting", Duration::from_secs(60), async || {
        (house.target("prod-db").await.visits.len() == waiting.len()).then_some(())
    })
    .await;
}

/// The daemon's resident memory, in bytes.
fn resident(house: &House) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", house.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
