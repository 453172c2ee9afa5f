//! The newcomer's path, in a terminal of 80 columns: from an AWS login and nothing else to a row in psql, and back.
//!
//! Every screen is kept in `target/tmp/newcomer`.

use std::path::Path;
use std::time::Duration;

use bastion_api::State;
use bastion_e2e::terminal::Terminal;
use bastion_e2e::{Plan, until};

#[tokio::test(flavor = "multi_thread")]
async fn from_a_login_alone_to_a_row_in_psql_and_back() {
    let house = Plan::without_config().postgres().lay().await;
    let album = Path::new(env!("CARGO_TARGET_TMPDIR")).join("newcomer");
    let terminal = Terminal::open(&house, &album);

    terminal.enter("bastionctl init");
    terminal.until("number [1]:", SOON).await;
    terminal.keep("init-asks-where");
    terminal.enter("2");
    terminal.until("Which databases", SOON).await;
    terminal.keep("init-asks-which");
    terminal.enter("");
    terminal.until("Add it? [y/N]", SOON).await;
    terminal.keep("init-asks-whether");
    terminal.enter("y");
    terminal.until("as a service", SOON).await;
    terminal.keep("init-offers-the-service");
    // The machine of a test has no service manager of its own.
    terminal.enter("n");
    terminal.until("next:", SOON).await;
    terminal.keep("init-is-done");

    terminal.enter("clear; bastiond 2> bastiond.log &");
    until("the daemon's first answer", SOON, async || house.client().health().await.ok()).await;
    terminal.enter("clear; bastionctl status");
    terminal.until("IDLE STOP", SOON).await;
    terminal.keep("status");
    assert_eq!(house.target(TARGET).await.state, State::Cold);
    assert_eq!(house.sim().running(), 0, "nothing is started before somebody comes");

    terminal.enter(&format!("clear; bastionctl open {TARGET}"));
    terminal.until("bastionctl password", START).await;
    terminal.keep("open");
    terminal.enter(&format!("clear; bastionctl psql {TARGET} -- -c 'SELECT 6 * 7 AS answer'"));
    terminal.until("(1 row)", START).await;
    assert!(terminal.shows().contains("42"), "{}", terminal.shows());
    terminal.keep("psql");

    terminal.enter("clear; bastionctl top");
    terminal.until(TARGET, SOON).await;
    terminal.until("ready", SOON).await;
    terminal.keep("top");
    terminal.key("q");
    // What top has drawn is gone, and the shell is as it was.
    terminal.enter(&format!("clear; bastionctl close {TARGET}; echo closed with $?"));
    terminal.until("closed with 0", SOON).await;
    terminal.keep("close");
    assert!(house.sim().until(START, |sim| sim.running() == 0).await, "the task is stopped");

    terminal.enter("clear; kill %1; wait %1; echo daemon ended with $?");
    terminal.until("daemon ended with 0", SOON).await;
}

/// The database of the script way, as init calls it.
const TARGET: &str = "neuraknot-prod-db";
/// How long something may take that asks nobody far away; the machine may be busy.
const SOON: Duration = Duration::from_secs(20);
/// How long a simulated start may take.
const START: Duration = Duration::from_secs(45);
