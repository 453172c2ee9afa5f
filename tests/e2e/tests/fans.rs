//! A person asks for more tunnels than one bastion carries.

use bastion_e2e::{House, Plan, configs};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_out_starts_as_many_bastions_as_its_tunnels_take() {
    let house = Plan::new(configs::SCRIPT_WAY).postgres().build().await;
    let opened = house.ctl(&["open", "prod-db", "--fan-out", "3", "--json"]).await;
    assert_eq!(opened.code(), Some(0), "{opened}");
    let told: Value = serde_json::from_str(&opened.out).expect("one object");
    assert_eq!(told["target"]["tunnels"], 3, "{opened}");
    assert_eq!(house.sim().count("RunTask"), 2, "an agent takes two sessions");
    assert_eq!(standing(&house), 3);
    assert_eq!(house.psql("prod-db", "SELECT 6 * 7").finish().await.ok(), "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_agent_takes_one_session_more_bastions_make_up_for_it() {
    let plan = Plan::new(configs::SCRIPT_WAY).start_timeout("90s").postgres();
    let house = plan.sim(|sim| sim.session.workers_limit = 1).build().await;
    let opened = house.ctl(&["open", "prod-db", "--fan-out", "2"]).await;
    assert_eq!(opened.code(), Some(0), "{opened}");
    assert!(opened.err.contains("2 tunnels"), "{opened}");
    assert_eq!(house.sim().count("RunTask"), 2);
    assert_eq!(standing(&house), 2);
}

/// How many sessions have not ended.
fn standing(house: &House) -> usize {
    house.sim().gateway().sessions().iter().filter(|session| session.ended.is_none()).count()
}
