//! Discovery, survey and examination against two AWS stand-ins that others have made: moto and ministack.
//!
//! `cargo xtask test` makes the Python environment that holds them, and says where in `BASTION_TEST_VENV`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod examine;
mod house;
mod survey;

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use bastion_cloud::{
    AuroraEndpoint, Cloud, DatabaseRef, Kind, Runs, SecretRef, Select, Site, TaskSpec,
};

use house::StandIn;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn places_are_found_at_moto() {
    places(&StandIn::moto()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn places_are_found_at_ministack() {
    places(&StandIn::ministack()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn databases_are_found_at_moto() {
    let there = StandIn::moto();
    databases(&there).await;
    let found = there.aws().find_database(&rds("neuraKnot-prod-db")).await.unwrap();
    // moto alone gives hosts that look like AWS's.
    assert!(found.remote.host.starts_with("neuraknot-prod-db."), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn databases_are_found_at_ministack() {
    let there = StandIn::ministack();
    databases(&there).await;
    // ministack alone keeps identifiers as they were written.
    create_instance(&there, "Mixed-Case-db", false).await;
    there.aws().find_database(&rds("mixed-case-DB")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn secrets_are_found_at_moto() {
    let there = StandIn::moto();
    secrets(&there).await;
    create_instance(&there, "managed-db", true).await;
    let login = there.aws().secret(&SecretRef::Managed(rds("managed-db"))).await.unwrap();
    assert_eq!(login.user.as_deref(), Some("admin"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn secrets_are_found_at_ministack() {
    let there = StandIn::ministack();
    secrets(&there).await;
    // ministack manages master secrets of clusters only.
    create_cluster(&there, "managed-cluster", true).await;
    let managed = SecretRef::Managed(aurora("managed-cluster", AuroraEndpoint::Writer));
    let login = there.aws().secret(&managed).await.unwrap();
    assert_eq!(login.user.as_deref(), Some("postgres"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn misspelt_clusters_and_task_definitions_are_told_with_the_likeliest_at_moto() {
    let there = StandIn::moto();
    let ecs = aws_sdk_ecs::Client::new(&there.sdk());
    ecs.create_cluster().cluster_name("neuraKnot-prod-cluster").send().await.unwrap();
    let container = aws_sdk_ecs::types::ContainerDefinition::builder()
        .name("proxy")
        .image("busybox")
        .memory(512)
        .build();
    ecs.register_task_definition()
        .family("neuraKnot-prod-ssm-proxy")
        .container_definitions(container)
        .send()
        .await
        .unwrap();
    let misspelt =
        Site { runs: Runs::TaskDefinition("neuraKnot-prod-proxy".to_owned()), ..there.site() };
    let error = there.aws_of(misspelt).run_task(&spec()).await.unwrap_err();
    let Kind::NotFound { what: "task definition", candidates } = &error.kind else {
        panic!("{error:?}")
    };
    assert_eq!(candidates, &["neuraKnot-prod-ssm-proxy"]);
    let elsewhere = Site { cluster: "neuraKnot-cluster".to_owned(), ..there.site() };
    let error = there.aws_of(elsewhere).list_tasks("bastiond/house").await.unwrap_err();
    let Kind::NotFound { what: "cluster", candidates } = &error.kind else { panic!("{error:?}") };
    assert_eq!(candidates, &["neuraKnot-prod-cluster"]);
    assert!(error.message.contains("ap-northeast-1 of account 123456789012"), "{error}");
}

async fn places(there: &StandIn) {
    let ec2 = aws_sdk_ec2::Client::new(&there.sdk());
    let (prod, subnets) = create_vpc(
        &ec2,
        "10.0",
        &["neuraKnot-prod-private-1a", "neuraKnot-prod-private-1c", "neuraKnot-prod-public-1a"],
    )
    .await;
    let group = create_group(&ec2, &prod, "neuraKnot-prod-ecs-sg").await;
    let mut private = subnets[..2].to_vec();
    private.sort();

    let found = there.aws().find_place().await.unwrap();
    assert_eq!((&found.subnet_ids(), &found.security_groups), (&private, &vec![group.clone()]));
    assert_eq!(found.vpc.as_deref(), Some(prod.as_str()));

    let by_ids = Site {
        subnets: Select::Ids(private.clone()),
        security_groups: Select::Ids(vec![group.clone()]),
        ..there.site()
    };
    assert_eq!(there.aws_of(by_ids).find_place().await.unwrap(), found);
    let by_tags = Site {
        subnets: Select::Tags(vec![
            ("Name".to_owned(), "*private-1?".to_owned()),
            ("Stage".to_owned(), "10.0".to_owned()),
        ]),
        ..there.site()
    };
    assert_eq!(there.aws_of(by_tags).find_place().await.unwrap(), found);

    let misspelt =
        Site { subnets: Select::Name("neuraKnot-prod-privat-*".to_owned()), ..there.site() };
    let error = there.aws_of(misspelt).find_place().await.unwrap_err();
    let Kind::NotFound { what: "subnets", candidates } = &error.kind else { panic!("{error:?}") };
    assert!(candidates[0].contains("neuraKnot-prod-private-1"), "{candidates:?}");
    let gone =
        Site { subnets: Select::Ids(vec!["subnet-0123456789abcdef0".to_owned()]), ..there.site() };
    let error = there.aws_of(gone).find_place().await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "subnets", .. }), "{error:?}");

    let (other, _) = create_vpc(&ec2, "10.1", &["neuraKnot-prod-private-old"]).await;
    let error = there.aws().find_place().await.unwrap_err();
    let Kind::Ambiguous { what: "subnets", candidates } = &error.kind else { panic!("{error:?}") };
    assert_eq!(candidates.len(), 3);
    assert!(error.message.contains(&prod) && error.message.contains(&other), "{error}");
}

async fn databases(there: &StandIn) {
    let aws = there.aws();
    create_instance(there, "neuraknot-prod-db", false).await;
    let found = aws.find_database(&rds("neuraKnot-prod-db")).await.unwrap();
    assert_eq!((found.remote.port, found.engine.as_deref()), (5432, Some("postgres")));
    let error = aws.find_database(&rds("neuraKnot-prd-db")).await.unwrap_err();
    let Kind::NotFound { what: "RDS instance", candidates } = &error.kind else {
        panic!("{error:?}")
    };
    assert_eq!(candidates, &["neuraknot-prod-db"]);

    create_cluster(there, "neuraknot-aurora", false).await;
    for endpoint in [AuroraEndpoint::Writer, AuroraEndpoint::Reader] {
        let found = aws.find_database(&aurora("neuraKnot-Aurora", endpoint)).await.unwrap();
        assert_eq!(found.engine.as_deref(), Some("aurora-postgresql"));
        assert!(!found.remote.host.is_empty());
    }
    let error = aws.find_database(&aurora("neuraknot", AuroraEndpoint::Writer)).await.unwrap_err();
    let Kind::NotFound { what: "Aurora cluster", candidates } = &error.kind else {
        panic!("{error:?}")
    };
    assert_eq!(candidates, &["neuraknot-aurora"]);

    create_proxy(there, "neuraknot-proxy").await;
    let found = aws.find_database(&DatabaseRef::Proxy("neuraKnot-proxy".to_owned())).await.unwrap();
    assert_eq!((found.remote.port, found.engine.as_deref()), (5432, Some("postgres")));
    let error = aws.find_database(&DatabaseRef::Proxy("neuraknot".to_owned())).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "RDS proxy", .. }), "{error:?}");
}

async fn secrets(there: &StandIn) {
    let client = aws_sdk_secretsmanager::Client::new(&there.sdk());
    let json = r#"{"username":"postgres","password":"hunter2"}"#;
    for (name, text) in [("prod/neuraKnot", json), ("prod/plain", "hunter3")] {
        client.create_secret().name(name).secret_string(text).send().await.unwrap();
    }
    let aws = there.aws();
    let named = |name: &str| SecretRef::Named(name.to_owned());
    let login = aws.secret(&named("prod/neuraKnot")).await.unwrap();
    assert_eq!((login.user.as_deref(), login.password.reveal()), (Some("postgres"), "hunter2"));
    let login = aws.secret(&named("prod/plain")).await.unwrap();
    assert_eq!((login.user, login.password.reveal()), (None, "hunter3"));
    let error = aws.secret(&named("prod/neuraknot")).await.unwrap_err();
    let Kind::NotFound { what: "secret", candidates } = &error.kind else { panic!("{error:?}") };
    assert_eq!(candidates[0], "prod/neuraKnot");
    assert_eq!(aws.identity().await.unwrap().account, "123456789012");
}

async fn create_vpc(ec2: &aws_sdk_ec2::Client, net: &str, names: &[&str]) -> (String, Vec<String>) {
    let vpc = ec2.create_vpc().cidr_block(format!("{net}.0.0/16")).send().await.unwrap();
    let vpc = vpc.vpc().unwrap().vpc_id().unwrap().to_owned();
    let mut ids = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::Subnet)
            .tags(tag("Name", name))
            .tags(tag("Stage", net))
            .build();
        let subnet = ec2
            .create_subnet()
            .vpc_id(&vpc)
            .cidr_block(format!("{net}.{n}.0/24"))
            .tag_specifications(tags)
            .send()
            .await
            .unwrap();
        ids.push(subnet.subnet().unwrap().subnet_id().unwrap().to_owned());
    }
    (vpc, ids)
}

async fn create_group(ec2: &aws_sdk_ec2::Client, vpc: &str, name: &str) -> String {
    let call = ec2.create_security_group().vpc_id(vpc).group_name(name).description("for a test");
    call.send().await.unwrap().group_id().unwrap().to_owned()
}

async fn create_instance(there: &StandIn, id: &str, managed: bool) {
    let call = aws_sdk_rds::Client::new(&there.sdk())
        .create_db_instance()
        .db_instance_identifier(id)
        .db_instance_class("db.t4g.micro")
        .engine("postgres")
        .port(5432)
        .allocated_storage(20)
        .master_username("admin");
    let call = if managed {
        call.manage_master_user_password(true)
    } else {
        call.master_user_password("long-enough-password")
    };
    call.send().await.unwrap();
}

async fn create_cluster(there: &StandIn, id: &str, managed: bool) {
    let call = aws_sdk_rds::Client::new(&there.sdk())
        .create_db_cluster()
        .db_cluster_identifier(id)
        .engine("aurora-postgresql")
        .port(5432)
        .master_username("postgres");
    let call = if managed {
        call.manage_master_user_password(true)
    } else {
        call.master_user_password("long-enough-password")
    };
    call.send().await.unwrap();
}

async fn create_proxy(there: &StandIn, name: &str) {
    let ec2 = aws_sdk_ec2::Client::new(&there.sdk());
    let (_, subnets) = create_vpc(&ec2, "10.9", &["proxy-1", "proxy-2"]).await;
    let auth = aws_sdk_rds::types::UserAuthConfig::builder()
        .auth_scheme(aws_sdk_rds::types::AuthScheme::Secrets)
        .secret_arn("arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:proxy-AbCdEf")
        .iam_auth(aws_sdk_rds::types::IamAuthMode::Disabled)
        .build();
    aws_sdk_rds::Client::new(&there.sdk())
        .create_db_proxy()
        .db_proxy_name(name)
        .engine_family(aws_sdk_rds::types::EngineFamily::Postgresql)
        .auth(auth)
        .role_arn("arn:aws:iam::123456789012:role/proxy")
        .set_vpc_subnet_ids(Some(subnets))
        .send()
        .await
        .unwrap();
}

fn rds(id: &str) -> DatabaseRef {
    DatabaseRef::Rds(id.to_owned())
}

fn aurora(id: &str, endpoint: AuroraEndpoint) -> DatabaseRef {
    DatabaseRef::Aurora(id.to_owned(), endpoint)
}

fn spec() -> TaskSpec {
    TaskSpec {
        token: "token-1".to_owned(),
        started_by: "bastiond/house".to_owned(),
        tags: Vec::new(),
        environment: Vec::new(),
        command: Some(vec!["sleep".to_owned(), "60".to_owned()]),
        subnets: vec!["subnet-1".to_owned()],
        security_groups: Vec::new(),
        spot: false,
    }
}
