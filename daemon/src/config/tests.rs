use super::*;
use bastion_cloud::{AuroraEndpoint, Runs, Select};

mod faults;
mod rules;

#[test]
fn the_example_means_what_it_says() {
    let config = parse(Path::new("config.toml"), EXAMPLE).unwrap();
    let site = Site {
        name: "prod".into(),
        profile: Some("prod".into()),
        region: Some("ap-northeast-1".into()),
        cluster: "neuraKnot-prod-cluster".into(),
        runs: Runs::TaskDefinition("neuraKnot-prod-ssm-proxy".into()),
        container: Some("proxy".into()),
        subnets: Select::Name("neuraKnot-prod-private-*".into()),
        security_groups: Select::Name("neuraKnot-prod-ecs-sg".into()),
        spot: false,
        assign_public_ip: false,
    };
    let prod = SiteConfig {
        site: site.clone(),
        idle_timeout: minutes(15),
        start_timeout: minutes(3),
        endpoints: Vec::new(),
        rules: Rules::default(),
    };
    let target = Target {
        name: "prod-db".into(),
        site,
        database: DatabaseRef::Rds("neuraKnot-prod-db".into()),
        engine: Some(Engine::Postgres),
        listen: vec![Listen::Loopback(15432)],
        idle_timeout: minutes(15),
        start_timeout: minutes(3),
        endpoints: Vec::new(),
        rules: Rules {
            tunnels_per_bastion: 2,
            max_bastions: 1,
            keepalive: KeepAlive::Auto,
            payload_probing: true,
            first_byte_timeout: Duration::from_secs(10),
            silent_after: Some(minutes(60)),
            patience: Patience::Auto,
            max_life: minutes(12 * 60),
            command: BastionCommand::Watchdog,
            share: false,
            scale_from_zero: false,
            price_per_hour: None,
        },
        allow: Allow { same_user_only: true, docker: false },
        db_name: Some("neuraKnot".into()),
        user: Some("postgres".into()),
        password: Some(Proof::Secret(SecretRef::Named("prod/neuraKnot".into()))),
        danger: false,
    };
    let expected = Config {
        path: Some("config.toml".into()),
        on_stop: OnStop::Stop,
        ca_bundle: None,
        rds_ca_bundle: None,
        unread_per_stream: 64_000_000,
        unread_in_all: 256_000_000,
        sites: BTreeMap::from([("prod".to_owned(), prod)]),
        targets: vec![target],
    };
    assert_eq!(config, expected);
}

#[test]
fn every_key_has_its_meaning() {
    let config = good(
        r#"
        [site.cdk]
        cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/dev"
        service = "bastion-service"
        endpoints = ["VPCE-1.ssmmessages.eu-west-1.vpce.amazonaws.com."]
        start_timeout = "90s"

        [site.own]
        cluster = "c"
        task_definition = "family:7"
        subnets = ["subnet-0a", "subnet-0b"]
        security_groups = { tags = { Tier = "private", Team = "data*" } }
        launch = "FARGATE_SPOT"
        assign_public_ip = true
        idle_timeout = "1h 30m"

        [target.z-first]
        site = "cdk"
        aurora = "shop"
        endpoint = "reader"
        listen = [13306, "docker", "unix", "[::1]:13307"]
        engine = "mysql"
        password = { rds_managed = true }
        danger = true

        [target.a-second]
        site = "own"
        proxy = "shop-proxy"
        listen = ["0.0.0.0:15433", "127.0.0.2:15434"]
        exposed = true
        password = { iam = true }
        profile = "other"
        region = "us-gov-west-1"
        idle_timeout = "2m"
        start_timeout = "20s"
        endpoints = []

        [target.redis]
        site = "own"
        host = "[fd00::1]"
        port = 6379
        listen = "unix"

        [target.custom]
        site = "own"
        aurora = "shop"
        endpoint = "analytics"
        listen = 15_435
        "#,
    );
    let cdk = &config.sites["cdk"];
    assert_eq!(cdk.site.runs, Runs::Service("bastion-service".into()));
    assert_eq!(cdk.endpoints, ["vpce-1.ssmmessages.eu-west-1.vpce.amazonaws.com"]);
    assert_eq!((cdk.idle_timeout, cdk.start_timeout), (IDLE_TIMEOUT, Duration::from_secs(90)));
    assert_eq!((&cdk.site.profile, &cdk.site.region, &cdk.site.container), (&None, &None, &None));

    let own = &config.sites["own"];
    assert_eq!(own.site.subnets, Select::Ids(vec!["subnet-0a".into(), "subnet-0b".into()]));
    let tags = [("Team", "data*"), ("Tier", "private")];
    let tags = tags.map(|(tag, value)| (tag.to_owned(), value.to_owned())).to_vec();
    assert_eq!(own.site.security_groups, Select::Tags(tags));
    assert!(own.site.spot && own.site.assign_public_ip);
    assert_eq!(own.idle_timeout, minutes(90));

    let [first, second, redis, custom] = &config.targets[..] else { panic!("{config:?}") };
    assert_eq!(first.name, "z-first", "the order is the file's");
    let shop = DatabaseRef::Aurora("shop".into(), AuroraEndpoint::Reader);
    assert_eq!(first.password, Some(Proof::Secret(SecretRef::Managed(shop.clone()))));
    assert_eq!(
        (second.password.as_ref(), first.danger, second.danger),
        (Some(&Proof::Iam), true, false)
    );
    assert_eq!(first.database, shop);
    assert_eq!(first.engine, Some(Engine::Mysql));
    assert_eq!(
        first.listen,
        [
            Listen::Loopback(13306),
            Listen::Docker(13306),
            Listen::Unix,
            Listen::Address("[::1]:13307".parse().unwrap()),
        ]
    );
    assert_eq!((first.start_timeout, &first.endpoints), (cdk.start_timeout, &cdk.endpoints));

    assert_eq!(second.database, DatabaseRef::Proxy("shop-proxy".into()));
    assert_eq!(
        second.listen,
        ["0.0.0.0:15433", "127.0.0.2:15434"].map(|text| Listen::Address(text.parse().unwrap()))
    );
    assert_eq!(second.site.profile.as_deref(), Some("other"));
    assert_eq!(second.site.region.as_deref(), Some("us-gov-west-1"));
    assert_eq!(second.site.cluster, "c");
    assert_eq!((second.idle_timeout, second.start_timeout), (minutes(2), Duration::from_secs(20)));

    assert_eq!(redis.database, DatabaseRef::Host("fd00::1".into(), 6379));
    assert_eq!((redis.engine, redis.idle_timeout), (None, minutes(90)));
    assert_eq!(custom.listen, [Listen::Loopback(15435)]);
    let analytics = AuroraEndpoint::Custom("analytics".into());
    assert_eq!(custom.database, DatabaseRef::Aurora("shop".into(), analytics));
}

#[test]
fn a_name_is_safe_in_a_path_and_in_a_url() {
    for name in ["prod-db", "a", "Prod_DB.2", "9lives"] {
        assert!(is_name(name), "{name}");
    }
    let long = "a".repeat(41);
    for name in ["", ".", "..", ".a", "-a", "a/b", "a b", "a%", "ä", "a\n", long.as_str()] {
        assert!(!is_name(name), "{name}");
    }
}

#[test]
fn an_empty_file_has_no_targets_and_no_faults() {
    assert_eq!(good("").targets, []);
}

#[test]
fn a_missing_file_is_a_fault_only_where_somebody_named_it() {
    let dir = tempfile::tempdir().unwrap();
    let usual = Env { config_dir: Some(dir.path().join("none")), ..Env::default() };
    assert_eq!(load_in(None, &usual), Ok(Config::default()));
    assert_eq!(load_in(None, &Env::default()), Ok(Config::default()));

    let missing = dir.path().join("missing.toml");
    for (explicit, env) in [
        (Some(missing.as_path()), usual),
        (None, Env { config: Some(missing.clone()), ..Env::default() }),
    ] {
        let faults = load_in(explicit, &env).unwrap_err();
        let fault = faults.iter().next().unwrap();
        assert_eq!((fault.line, fault.file.as_path()), (None, missing.as_path()));
        assert!(fault.reason.starts_with("cannot be read: No such file"), "{fault}");
    }
    let directory = load_in(Some(dir.path()), &Env::default()).unwrap_err();
    assert!(directory.to_string().contains("cannot be read: Is a directory"), "{directory}");
}

#[test]
fn the_named_file_comes_before_the_variable_and_that_before_the_usual_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = dir.path().join(name);
        fs::write(&path, EXAMPLE.replace("15432", "1").replace("prod-db]", &format!("{name}]")))
            .unwrap();
        path
    };
    let (named, variable) = (file("named"), file("variable"));
    file("config.toml");
    let env =
        Env { config: Some(variable), config_dir: Some(dir.path().to_owned()), ..Env::default() };
    let target = |explicit, env: &Env| load_in(explicit, env).unwrap().targets[0].name.clone();
    assert_eq!(target(Some(named.as_path()), &env), "named");
    assert_eq!(target(None, &env), "variable");
}

#[test]
fn a_file_that_is_not_text_is_told_by_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, b"# one\n# caf\xe9\n").unwrap();
    let faults = load_in(Some(&path), &Env::default()).unwrap_err();
    let fault = faults.iter().next().unwrap();
    assert_eq!((fault.line, fault.reason.as_str()), (Some(2), "is not UTF-8"));
}

#[test]
fn a_report_shows_the_config_as_meant() {
    let report = parse(Path::new("/c.toml"), EXAMPLE).unwrap().report();
    assert!(report.ok && report.exists && report.faults.is_empty());
    assert_eq!(report.path.as_deref(), Some("/c.toml"));
    let expected = serde_json::json!({ "prod": {
        "profile": "prod", "region": "ap-northeast-1", "cluster": "neuraKnot-prod-cluster",
        "task_definition": "neuraKnot-prod-ssm-proxy", "container": "proxy",
        "subnets": { "name": "neuraKnot-prod-private-*" },
        "security_groups": { "name": "neuraKnot-prod-ecs-sg" },
        "launch": "FARGATE", "assign_public_ip": false,
        "idle_timeout_seconds": 900, "start_timeout_seconds": 180, "endpoints": [],
        "tunnels_per_bastion": 2, "max_bastions": 1, "keepalive": "auto", "payload_probing": true,
        "first_byte_timeout_seconds": 10.0, "silent_after_seconds": 3600, "patience_seconds": null, "price_per_hour": null,
        "max_life_seconds": 43200, "command": "watchdog", "share": false,
    } });
    assert_eq!(report.sites, expected);
    let expected = serde_json::json!({ "prod-db": {
        "site": "prod", "rds": "neuraKnot-prod-db", "engine": "postgres", "listen": [15432],
        "database": "neuraKnot", "user": "postgres", "danger": false,
                "password": { "secret": "prod/neuraKnot" },
        "profile": "prod", "region": "ap-northeast-1",
        "idle_timeout_seconds": 900, "start_timeout_seconds": 180, "endpoints": [],
        "max_bastions": 1, "first_byte_timeout_seconds": 10.0, "silent_after_seconds": 3600, "patience_seconds": null,
        "allow": ["same-user"],
    } });
    assert_eq!(report.targets, expected);
}

#[test]
fn a_report_of_faults_holds_each_of_them() {
    let text = "[site.s]\nclutser = \"c\"\n";
    let faults = parse(Path::new("/no/such/c.toml"), text).unwrap_err();
    let report = faults.report();
    assert!(!report.ok && !report.exists && report.sites.is_null());
    assert_eq!(report.faults.len(), faults.iter().len());
    let unknown = &report.faults[4];
    assert_eq!((unknown.line, unknown.key.as_str()), (Some(2), "site.s.clutser"));
    assert_eq!(unknown.hint.as_deref(), Some("did you mean \"cluster\"?"));
}

#[test]
fn no_text_makes_it_panic() {
    let mut dice = 0x5eed_u64;
    let mut next = |bound: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % bound
    };
    let pieces = [
        "[", "]", "\"", "=", "\n", "{", "}", ",", ".", "site", "target.x", "15432", "\\", "é",
        "true", "#",
    ];
    for _ in 0..5_000 {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for _ in 0..=next(5) {
            let at = next(text.len());
            let until = (at + next(8)).min(text.len());
            text.splice(at..until, pieces[next(pieces.len())].chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(faults) = parse(Path::new("c.toml"), &text) {
            assert!(faults.iter().all(|fault| fault.line.unwrap() <= text.lines().count() + 1));
        }
    }
}

fn good(text: &str) -> Config {
    parse(Path::new("c.toml"), text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

const EXAMPLE: &str = r#"
[site.prod]                                  # where bastions run
profile = "prod"
region  = "ap-northeast-1"
cluster = "neuraKnot-prod-cluster"
task_definition = "neuraKnot-prod-ssm-proxy" # or service = "bastion-service": use a task of that service, start and stop none
container = "proxy"                          # optional where the definition has one
subnets = { name = "neuraKnot-prod-private-*" }          # or ["subnet-…"], or { tags = { Tier = "private" } }
security_groups = { name = "neuraKnot-prod-ecs-sg" }     # or ["sg-…"]
idle_timeout = "15m"

[target.prod-db]
site = "prod"
rds = "neuraKnot-prod-db"                    # or aurora = "…", endpoint = "reader"; or proxy = "…"; or host = "…", port = 6379
engine = "postgres"                          # postgres | mysql | other; else as last discovered, else by remote port, else other
listen = 15432                               # 127.0.0.1 and ::1; or [15432, "docker"], or "unix"
database = "neuraKnot"
user = "postgres"
password = { secret = "prod/neuraKnot" }     # or { rds_managed = true }
"#;
