//! What only the running daemon has seen: bastions that went, tunnels that ended, databases that do not answer.

use std::io::Write;
use std::time::Duration;

use bastion_api::State;
use bastion_e2e::knock::{SSL_REQUEST, answer, connect};
use bastion_e2e::{House, Plan, until};
use bastion_sim::gateway::Mishap;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::world::{Kept, World};

pub(super) fn worlds() -> Vec<World> {
    vec![
        World::new("somebody stopped the task of a visit", &["D14"]).plan(answered).deed(|house| {
            Box::pin(async { stopped(house, "UserInitiated", "Task stopped by somebody").await })
        }),
        World::new("AWS retired the task of a visit", &["D14"]).plan(answered).deed(|house| {
            Box::pin(async { stopped(house, "TerminationNotice", "Scheduled maintenance").await })
        }),
        World::new("the agent takes no session", &["D20"])
            .plan(|plan| plan.sim(|sim| sim.session.workers_limit = 0).start_timeout("90s"))
            .opened(),
        World::cdk("the service's agent takes one session where two are wanted", &["D20"])
            .plan(|plan| {
                let plan = plan.route(bastion_e2e::plan::DEV_MYSQL, server(b"N"));
                plan.sim(|sim| sim.session.workers_limit = 1).start_timeout("90s")
            })
            .deed(|house| {
                Box::pin(async {
                    let stands = |sim: &bastion_sim::Sim| {
                        sim.tasks().iter().any(|task| task.of_service() && task.connected)
                    };
                    assert!(house.sim().until(LONG, stands).await);
                    drop(house.ctl(&["open", "dev-mysql", "--fan-out", "2"]).await);
                    Box::new(()) as Kept
                })
            })
            .told(&["1 tunnel", "tunnels_per_bastion = 1"]),
        World::new("somebody ended the session of a visit", &["D23"])
            .plan(answered)
            .deed(|house| Box::pin(async { session_ended(house, "Terminated by somebody").await })),
        World::new("the account's longest session time was over", &["D23"]).plan(answered).deed(
            |house| {
                Box::pin(async {
                    session_ended(house, "Session has reached its maximum duration").await
                })
            },
        ),
        World::new("a visit was silent for too long", &["D31"])
            .config("engine = \"postgres\"\n", "engine = \"postgres\"\nsilent_after = \"1m\"\n")
            .plan(|plan| answered(plan).idle("1s"))
            .deed(|house| {
                Box::pin(async {
                    let visit = answered_visit(house).await;
                    troubled(house, "D31").await;
                    Box::new(visit) as Kept
                })
            })
            .told(&["silent"]),
        World::new("the database refuses the bastion", &["D24"])
            .plan(|plan| {
                let nobody = xtask::place::free_port().unwrap();
                plan.route(bastion_e2e::plan::PROD_DB, nobody)
            })
            .deed(|house| Box::pin(async { visited(house, "D24").await })),
        World::new("the database takes the bastion and says nothing", &["D24"])
            .config("[site.prod]\n", "[site.prod]\nfirst_byte_timeout = \"2s\"\n")
            .plan(|plan| plan.route(bastion_e2e::plan::PROD_DB, server(b"")))
            .deed(|house| Box::pin(async { visited(house, "D24").await })),
        World::new(
            "the database's name is unknown in the VPC, and nobody has visited it",
            &["D25"],
        )
        .opened()
        .told(&["neuraknot-prod-db", "no such host"]),
        World::new("the database's name is unknown in the VPC", &["D25"])
            .config("rds = \"neuraKnot-prod-db\"", "host = \"nowhere.internal\"\nport = 5432")
            .deed(|house| Box::pin(async { visited(house, "D25").await })),
    ]
}

/// A visit whose task is stopped under it.
async fn stopped(house: &House, code: &str, reason: &str) -> Kept {
    let visit = answered_visit(house).await;
    assert!(house.sim().stop_task(&house.task().arn, code, reason));
    troubled(house, "D14").await;
    Box::new(visit)
}

/// A visit whose session is ended under it.
async fn session_ended(house: &House, output: &str) -> Kept {
    let visit = answered_visit(house).await;
    let over = Mishap::End { output: output.to_owned() };
    until("a session that can be ended", LONG, async || {
        (house.sim().gateway().befall_all(&over) > 0).then_some(())
    })
    .await;
    troubled(house, "D23").await;
    Box::new(visit)
}

/// A visit that does not get to its database.
async fn visited(house: &House, code: &str) -> Kept {
    let visit = visit(house).await;
    troubled(house, code).await;
    Box::new(visit)
}

/// A PostgreSQL client that has said its first words.
async fn visit(house: &House) -> TcpStream {
    let mut visit = connect(house.port("prod-db")).await;
    visit.write_all(&SSL_REQUEST).await.unwrap();
    visit
}

/// A visit that goes through.
async fn answered_visit(house: &House) -> TcpStream {
    let mut visit = visit(house).await;
    assert_eq!(answer(&mut visit, 1, LONG).await, b"N");
    house.until_state("prod-db", State::Ready).await;
    visit
}

/// Waits until the daemon has noticed.
async fn troubled(house: &House, code: &str) {
    until(code, LONG, async || {
        let events = house.ctl(&["events", "--json"]).await;
        let target = house.target("prod-db").await;
        let known = target.problems.iter().any(|problem| problem.code == code);
        (known || events.out.contains(&format!("\"{code}\""))).then_some(())
    })
    .await;
}

/// A database that says no to TLS and then waits for more.
fn answered(plan: Plan) -> Plan {
    plan.route(bastion_e2e::plan::PROD_DB, server(b"N"))
}

/// A server that says this to everybody, for as long as this process lives.
fn server(words: &'static [u8]) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            stream.write_all(words).ok();
            held.push(stream);
        }
    });
    port
}

/// Longer than a visit has to be silent.
const LONG: Duration = Duration::from_secs(90);
