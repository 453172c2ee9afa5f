use std::collections::BTreeMap;

use bastion_api::{DatabaseKind, Engine, PasswordPlace, Selection, SiteChoice, SiteFlaw};
use bastion_cloud::{
    CloudError, ContainerFound, DatabaseFound, DefinitionFound, Findings, GroupFound, Kind,
    PeerFacts, RuleFacts, SecretFound, ServiceFound, SubnetFound,
};

use super::{Wanted, databases, sites};

mod proposal;

fn tags(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn subnet(id: &str, vpc: &str, name: &str) -> SubnetFound {
    SubnetFound {
        id: id.to_owned(),
        vpc: vpc.to_owned(),
        tags: tags(&[("Name", name)]),
        ..SubnetFound::default()
    }
}

fn group(id: &str, vpc: &str, name: &str, lets_in: &[&str]) -> GroupFound {
    let rule = |id: &&str| RuleFacts {
        ports: Some((5432, 5432)),
        tcp: true,
        peer: PeerFacts::Group((*id).to_owned()),
    };
    GroupFound {
        id: id.to_owned(),
        name: name.to_owned(),
        vpc: vpc.to_owned(),
        ingress: lets_in.iter().map(rule).collect(),
        ..GroupFound::default()
    }
}

fn container(name: &str) -> ContainerFound {
    ContainerFound { name: name.to_owned(), ..ContainerFound::default() }
}

fn definition(family: &str, containers: &[&str]) -> DefinitionFound {
    DefinitionFound {
        family: family.to_owned(),
        containers: containers.iter().map(|name| container(name)).collect(),
        task_role: true,
        fargate: true,
        shared_processes: false,
    }
}

fn service(cluster: &str, name: &str, family: &str) -> ServiceFound {
    ServiceFound {
        cluster: cluster.to_owned(),
        name: name.to_owned(),
        family: family.to_owned(),
        containers: vec![container("bastion")],
        exec: true,
        desired: 1,
        running: 1,
        subnets: vec!["subnet-d1".to_owned()],
        security_groups: vec!["sg-ec".to_owned()],
    }
}

fn instance(id: &str, engine: &str, vpc: &str, group: &str) -> DatabaseFound {
    DatabaseFound {
        id: id.to_owned(),
        engine: Some(engine.to_owned()),
        status: "available".to_owned(),
        vpc: Some(vpc.to_owned()),
        security_groups: vec![group.to_owned()],
        port: Some(5432),
        database: Some("app".to_owned()),
        user: Some("admin".to_owned()),
        ..DatabaseFound::default()
    }
}

fn secret(name: &str) -> SecretFound {
    SecretFound {
        name: name.to_owned(),
        arn: format!("arn:secret:{name}-AbCdEf"),
        ..SecretFound::default()
    }
}

/// An account with the script way in one VPC and the CDK way in another.
fn account() -> Findings {
    Findings {
        clusters: Ok(vec!["dev-cluster".to_owned(), "neuraKnot-prod-cluster".to_owned()]),
        services: Ok(vec![
            service("dev-cluster", "bastion-service", "dev-bastion"),
            ServiceFound {
                exec: false,
                subnets: vec!["subnet-p1".to_owned()],
                security_groups: vec!["sg-web".to_owned()],
                ..service("neuraKnot-prod-cluster", "web", "neuraKnot-prod-web")
            },
        ]),
        definitions: Ok(vec![
            definition("dev-bastion", &["bastion"]),
            definition("neuraKnot-prod-ssm-proxy", &["proxy"]),
            definition("neuraKnot-prod-web", &["web"]),
        ]),
        subnets: Ok(vec![
            subnet("subnet-p1", "vpc-p", "neuraKnot-prod-private-1a"),
            subnet("subnet-p2", "vpc-p", "neuraKnot-prod-private-1c"),
            subnet("subnet-p3", "vpc-p", "neuraKnot-prod-public-1a"),
            subnet("subnet-d1", "vpc-d", "dev-stack/Vpc/PrivateSubnet1"),
            subnet("subnet-d2", "vpc-d", "dev-stack/Vpc/PublicSubnet1"),
        ]),
        groups: Ok(vec![
            group("sg-ec", "vpc-p", "neuraKnot-prod-ecs-sg", &[]),
            group("sg-web", "vpc-p", "neuraKnot-prod-web-sg", &[]),
            group("sg-db", "vpc-p", "neuraKnot-prod-rds-sg", &["sg-ec"]),
            group("sg-dd", "vpc-d", "dev-db", &[]),
        ]),
        instances: Ok(vec![
            instance("neuraknot-prod-db", "postgres", "vpc-p", "sg-db"),
            instance("dev-mysql", "mysql", "vpc-d", "sg-dd"),
        ]),
        aurora: Ok(vec![DatabaseFound {
            vpc: None,
            managed: true,
            ..instance("reports", "aurora-postgresql", "", "sg-db")
        }]),
        proxies: Ok(vec![DatabaseFound {
            secrets: vec!["arn:secret:prod/neuraKnot-AbCdEf".to_owned()],
            ..instance("front", "postgres", "vpc-p", "sg-db")
        }]),
        secrets: Ok(vec![
            secret("prod/neuraKnot"),
            secret("dev/mysql"),
            secret("prod/neuraKnot-web/key"),
        ]),
    }
}

fn denied<T>() -> Result<Vec<T>, CloudError> {
    let kind = Kind::Denied { explicit: false, action: None, resource: None };
    Err(CloudError { call: "x:List", kind, message: "no".to_owned(), request_id: None })
}

fn named(name: &str) -> Selection {
    Selection::Name(name.to_owned())
}

fn nothing_wanted(found: &Findings) -> Vec<SiteChoice> {
    sites(found, &Wanted::default())
}

fn wanting(family: &str) -> Wanted {
    Wanted { task_definition: Some(family.to_owned()), ..Wanted::default() }
}

#[test]
fn both_ways_are_found_and_what_an_application_runs_is_no_bastion() {
    let found = nothing_wanted(&account());
    let shown: Vec<_> = found
        .iter()
        .map(|site| {
            (site.cluster.as_str(), site.service.as_deref(), site.task_definition.as_deref())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("dev-cluster", Some("bastion-service"), None),
            ("neuraKnot-prod-cluster", None, Some("neuraKnot-prod-ssm-proxy")),
            ("neuraKnot-prod-cluster", Some("web"), None),
        ]
    );
    assert_eq!(found[2].flaws, [SiteFlaw::ExecOff]);
    assert!(found[..2].iter().all(|site| site.flaws.is_empty()));
    assert_eq!(found[0].vpc.as_deref(), Some("vpc-d"));
}

#[test]
fn the_script_ways_subnets_and_group_are_named_as_a_person_names_them() {
    let site = &sites(&account(), &wanting("neuraKnot-prod-ssm-proxy"))[0];
    assert_eq!(site.subnets, [named("neuraKnot-prod-private-*")]);
    assert_eq!(site.security_groups, [named("neuraKnot-prod-ecs-sg")], "whom the database lets in");
    assert_eq!(site.vpc.as_deref(), Some("vpc-p"));
    assert_eq!(site.containers, ["proxy"]);
}

#[test]
fn subnets_that_no_beginning_of_names_tells_apart_are_named_by_a_tag_or_by_their_ids() {
    let mut account = account();
    let rename = |account: &mut Findings, tag: bool| {
        for subnet in account.subnets.as_mut().unwrap() {
            let tier = if subnet.tags["Name"].contains("rivate") { "private" } else { "public" };
            let name = if tag { "all-alike" } else { "alike" };
            subnet.tags = tags(&[("Name", name)]);
            if tag && subnet.vpc == "vpc-p" {
                subnet.tags.insert("Tier".to_owned(), tier.to_owned());
            }
            subnet.public_route = Some(tier == "public");
        }
    };
    rename(&mut account, true);
    let site = &sites(&account, &wanting("neuraKnot-prod-ssm-proxy"))[0];
    assert_eq!(site.subnets, [Selection::Tags(tags(&[("Tier", "private")]))]);
    for subnet in account.subnets.as_mut().unwrap() {
        subnet.tags = tags(&[("Name", "alike")]);
    }
    let site = &sites(&account, &wanting("neuraKnot-prod-ssm-proxy"))[0];
    let ids = ["subnet-p1", "subnet-p2"].map(str::to_owned).to_vec();
    assert_eq!(site.subnets, [Selection::Ids(ids)]);
}

#[test]
fn routes_count_for_more_than_names() {
    let mut account = account();
    for subnet in account.subnets.as_mut().unwrap() {
        subnet.public_route = Some(subnet.id == "subnet-p1");
    }
    let site = &sites(&account, &wanting("neuraKnot-prod-ssm-proxy"))[0];
    assert_eq!(site.subnets, [named("neuraKnot-prod-private-1c")]);
}

#[test]
fn subnets_without_a_way_out_are_passed_over_where_names_tell_them() {
    let mut account = account();
    account.subnets.as_mut().unwrap().extend([
        subnet("subnet-p4", "vpc-p", "neuraKnot-prod-isolated-1a"),
        subnet("subnet-p5", "vpc-p", "neuraKnot-prod-db-1a"),
    ]);
    let site = &sites(&account, &wanting("neuraKnot-prod-ssm-proxy"))[0];
    assert_eq!(site.subnets, [named("neuraKnot-prod-private-*")]);
}

#[test]
fn where_no_rule_tells_the_group_all_that_could_be_meant_are_offered() {
    let mut account = account();
    account.services = Ok(Vec::new());
    account.groups = Ok(["one", "two"].map(|name| group(name, "vpc-p", name, &[])).to_vec());
    let site = &sites(&account, &wanting("neuraKnot-prod-ssm-proxy"))[0];
    assert_eq!(site.security_groups, [named("one"), named("two")]);
}

#[test]
fn a_group_whose_name_is_not_its_own_is_named_by_its_id() {
    let mut account = account();
    let mut other = group("sg-x", "vpc-p", "x", &[]);
    other.tags = tags(&[("Name", "neuraKnot-prod-ecs-sg")]);
    account.groups.as_mut().unwrap().push(other);
    let site = &sites(&account, &wanting("neuraKnot-prod-ssm-proxy"))[0];
    assert_eq!(site.security_groups, [Selection::Ids(vec!["sg-ec".to_owned()])]);
}

#[test]
fn a_family_belongs_to_the_cluster_that_is_called_like_it_and_to_all_where_none_is() {
    let clusters = |family: &str| {
        let mut account = account();
        account.definitions.as_mut().unwrap().push(definition(family, &["x"]));
        let found = sites(&account, &wanting(family)).into_iter().map(|site| site.cluster);
        let mut found: Vec<String> = found.collect();
        found.dedup();
        found
    };
    assert_eq!(clusters("neuraKnot-jump"), ["neuraKnot-prod-cluster"]);
    assert_eq!(clusters("jump"), ["dev-cluster", "neuraKnot-prod-cluster"]);
    let wanted = Wanted { cluster: Some("dev-cluster".to_owned()), ..wanting("dev-bastion") };
    let found = sites(&account(), &wanted);
    assert_eq!(found[0].cluster, "dev-cluster");
    assert_eq!(found[0].task_definition.as_deref(), Some("dev-bastion"), "it was named");
}

#[test]
fn every_flaw_is_told_and_puts_a_place_last() {
    let mut account = account();
    let mut flawed = definition("aa-bastion", &["x"]);
    flawed.fargate = false;
    flawed.task_role = false;
    flawed.shared_processes = true;
    flawed.containers[0].read_only = true;
    account.definitions.as_mut().unwrap().push(flawed);
    account.services.as_mut().unwrap()[0].desired = 0;
    let found = nothing_wanted(&account);
    assert_eq!(found[0].task_definition.as_deref(), Some("neuraKnot-prod-ssm-proxy"));
    let aa = found.iter().find(|one| one.task_definition.as_deref() == Some("aa-bastion")).unwrap();
    let all =
        [SiteFlaw::NotFargate, SiteFlaw::NoTaskRole, SiteFlaw::ReadOnly, SiteFlaw::SharedProcesses];
    assert_eq!(aa.flaws, all);
    let service = found.iter().find(|one| one.service.as_deref() == Some("bastion-service"));
    assert_eq!(service.unwrap().flaws, [SiteFlaw::ScaledToZero]);
}

#[test]
fn of_several_containers_sidecars_and_those_with_a_read_only_root_are_passed_over() {
    let mut account = account();
    let mut many = definition("neuraKnot-jump", &["log_router", "app", "shell"]);
    many.containers[0].sidecar = true;
    many.containers[1].read_only = true;
    account.definitions.as_mut().unwrap().push(many);
    let site = &sites(&account, &wanting("neuraKnot-jump"))[0];
    assert_eq!(site.containers, ["shell"]);
    assert_eq!(site.flaws, []);
}

#[test]
fn who_may_list_nothing_names_it_himself() {
    let mut account = account();
    (account.clusters, account.services, account.definitions) = (denied(), denied(), denied());
    (account.subnets, account.groups) = (denied(), denied());
    assert_eq!(nothing_wanted(&account), []);
    let cluster = Some("c".to_owned());
    let by_family = sites(&account, &Wanted { cluster: cluster.clone(), ..wanting("f:7") });
    assert_eq!(by_family.len(), 1);
    assert_eq!(by_family[0].task_definition.as_deref(), Some("f"));
    assert_eq!((by_family[0].subnets.len(), by_family[0].flaws.len()), (0, 0));
    let service = Some("s".to_owned());
    let by_service = sites(&account, &Wanted { cluster, service, ..Wanted::default() });
    assert_eq!(by_service[0].service.as_deref(), Some("s"));
}

#[test]
fn a_password_is_told_only_where_it_is_beyond_doubt() {
    let of = |found: &Findings, id: &str| {
        databases(found).into_iter().find(|one| one.id == id).unwrap().password
    };
    let secret_of = |name: &str| Some(PasswordPlace::Secret(name.to_owned()));
    let mut account = account();
    assert_eq!(of(&account, "neuraknot-prod-db"), secret_of("prod/neuraKnot"));
    assert_eq!(of(&account, "dev-mysql"), secret_of("dev/mysql"));
    assert_eq!(of(&account, "reports"), Some(PasswordPlace::RdsManaged(true)));
    assert_eq!(of(&account, "front"), secret_of("prod/neuraKnot"));
    // Two that fit are none.
    account.secrets.as_mut().unwrap().push(secret("neuraknot_prod"));
    assert_eq!(of(&account, "neuraknot-prod-db"), None);
    // A name beats both, and a tag beats the name.
    account.secrets.as_mut().unwrap().push(secret("team/neuraknot-prod-db"));
    assert_eq!(of(&account, "neuraknot-prod-db"), secret_of("team/neuraknot-prod-db"));
    account.instances.as_mut().unwrap()[0].arn = Some("arn:db".to_owned());
    account.secrets.as_mut().unwrap()[1].tags = tags(&[("aws:rds:primaryDBInstanceArn", "arn:db")]);
    assert_eq!(of(&account, "neuraknot-prod-db"), secret_of("dev/mysql"));
}

#[test]
fn a_secret_of_the_same_stack_is_its_databases_and_a_managed_one_is_nobody_elses() {
    let mut account = account();
    let stack = tags(&[("aws:cloudformation:stack-name", "shop")]);
    let mut made = secret("ShopDbSecret0A1B2C-xYz");
    made.tags = stack.clone();
    let mut managed = secret("rds!db-1");
    managed.owner = Some("rds".to_owned());
    managed.tags = stack.clone();
    account.secrets = Ok(vec![made, managed]);
    account.instances.as_mut().unwrap()[0].tags = stack;
    let found = databases(&account);
    let of = |id: &str| found.iter().find(|one| one.id == id).unwrap().password.clone();
    let expected = PasswordPlace::Secret("ShopDbSecret0A1B2C-xYz".to_owned());
    assert_eq!(of("neuraknot-prod-db"), Some(expected));
    assert_eq!(of("dev-mysql"), None);
}

#[test]
fn a_database_that_does_not_say_where_it_is_is_where_its_group_is() {
    let found = databases(&account());
    let reports = found.iter().find(|one| one.id == "reports").unwrap();
    assert_eq!((reports.kind, reports.vpc.as_deref()), (DatabaseKind::Aurora, Some("vpc-p")));
    assert_eq!(reports.engine, Engine::Postgres);
    let mut account = account();
    account.instances = denied();
    assert_eq!(databases(&account).len(), 2, "the rest is found all the same");
}
