use bastion_cloud::{AuroraEndpoint, DatabaseFacts, DatabaseRef, Kind};

use super::{ask, forbid, lacks};
use crate::house::House;

async fn facts(house: &House, database: DatabaseRef) -> DatabaseFacts {
    ask(&house.aws()).database_facts(&database).await.unwrap()
}

fn prod() -> DatabaseRef {
    DatabaseRef::Rds("neuraKnot-prod-db".to_owned())
}

fn aurora(endpoint: AuroraEndpoint) -> DatabaseRef {
    DatabaseRef::Aurora("neuraknot-aurora".to_owned(), endpoint)
}

fn proxy() -> DatabaseRef {
    DatabaseRef::Proxy("neuraknot-proxy".to_owned())
}

const VPC: &str = "vpc-0a11ce00000000001";
const GROUP: &str = "sg-0a11ce000000000db";

#[tokio::test]
async fn an_instance_is_told_whether_it_can_be_reached_or_not() {
    let house = House::new().await;
    let told = facts(&house, prod()).await;
    assert_eq!((told.id.as_str(), told.status.as_str()), ("neuraknot-prod-db", "available"));
    assert_eq!((told.vpc.as_deref(), told.port, told.iam), (Some(VPC), Some(5432), true));
    assert_eq!(told.security_groups, [GROUP]);
    assert_eq!(told.resource_id.as_deref(), Some("db-SIMULATEDPROD00000000001"));
    assert_eq!(
        told.arn.as_deref(),
        Some("arn:aws:rds:ap-northeast-1:123456789012:db:neuraknot-prod-db")
    );
    house.sim.world(|world| {
        let instance = world.db_instances.get_mut("neuraknot-prod-db").unwrap();
        instance.status = "creating".to_owned();
        instance.address = None;
    });
    let told = facts(&house, prod()).await;
    assert_eq!((told.status.as_str(), told.port), ("creating", None));
}

#[tokio::test]
async fn an_aurora_cluster_is_told_with_the_vpc_of_its_instances() {
    let house = House::new().await;
    for endpoint in [
        AuroraEndpoint::Writer,
        AuroraEndpoint::Reader,
        AuroraEndpoint::Custom("neuraknot-analytics".to_owned()),
    ] {
        let told = facts(&house, aurora(endpoint.clone())).await;
        assert_eq!(
            (told.vpc.as_deref(), told.port, told.iam),
            (Some(VPC), Some(5432), true),
            "{endpoint:?}"
        );
        assert_eq!(told.resource_id.as_deref(), Some("cluster-SIMULATED0000000000000001"));
        assert_eq!(told.security_groups, [GROUP]);
    }
    let unknown = aurora(AuroraEndpoint::Custom("no-such".to_owned()));
    let error = ask(&house.aws()).database_facts(&unknown).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "custom endpoint", .. }), "{error:?}");
    forbid(&house, "DescribeDBInstances");
    let told = facts(&house, aurora(AuroraEndpoint::Writer)).await;
    assert_eq!((told.vpc, told.status.as_str()), (None, "available"), "its groups have the VPC");
}

#[tokio::test]
async fn a_proxy_is_told_by_the_id_that_policies_know() {
    let house = House::new().await;
    let told = facts(&house, proxy()).await;
    assert_eq!((told.vpc.as_deref(), told.port, told.iam), (Some(VPC), Some(5432), false));
    assert_eq!(told.resource_id.as_deref(), Some("prx-neuraknot-proxy"));
    house.sim.world(|world| {
        let proxy = world.db_proxies.get_mut("neuraknot-proxy").unwrap();
        proxy.iam = true;
        proxy.status = "incompatible-network".to_owned();
    });
    let told = facts(&house, proxy()).await;
    assert_eq!((told.iam, told.status.as_str()), (true, "incompatible-network"));
}

#[tokio::test]
async fn a_plain_host_is_nothing_that_aws_knows() {
    let house = House::new().await;
    let host = DatabaseRef::Host("10.0.1.5".to_owned(), 5432);
    let error = ask(&house.aws()).database_facts(&host).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert!(house.sim.calls().is_empty());
}

#[tokio::test]
async fn a_database_that_is_not_there_and_one_that_may_not_be_seen_are_told_apart() {
    let house = House::new().await;
    let aws = house.aws();
    let misspelt = DatabaseRef::Rds("neuraknot-prd-db".to_owned());
    let error = ask(&aws).database_facts(&misspelt).await.unwrap_err();
    let Kind::NotFound { candidates, .. } = &error.kind else { panic!("{error:?}") };
    assert_eq!(candidates[0], "neuraknot-prod-db");
    for (database, action) in [
        (prod(), "DescribeDBInstances"),
        (aurora(AuroraEndpoint::Reader), "DescribeDBClusters"),
        (proxy(), "DescribeDBProxies"),
    ] {
        forbid(&house, action);
        let error = ask(&aws).database_facts(&database).await.unwrap_err();
        assert_eq!(lacks(&error), format!("rds:{action}"));
    }
}
