//! The whole daemon on a line that breaks: real clients, and visits that stop reading beside visits that do not.

use std::time::{Duration, Instant};

use bastion_e2e::knock::connect;
use bastion_e2e::{House, Plan, Running, configs, plan, until};
use bastion_sim::gateway::Mishap;
use bastion_sim::{Fault, What};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::destination::{Destination, Head, Kind};
use super::talk::block;
use super::{LONG, is_long};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bye_every_three_seconds_fails_no_transaction_of_pgbench() {
    let plan = Plan::new(configs::SCRIPT_WAY).postgres();
    let house = plan.sim(|sim| sim.session.bye_every_ms = 3_000).build().await;
    let pgbench = |words: &[&str]| {
        let mut pgbench = house.libpq("pgbench", "prod-db");
        pgbench.args(words);
        Running::start(&mut pgbench)
    };
    pgbench(&["--initialize", "--scale=1", "--quiet"]).finish_within(2 * LONG).await.ok();
    let seconds = if is_long() { 60 } else { 10 };
    let time = format!("--time={seconds}");
    let run = pgbench(&["--no-vacuum", "--client=4", &time]).finish_within(3 * LONG).await;
    let said = run.ok();
    let failed = said.lines().find_map(|line| line.strip_prefix("number of failed transactions: "));
    assert!(failed.is_some_and(|failed| failed.starts_with("0 ")), "{said}");
    assert!(!run.err.contains("aborted") && !run.err.contains("error"), "{run}");
    let websockets: u64 = house.sim().gateway().sessions().iter().map(|one| one.clients).sum();
    assert!(websockets >= seconds / 4, "{websockets} websockets in {seconds} s");
}

/// A house in front of a destination that takes and gives blocks.
async fn house(destination: &Destination) -> House {
    // The stories are visitors themselves, who may have another account than the daemon.
    let config = format!("{}allow = [\"any\"]\n", configs::SCRIPT_WAY)
        .replace("engine = \"postgres\"", "engine = \"other\"");
    Plan::new(&config).route(plan::PROD_DB, destination.port).build().await
}

async fn visit(house: &House) -> TcpStream {
    let visit = connect(house.port("prod-db")).await;
    visit.set_nodelay(true).unwrap();
    visit
}

async fn small(visit: &mut TcpStream) -> Duration {
    let began = Instant::now();
    let asked = block(visit, Head { kind: Kind::Up, length: 100, seed: 3 });
    assert_eq!(tokio::time::timeout(LONG, asked).await.expect("it stalls").unwrap(), 0);
    began.elapsed()
}

/// The median of small questions of eight visits at once.
async fn small_by_eight(house: &House) -> Duration {
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let mut visit = visit(house).await;
        asking.spawn(async move {
            let mut times = Vec::new();
            for _ in 0..25 {
                times.push(small(&mut visit).await);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times
        });
    }
    let mut times: Vec<Duration> = asking.join_all().await.concat();
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_and_a_stalled_destination_delay_no_other_of_ten_visits() {
    let destination = Destination::start().await;
    let house = house(&destination).await;
    small(&mut visit(&house).await).await;
    let alone = small_by_eight(&house).await;

    let mut reader = visit(&house).await;
    reader
        .write_all(&Head { kind: Kind::Down, length: 100_000_000, seed: 1 }.write())
        .await
        .unwrap();
    let mut stuck = visit(&house).await;
    stuck.write_all(&Head { kind: Kind::Deaf, length: 0, seed: 1 }.write()).await.unwrap();
    let mut said = [0; 4];
    stuck.read_exact(&mut said).await.unwrap();
    let writing = tokio::spawn(async move { stuck.write_all(&vec![7; 64_000_000]).await });
    // Long enough that the tunnels know what they carry.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let beside = small_by_eight(&house).await;

    assert!(!writing.is_finished());
    assert!(
        beside <= 2 * alone + SLACK,
        "{beside:?} beside a stalled reader and a stalled destination, {alone:?} alone"
    );
    drop(reader);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_survives_an_expired_login_which_is_told_while_it_stands() {
    let destination = Destination::start().await;
    let house = house(&destination).await;
    let mut visit = visit(&house).await;
    small(&mut visit).await;
    house.sim().faults().add(Fault::on("ResumeSession", What::Expired));

    assert_eq!(house.sim().gateway().befall_all(&Mishap::CutClient), 1);

    problem(&house, "D18").await;
    house.sim().faults().clear();
    small(&mut visit).await;
    until("no problem", LONG, async || {
        house.target("prod-db").await.problems.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_that_is_not_permitted_ends_the_visit_and_says_which_statement_is_missing() {
    let destination = Destination::start().await;
    let house = house(&destination).await;
    let mut visit = visit(&house).await;
    small(&mut visit).await;
    let denied = What::AccessDenied { explicit: false, resource: None };
    house.sim().faults().add(Fault::on("ResumeSession", denied));

    house.sim().gateway().befall_all(&Mishap::CutClient);

    ends(&mut visit).await;
    // A new tunnel may have ended the problem already; that it was there is told for ever.
    let told = told(&house, "D19").await;
    assert!(told.contains("ssm:ResumeSession"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_over_ends_the_visit_and_the_next_has_another() {
    let destination = Destination::start().await;
    let house = house(&destination).await;
    let mut first = visit(&house).await;
    small(&mut first).await;

    let over = Mishap::End { output: "Terminated by somebody".to_owned() };
    assert_eq!(house.sim().gateway().befall_all(&over), 1);

    ends(&mut first).await;
    small(&mut visit(&house).await).await;
    assert_eq!(house.sim().count("RunTask"), 1, "the bastion is the same");
    told(&house, "D23").await;
}

/// The visit ends, by an end or a reset, and does not hang.
async fn ends(visit: &mut TcpStream) {
    let end = tokio::time::timeout(LONG, visit.read_u8()).await;
    assert!(end.expect("it hangs").is_err());
}

/// The event that names the problem of this code, once there is one.
async fn told(house: &House, code: &str) -> String {
    let told = until(code, LONG, async || {
        let events = house.ctl(&["events", "--json"]).await;
        let mut lines = events.ok().lines();
        lines.find(|line| line.contains(&format!("\"{code}\""))).map(str::to_owned)
    });
    told.await
}

/// The words of the target's problem of this code, once it has it.
async fn problem(house: &House, code: &str) -> String {
    let told = until(code, LONG, async || {
        let target = house.target("prod-db").await;
        let problem = target.problems.into_iter().find(|problem| problem.code == code);
        problem.map(|problem| format!("{problem:?}"))
    });
    told.await
}

/// Unoptimised programs on a machine busy with others.
const SLACK: Duration = Duration::from_millis(10);
