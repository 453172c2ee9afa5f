//! MariaDB's own client through the whole stack, where the server speaks first.

use std::time::Duration;

use bastion_api::State;
use bastion_e2e::databases::MARIADB;
use bastion_e2e::{House, Plan, Running, configs};

async fn house() -> House {
    Plan::new(configs::MYSQL_BY_TASK).mariadb().build().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_visit_starts_a_bastion_and_the_server_greets_it() {
    let house = house().await;

    let asked = house.mariadb("shop", "SELECT 6 * 7, DATABASE(), CURRENT_USER()").finish().await;

    assert_eq!(asked.ok(), "42\tapp\tadmin@%");
    assert_eq!(house.sim().count("RunTask"), 1);
    assert_eq!(house.target("shop").await.state, State::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_rows_arrive_whole_in_both_directions() {
    let house = house().await;
    let made = "CREATE TABLE big (id INT PRIMARY KEY, words LONGTEXT);                 INSERT INTO big SELECT seq, REPEAT(SHA2(seq, 256), 2000) FROM seq_1_to_16;                 SELECT COUNT(*), SUM(LENGTH(words)), SHA2(GROUP_CONCAT(SHA2(words, 256) ORDER BY id), 256) FROM big";
    let made = house.mariadb("shop", made).finish().await;
    let seen = made.ok();
    let (count, rest) = seen.split_once('\t').unwrap();
    assert_eq!(count, "16");
    let digest = rest.split_once('\t').unwrap().1;

    // Out through the tunnel and back in through it.
    let file = house.path("big.tsv");
    let out = house.mariadb("shop", "SELECT id, words FROM big ORDER BY id").finish().await;
    std::fs::write(&file, &out.out).unwrap();
    let mut load = house.mariadb_client("shop");
    load.args(["--local-infile=1", "--batch", "--skip-column-names", "--execute"]);
    load.arg(format!(
        "SET GLOBAL local_infile = 1; CREATE TABLE again LIKE big; LOAD DATA LOCAL INFILE '{}' INTO TABLE again;          SELECT SHA2(GROUP_CONCAT(SHA2(words, 256) ORDER BY id), 256) FROM again",
        file.display()
    ));
    let loaded = Running::start(&mut load).finish().await;
    assert_eq!(loaded.ok(), digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_that_open_prints_can_be_pasted() {
    let house = house().await;
    let opened = house.ctl(&["open", "shop", "--json"]).await;
    assert!(opened.status.success(), "{opened}");
    let opened = opened.json();
    let line = opened["client"].as_str().unwrap();
    assert!(line.contains("--protocol=TCP") || line.contains("--protocol=tcp"), "{line}");

    // MariaDB's own name for the program, where the old one is not there; the rest as printed.
    let client = bastion_e2e::databases::mariadb_programs().client;
    let line = line.replacen("mysql ", &format!("{} ", client.display()), 1).replace(" -p", "");
    let mut shell = house.tool("sh");
    shell.args(["-c", &format!("{line} --batch --skip-column-names -e 'SELECT 1 + 1'")]);
    shell.env("MYSQL_PWD", MARIADB.password);
    assert_eq!(Running::start(&mut shell).finish().await.ok(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_bastion_is_stopped_and_the_next_visit_starts_again() {
    let house = Plan::new(configs::MYSQL_BY_TASK).mariadb().idle("2s").build().await;
    assert_eq!(house.mariadb("shop", "SELECT 1").finish().await.ok(), "1");
    house.until_called("StopTask", 1, Duration::from_secs(6)).await;
    house.until_nothing_runs(Duration::from_secs(5)).await;

    assert_eq!(house.mariadb("shop", "SELECT 2").finish().await.ok(), "2");
    assert_eq!(house.sim().count("RunTask"), 2);
}
