//! What the ledger says is what happened: the bill of the simulated AWS, the visits, the tunnels; also after a restart.

use std::time::Duration;

use bastion_api::AuditRecord;
use bastion_api::client::LedgerWanted;
use bastion_e2e::{House, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_is_aws_own_bill_and_the_audit_has_the_whole_story_also_after_a_restart() {
    let mut house = House::script_way().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    let running = house.target("prod-db").await;
    assert!(running.today_usd.is_some(), "{running:#?}");
    house.ctl(&["close", "prod-db", "--yes"]).await.ok();
    house.until_nothing_runs(Duration::from_secs(30)).await;
    let bill: f64 =
        house.sim().bill().iter().filter(|it| !it.of_service).map(|it| it.billed_seconds).sum();

    let cost = until("the end in the ledger", Duration::from_secs(30), async || {
        let cost = house.client().cost(&LedgerWanted::default()).await.unwrap();
        (cost.total.bastions == 1 && cost.total.running == 0).then_some(cost)
    })
    .await;
    assert!((cost.total.seconds - bill).abs() <= 1.0, "{cost:#?}, and AWS bills {bill} s");
    let usd = cost.total.seconds / 3600.0 * 0.015_405;
    assert!(
        (cost.total.usd - usd).abs() < 1e-6 && cost.total.estimated_seconds == 0.0,
        "{cost:#?}"
    );

    house.stop().await;
    house.start().await;
    let again = house.client().cost(&LedgerWanted::default()).await.unwrap();
    assert_eq!((again.total, again.rows), (cost.total, cost.rows));
    let audit = house.client().audit(&LedgerWanted::default()).await.unwrap();
    let story: Vec<&str> = audit.records.iter().map(word).collect();
    for part in ["bastion started", "tunnel opened", "visit", "tunnel closed", "bastion ended"] {
        assert_eq!(story.iter().filter(|it| **it == part).count(), 1, "{part} in {story:?}");
    }
    let said = house.ctl(&["cost"]).await;
    assert!(said.ok().contains("prod-db") && said.err.contains("$0.0154 an hour"), "{said}");
    let said = house.ctl(&["audit", "--by", "day"]).await;
    assert!(said.ok().contains("1 psql"), "{said}");
}

fn word(record: &AuditRecord) -> &'static str {
    match record {
        AuditRecord::Visit(_) => "visit",
        AuditRecord::Refused(_) => "refused",
        AuditRecord::BastionStarted(_) => "bastion started",
        AuditRecord::BastionEnded(_) => "bastion ended",
        AuditRecord::TunnelOpened(_) => "tunnel opened",
        AuditRecord::TunnelClosed(_) => "tunnel closed",
        AuditRecord::Unknown => "unknown",
    }
}
