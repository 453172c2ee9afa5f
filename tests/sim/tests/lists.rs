//! What an account lists to who knows nothing of it yet.

mod asking;

use asking::{start, start_with};
use bastion_sim::SimConfig;
use bastion_sim::world::TaskDefinition;
use serde_json::json;

#[tokio::test]
async fn clusters_and_families_are_listed_page_by_page() {
    let (_sim, asker) = start_with(SimConfig { page_size: 1, ..SimConfig::default() }).await;
    for (action, key, expected) in [
        ("ListClusters", "clusterArns", ["dev-cluster", "neuraKnot-prod-cluster"].as_slice()),
        (
            "ListTaskDefinitionFamilies",
            "families",
            &["dev-bastion", "neuraKnot-prod-ssm-proxy", "neuraKnot-prod-web"],
        ),
    ] {
        let (mut found, mut token) = (Vec::new(), None::<String>);
        loop {
            let body = token.map_or(json!({}), |token| json!({ "nextToken": token }));
            let page = asker.ecs(action, body).await.json();
            let names = page[key].as_array().unwrap();
            assert_eq!(names.len(), 1, "{page}");
            found.push(names[0].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
            token = page["nextToken"].as_str().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_family_without_an_active_revision_is_listed_only_to_who_asks_for_it() {
    let (sim, asker) = start().await;
    sim.world(|world| {
        let gone = TaskDefinition { active: false, ..TaskDefinition::default() };
        world.task_definitions.insert("old:3".to_owned(), gone.clone());
        world.task_definitions.insert("neuraKnot-prod-web:11".to_owned(), gone);
    });
    let families = async |status: &str| {
        let asked = json!({ "status": status });
        let told = asker.ecs("ListTaskDefinitionFamilies", asked).await.json();
        let names = told["families"].as_array().unwrap().clone();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(!families("ACTIVE").await.contains(&"old".to_owned()));
    assert_eq!(families("INACTIVE").await, ["old"]);
    assert!(families("ALL").await.contains(&"old".to_owned()));
    let revisions = async |status: &str| {
        let asked = json!({ "familyPrefix": "neuraKnot-prod-web", "status": status });
        let told = asker.ecs("ListTaskDefinitions", asked).await.json();
        told["taskDefinitionArns"].as_array().unwrap().len()
    };
    assert_eq!((revisions("ACTIVE").await, revisions("INACTIVE").await), (1, 1));
    let prefix = json!({ "familyPrefix": "neuraKnot-prod" });
    let told = asker.ecs("ListTaskDefinitions", prefix).await.json();
    assert_eq!(told["taskDefinitionArns"], json!([]), "it takes whole names");
}

#[tokio::test]
async fn regions_are_those_that_are_enabled_unless_all_are_asked_for() {
    let (_sim, asker) = start().await;
    let enabled = asker.ec2("DescribeRegions", &[]).await.elements("regionName");
    assert!(enabled.contains(&"ap-northeast-1".to_owned()), "{enabled:?}");
    let all = asker.ec2("DescribeRegions", &[("AllRegions", "true")]).await.elements("regionName");
    assert!(all.len() > enabled.len());
}
