//! What is asked only to find out why something does not work, where the stand-ins can answer it.

use std::process::Command;

use aws_sdk_ec2::types::{ConnectivityType, IpPermission, UserIdGroupPair, VpcEndpointType};
use bastion_aws::Aws;
use bastion_cloud::{AuroraEndpoint, Cloud, Examine, Kind, PeerFacts, Says, SecretRef, Site, Wish};

use crate::house::{StandIn, venv};
use crate::{aurora, create_cluster, create_group, create_instance, create_proxy, create_vpc, rds};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn networks_are_examined_at_moto() {
    networks(&StandIn::moto(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn networks_are_examined_at_ministack() {
    // ministack forgets an endpoint's groups and its private name.
    networks(&StandIn::ministack(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn clusters_definitions_databases_and_secrets_are_examined_at_moto() {
    things(&StandIn::moto()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn clusters_definitions_databases_and_secrets_are_examined_at_ministack() {
    things(&StandIn::ministack()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn policies_are_tried_out_at_ministack() {
    // Which looks at no conditions, and knows no role that is not there.
    let there = StandIn::ministack();
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssmmessages:*","Resource":"*"},{"Effect":"Deny","Action":"ssmmessages:OpenDataChannel","Resource":"*"}]}"#;
    tool(
        &there,
        &["create-role", "--role-name", "proxy-task", "--assume-role-policy-document", trust],
    );
    tool(
        &there,
        &[
            "put-role-policy",
            "--role-name",
            "proxy-task",
            "--policy-name",
            "sessions",
            "--policy-document",
            policy,
        ],
    );
    let aws = there.aws();
    let wishes = [
        Wish::new("ssmmessages:CreateDataChannel", "*"),
        Wish::new("ssmmessages:OpenDataChannel", "*"),
        Wish::new("ecs:RunTask", "*"),
    ];
    let role = "arn:aws:iam::123456789012:role/proxy-task";
    let session = "arn:aws:sts::123456789012:assumed-role/proxy-task/0a1b2c";
    for principal in [role, session] {
        let told = ask(&aws).simulate(principal, &wishes).await.unwrap();
        let says: Vec<Says> = told.iter().map(|one| one.says).collect();
        let expected = [Says::Allowed, Says::Denied, Says::NotAllowed];
        assert_eq!(says, expected, "{principal}");
    }
}

async fn networks(there: &StandIn, whole: bool) {
    let ec2 = aws_sdk_ec2::Client::new(&there.sdk());
    let (vpc, subnets) = create_vpc(&ec2, "10.0", &["private", "public"]).await;
    let [private, public] = &subnets[..] else { panic!("{subnets:?}") };
    let igw = ec2.create_internet_gateway().send().await.unwrap();
    let igw = igw.internet_gateway().unwrap().internet_gateway_id().unwrap().to_owned();
    ec2.attach_internet_gateway().internet_gateway_id(&igw).vpc_id(&vpc).send().await.unwrap();
    let nat =
        ec2.create_nat_gateway().subnet_id(public).connectivity_type(ConnectivityType::Public);
    let address = ec2.allocate_address().send().await.unwrap();
    let nat = nat.allocation_id(address.allocation_id().unwrap()).send().await.unwrap();
    let nat = nat.nat_gateway().unwrap().nat_gateway_id().unwrap().to_owned();
    let private_table = create_table(&ec2, &vpc, private).await;
    let public_table = create_table(&ec2, &vpc, public).await;
    let route =
        |table: &str| ec2.create_route().route_table_id(table).destination_cidr_block("0.0.0.0/0");
    route(&private_table).nat_gateway_id(&nat).send().await.unwrap();
    route(&public_table).gateway_id(&igw).send().await.unwrap();
    let (bastion, database) =
        (create_group(&ec2, &vpc, "bastion").await, create_group(&ec2, &vpc, "database").await);
    let rule = IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(5432)
        .to_port(5433)
        .user_id_group_pairs(UserIdGroupPair::builder().group_id(&bastion).build())
        .build();
    ec2.authorize_security_group_ingress()
        .group_id(&database)
        .ip_permissions(rule)
        .send()
        .await
        .unwrap();
    let service = "com.amazonaws.ap-northeast-1.ssmmessages";
    let endpoint = ec2.create_vpc_endpoint().vpc_id(&vpc).service_name(service);
    let endpoint = endpoint.vpc_endpoint_type(VpcEndpointType::Interface).subnet_ids(private);
    endpoint.security_group_ids(&bastion).private_dns_enabled(true).send().await.unwrap();

    let aws = there.aws();
    let network = ask(&aws).ways_out(&subnets).await.unwrap();
    assert_eq!((&network.vpc, network.unknown.len()), (&vpc, 0), "{network:?}");
    assert!(network.dns.is_some() && network.hostnames.is_some(), "{network:?}");
    let [first, second] = &network.subnets[..] else { panic!("{network:?}") };
    assert_eq!((&first.id, first.route_table.as_ref()), (private, Some(&private_table)));
    assert!(first.free_addresses > 100, "{first:?}");
    let (out, direct) =
        (first.default_route.clone().unwrap(), second.default_route.clone().unwrap());
    assert_eq!((&out.gateway, out.works, out.state), (&nat, true, None));
    assert_eq!((&direct.gateway, direct.works), (&igw, true));
    let [endpoint] = &network.endpoints[..] else { panic!("{network:?}") };
    assert_eq!(endpoint.service, service);
    assert!(endpoint.available, "{endpoint:?}");
    assert_eq!(endpoint.subnets, [private.as_str()]);
    if whole {
        assert!(endpoint.private_dns, "{endpoint:?}");
        assert_eq!(endpoint.security_groups, [bastion.as_str()]);
    }

    let ids = [database.clone(), bastion.clone()];
    let groups = ask(&aws).groups(&ids).await.unwrap();
    assert_eq!((groups[0].name.as_str(), &groups[0].vpc), ("database", &vpc));
    let [rule] = &groups[0].ingress[..] else { panic!("{groups:?}") };
    assert_eq!((rule.ports, &rule.peer), (Some((5432, 5433)), &PeerFacts::Group(bastion)));
    assert!(groups[1].egress.iter().any(|rule| rule.covers(443)), "{groups:?}");
    let error = ask(&aws).groups(&["sg-0123456789abcdef0".to_owned()]).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "security group", .. }), "{error:?}");

    ec2.delete_nat_gateway().nat_gateway_id(&nat).send().await.unwrap();
    let network = ask(&aws).ways_out(std::slice::from_ref(private)).await.unwrap();
    assert!(!network.subnets[0].default_route.as_ref().unwrap().works, "{network:?}");
}

async fn things(there: &StandIn) {
    let ecs = aws_sdk_ecs::Client::new(&there.sdk());
    let aws = there.aws();
    ecs.create_cluster().cluster_name("neuraKnot-prod-cluster").send().await.unwrap();
    assert_eq!(ask(&aws).cluster().await.unwrap().status, "ACTIVE");
    let misspelt = Site { cluster: "neuraKnot-cluster".to_owned(), ..there.site() };
    let error = ask(&there.aws_of(misspelt)).cluster().await.unwrap_err();
    let Kind::NotFound { what: "cluster", candidates } = &error.kind else { panic!("{error:?}") };
    assert_eq!(candidates, &["neuraKnot-prod-cluster"]);

    let container = aws_sdk_ecs::types::ContainerDefinition::builder()
        .name("proxy")
        .image("busybox")
        .memory(512)
        .readonly_root_filesystem(true)
        .build();
    ecs.register_task_definition()
        .family("neuraKnot-prod-ssm-proxy")
        .task_role_arn("arn:aws:iam::123456789012:role/proxy-task")
        .network_mode(aws_sdk_ecs::types::NetworkMode::Awsvpc)
        .requires_compatibilities(aws_sdk_ecs::types::Compatibility::Fargate)
        .cpu("256")
        .memory("512")
        .container_definitions(container)
        .send()
        .await
        .unwrap();
    let definition = ask(&aws).definition().await.unwrap();
    assert_eq!(
        (definition.name.as_str(), definition.fargate),
        ("neuraKnot-prod-ssm-proxy:1", true)
    );
    assert_eq!((definition.network_mode.as_str(), definition.retired), ("awsvpc", false));
    assert!(definition.task_role.as_deref().unwrap().ends_with(":role/proxy-task"));
    assert!(definition.containers[0].read_only);
    assert_eq!(ask(&aws).recent_tasks().await.unwrap(), []);

    create_instance(there, "neuraknot-prod-db", false).await;
    let instance = ask(&aws).database_facts(&rds("neuraKnot-prod-db")).await.unwrap();
    assert_eq!((instance.status.as_str(), instance.port), ("available", Some(5432)));
    assert!(instance.resource_id.is_some() && instance.arn.is_some(), "{instance:?}");
    create_cluster(there, "neuraknot-aurora", true).await;
    let writer = aurora("neuraknot-aurora", AuroraEndpoint::Writer);
    let cluster = ask(&aws).database_facts(&writer).await.unwrap();
    assert_eq!((cluster.status.as_str(), cluster.port), ("available", Some(5432)));
    create_proxy(there, "neuraknot-proxy").await;
    let proxy = bastion_cloud::DatabaseRef::Proxy("neuraknot-proxy".to_owned());
    let proxy = ask(&aws).database_facts(&proxy).await.unwrap();
    assert!(proxy.resource_id.as_deref().unwrap().starts_with("prx-"), "{proxy:?}");
    assert_eq!((proxy.port, proxy.iam), (Some(5432), false));

    let secret = ask(&aws).secret_facts(&SecretRef::Managed(writer)).await.unwrap();
    assert!(secret.name.starts_with("rds!cluster-") && secret.changed.is_some(), "{secret:?}");
    let skew = ask(&aws).clock_ahead().await.unwrap();
    assert!(skew.seconds.abs() <= 5, "{skew:?}");
}

async fn create_table(ec2: &aws_sdk_ec2::Client, vpc: &str, subnet: &str) -> String {
    let table = ec2.create_route_table().vpc_id(vpc).send().await.unwrap();
    let id = table.route_table().unwrap().route_table_id().unwrap().to_owned();
    ec2.associate_route_table().route_table_id(&id).subnet_id(subnet).send().await.unwrap();
    id
}

fn ask(aws: &Aws) -> &dyn Examine {
    aws.examiner().unwrap()
}

/// AWS's own command line, for what no SDK crate of ours does.
fn tool(there: &StandIn, arguments: &[&str]) {
    let output = Command::new(venv().join("bin/aws"))
        .args(["--endpoint-url", &there.endpoint, "iam"])
        .args(arguments)
        .env_clear()
        .env("HOME", there.dir.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
