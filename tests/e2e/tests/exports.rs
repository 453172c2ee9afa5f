//! Files that bastionctl writes for clients, read by those clients.

use std::fs;
use std::path::PathBuf;

use bastion_e2e::databases::{MARIADB, POSTGRES, mariadb_programs, postgres_programs};
use bastion_e2e::{House, Plan, Running, configs};
use bastion_sim::{Fault, What};

/// What bastionctl writes.
async fn export(house: &House, format: &str) -> PathBuf {
    let file = house.path(&format!("{format}.exported"));
    let name = file.display().to_string();
    let written = house.ctl(&["export", format, "--output", &name]).await;
    assert!(written.status.success(), "{written}");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_finds_a_service_and_checks_its_certificate_where_it_can() {
    let house = House::script_way().await;
    let psql = async |file: &PathBuf| {
        let mut psql = house.inside(&postgres_programs().program("psql"));
        psql.env("PGSERVICEFILE", file).env("PGPASSWORD", POSTGRES.password);
        psql.args(["service=prod-db", "-qAtc", "\\echo :HOST", "-c", "SELECT current_user"]);
        Running::start(&mut psql).finish().await
    };
    let file = export(&house, "pgservice").await;
    assert!(fs::read_to_string(&file).unwrap().contains("sslmode=require\n"));
    assert_eq!(psql(&file).await.ok(), "127.0.0.1\npostgres");

    fs::remove_file(&file).unwrap();
    let certificate = bastion_e2e::databases::postgres().certificate().unwrap();
    fs::write(house.path("rds-global-bundle.pem"), certificate).unwrap();
    let file = export(&house, "pgservice").await;
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("sslmode=verify-full\n") && text.contains("# 123456789012 prod\n"),
        "{text}"
    );
    let name = "neuraknot-prod-db.cx1simulated.ap-northeast-1.rds.amazonaws.com";
    assert_eq!(psql(&file).await.ok(), format!("{name}\npostgres"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_cannot_be_served_tells_why_inside_the_tls_that_it_verifies() {
    let house = Plan::new(configs::SCRIPT_WAY).errors_expected().postgres().build().await;
    let certificate = bastion_e2e::databases::postgres().certificate().unwrap();
    fs::write(house.path("rds-global-bundle.pem"), certificate).unwrap();
    let file = export(&house, "pgservice").await;
    let denied = What::AccessDenied { explicit: false, resource: None };
    house.sim().faults().add(Fault::on("RunTask", denied));
    let mut psql = house.inside(&postgres_programs().program("psql"));
    psql.env("PGSERVICEFILE", &file).env("PGPASSWORD", POSTGRES.password);
    psql.args(["service=prod-db", "-c", "SELECT 1"]);
    let told = Running::start(&mut psql).finish().await;
    assert!(told.err.contains("FATAL:  D19"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadbs_client_reads_the_group_of_a_target() {
    let house = Plan::new(configs::MYSQL_BY_TASK).mariadb().build().await;
    let file = export(&house, "mycnf").await;
    // A person's own, which leads elsewhere.
    fs::create_dir_all(house.path("home")).unwrap();
    fs::write(house.path("home/.my.cnf"), "[client]\nhost=10.9.9.9\nuser=bob\n").unwrap();
    let mut client = house.inside(&mariadb_programs().client);
    client.arg(format!("--defaults-file={}", file.display()));
    client.args(["--defaults-group-suffix=_shop", "-NBe", "SELECT DATABASE(), CURRENT_USER()"]);
    client.env("MYSQL_PWD", MARIADB.password);
    let asked = Running::start(&mut client).finish().await;
    assert_eq!(asked.ok(), "app\tadmin@%");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_that_is_written_holds_a_secret() {
    let house = Plan::new(&format!("{}{}", configs::SCRIPT_WAY, configs::CDK_WAY))
        .postgres()
        .mariadb()
        .build()
        .await;
    for format in ["pgadmin", "pgservice", "mycnf", "dbeaver", "datagrip"] {
        let text = fs::read_to_string(export(&house, format).await).unwrap();
        assert!(text.contains("prod-db") || text.contains("dev-mysql"), "{format}: {text}");
    }
    assert_eq!(house.leaks(&[]), []);
    assert_eq!(house.sim().count("RunTask"), 0, "nothing is started for a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_that_pgadmin_runs_gives_the_password() {
    let house = House::script_way().await;
    let file = fs::read_to_string(export(&house, "pgadmin").await).unwrap();
    let file: serde_json::Value = serde_json::from_str(&file).unwrap();
    let line = file["Servers"]["1"]["PasswordExecCommand"].as_str().unwrap();
    let mut shell = house.tool("sh");
    shell.current_dir("/").args(["-c", line]);
    assert_eq!(Running::start(&mut shell).finish().await.ok(), POSTGRES.password);
}
