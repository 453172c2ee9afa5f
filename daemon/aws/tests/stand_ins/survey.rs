//! What an account holds, for who has no config yet, as others have built accounts.

use aws_sdk_ec2::types::{IpPermission, UserIdGroupPair};
use aws_sdk_ecs::types::{Compatibility, ContainerDefinition, NetworkMode};
use bastion_aws::AwsSurvey;
use bastion_cloud::{Findings, PeerFacts, Survey, Used};

use crate::house::StandIn;
use crate::{create_cluster, create_group, create_instance, create_proxy, create_vpc};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn an_account_is_looked_into_at_moto() {
    let there = StandIn::moto();
    let found = account(&there).await;
    // moto alone keeps what a service and a proxy were made with.
    let proxy = &found.proxies.unwrap()[0];
    assert!(proxy.vpc.is_some(), "{proxy:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn an_account_is_looked_into_at_ministack() {
    account(&StandIn::ministack()).await;
}

/// The script way's account, and what is found in it.
async fn account(there: &StandIn) -> Findings {
    let survey = AwsSurvey::new(Some("there".to_owned()), None, there.settings());
    let empty = survey.look(None).await;
    assert_eq!(empty.clusters.unwrap(), [""; 0]);
    assert_eq!((empty.instances.unwrap(), empty.aurora.unwrap()), (vec![], vec![]));

    let subnets = network(there).await;
    containers(there).await;
    create_instance(there, "neuraknot-prod-db", false).await;
    create_cluster(there, "neuraknot-aurora", true).await;
    create_proxy(there, "neuraknot-proxy").await;
    let secrets = aws_sdk_secretsmanager::Client::new(&there.sdk());
    let call = secrets.create_secret().name("prod/neuraKnot").secret_string("hunter2");
    let secret = call.send().await.unwrap();

    let nobody_said = AwsSurvey::new(None, Some("ap-northeast-1".to_owned()), there.settings());
    let profiles = nobody_said.profiles().await.unwrap();
    assert_eq!(profiles.used, Used::Profile("there".to_owned()), "the only one");
    assert_eq!(profiles.region.as_deref(), Some("ap-northeast-1"));
    assert_eq!(survey.identity().await.unwrap().account, "123456789012");
    assert!(survey.regions().await.unwrap().contains(&"ap-northeast-1".to_owned()));

    let found = survey.look(None).await;
    assert_eq!(found.clusters.as_ref().unwrap(), &["neuraKnot-prod-cluster"]);
    let definition = &found.definitions.as_ref().unwrap()[0];
    assert_eq!(definition.family, "neuraKnot-prod-ssm-proxy");
    assert!(definition.fargate && definition.task_role && !definition.shared_processes);
    let of_it: Vec<_> =
        definition.containers.iter().map(|one| (one.name.as_str(), one.read_only)).collect();
    assert_eq!(of_it, [("proxy", false), ("log_router", true)]);
    let service = &found.services.as_ref().unwrap()[0];
    assert_eq!((service.name.as_str(), service.desired), ("bastion-service", 0));
    assert_eq!(service.family, "neuraKnot-prod-ssm-proxy");

    for (id, public) in [(&subnets[0], false), (&subnets[1], true)] {
        let subnet = found.subnets.as_ref().unwrap().iter().find(|one| one.id == **id).unwrap();
        assert_eq!(subnet.public_route, Some(public), "{subnet:?}");
        assert!(subnet.tags["Name"].starts_with("neuraKnot-prod-p"), "{subnet:?}");
    }
    let group = |name: &str| {
        found.groups.as_ref().unwrap().iter().find(|one| one.name == name).unwrap().clone()
    };
    let rule = &group("neuraKnot-prod-rds-sg").ingress[0];
    assert_eq!(rule.ports, Some((5432, 5432)));
    assert_eq!(rule.peer, PeerFacts::Group(group("neuraKnot-prod-ecs-sg").id));

    let instances = found.instances.as_ref().unwrap();
    assert_eq!(instances.len(), 1, "{instances:?}");
    assert_eq!(
        (instances[0].id.as_str(), instances[0].engine.as_deref(), instances[0].port),
        ("neuraknot-prod-db", Some("postgres"), Some(5432))
    );
    assert_eq!(instances[0].user.as_deref(), Some("admin"));
    let aurora = &found.aurora.as_ref().unwrap()[0];
    assert_eq!((aurora.id.as_str(), aurora.managed), ("neuraknot-aurora", true));
    let proxy = &found.proxies.as_ref().unwrap()[0];
    assert_eq!(
        (proxy.id.as_str(), proxy.port, proxy.secrets.len()),
        ("neuraknot-proxy", Some(5432), 1)
    );
    let own = |name: &str| {
        found.secrets.as_ref().unwrap().iter().find(|one| one.name == name).map(|one| &*one.arn)
    };
    assert_eq!(own("prod/neuraKnot"), secret.arn());
    found
}

/// A VPC with a private subnet, a public one, and a database's group that lets in the bastions' one.
async fn network(there: &StandIn) -> Vec<String> {
    let ec2 = aws_sdk_ec2::Client::new(&there.sdk());
    let names = ["neuraKnot-prod-private-1a", "neuraKnot-prod-public-1a"];
    let (vpc, subnets) = create_vpc(&ec2, "10.0", &names).await;
    let gateway = ec2.create_internet_gateway().send().await.unwrap();
    let gateway = gateway.internet_gateway().unwrap().internet_gateway_id().unwrap();
    let attached = ec2.attach_internet_gateway().internet_gateway_id(gateway).vpc_id(&vpc);
    attached.send().await.unwrap();
    let table = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap();
    let table = table.route_table().unwrap().route_table_id().unwrap();
    let route = ec2.create_route().route_table_id(table).gateway_id(gateway);
    route.destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    let associated = ec2.associate_route_table().route_table_id(table).subnet_id(&subnets[1]);
    associated.send().await.unwrap();

    let bastions = create_group(&ec2, &vpc, "neuraKnot-prod-ecs-sg").await;
    let databases = create_group(&ec2, &vpc, "neuraKnot-prod-rds-sg").await;
    let rule = IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(5432)
        .to_port(5432)
        .user_id_group_pairs(UserIdGroupPair::builder().group_id(bastions).build())
        .build();
    let let_in = ec2.authorize_security_group_ingress().group_id(databases).ip_permissions(rule);
    let_in.send().await.unwrap();
    subnets
}

/// A cluster, a task definition with a sidecar, and a service of it that runs nothing.
async fn containers(there: &StandIn) {
    let ecs = aws_sdk_ecs::Client::new(&there.sdk());
    ecs.create_cluster().cluster_name("neuraKnot-prod-cluster").send().await.unwrap();
    let container = |name: &str, read_only: bool| {
        let container = ContainerDefinition::builder().name(name).image("busybox").memory(256);
        container.readonly_root_filesystem(read_only).build()
    };
    ecs.register_task_definition()
        .family("neuraKnot-prod-ssm-proxy")
        .requires_compatibilities(Compatibility::Fargate)
        .network_mode(NetworkMode::Awsvpc)
        .cpu("256")
        .memory("512")
        .task_role_arn("arn:aws:iam::123456789012:role/proxy-task")
        .container_definitions(container("proxy", false))
        .container_definitions(container("log_router", true))
        .send()
        .await
        .unwrap();
    // Without a network: moto breaks over one.
    ecs.create_service()
        .cluster("neuraKnot-prod-cluster")
        .service_name("bastion-service")
        .task_definition("neuraKnot-prod-ssm-proxy")
        .desired_count(0)
        .send()
        .await
        .unwrap();
}
