//! Somebody who never disconnects: a visit that moves nothing holds its bastion for a while, and then no longer.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use bastion_api::AuditRecord;
use bastion_api::client::LedgerWanted;
use bastion_e2e::knock::connect;
use bastion_e2e::{House, Plan, configs, databases, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const IDLE: Duration = Duration::from_secs(2);
/// The config takes no less.
const SILENT_AFTER: Duration = Duration::from_secs(60);
/// A tick of the keeper's, and what a loaded machine adds.
const SLACK: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_left_open_is_closed_with_its_name_and_the_reason_and_its_bastion_is_stopped()
 {
    let config = format!("{}silent_after = \"1m\"\n", configs::SCRIPT_WAY);
    let house = Plan::new(&config).postgres().idle("2s").build().await;
    let left_open = house.psql("prod-db", "SELECT pg_sleep(603)");
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(603)'";
    until("the query", Duration::from_secs(60), async || {
        (databases::postgres().sql("postgres", asked).unwrap().trim() == "1").then_some(())
    })
    .await;
    let early = house.sim().until(SILENT_AFTER - IDLE, |sim| sim.count("StopTask") > 0).await;
    assert!(!early, "it holds its bastion for a while");

    house.until_called("StopTask", 1, IDLE + IDLE + SLACK).await;

    let ended = left_open.finish().await;
    assert!(!ended.status.success(), "{ended}");
    let visits = visits(&house).await;
    assert!(visits.iter().any(|ended| ended.contains("nobody used it")), "{visits:?}");
    let log = house.log();
    assert!(log.contains("D31"), "{log}");
    let events = house.ctl(&["events"]).await;
    assert!(events.ok().contains("the visitor was psql (pid"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_closed_its_side_holds_nothing_though_the_database_does_not_notice() {
    // A server that reads to the end, and then keeps its side open.
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let serving = async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = server.accept().await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            held.push(stream);
        }
    };
    let config = configs::SCRIPT_WAY.replace(
        "rds = \"neuraKnot-prod-db\"\nengine = \"postgres\"",
        "host = \"slow.internal\"\nport = 7000\nengine = \"other\"",
    );
    let story = async {
        let house = Plan::new(&config).route("slow.internal:7000", port).idle("2s").build().await;
        let mut visit = connect(house.port("prod-db")).await;
        visit.write_all(b"PING").await.unwrap();
        let mut hello = [0; 5];
        visit.read_exact(&mut hello).await.unwrap();
        visit.shutdown().await.unwrap();
        // Without that, the agent's half minute would come before the idle time.
        house.until_called("StopTask", 1, IDLE + SLACK).await;
        drop(visit);
    };
    tokio::select! {
        () = story => {}
        () = serving => {}
    }
}

/// How the visits in the ledger have ended.
async fn visits(house: &House) -> Vec<String> {
    until("the visit in the ledger", Duration::from_secs(20), async || {
        let audit = house.client().audit(&LedgerWanted::default()).await.unwrap();
        let ended: Vec<String> = audit.records.into_iter().filter_map(ended).collect();
        (!ended.is_empty()).then_some(ended)
    })
    .await
}

fn ended(record: AuditRecord) -> Option<String> {
    match record {
        AuditRecord::Visit(visit) => Some(visit.ended),
        AuditRecord::Refused(_)
        | AuditRecord::BastionStarted(_)
        | AuditRecord::BastionEnded(_)
        | AuditRecord::TunnelOpened(_)
        | AuditRecord::TunnelClosed(_)
        | AuditRecord::Unknown => None,
    }
}
