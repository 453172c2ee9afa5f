//! What EC2, RDS and Secrets Manager find, and how they say that they find nothing.

mod asking;

use asking::{Asker, start, start_with};
use bastion_sim::SimConfig;
use serde_json::json;

const FOUR: [(&str, &str); 1] = [("Filter.1.Name", "tag:Name")];

async fn subnets(asker: &Asker, fields: &[(&str, &str)]) -> Vec<String> {
    let reply = asker.ec2("DescribeSubnets", fields).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.elements("subnetId")
}

#[tokio::test]
async fn subnets_are_found_by_a_wildcard_in_their_name() {
    let (_sim, asker) = start().await;
    let by_name =
        async |pattern: &str| subnets(&asker, &[FOUR[0], ("Filter.1.Value.1", pattern)]).await;
    assert_eq!(
        by_name("neuraKnot-prod-private-*").await,
        ["subnet-0a11ce0000000001a", "subnet-0a11ce0000000001c"]
    );
    assert_eq!(by_name("neuraKnot-prod-private-1?").await.len(), 2);
    assert_eq!(by_name("neuraKnot-prod-private-1a").await, ["subnet-0a11ce0000000001a"]);
    assert_eq!(by_name("neuraknot-*").await.len(), 0, "letters' case counts");
    assert_eq!(by_name("*").await.len(), 5);
}

#[tokio::test]
async fn filters_are_joined_by_and_their_values_by_or() {
    let (_sim, asker) = start().await;
    let by_tags = [
        ("Filter.1.Name", "tag:Tier"),
        ("Filter.1.Value.1", "private"),
        ("Filter.1.Value.2", "public"),
        ("Filter.2.Name", "availability-zone"),
        ("Filter.2.Value.1", "ap-northeast-1a"),
    ];
    assert_eq!(
        subnets(&asker, &by_tags).await,
        ["subnet-0a11ce0000000001a", "subnet-0a11ce0000000002a"]
    );
    assert_eq!(subnets(&asker, &by_tags[..2]).await.len(), 2);
    let in_vpc = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", "vpc-0b0b000000000002")];
    assert_eq!(subnets(&asker, &in_vpc).await.len(), 2);
    let unknown = asker
        .ec2("DescribeSubnets", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")])
        .await;
    assert_eq!(unknown.code(), "InvalidParameterValue");
}

#[tokio::test]
async fn what_is_asked_for_by_id_must_be_there() {
    let (_sim, asker) = start().await;
    let both =
        [("SubnetId.1", "subnet-0a11ce0000000001c"), ("SubnetId.2", "subnet-0a11ce0000000001a")];
    assert_eq!(subnets(&asker, &both).await.len(), 2);
    let subnet = asker.ec2("DescribeSubnets", &[("SubnetId.1", "subnet-0")]).await;
    assert_eq!((subnet.status, subnet.code().as_str()), (400, "InvalidSubnetID.NotFound"));
    let group = asker.ec2("DescribeSecurityGroups", &[("GroupId.1", "sg-0")]).await;
    assert_eq!(group.code(), "InvalidGroup.NotFound");
    let vpc = asker.ec2("DescribeVpcs", &[("VpcId.1", "vpc-0")]).await;
    assert_eq!(vpc.code(), "InvalidVpcID.NotFound");
}

#[tokio::test]
async fn security_groups_are_found_by_their_own_name_and_show_their_rules() {
    let (_sim, asker) = start().await;
    let by_name = [("Filter.1.Name", "group-name"), ("Filter.1.Value.1", "neuraKnot-prod-rds-sg")];
    let reply = asker.ec2("DescribeSecurityGroups", &by_name).await;
    assert!(reply.body.contains("<groupName>neuraKnot-prod-rds-sg</groupName>"));
    assert_eq!(reply.elements("fromPort"), ["5432", "3306"]);
    assert_eq!(reply.element("vpcId").as_deref(), Some("vpc-0a11ce00000000001"));
}

#[tokio::test]
async fn ec2_lists_come_in_pages() {
    let (_sim, asker) = start_with(SimConfig { page_size: 2, ..SimConfig::default() }).await;
    let (mut found, mut token) = (Vec::new(), None::<String>);
    loop {
        let fields: Vec<(&str, &str)> =
            token.iter().map(|token| ("NextToken", token.as_str())).collect();
        let reply = asker.ec2("DescribeSubnets", &fields).await;
        found.extend(reply.elements("subnetId"));
        token = reply.element("nextToken");
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 5);
    let small = asker.ec2("DescribeSubnets", &[("MaxResults", "4")]).await;
    assert_eq!(small.code(), "InvalidParameterValue", "five at least");
}

#[tokio::test]
async fn a_database_is_found_whatever_its_letters_case() {
    let (_sim, asker) = start().await;
    let reply =
        asker.rds("DescribeDBInstances", &[("DBInstanceIdentifier", "neuraKnot-prod-db")]).await;
    assert_eq!(reply.elements("DBInstanceIdentifier"), ["neuraknot-prod-db"]);
    let address = "neuraknot-prod-db.cx1simulated.ap-northeast-1.rds.amazonaws.com";
    assert_eq!(reply.element("Address").as_deref(), Some(address));
    assert_eq!(reply.element("Port").as_deref(), Some("5432"));
    let none = asker.rds("DescribeDBInstances", &[("DBInstanceIdentifier", "No-Such")]).await;
    assert_eq!((none.status, none.code().as_str()), (404, "DBInstanceNotFound"));
    assert_eq!(none.text(), "DBInstance no-such not found.");
}

#[tokio::test]
async fn a_database_that_is_being_created_has_no_endpoint() {
    let (sim, asker) = start().await;
    sim.world(|world| {
        let database = world.db_instances.get_mut("neuraknot-prod-db").unwrap();
        database.status = "creating".to_owned();
        database.address = None;
    });
    let reply =
        asker.rds("DescribeDBInstances", &[("DBInstanceIdentifier", "neuraknot-prod-db")]).await;
    assert_eq!(reply.element("DBInstanceStatus").as_deref(), Some("creating"));
    assert!(!reply.body.contains("<Endpoint>"), "{}", reply.body);
}

#[tokio::test]
async fn an_aurora_cluster_has_writer_reader_and_custom_endpoints() {
    let (_sim, asker) = start().await;
    let cluster =
        asker.rds("DescribeDBClusters", &[("DBClusterIdentifier", "neuraKnot-Aurora")]).await;
    let writer = "neuraknot-aurora.cluster-cx1simulated.ap-northeast-1.rds.amazonaws.com";
    assert_eq!(cluster.element("Endpoint").as_deref(), Some(writer));
    assert!(cluster.element("ReaderEndpoint").is_some_and(|name| name.contains(".cluster-ro-")));
    assert!(cluster.element("SecretArn").is_some_and(|arn| arn.contains(":secret:rds!cluster-")));
    let endpoints = asker
        .rds("DescribeDBClusterEndpoints", &[("DBClusterIdentifier", "neuraknot-aurora")])
        .await;
    assert_eq!(endpoints.elements("EndpointType"), ["WRITER", "READER", "CUSTOM"]);
    let one = [("DBClusterEndpointIdentifier", "neuraknot-analytics")];
    let custom = asker.rds("DescribeDBClusterEndpoints", &one).await;
    assert!(custom.element("Endpoint").is_some_and(|name| name.contains(".cluster-custom-")));
    let none = asker.rds("DescribeDBClusters", &[("DBClusterIdentifier", "no-such")]).await;
    assert_eq!((none.status, none.code().as_str()), (404, "DBClusterNotFoundFault"));
    let filter = [
        ("Filters.Filter.1.Name", "db-cluster-id"),
        ("Filters.Filter.1.Values.Value.1", "neuraknot-aurora"),
    ];
    let members = asker.rds("DescribeDBInstances", &filter).await;
    assert_eq!(
        members.elements("DBInstanceIdentifier"),
        ["neuraknot-aurora-1", "neuraknot-aurora-2"]
    );
}

#[tokio::test]
async fn a_proxy_is_found_by_name() {
    let (_sim, asker) = start().await;
    let proxy = asker.rds("DescribeDBProxies", &[("DBProxyName", "neuraknot-proxy")]).await;
    assert!(proxy.element("Endpoint").is_some_and(|name| name.contains(".proxy-")));
    assert_eq!(proxy.element("EngineFamily").as_deref(), Some("POSTGRESQL"));
    let none = asker.rds("DescribeDBProxies", &[("DBProxyName", "no-such")]).await;
    assert_eq!((none.status, none.code().as_str()), (404, "DBProxyNotFoundFault"));
}

#[tokio::test]
async fn rds_lists_come_in_pages() {
    let (_sim, asker) = start_with(SimConfig { page_size: 2, ..SimConfig::default() }).await;
    let (mut found, mut marker) = (Vec::new(), None::<String>);
    loop {
        let fields: Vec<(&str, &str)> =
            marker.iter().map(|marker| ("Marker", marker.as_str())).collect();
        let reply = asker.rds("DescribeDBInstances", &fields).await;
        found.extend(reply.elements("DBInstanceIdentifier"));
        marker = reply.element("Marker");
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 5);
}

#[tokio::test]
async fn a_secret_is_read_by_name_by_arn_and_by_arn_without_its_suffix() {
    let (_sim, asker) = start().await;
    let by_name =
        asker.secrets("GetSecretValue", json!({ "SecretId": "prod/neuraKnot" })).await.json();
    let said: serde_json::Value =
        serde_json::from_str(by_name["SecretString"].as_str().unwrap()).unwrap();
    assert_eq!(said, json!({ "username": "postgres", "password": "prod-secret-password" }));
    let arn = by_name["ARN"].as_str().unwrap();
    for id in [arn, arn.rsplit_once('-').unwrap().0] {
        let by_arn = asker.secrets("GetSecretValue", json!({ "SecretId": id })).await.json();
        assert_eq!(by_arn["Name"], "prod/neuraKnot", "{id}");
    }
    let none = asker.secrets("GetSecretValue", json!({ "SecretId": "prod/neura" })).await;
    assert_eq!(none.code(), "ResourceNotFoundException");
    let described = asker.secrets("DescribeSecret", json!({ "SecretId": "prod/neuraKnot" })).await;
    assert!(!described.body.contains("prod-secret-password"));
}

#[tokio::test]
async fn secrets_are_listed_by_filter() {
    let (_sim, asker) = start().await;
    let names = async |filters: serde_json::Value| {
        let reply = asker.secrets("ListSecrets", json!({ "Filters": filters })).await.json();
        let list = reply["SecretList"].as_array().unwrap().clone();
        list.iter().map(|one| one["Name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(json!([])).await.len(), 5);
    assert_eq!(names(json!([{ "Key": "name", "Values": ["prod/neuraKnot"] }])).await.len(), 2);
    assert_eq!(names(json!([{ "Key": "name", "Values": ["dev/"] }])).await, ["dev/mysql"]);
    assert_eq!(names(json!([{ "Key": "owning-service", "Values": ["rds"] }])).await.len(), 2);
    assert_eq!(names(json!([{ "Key": "name", "Values": ["!rds"] }])).await.len(), 3);
}

#[tokio::test]
async fn the_world_can_be_patched_by_json() {
    let patch = json!({ "db_instances": { "dev-mysql": { "port": 3307 }, "managed-db": null } });
    let (_sim, asker) = start_with(SimConfig { world: patch, ..SimConfig::default() }).await;
    let reply = asker.rds("DescribeDBInstances", &[]).await;
    assert!(reply.elements("Port").contains(&"3307".to_owned()));
    assert!(!reply.elements("DBInstanceIdentifier").contains(&"managed-db".to_owned()));
}
