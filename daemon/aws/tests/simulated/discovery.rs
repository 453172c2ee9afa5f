//! Subnets, groups, databases, secrets.

use bastion_cloud::{
    AuroraEndpoint, Cloud, CloudError, DatabaseRef, Kind, Remote, SecretRef, Select, Site,
};
use bastion_sim::{Fault, SimConfig, What};

use crate::house::{House, spec};

const PRIVATE_A: &str = "subnet-0a11ce0000000001a";
const PRIVATE_C: &str = "subnet-0a11ce0000000001c";
const ECS_SG: &str = "sg-0a11ce000000000ec";

fn ids(list: &[&str]) -> Select {
    Select::Ids(list.iter().map(|id| (*id).to_owned()).collect())
}

fn named(name: &str) -> Select {
    Select::Name(name.to_owned())
}

fn tagged(tags: &[(&str, &str)]) -> Select {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Select::Tags(tags.iter().map(owned).collect())
}

fn rds(id: &str) -> DatabaseRef {
    DatabaseRef::Rds(id.to_owned())
}

fn aurora(endpoint: AuroraEndpoint) -> DatabaseRef {
    DatabaseRef::Aurora("neuraKnot-Aurora".to_owned(), endpoint)
}

async fn refused(house: &House, site: Site) -> CloudError {
    house.aws_of(site).find_place().await.unwrap_err()
}

#[tokio::test]
async fn the_script_ways_place_is_found_by_wildcard_and_by_group_name() {
    let house = House::new().await;
    let place = house.aws().find_place().await.unwrap();
    assert_eq!(place.subnet_ids(), [PRIVATE_A, PRIVATE_C]);
    assert_eq!(place.zones(), ["ap-northeast-1a", "ap-northeast-1c"]);
    assert_eq!(place.security_groups, [ECS_SG]);
    assert_eq!(place.vpc.as_deref(), Some("vpc-0a11ce00000000001"));
}

#[tokio::test]
async fn ids_and_tags_find_the_same_place_on_pages_of_one() {
    let house = House::with(SimConfig { page_size: 1, ..SimConfig::default() }).await;
    let expected = house.aws().find_place().await.unwrap();
    let by_tags = tagged(&[("Tier", "priv*"), ("Environment", "prod")]);
    for subnets in [ids(&[PRIVATE_C, PRIVATE_A]), by_tags] {
        for security_groups in [ids(&[ECS_SG]), tagged(&[("Name", "neuraKnot-prod-ecs-sg")])] {
            let site = Site { subnets: subnets.clone(), security_groups, ..house.site() };
            assert_eq!(house.aws_of(site).find_place().await.unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn a_name_that_fits_nothing_tells_where_it_was_looked_for_and_what_is_there() {
    let house = House::new().await;
    let error =
        refused(&house, Site { subnets: named("neuraknot-prod-privat-*"), ..house.site() }).await;
    assert_eq!(
        error.message,
        "no subnets named \"neuraknot-prod-privat-*\" in ap-northeast-1 of account 123456789012"
    );
    let Kind::NotFound { what: "subnets", candidates } = error.kind else { panic!("{error:?}") };
    let first = format!("{PRIVATE_A} (neuraKnot-prod-private-1a) in vpc-0a11ce00000000001");
    assert!(candidates.contains(&first), "{candidates:?}");
}

#[tokio::test]
async fn each_id_that_is_not_there_is_named() {
    let house = House::new().await;
    let subnets = ids(&[PRIVATE_A, "subnet-0000000000000dead"]);
    let error = refused(&house, Site { subnets, ..house.site() }).await;
    assert!(error.message.contains("subnet-0000000000000dead"), "{error}");
    assert!(!error.message.contains(PRIVATE_A), "{error}");
    let security_groups = ids(&["sg-0000000000000dead"]);
    let error = refused(&house, Site { security_groups, ..house.site() }).await;
    assert!(matches!(error.kind, Kind::NotFound { what: "security group", .. }), "{error:?}");
}

#[tokio::test]
async fn a_wildcard_that_spans_two_vpcs_is_ambiguous() {
    let house = House::new().await;
    let error = refused(&house, Site { subnets: named("*"), ..house.site() }).await;
    let Kind::Ambiguous { what: "subnets", candidates } = error.kind else { panic!("{error:?}") };
    assert_eq!(candidates.len(), 5);
    assert!(
        error.message.contains("vpc-0a11ce00000000001, vpc-0b0b000000000002"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn a_group_of_another_vpc_is_refused() {
    let house = House::new().await;
    let security_groups = named("dev-stack-BastionSecurityGroup");
    let error = refused(&house, Site { security_groups, ..house.site() }).await;
    assert!(matches!(error.kind, Kind::Ambiguous { what: "VPC", .. }), "{error:?}");
}

#[tokio::test]
async fn ids_serve_without_permission_to_look_them_up_and_names_do_not() {
    let house = House::new().await;
    house.fault(Fault::always(denied(false)).of("ec2"));
    let site = Site { subnets: ids(&[PRIVATE_A]), security_groups: ids(&[ECS_SG]), ..house.site() };
    let place = house.aws_of(site).find_place().await.unwrap();
    assert_eq!((place.subnet_ids(), place.vpc), (vec![PRIVATE_A.to_owned()], None));
    let error = house.aws().find_place().await.unwrap_err();
    assert!(matches!(error.kind, Kind::Denied { explicit: false, .. }), "{error:?}");
    assert!(error.request_id.is_some(), "{error:?}");
}

#[tokio::test]
async fn a_services_place_is_its_own() {
    let house = House::new().await;
    let place = house.aws_of(house.service_site()).find_place().await.unwrap();
    assert_eq!(place.security_groups, ["sg-0b0b0000000000ec"]);
}

#[tokio::test]
async fn an_instance_is_found_whatever_the_case_of_its_identifier() {
    let house = House::new().await;
    for id in ["neuraKnot-prod-db", "NEURAKNOT-PROD-DB"] {
        let found = house.aws().find_database(&rds(id)).await.unwrap();
        assert!(found.remote.host.starts_with("neuraknot-prod-db."), "{found:?}");
        assert_eq!((found.remote.port, found.engine.as_deref()), (5432, Some("postgres")));
        assert_eq!(found.managed_secret, None);
    }
}

#[tokio::test]
async fn a_misspelt_instance_is_not_found_and_the_likeliest_is_named_first() {
    let house = House::new().await;
    let error = house.aws().find_database(&rds("neuraKnot-prd-db")).await.unwrap_err();
    let Kind::NotFound { what: "RDS instance", candidates } = error.kind else {
        panic!("{error:?}")
    };
    assert_eq!(candidates[0], "neuraknot-prod-db");
    assert!(error.message.contains("ap-northeast-1 of account 123456789012"), "{}", error.message);
}

#[tokio::test]
async fn an_instance_that_is_not_up_tells_its_status() {
    let house = House::new().await;
    for (status, address) in [("creating", None), ("stopped", Some("host".to_owned()))] {
        house.sim.world(|world| {
            let instance = world.db_instances.get_mut("neuraknot-prod-db").unwrap();
            instance.status = status.to_owned();
            instance.address = address;
        });
        let error = house.aws().find_database(&rds("neuraKnot-prod-db")).await.unwrap_err();
        assert_eq!(error.kind, Kind::NotAvailable { status: status.to_owned() });
    }
}

#[tokio::test]
async fn an_aurora_cluster_has_a_writer_a_reader_and_custom_endpoints() {
    let house = House::new().await;
    let aws = house.aws();
    for (endpoint, start) in [
        (AuroraEndpoint::Writer, "neuraknot-aurora.cluster-cx1"),
        (AuroraEndpoint::Reader, "neuraknot-aurora.cluster-ro-"),
        (
            AuroraEndpoint::Custom("neuraKnot-Analytics".to_owned()),
            "neuraknot-analytics.cluster-custom-",
        ),
    ] {
        let found = aws.find_database(&aurora(endpoint)).await.unwrap();
        assert!(found.remote.host.starts_with(start), "{found:?}");
        assert_eq!(found.engine.as_deref(), Some("aurora-postgresql"));
        assert!(found.managed_secret.is_some());
    }
    let custom = AuroraEndpoint::Custom("analytic".to_owned());
    let error = aws.find_database(&aurora(custom)).await.unwrap_err();
    let Kind::NotFound { what: "custom endpoint", candidates } = error.kind else {
        panic!("{error:?}")
    };
    assert_eq!(candidates, ["neuraknot-analytics"]);
    let unknown = DatabaseRef::Aurora("neuraknot-aurore".to_owned(), AuroraEndpoint::Writer);
    let error = aws.find_database(&unknown).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "Aurora cluster", .. }), "{error:?}");
}

#[tokio::test]
async fn a_proxy_is_found_and_a_misspelt_one_is_not() {
    let house = House::new().await;
    let aws = house.aws();
    let found = aws.find_database(&DatabaseRef::Proxy("neuraKnot-proxy".to_owned())).await.unwrap();
    assert_eq!((found.remote.port, found.engine.as_deref()), (5432, Some("postgres")));
    let error = aws.find_database(&DatabaseRef::Proxy("proxy".to_owned())).await.unwrap_err();
    let Kind::NotFound { what: "RDS proxy", candidates } = error.kind else { panic!("{error:?}") };
    assert_eq!(candidates, ["neuraknot-proxy"]);
}

#[tokio::test]
async fn a_plain_host_is_taken_as_given_and_nobody_is_asked() {
    let house = House::new().await;
    let host = DatabaseRef::Host("redis.internal".to_owned(), 6379);
    let found = house.aws().find_database(&host).await.unwrap();
    assert_eq!(found.remote, Remote { host: "redis.internal".to_owned(), port: 6379 });
    assert!(house.sim.calls().is_empty());
}

#[tokio::test]
async fn a_secret_gives_user_and_password() {
    let house = House::new().await;
    let login = house.aws().secret(&SecretRef::Named("prod/neuraKnot".to_owned())).await.unwrap();
    assert_eq!(login.user.as_deref(), Some("postgres"));
    assert_eq!(login.password.reveal(), "prod-secret-password");
    assert!(!format!("{login:?}").contains("prod-secret-password"));
}

#[tokio::test]
async fn the_secret_that_rds_manages_is_found_through_the_database() {
    let house = House::new().await;
    let aws = house.aws();
    let login = aws.secret(&SecretRef::Managed(rds("managed-db"))).await.unwrap();
    assert_eq!(login.user.as_deref(), Some("master"));
    assert_eq!(login.password.reveal(), "managed-secret-password");
    let login = aws.secret(&SecretRef::Managed(aurora(AuroraEndpoint::Reader))).await.unwrap();
    assert_eq!(login.password.reveal(), "aurora-secret-password");
    let error = aws.secret(&SecretRef::Managed(rds("neuraknot-prod-db"))).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "managed secret", .. }), "{error:?}");
}

#[tokio::test]
async fn a_misspelt_secret_is_not_found_and_the_likeliest_is_named() {
    let house = House::new().await;
    let error =
        house.aws().secret(&SecretRef::Named("prod/neuraknot".to_owned())).await.unwrap_err();
    let Kind::NotFound { what: "secret", candidates } = error.kind else { panic!("{error:?}") };
    assert_eq!(candidates[0], "prod/neuraKnot");
}

#[tokio::test]
async fn a_denied_secret_is_told_apart_by_who_denies_it() {
    let house = House::new().await;
    for explicit in [false, true] {
        house.fault(Fault::once("GetSecretValue", denied(explicit)));
        let error =
            house.aws().secret(&SecretRef::Named("prod/neuraKnot".to_owned())).await.unwrap_err();
        let Kind::Denied { explicit: told, .. } = error.kind else { panic!("{error:?}") };
        assert_eq!(told, explicit);
        assert_eq!(error.call, "secretsmanager:GetSecretValue");
    }
}

fn denied(explicit: bool) -> What {
    What::AccessDenied { explicit, resource: None }
}

#[tokio::test]
async fn what_was_looked_up_lately_is_not_asked_for_again_but_by_who_wants_it_anew() {
    let house = House::new().await;
    let aws = house.aws();
    let database = rds("neuraKnot-prod-db");
    for _ in 0..3 {
        aws.find_place().await.unwrap();
        aws.find_database(&database).await.unwrap();
    }
    let asked = |action| house.asked(action).len();
    assert_eq!((asked("DescribeSubnets"), asked("DescribeDBInstances")), (1, 1));
    aws.refresh_database(&database).await.unwrap();
    assert_eq!(asked("DescribeDBInstances"), 2);
}

#[tokio::test]
async fn a_failover_is_seen_by_who_asks_anew_and_by_everybody_after() {
    let house = House::new().await;
    let aws = house.aws();
    let database = aurora(AuroraEndpoint::Writer);
    let before = aws.find_database(&database).await.unwrap();
    house.sim.world(|world| {
        let cluster = world.db_clusters.get_mut("neuraknot-aurora").unwrap();
        cluster.port += 1;
    });
    assert_eq!(aws.find_database(&database).await.unwrap(), before);
    let after = aws.refresh_database(&database).await.unwrap();
    assert_eq!(after.remote.port, before.remote.port + 1);
    assert_eq!(aws.find_database(&database).await.unwrap(), after);
}

#[tokio::test]
async fn a_failed_look_up_and_a_failed_start_leave_nothing_remembered() {
    let house = House::new().await;
    let aws = house.aws();
    let database = rds("neuraKnot-prod-db");
    aws.find_database(&database).await.unwrap();
    house.sim.world(|world| {
        world.db_instances.get_mut("neuraknot-prod-db").unwrap().status = "stopped".to_owned();
    });
    let error = aws.refresh_database(&database).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotAvailable { .. }), "{error:?}");
    let error = aws.find_database(&database).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotAvailable { .. }), "the old answer is gone: {error:?}");
    aws.find_place().await.unwrap();
    house.fault(Fault::once("RunTask", What::NoCapacity));
    aws.run_task(&spec("token-1")).await.unwrap_err();
    aws.find_place().await.unwrap();
    assert_eq!(house.asked("DescribeSubnets").len(), 2);
}

#[tokio::test]
async fn another_login_remembers_nothing_of_the_one_before() {
    let house = House::new().await;
    let aws = house.aws();
    aws.find_place().await.unwrap();
    aws.forget_login();
    aws.find_place().await.unwrap();
    assert_eq!(house.asked("DescribeSubnets").len(), 2);
}
