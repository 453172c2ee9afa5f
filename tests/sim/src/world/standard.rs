//! The default world: what the script way and the CDK way find in their account (product.md), and the rarer databases.

mod access;
mod ways_out;

use std::collections::BTreeMap;

use self::access::access;
use self::ways_out::ways_out;
use super::{
    Cluster, ContainerDefinition, CustomEndpoint, DbCluster, DbInstance, DbProxy, ManagedSecret,
    Member, Rule, Secret, SecurityGroup, Service, Subnet, Tags, TaskDefinition, Vpc, World,
};

/// Part of every RDS name of one account and region.
const RDS_LABEL: &str = "cx1simulated";
const PROD_VPC: &str = "vpc-0a11ce00000000001";
const DEV_VPC: &str = "vpc-0b0b000000000002";

/// The script a container of the default world runs: it waits for TERM, as a proxy task with a trap does.
const WAIT_FOR_TERM: &str = "trap 'exit 143' TERM; while :; do sleep 3600 & wait $!; done";

impl World {
    /// The account that `aws.md` and `product.md` speak of.
    pub fn standard(account: &str, region: &str) -> Self {
        let mut world = Self::default();
        script_way(&mut world, account, region);
        cdk_way(&mut world, account, region);
        aurora(&mut world, region);
        managed(&mut world, region);
        proxy(&mut world, account, region);
        // GuardDuty's runtime monitoring puts itself into every task, and first.
        let image = format!(
            "593207742271.dkr.ecr.{region}.amazonaws.com/aws-guardduty-agent-fargate:v1.3.1-Fg_x86_64"
        );
        world.injected.insert("aws-guardduty-agent-PfKHWDT".to_owned(), image);
        ways_out(&mut world);
        access(&mut world, account, region);
        world
    }
}

fn script_way(world: &mut World, account: &str, region: &str) {
    world.vpcs.insert(
        PROD_VPC.to_owned(),
        Vpc { cidr: "10.0.0.0/16".to_owned(), tags: named("neuraKnot-prod-vpc"), ..Vpc::default() },
    );
    for (id, zone, third, name) in [
        ("subnet-0a11ce0000000001a", "a", 10, "neuraKnot-prod-private-1a"),
        ("subnet-0a11ce0000000001c", "c", 11, "neuraKnot-prod-private-1c"),
        ("subnet-0a11ce0000000002a", "a", 20, "neuraKnot-prod-public-1a"),
    ] {
        let mut tags = named(name);
        let tier = if name.contains("private") { "private" } else { "public" };
        tags.insert("Tier".to_owned(), tier.to_owned());
        tags.insert("Environment".to_owned(), "prod".to_owned());
        world.subnets.insert(
            id.to_owned(),
            Subnet {
                vpc: PROD_VPC.to_owned(),
                zone: format!("{region}{zone}"),
                cidr: format!("10.0.{third}.0/24"),
                free: 251,
                full: false,
                tags,
            },
        );
    }
    group(world, "sg-0a11ce000000000ec", PROD_VPC, "neuraKnot-prod-ecs-sg", Vec::new());
    let from_ecs = vec![rule(5432, "sg-0a11ce000000000ec"), rule(3306, "sg-0a11ce000000000ec")];
    group(world, "sg-0a11ce000000000db", PROD_VPC, "neuraKnot-prod-rds-sg", from_ecs);
    world.clusters.insert("neuraKnot-prod-cluster".to_owned(), Cluster::default());
    let definition = definition(account, "neuraKnot-prod-ssm-proxy", "proxy");
    world.task_definitions.insert("neuraKnot-prod-ssm-proxy:7".to_owned(), definition);
    web(world, account);
    world.db_instances.insert(
        "neuraknot-prod-db".to_owned(),
        DbInstance {
            address: Some(rds_name("neuraknot-prod-db", region)),
            database: Some("neuraKnot".to_owned()),
            vpc: PROD_VPC.to_owned(),
            security_groups: vec!["sg-0a11ce000000000db".to_owned()],
            subnets: private_subnets(),
            iam: true,
            resource_id: "db-SIMULATEDPROD00000000001".to_owned(),
            tags: named("neuraKnot-prod-db"),
            ..DbInstance::default()
        },
    );
    secret(
        world,
        "prod/neuraKnot",
        "AbCdE1",
        r#"{"username":"postgres","password":"prod-secret-password"}"#,
    );
}

/// What else stands in such an account, and can hold no bastion: an application, scaled down for the night.
fn web(world: &mut World, account: &str) {
    let mut definition = definition(account, "neuraKnot-prod-web", "web");
    definition.containers[0].readonly_root = true;
    definition.containers.push(ContainerDefinition {
        name: "log_router".to_owned(),
        image: "public.ecr.aws/aws-observability/aws-for-fluent-bit:stable".to_owned(),
        ..ContainerDefinition::default()
    });
    world.task_definitions.insert("neuraKnot-prod-web:12".to_owned(), definition);
    world.services.insert(
        "neuraKnot-prod-cluster/web".to_owned(),
        Service {
            task_definition: "neuraKnot-prod-web:12".to_owned(),
            desired: 0,
            exec: false,
            subnets: private_subnets(),
            security_groups: vec!["sg-0a11ce000000000ec".to_owned()],
            ..Service::default()
        },
    );
    secret(world, "prod/neuraKnot-web/session-key", "UvWxY5", "a-key-for-cookies");
}

fn cdk_way(world: &mut World, account: &str, region: &str) {
    world.vpcs.insert(
        DEV_VPC.to_owned(),
        Vpc { cidr: "10.1.0.0/16".to_owned(), tags: named("dev-stack/Vpc"), ..Vpc::default() },
    );
    for (id, zone, third) in
        [("subnet-0b0b00000000001a", "a", 2), ("subnet-0b0b00000000001c", "c", 3)]
    {
        let mut tags = named(&format!("dev-stack/Vpc/PrivateSubnet{}", third - 1));
        tags.insert("aws-cdk:subnet-type".to_owned(), "Private".to_owned());
        world.subnets.insert(
            id.to_owned(),
            Subnet {
                vpc: DEV_VPC.to_owned(),
                zone: format!("{region}{zone}"),
                cidr: format!("10.1.{third}.0/24"),
                free: 250,
                full: false,
                tags,
            },
        );
    }
    group(world, "sg-0b0b0000000000ec", DEV_VPC, "dev-stack-BastionSecurityGroup", Vec::new());
    group(
        world,
        "sg-0b0b0000000000db",
        DEV_VPC,
        "dev-stack-DbSecurityGroup",
        vec![rule(3306, "sg-0b0b0000000000ec")],
    );
    world.clusters.insert("dev-cluster".to_owned(), Cluster::default());
    let definition = definition(account, "dev-bastion", "bastion");
    world.task_definitions.insert("dev-bastion:3".to_owned(), definition);
    world.services.insert(
        "dev-cluster/bastion-service".to_owned(),
        Service {
            task_definition: "dev-bastion:3".to_owned(),
            subnets: vec![
                "subnet-0b0b00000000001a".to_owned(),
                "subnet-0b0b00000000001c".to_owned(),
            ],
            security_groups: vec!["sg-0b0b0000000000ec".to_owned()],
            ..Service::default()
        },
    );
    let address = rds_name("dev-mysql", region);
    let said = format!(
        r#"{{"username":"admin","password":"dev-secret-password","engine":"mysql","host":"{address}","port":3306,"dbname":"app","dbInstanceIdentifier":"dev-mysql"}}"#
    );
    world.db_instances.insert(
        "dev-mysql".to_owned(),
        DbInstance {
            engine: "mysql".to_owned(),
            engine_version: "8.0.40".to_owned(),
            address: Some(address),
            port: 3306,
            database: Some("app".to_owned()),
            user: "admin".to_owned(),
            vpc: DEV_VPC.to_owned(),
            security_groups: vec!["sg-0b0b0000000000db".to_owned()],
            subnets: vec![
                "subnet-0b0b00000000001a".to_owned(),
                "subnet-0b0b00000000001c".to_owned(),
            ],
            resource_id: "db-SIMULATEDDEVMYSQL0000001".to_owned(),
            tags: of_stack("dev-stack"),
            ..DbInstance::default()
        },
    );
    secret(world, "dev/mysql", "FgHiJ2", &said);
    if let Some(secret) = world.secrets.get_mut("dev/mysql") {
        secret.description = "Generated by the CDK for stack: dev-stack".to_owned();
        secret.tags = of_stack("dev-stack");
    }
}

fn aurora(world: &mut World, region: &str) {
    for (name, writer) in [("neuraknot-aurora-1", true), ("neuraknot-aurora-2", false)] {
        world.db_instances.insert(
            name.to_owned(),
            DbInstance {
                engine: "aurora-postgresql".to_owned(),
                address: Some(rds_name(name, region)),
                vpc: PROD_VPC.to_owned(),
                security_groups: vec!["sg-0a11ce000000000db".to_owned()],
                subnets: private_subnets(),
                cluster: Some("neuraknot-aurora".to_owned()),
                resource_id: format!("db-SIMULATEDAURORA00000000{}", if writer { 1 } else { 2 }),
                ..DbInstance::default()
            },
        );
    }
    let secret_name = "rds!cluster-0aaaaaaa-1111-4222-8333-444444444444";
    world.db_clusters.insert(
        "neuraknot-aurora".to_owned(),
        DbCluster {
            writer: Some(format!(
                "neuraknot-aurora.cluster-{RDS_LABEL}.{region}.rds.amazonaws.com"
            )),
            reader: Some(format!(
                "neuraknot-aurora.cluster-ro-{RDS_LABEL}.{region}.rds.amazonaws.com"
            )),
            database: Some("neuraKnot".to_owned()),
            security_groups: vec!["sg-0a11ce000000000db".to_owned()],
            members: vec![
                Member { instance: "neuraknot-aurora-1".to_owned(), writer: true },
                Member { instance: "neuraknot-aurora-2".to_owned(), writer: false },
            ],
            managed_secret: Some(ManagedSecret {
                name: secret_name.to_owned(),
                status: "active".to_owned(),
            }),
            iam: true,
            ..DbCluster::default()
        },
    );
    world.custom_endpoints.insert(
        "neuraknot-analytics".to_owned(),
        CustomEndpoint {
            cluster: "neuraknot-aurora".to_owned(),
            address: format!(
                "neuraknot-analytics.cluster-custom-{RDS_LABEL}.{region}.rds.amazonaws.com"
            ),
            kind: "READER".to_owned(),
            status: "available".to_owned(),
            members: vec!["neuraknot-aurora-2".to_owned()],
        },
    );
    managed_secret(world, secret_name, "KlMnO3", "postgres", "aurora-secret-password");
}

fn managed(world: &mut World, region: &str) {
    let secret_name = "rds!db-0bbbbbbb-1111-4222-8333-444444444444";
    world.db_instances.insert(
        "managed-db".to_owned(),
        DbInstance {
            address: Some(rds_name("managed-db", region)),
            database: Some("managed".to_owned()),
            user: "master".to_owned(),
            vpc: PROD_VPC.to_owned(),
            security_groups: vec!["sg-0a11ce000000000db".to_owned()],
            subnets: private_subnets(),
            managed_secret: Some(ManagedSecret {
                name: secret_name.to_owned(),
                status: "active".to_owned(),
            }),
            resource_id: "db-SIMULATEDMANAGED00000001".to_owned(),
            ..DbInstance::default()
        },
    );
    managed_secret(world, secret_name, "PqRsT4", "master", "managed-secret-password");
}

fn proxy(world: &mut World, account: &str, region: &str) {
    world.db_proxies.insert(
        "neuraknot-proxy".to_owned(),
        DbProxy {
            engine_family: "POSTGRESQL".to_owned(),
            status: "available".to_owned(),
            address: Some(format!("neuraknot-proxy.proxy-{RDS_LABEL}.{region}.rds.amazonaws.com")),
            vpc: PROD_VPC.to_owned(),
            subnets: private_subnets(),
            security_groups: vec!["sg-0a11ce000000000db".to_owned()],
            secret: format!(
                "arn:aws:secretsmanager:{region}:{account}:secret:prod/neuraKnot-AbCdE1"
            ),
            require_tls: true,
            iam: false,
        },
    );
}

fn definition(account: &str, family: &str, container: &str) -> TaskDefinition {
    TaskDefinition {
        task_role: Some(format!("arn:aws:iam::{account}:role/{family}-task")),
        execution_role: Some(format!("arn:aws:iam::{account}:role/{family}-execution")),
        containers: vec![ContainerDefinition {
            name: container.to_owned(),
            command: vec!["sh".to_owned(), "-c".to_owned(), WAIT_FOR_TERM.to_owned()],
            environment: BTreeMap::from([("TZ".to_owned(), "Asia/Tokyo".to_owned())]),
            log_group: Some(format!("/ecs/{family}")),
            ..ContainerDefinition::default()
        }],
        ..TaskDefinition::default()
    }
}

fn group(world: &mut World, id: &str, vpc: &str, name: &str, ingress: Vec<Rule>) {
    let everything =
        Rule { protocol: "-1".to_owned(), cidrs: vec!["0.0.0.0/0".to_owned()], ..Rule::default() };
    world.security_groups.insert(
        id.to_owned(),
        SecurityGroup {
            vpc: vpc.to_owned(),
            name: name.to_owned(),
            tags: named(name),
            ingress,
            egress: vec![everything],
        },
    );
}

fn rule(port: u16, from: &str) -> Rule {
    Rule {
        protocol: "tcp".to_owned(),
        ports: Some((port, port)),
        groups: vec![from.to_owned()],
        ..Rule::default()
    }
}

fn secret(world: &mut World, name: &str, suffix: &str, value: &str) {
    world.secrets.insert(
        name.to_owned(),
        Secret { value: value.to_owned(), suffix: suffix.to_owned(), ..Secret::default() },
    );
}

fn managed_secret(world: &mut World, name: &str, suffix: &str, user: &str, password: &str) {
    secret(world, name, suffix, &format!(r#"{{"username":"{user}","password":"{password}"}}"#));
    if let Some(secret) = world.secrets.get_mut(name) {
        secret.owning_service = Some("rds".to_owned());
        secret.rotation = true;
        secret.tags.insert("aws:secretsmanager:owningService".to_owned(), "rds".to_owned());
    }
}

fn private_subnets() -> Vec<String> {
    vec!["subnet-0a11ce0000000001a".to_owned(), "subnet-0a11ce0000000001c".to_owned()]
}

fn rds_name(identifier: &str, region: &str) -> String {
    format!("{identifier}.{RDS_LABEL}.{region}.rds.amazonaws.com")
}

/// What CloudFormation puts on all that it makes.
fn of_stack(name: &str) -> Tags {
    Tags::from([("aws:cloudformation:stack-name".to_owned(), name.to_owned())])
}

fn named(name: &str) -> Tags {
    Tags::from([("Name".to_owned(), name.to_owned())])
}
