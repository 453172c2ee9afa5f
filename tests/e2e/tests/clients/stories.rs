//! What needs no matrix: what is answered while a client waits, and what never starts anything.

use std::fs;
use std::time::Duration;

use bastion_api::State;
use bastion_e2e::databases::{POSTGRES, postgres_programs};
use bastion_e2e::knock::{CANCEL_REQUEST, SSL_REQUEST, answer, connect};
use bastion_e2e::plan::PROD_DB;
use bastion_e2e::{House, Plan, Running, configs, until};
use bastion_sim::{Fault, What};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::program::{Mode, Program, Way};
use super::proxy::Proxy;
use super::scene::{Scene, cold, told};

const GSS_ENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

/// Longer than a start of the simulated cloud takes.
const START: Duration = Duration::from_secs(30);

/// A house whose starts stand still until `go` is called.
async fn that_stands_still(config: &str) -> House {
    let house = Plan::new(config).start_timeout("120s").postgres().build().await;
    let held = What::Held { name: "start".to_owned(), before: true };
    house.sim().faults().add(Fault::on("RunTask", held));
    house
}

fn go(house: &House) {
    house.sim().faults().clear();
    house.sim().faults().release("start");
}

/// psql, with whatever its person has set besides.
fn psql(house: &House, mode: &str) -> std::process::Command {
    let mut psql = house.libpq("psql", "prod-db");
    psql.env("PGSSLMODE", mode).env("PGCONNECT_TIMEOUT", "60").args(["--no-psqlrc", "-qAtc"]);
    psql.arg("SELECT ssl, 6 * 7 FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    psql
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_that_asks_for_tls_of_a_cold_target_is_held_and_gets_its_row_over_tls_from_end_to_end()
{
    let house = that_stands_still(configs::SCRIPT_WAY).await;
    let visit = Running::start(&mut psql(&house, "require"));
    // A client of its own that waits, too, hears nothing at all.
    let mut waits = connect(house.port("prod-db")).await;
    waits.write_all(&SSL_REQUEST).await.unwrap();
    let nothing = tokio::time::timeout(Duration::from_secs(2), waits.read_u8()).await;
    assert!(nothing.is_err(), "it was told {nothing:?}");
    go(&house);
    assert_eq!(visit.finish().await.ok(), "t|42");
    assert_eq!(answer(&mut waits, 1, START).await, b"S");
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn gssapi_is_declined_while_a_client_waits_and_left_to_the_database_where_it_does_not() {
    let house = that_stands_still(configs::SCRIPT_WAY).await;
    let mut waits = connect(house.port("prod-db")).await;
    waits.write_all(&GSS_ENC_REQUEST).await.unwrap();
    assert_eq!(answer(&mut waits, 1, Duration::from_secs(10)).await, b"N");
    waits.write_all(&SSL_REQUEST).await.unwrap();
    go(&house);
    assert_eq!(answer(&mut waits, 1, START).await, b"S", "its next request is the database's");

    // The database is stood in for by what answers something else.
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = database.local_addr().unwrap().port();
    let house = Plan::new(configs::SCRIPT_WAY).route(PROD_DB, port).build().await;
    assert!(house.ctl(&["open", "prod-db"]).await.status.success());
    let mut asks = connect(house.port("prod-db")).await;
    asks.write_all(&GSS_ENC_REQUEST).await.unwrap();
    let (mut stream, _) = database.accept().await.unwrap();
    let mut heard = [0; 8];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, GSS_ENC_REQUEST);
    stream.write_all(b"G").await.unwrap();
    assert_eq!(answer(&mut asks, 1, START).await, b"G");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_request_starts_nothing_where_somebody_waits_and_where_nobody_does() {
    let house = that_stands_still(configs::SCRIPT_WAY).await;
    let port = house.port("prod-db");
    let mut cancels = connect(port).await;
    cancels.write_all(&CANCEL_REQUEST).await.unwrap();
    assert_eq!(answer(&mut cancels, 1, Duration::from_secs(10)).await, b"");
    assert_eq!(house.target("prod-db").await.state, State::Cold);
    let visit = Running::start(&mut psql(&house, "prefer"));
    until("a visit that waits", START, async || {
        house.target("prod-db").await.visits.iter().any(|visit| visit.waiting).then_some(())
    })
    .await;
    let mut cancels = connect(port).await;
    cancels.write_all(&CANCEL_REQUEST).await.unwrap();
    assert_eq!(answer(&mut cancels, 1, Duration::from_secs(10)).await, b"");
    go(&house);
    visit.finish().await.ok();
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_patience_is_told_how_long_it_takes_and_is_served_when_it_comes_again() {
    let config = format!("{}patience = \"2s\"\n", configs::SCRIPT_WAY);
    let plan = Plan::new(&config).postgres().sim(|sim| sim.timings.pulling_ms = 6_000);
    let house = plan.build().await;
    // How long a start takes is learned from the one before.
    assert!(house.ctl(&["open", "prod-db"]).await.status.success());
    cold(&house, "prod-db").await;
    let before = house.sim().count("RunTask");
    for mode in ["disable", "require"] {
        let refused = Running::start(&mut psql(&house, mode)).finish().await;
        assert_eq!(refused.code(), Some(2), "{refused}");
        for words in
            ["D06 prod-db is starting (", "ready in about ", "HINT:  connect again in about "]
        {
            assert!(refused.err.contains(words), "{mode}: {words}: {refused}");
        }
    }
    let served = until("the start that went on", START, async || {
        let served = Running::start(&mut psql(&house, "require")).finish().await;
        served.status.success().then_some(served)
    });
    assert_eq!(served.await.ok(), "t|42");
    assert_eq!(house.sim().count("RunTask") - before, 1, "each came to the same start");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_java_is_told_before_it_gives_up_and_others_wait_on() {
    let house = that_stands_still(configs::SCRIPT_WAY).await;
    let java = house.path("java");
    fs::copy(postgres_programs().program("psql"), &java).unwrap();
    let waits = Running::start(&mut psql(&house, "require"));
    let asked = std::time::Instant::now();
    let mut like_java = house.inside(&java);
    for (name, value) in psql(&house, "require").get_envs() {
        like_java.env(name, value.unwrap());
    }
    like_java.args(["-c", "SELECT 1"]);
    let told = Running::start(&mut like_java).finish().await;
    let took = asked.elapsed();
    assert!(told.err.contains("D06 prod-db is starting"), "{told}");
    // pgjdbc gives up after 5 s.
    assert!((3.5..4.9).contains(&took.as_secs_f64()), "{took:?}: {told}");
    go(&house);
    assert_eq!(waits.finish().await.ok(), "t|42");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_in_the_clear_is_told_why_its_bastion_was_closed() {
    let house = House::script_way().await;
    let way = Way { port: house.port("prod-db"), roots: &house.path("none") };
    let mut client = Program::Psql.start(&house, way, Mode::Disable).await;
    assert_eq!(client.row().await.as_deref(), Some("neuraKnot|postgres|42|f"));
    cold(&house, "prod-db").await;
    client.ask(&Program::Psql.again()).await;
    let shown = client.finish().await;
    let reason = &told(&house, "D31").await[0];
    for words in [&reason.message, &reason.hints[0], "FATAL:  D31 ", "HINT:  "] {
        assert!(shown.text.contains(words), "{words}: {}", shown.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_in_the_clear_is_told_that_its_bastion_has_died() {
    let house = House::script_way().await;
    let way = Way { port: house.port("prod-db"), roots: &house.path("none") };
    let mut client = Program::Psql.start(&house, way, Mode::Disable).await;
    client.row().await.expect("a row");
    let arn = house.task().arn;
    assert!(house.sim().stop_task(&arn, "SpotInterruption", "Your Spot Task was interrupted."));
    until("a visit that is over", START, async || {
        house.target("prod-db").await.visits.is_empty().then_some(())
    })
    .await;
    client.ask(&Program::Psql.again()).await;
    let shown = client.finish().await;
    assert!(shown.text.contains("FATAL:  D"), "{}", shown.text);
    assert!(shown.text.contains("HINT:  "), "{}", shown.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_protocol_is_held_and_closed_and_the_reason_stands_in_the_events() {
    let config = configs::SCRIPT_WAY.replace("\"postgres\"\nlisten", "\"other\"\nlisten");
    let house = that_stands_still(&config).await;
    let mut client = connect(house.port("prod-db")).await;
    client.write_all(b"*1\r\n$4\r\nPING\r\n").await.unwrap();
    let nothing = tokio::time::timeout(Duration::from_secs(1), client.read_u8()).await;
    assert!(nothing.is_err(), "it was told {nothing:?}");
    house.sim().faults().clear();
    house.sim().faults().add(Fault::on("RunTask", What::NoCapacity));
    house.sim().faults().release("start");
    // What was held goes through; the next one meets the fault.
    drop(client);
    cold(&house, "prod-db").await;
    let mut client = connect(house.port("prod-db")).await;
    client.write_all(b"*1\r\n$4\r\nPING\r\n").await.unwrap();
    assert_eq!(answer(&mut client, 1, START).await, b"", "it is closed without a word");
    assert_eq!(told(&house, "D27").await.len(), 1);
    let problems = house.target("prod-db").await.problems;
    assert_eq!(problems.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["D27"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_expired_before_the_engine_was_known_is_told_to_whom_waits_and_to_whom_speaks()
{
    // By its port in the VPC nobody would know it, and RDS cannot be asked.
    let config = configs::MYSQL_BY_TASK.replace("engine = \"mysql\"\n", "");
    let house = Plan::new(&config).build().await;
    house.sim().faults().add(Fault::always(What::Expired));
    let refused = house.mariadb("shop", "SELECT 1").finish().await;
    assert!(refused.err.contains("D18 "), "{refused}");
    assert!(refused.err.contains("; hint: ") && refused.err.contains("aws sso login"), "{refused}");
    let mut psql = house.libpq("psql", "shop");
    psql.env("PGDATABASE", POSTGRES.database).args(["-c", "SELECT 1"]);
    let refused = Running::start(&mut psql).finish().await;
    assert!(refused.err.contains("D18 "), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Python environment that cargo xtask test makes"]
async fn a_client_that_begins_with_tls_is_told_within_it() {
    let house = Scene::Login.house(true).await;
    let proxy = Proxy::before(house.port("prod-db")).await;
    let mut client = house.script("psycopg_ask.py");
    client.arg("SELECT 1");
    for (name, value) in psql(&house, "require").get_envs() {
        client.env(name, value.unwrap());
    }
    client.env("PGPORT", proxy.port().to_string()).env("PGSSLNEGOTIATION", "direct");
    let refused = Running::start(&mut client).finish().await;
    assert!(refused.err.contains("FATAL:  D18 ") && refused.err.contains("HINT: "), "{refused}");
    assert!(proxy.spoke_tls() && !proxy.in_the_clear_after_tls());
    assert!(!proxy.was_said(POSTGRES.database), "its startup packet was sealed");
}

/// libpq's "prefer" is a wish: with a root file that lacks ours it does not believe us, and asks without TLS, as it
/// would ask any server. No password is asked for there, and none is sent.
#[tokio::test(flavor = "multi_thread")]
async fn who_prefers_tls_and_believes_others_alone_is_told_in_the_clear_and_sends_no_password() {
    let house = Scene::Login.house(true).await;
    let roots = house.path("others.pem");
    fs::write(&roots, bastion_e2e::databases::postgres().certificate().unwrap()).unwrap();
    for (mode, told) in [("prefer", true), ("require", false), ("verify-full", false)] {
        let proxy = Proxy::before(house.port("prod-db")).await;
        let mut psql = psql(&house, mode);
        psql.env("PGPORT", proxy.port().to_string()).env("PGSSLROOTCERT", &roots);
        psql.env("PGHOST", "localhost");
        let refused = Running::start(&mut psql).finish().await;
        assert_eq!(refused.err.contains("FATAL:  D18 "), told, "{mode}: {refused}");
        assert!(refused.err.contains("certificate verify failed"), "{mode}: {refused}");
        assert!(!proxy.was_said(POSTGRES.password), "{mode}");
        assert_eq!(proxy.in_the_clear_after_tls(), told, "{mode}");
    }
}
