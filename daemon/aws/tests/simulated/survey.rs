//! What an account holds, for who has no config yet.

use bastion_aws::AwsSurvey;
use bastion_cloud::{Findings, Kind, PeerFacts, Survey, Used};
use bastion_sim::world::TaskDefinition;
use bastion_sim::{Fault, SimConfig, What};

use crate::house::House;

fn survey(house: &House) -> AwsSurvey {
    let region = Some("ap-northeast-1".to_owned());
    AwsSurvey::new(Some("prod".to_owned()), region, house.settings())
}

async fn look(house: &House) -> Findings {
    survey(house).look(None).await
}

#[tokio::test]
async fn both_ways_of_the_default_account_are_found_whole_on_pages_of_one() {
    let house = House::with(SimConfig { page_size: 1, ..SimConfig::default() }).await;
    let found = look(&house).await;
    assert_eq!(found.clusters.unwrap(), ["dev-cluster", "neuraKnot-prod-cluster"]);

    let services = found.services.unwrap();
    let bastion = services.iter().find(|one| one.name == "bastion-service").unwrap();
    assert_eq!((bastion.cluster.as_str(), bastion.family.as_str()), ("dev-cluster", "dev-bastion"));
    assert!(bastion.exec);
    assert_eq!(bastion.desired, 1);
    assert_eq!(bastion.containers[0].name, "bastion");
    assert_eq!(bastion.subnets.len(), 2);
    assert_eq!(bastion.security_groups, ["sg-0b0b0000000000ec"]);
    let web = services.iter().find(|one| one.name == "web").unwrap();
    assert!(!web.exec);
    assert_eq!(web.containers, [], "of a service without ECS Exec nobody wants to know them");

    let definitions = found.definitions.unwrap();
    let families: Vec<&str> = definitions.iter().map(|one| one.family.as_str()).collect();
    assert_eq!(families, ["dev-bastion", "neuraKnot-prod-ssm-proxy", "neuraKnot-prod-web"]);
    let proxy = &definitions[1];
    assert!(proxy.fargate && proxy.task_role && !proxy.shared_processes);
    let of_web: Vec<_> =
        definitions[2].containers.iter().map(|one| (one.sidecar, one.read_only)).collect();
    assert_eq!(of_web, [(false, true), (true, false)]);

    assert_eq!(found.subnets.unwrap().len(), 5);
    let groups = found.groups.unwrap();
    let db = groups.iter().find(|one| one.name == "neuraKnot-prod-rds-sg").unwrap();
    assert_eq!(db.ingress[0].ports, Some((5432, 5432)));
    assert_eq!(db.ingress[0].peer, PeerFacts::Group("sg-0a11ce000000000ec".to_owned()));
}

#[tokio::test]
async fn databases_are_found_once_each_with_all_that_a_target_wants_to_know() {
    let house = House::with(SimConfig { page_size: 1, ..SimConfig::default() }).await;
    let found = look(&house).await;
    let instances = found.instances.unwrap();
    let ids: Vec<&str> = instances.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["dev-mysql", "managed-db", "neuraknot-prod-db"], "members of Aurora are not");
    let mysql = &instances[0];
    assert_eq!(mysql.engine.as_deref(), Some("mysql"));
    assert_eq!((mysql.port, mysql.database.as_deref()), (Some(3306), Some("app")));
    assert_eq!(mysql.user.as_deref(), Some("admin"));
    assert_eq!(mysql.vpc.as_deref(), Some("vpc-0b0b000000000002"));
    assert_eq!(mysql.tags["aws:cloudformation:stack-name"], "dev-stack");
    assert!(instances[1].managed && !mysql.managed);

    let aurora = found.aurora.unwrap();
    assert_eq!(aurora.len(), 1);
    assert_eq!(aurora[0].id, "neuraknot-aurora");
    assert!(aurora[0].managed);
    assert_eq!(aurora[0].vpc.as_deref(), Some("vpc-0a11ce00000000001"), "as its members'");

    let proxies = found.proxies.unwrap();
    assert_eq!((proxies[0].id.as_str(), proxies[0].port), ("neuraknot-proxy", Some(5432)));
    assert!(proxies[0].secrets[0].contains(":secret:prod/neuraKnot-"));

    let secrets = found.secrets.unwrap();
    assert_eq!(secrets.len(), 5);
    assert!(!format!("{secrets:?}").contains("secret-password"));
    let managed = secrets.iter().filter(|one| one.owner.as_deref() == Some("rds")).count();
    assert_eq!(managed, 2);
    assert_eq!(house.sim.count("GetSecretValue"), 0);
}

#[tokio::test]
async fn what_is_forbidden_is_told_in_its_place_and_the_rest_goes_on() {
    let house = House::new().await;
    for action in ["DescribeDBProxies", "ListServices", "ListSecrets", "DescribeSubnets"] {
        house.fault(Fault::on(action, What::AccessDenied { explicit: false, resource: None }));
    }
    let found = look(&house).await;
    for denied in [
        found.proxies.as_ref().err(),
        found.services.as_ref().err(),
        found.secrets.as_ref().err(),
        found.subnets.as_ref().err(),
    ] {
        let error = denied.unwrap();
        assert!(matches!(error.kind, Kind::Denied { .. }), "{error:?}");
    }
    assert_eq!(found.clusters.unwrap().len(), 2);
    assert_eq!(found.definitions.unwrap().len(), 3);
    assert_eq!(found.instances.unwrap().len(), 3);
    assert_eq!(found.aurora.unwrap().len(), 1);
    assert!(!found.groups.unwrap().is_empty());
}

#[tokio::test]
async fn who_may_not_list_definitions_is_told_of_the_one_that_he_names() {
    let house = House::new().await;
    house.fault(Fault::on(
        "ListTaskDefinitionFamilies",
        What::AccessDenied { explicit: false, resource: None },
    ));
    let found = survey(&house).look(Some("neuraKnot-prod-ssm-proxy:7")).await;
    assert_eq!(found.definitions.unwrap()[0].family, "neuraKnot-prod-ssm-proxy");
    assert!(look(&house).await.definitions.is_err());
}

#[tokio::test]
async fn clusters_that_were_deleted_and_families_without_an_active_revision_are_left_out() {
    let house = House::new().await;
    house.sim.world(|world| {
        world.clusters.get_mut("dev-cluster").unwrap().status = "INACTIVE".to_owned();
        let gone = TaskDefinition { active: false, ..TaskDefinition::default() };
        world.task_definitions.insert("gone:1".to_owned(), gone);
    });
    let found = look(&house).await;
    assert_eq!(found.clusters.unwrap(), ["neuraKnot-prod-cluster"]);
    assert_eq!(found.definitions.unwrap().len(), 3);
}

#[tokio::test]
async fn an_account_with_a_thousand_families_is_not_asked_for_all_of_them() {
    let house = House::new().await;
    house.sim.world(|world| {
        let definition = world.task_definitions["neuraKnot-prod-web:12"].clone();
        for number in 0..1000 {
            world.task_definitions.insert(format!("app-{number}:1"), definition.clone());
        }
    });
    let found = look(&house).await.definitions.unwrap();
    assert_eq!(found.len(), 100);
    assert!(found.iter().any(|one| one.family == "neuraKnot-prod-ssm-proxy"));
    assert!(house.sim.count("DescribeTaskDefinition") <= 101);
}

#[tokio::test]
async fn whose_account_it_is_and_which_regions_it_has_is_told_and_nothing_is_altered() {
    let house = House::new().await;
    let survey = survey(&house);
    let facts = survey.profiles().await.unwrap();
    assert_eq!(facts.used, Used::Profile("prod".to_owned()));
    assert_eq!(survey.identity().await.unwrap().account, "123456789012");
    assert!(survey.regions().await.unwrap().contains(&"ap-northeast-1".to_owned()));
    drop(survey.look(None).await);
    let reads = |action: &str| action.starts_with("Describe") || action.starts_with("List");
    let calls = house.sim.calls();
    let other =
        calls.iter().find(|call| !reads(&call.action) && call.action != "GetCallerIdentity");
    assert!(other.is_none(), "{other:?}");
}
