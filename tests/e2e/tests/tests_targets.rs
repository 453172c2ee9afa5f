//! `bastionctl test`: what it finds of real databases, and which problem it names.

use bastion_e2e::databases::{MARIADB, POSTGRES};
use bastion_e2e::{House, Plan, configs};
use serde_json::Value;

/// A config with something else in it.
fn with(config: &str, from: &str, to: &str) -> String {
    assert!(config.contains(from), "{from}");
    config.replace(from, to)
}

async fn tested(house: &House, target: &str) -> Value {
    let said = house.ctl(&["test", target, "--json"]).await;
    assert!(said.status.success(), "{said}");
    for secret in [POSTGRES.password, MARIADB.password] {
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{said}");
    }
    said.json()
}

/// The problem of a test that fails, and its exit code.
async fn refused(house: &House, target: &str) -> (Value, i32) {
    let said = house.ctl(&["test", target, "--json"]).await;
    for secret in [POSTGRES.password, MARIADB.password] {
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{said}");
        assert!(!house.log().contains(secret), "{}", house.log());
    }
    (said.json()["problem"].clone(), said.code().expect("it ended by itself"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_is_opened_logged_in_to_and_measured() {
    let house = House::script_way().await;

    let found = tested(&house, "prod-db").await;

    assert_eq!(house.sim().count("RunTask"), 1);
    let version = house.psql("prod-db", "SHOW server_version").finish().await;
    assert_eq!(found["server_version"], version.ok());
    assert_eq!((&found["login"], &found["tls"]), (&"done".into(), &"not_verified".into()));
    assert_eq!((&found["user"], &found["database"]), (&"postgres".into(), &"neuraKnot".into()));
    assert_eq!(found["address"], format!("127.0.0.1:{}", house.port("prod-db")));
    assert_eq!(found["round_trips"], 5);
    let seconds = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("{key} in {found:#}"));
    assert!(seconds("round_trip_seconds") > 0.0);
    assert!(seconds("answer_seconds") < seconds("login_seconds"), "{found:#}");

    let words = house.ctl(&["test", "prod-db"]).await;
    assert!(words.ok().contains("login       as postgres, database neuraKnot\n"), "{words}");
    assert!(words.ok().contains("tls         yes, not verified\n"), "{words}");
    let visits = house.ctl(&["audit", "--json"]).await;
    assert!(visits.out.contains("bastiond"), "a test stands in the ledger as the visit it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_of_a_postgres_is_d16_with_the_secrets_name() {
    let config = with(configs::SCRIPT_WAY, "prod/neuraKnot", "dev/mysql");
    let house = Plan::new(&config).postgres().build().await;

    let (problem, code) = refused(&house, "prod-db").await;

    assert_eq!((&problem["code"], code), (&"D16".into(), 5), "{problem:#}");
    let causes = problem["causes"].to_string();
    assert!(causes.contains("28P01: password authentication failed"), "{causes}");
    assert!(causes.contains("secret \\\"dev/mysql\\\""), "{causes}");
    assert!(causes.contains("last changed 20"), "{causes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_is_logged_in_to_and_a_wrong_password_of_it_is_d16() {
    let right = configs::MYSQL_BY_TASK;
    let wrong = with(right, "password = { secret = \"dev/mysql\" }", "");
    let second = wrong.split_once("[target.shop]").expect("it has a target").1;
    let second = format!("[target.other]{second}password = {{ secret = \"prod/neuraKnot\" }}\n");
    let both = format!("{right}\n{}", with(&second, "{port:shop}", "{port:other}"));
    let house = Plan::new(&both).mariadb().build().await;

    let found = tested(&house, "shop").await;

    let version = house.mariadb("shop", "SELECT VERSION()").finish().await;
    assert_eq!(found["server_version"], version.ok());
    assert_eq!((&found["login"], &found["engine"]), (&"done".into(), &"mysql".into()));
    assert_eq!((&found["user"], &found["round_trips"]), (&"admin".into(), &5.into()));

    let (problem, code) = refused(&house, "other").await;
    assert_eq!((&problem["code"], code), (&"D16".into(), 5), "{problem:#}");
    let causes = problem["causes"].to_string();
    assert!(causes.contains("1045: Access denied for user 'admin'"), "{causes}");
    assert!(causes.contains("secret \\\"prod/neuraKnot\\\""), "{causes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_password_both_are_known_by_their_first_words() {
    let password = "password = { secret = \"prod/neuraKnot\" }";
    let config = with(configs::SCRIPT_WAY, password, "");
    let house = Plan::new(&config).postgres().build().await;
    let found = tested(&house, "prod-db").await;
    assert_eq!((&found["login"], &found["tls"]), (&"no_password".into(), &"not_verified".into()));
    assert_eq!((&found["round_trips"], &found["user"]), (&1.into(), &Value::Null));

    let config = with(configs::MYSQL_BY_TASK, "password = { secret = \"dev/mysql\" }", "");
    let house = Plan::new(&config).mariadb().build().await;
    let found = tested(&house, "shop").await;
    assert_eq!(found["login"], "no_password");
    assert!(found["server_version"].as_str().is_some_and(|it| it.contains("MariaDB")), "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_the_server_has_not_is_not_found() {
    let config = with(configs::SCRIPT_WAY, "database = \"neuraKnot\"", "database = \"neuraknott\"");
    let house = Plan::new(&config).postgres().build().await;
    let (problem, code) = refused(&house, "prod-db").await;
    assert_eq!((&problem["code"], code), (&"D32".into(), 6), "{problem:#}");
    assert!(problem["message"].to_string().contains("neuraknott"), "{problem:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_the_bastion_cannot_reach_is_d24_and_one_that_does_not_start_is_its_own() {
    // A port that nobody listens on.
    let nobody = xtask::place::free_port().expect("a port is free");
    let host = "nobody.internal:5432";
    let config =
        format!("{}{}", configs::SCRIPT_WAY, configs::target("gone", "prod", "nobody.internal"));
    let house = Plan::new(&config).postgres().route(host, nobody).build().await;

    let (problem, code) = refused(&house, "gone").await;

    assert_eq!((&problem["code"], code), (&"D24".into(), 10), "{problem:#}");
    assert!(problem["causes"].to_string().contains("nobody.internal"), "{problem:#}");

    house.ctl(&["close", "gone", "--yes"]).await.ok();
    let full = bastion_sim::Fault::on("RunTask", bastion_sim::What::NoCapacity).times(3);
    house.sim().faults().add(full);
    let (problem, code) = refused(&house, "gone").await;
    assert_eq!((&problem["code"], code), (&"D27".into(), 9), "{problem:#}");
}
