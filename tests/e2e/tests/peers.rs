//! Who visits: the daemon's own user is let in, another one is not, and the ledger names both.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::time::Duration;

use bastion_api::client::EventsWanted;
use bastion_api::client::LedgerWanted;
use bastion_api::{AuditRecord, EventKind, RefusedRecord, VisitRecord};
use bastion_e2e::{House, Plan, Running, configs, databases, until};

/// A visit takes two seconds where a bastion has to be started; this is for the worst of machines.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nobody, on every Linux and macOS that has it under this number; any number but our own would do.
const STRANGER: u32 = 65534;

#[tokio::test(flavor = "multi_thread")]
async fn another_user_is_refused_and_starts_nothing_and_the_same_user_is_let_in_and_both_are_named()
{
    let house = House::script_way().await;
    let Some(knock) = stranger(&house, "prod-db").await else { return };
    assert_eq!(knock, "0", "the stranger got an answer");
    assert_eq!(house.sim().count("RunTask"), 0, "a stranger costs nothing");

    assert_eq!(house.psql("prod-db", "SELECT 1").finish().await.ok(), "1");

    // psql has gone before its visit is written down.
    let (visits, refused) = until("a visit in the ledger", PATIENCE, async || {
        Some(audit(&house).await).filter(|(visits, _)| !visits.is_empty())
    })
    .await;
    let [stranger] = &refused[..] else { panic!("{refused:#?}") };
    assert_eq!(stranger.visitor.uid, Some(STRANGER));
    assert_eq!(stranger.code.as_deref(), Some("D33"));
    let [visit] = &visits[..] else { panic!("{visits:#?}") };
    assert_eq!(visit.visitor.uid, Some(rustix::process::geteuid().as_raw()));
    assert_eq!(visit.visitor.program.as_deref(), Some("psql"), "{visit:#?}");
    assert!(visit.visitor.pid.is_some() && visit.bytes_in > 0 && visit.bytes_out > 0, "{visit:#?}");

    let mut told = house.client().events(&EventsWanted::default()).await.unwrap();
    let mut why = None;
    while let Some(event) = told.next().await.unwrap() {
        why = why.or(event.problem.filter(|_| event.kind == EventKind::VisitRefused));
    }
    let why = why.expect("the refusal is told");
    assert!(why.hints.iter().any(|hint| hint.contains("allow = [\"any\"]")), "{why:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_user_is_let_in_where_the_config_says_so() {
    let config = format!("{}allow = [\"any\"]\n", configs::SCRIPT_WAY);
    let house = Plan::new(&config).postgres().build().await;
    let Some(knock) = stranger(&house, "prod-db").await else { return };
    assert_eq!(knock, "1", "the database answers a stranger, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_names_the_programs_that_are_connected_and_close_lists_them() {
    let house = House::script_way().await;
    let long = house.psql("prod-db", "SELECT pg_sleep(601)");
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(601)'";
    until("the query", PATIENCE, async || {
        (databases::postgres().sql("postgres", asked).unwrap().trim() == "1").then_some(())
    })
    .await;
    let visits = until("the visit's program", PATIENCE, async || {
        let visits = house.target("prod-db").await.visits;
        visits.iter().any(|visit| visit.program.is_some()).then_some(visits)
    })
    .await;
    assert_eq!((visits[0].program.as_deref(), visits[0].pid), (Some("psql"), long.id()));
    let said = house.ctl(&["close", "prod-db"]).await;
    assert_eq!(said.code(), Some(1), "{said}");
    assert!(said.err.contains(&format!("psql (pid {})", long.id().unwrap())), "{said}");
    house.ctl(&["close", "prod-db", "--yes"]).await.ok();
    let ended = long.finish().await;
    assert!(!ended.status.success(), "{ended}");
}

/// What another user gets as an answer to an SSLRequest, counted in bytes; none where this machine lets us be nobody else.
async fn stranger(house: &House, target: &str) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        // Only root becomes another user without a password.
        let why = "skipped: the story needs a second user, and only root may become one";
        writeln!(std::io::stderr(), "{why}").ok();
        return None;
    }
    let port = house.port(target);
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf '\\0\\0\\0\\010\\004\\322\\026/' >&3; head -c 1 <&3 | wc -c"
    );
    let mut command = house.tool("setpriv");
    let id = STRANGER.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "bash", "-c", &script]);
    Some(Running::start(&mut command).finish().await.out.trim().to_owned())
}

async fn audit(house: &House) -> (Vec<VisitRecord>, Vec<RefusedRecord>) {
    let audit = house.client().audit(&LedgerWanted::default()).await.unwrap();
    let (mut visits, mut refused) = (Vec::new(), Vec::new());
    for record in audit.records {
        match record {
            AuditRecord::Visit(visit) => visits.push(visit),
            AuditRecord::Refused(it) => refused.push(it),
            AuditRecord::BastionStarted(_)
            | AuditRecord::BastionEnded(_)
            | AuditRecord::TunnelOpened(_)
            | AuditRecord::TunnelClosed(_)
            | AuditRecord::Unknown => {}
        }
    }
    (visits, refused)
}
