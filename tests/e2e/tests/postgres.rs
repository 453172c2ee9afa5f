//! PostgreSQL's own clients through the whole stack.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

use bastion_e2e::databases::POSTGRES;
use bastion_e2e::dice::Dice;
use bastion_e2e::{House, Plan, Running, configs};
use sha2::{Digest, Sha256};

#[tokio::test(flavor = "multi_thread")]
async fn psql_with_and_without_tls_gets_right_results() {
    let house = House::script_way().await;
    for (mode, tls) in [("disable", "f"), ("prefer", "t"), ("require", "t")] {
        let mut psql = house.libpq("psql", "prod-db");
        psql.env("PGSSLMODE", mode);
        psql.args(["-qAtc", "SELECT ssl, 2 + 2 FROM pg_stat_ssl WHERE pid = pg_backend_pid()"]);
        let asked = Running::start(&mut psql).finish().await;
        assert_eq!(asked.ok(), format!("{tls}|4"), "sslmode={mode}");
    }
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_by_the_database_itself() {
    let house = House::script_way().await;
    let mut psql = house.libpq("psql", "prod-db");
    psql.env("PGPASSWORD", "wrong").args(["-c", "SELECT 1"]);
    let refused = Running::start(&mut psql).finish().await;
    assert_eq!(refused.code(), Some(2));
    assert!(refused.err.contains("password authentication failed"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_can_be_cancelled_through_the_tunnel() {
    let house = House::script_way().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    let long = house.psql("prod-db", "SELECT pg_sleep(600) /* cancel me */");
    let server = bastion_e2e::databases::postgres();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cancel me%' AND state = 'active' AND pid <> pg_backend_pid()";
    bastion_e2e::until("the long query", Duration::from_secs(20), async || {
        (server.sql("postgres", running).unwrap().trim() == "1").then_some(())
    })
    .await;

    // psql sends a CancelRequest, on a connection of its own, when it is interrupted.
    let id = i32::try_from(long.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();

    let ended = long.finish().await;
    assert!(ended.err.contains("canceling statement due to user request"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pgbench_with_eight_clients_loses_no_transaction() {
    let house = House::script_way().await;
    let mut init = house.libpq("pgbench", "prod-db");
    init.args(["-i", "-q", "-s", "1"]);
    let made = Running::start(&mut init).finish().await;
    assert!(made.status.success(), "{made}");

    let mut bench = house.libpq("pgbench", "prod-db");
    bench.args(["-c", "8", "-j", "2", "-t", "25", "-n"]);
    let ran = Running::start(&mut bench).finish_within(Duration::from_secs(120)).await;

    assert!(ran.ok().contains("number of transactions actually processed: 200/200"), "{ran}");
    assert!(ran.out.contains("number of failed transactions: 0"), "{ran}");
    let kept = house.psql("prod-db", "SELECT count(*) FROM pgbench_history").finish().await;
    assert_eq!(kept.ok(), "200");
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Python environment that cargo xtask test makes"]
async fn psycopg_is_content() {
    let house = House::script_way().await;
    let port = house.port("prod-db").to_string();
    let words = [port.as_str(), POSTGRES.user, POSTGRES.password, POSTGRES.database];
    let visit = house.python("psycopg_visit.py", words).finish().await;
    assert!(visit.ok().ends_with("is content"), "{visit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_50_mb_up_and_one_of_5_mb_down_arrive_byte_exact() {
    // Without the agent's pause for each message: with it, 5 MB take as long as they do in life (F5).
    let house = Plan::new(configs::SCRIPT_WAY)
        .postgres()
        .sim(|sim| sim.session.pacing = false)
        .build()
        .await;
    let made = house.psql("prod-db", "CREATE TABLE copied (line text)").finish().await;
    made.ok();

    let up = house.path("up.txt");
    let sent = lines(&up, 50 * 1024 * 1024, 1);
    let mut copy = house.libpq("psql", "prod-db");
    copy.args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c"]);
    copy.arg(format!("\\copy copied FROM '{}'", up.display()));
    let copied = Running::start(&mut copy).finish_within(Duration::from_secs(240)).await;
    assert!(copied.status.success(), "{copied}");
    // Read back by the server itself, so that the way down is not in it.
    let server = bastion_e2e::databases::postgres();
    let arrived = server.sql(POSTGRES.database, &sum_of("copied")).unwrap();
    assert_eq!(arrived.trim(), sent, "what the database holds is what was sent");

    let few = "CREATE TABLE few AS SELECT line FROM copied ORDER BY ctid LIMIT 60000";
    server.sql(POSTGRES.database, few).unwrap();
    let expected = server.sql(POSTGRES.database, &sum_of("few")).unwrap();
    let down = house.path("down.txt");
    let mut copy = house.libpq("psql", "prod-db");
    copy.args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c"]);
    copy.arg(format!("\\copy few TO '{}'", down.display()));
    let copied = Running::start(&mut copy).finish_within(Duration::from_secs(120)).await;
    assert!(copied.status.success(), "{copied}");
    assert!(std::fs::metadata(&down).unwrap().len() >= 5 * 1024 * 1024);
    assert_eq!(digest(&down), expected.trim());
    assert_eq!(house.sim().count("RunTask"), 1);
}

/// The digest of a table's lines, made by the server.
fn sum_of(table: &str) -> String {
    format!(
        "SELECT encode(sha256(convert_to(string_agg(line || chr(10), '' ORDER BY ctid), 'UTF8')), 'hex') FROM {table}"
    )
}

/// Writes so many bytes of lines that do not repeat; gives their digest.
fn lines(path: &Path, bytes: usize, seed: u64) -> String {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut digest = Sha256::new();
    let (mut written, mut dice) = (0, Dice::new(seed));
    while written < bytes {
        let mut line = String::new();
        for _ in 0..6 {
            // No two lines are alike, and they are the same in every run.
            line.push_str(&format!("{:016x}", dice.number()));
        }
        line.push('\n');
        file.write_all(line.as_bytes()).unwrap();
        digest.update(line.as_bytes());
        written += line.len();
    }
    file.flush().unwrap();
    hex(&digest.finalize())
}

fn digest(path: &Path) -> String {
    let mut file = File::open(path).unwrap();
    let mut digest = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece).unwrap() {
            0 => return hex(&digest.finalize()),
            read => digest.update(&piece[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
