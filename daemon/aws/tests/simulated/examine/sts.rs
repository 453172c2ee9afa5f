use bastion_cloud::{Cloud, Kind};
use bastion_sim::SimConfig;

use super::ask;
use crate::house::{House, key_lines};

#[tokio::test]
async fn a_right_clock_is_told_as_right() {
    let house = House::new().await;
    let aws = house.aws();
    let skew = ask(&aws).clock_ahead().await.unwrap();
    assert!(skew.seconds.unsigned_abs() <= skew.within.as_secs() + 1, "{skew:?}");
    assert!(skew.within.as_secs() < 30, "{skew:?}");
}

#[tokio::test]
async fn a_clock_is_told_to_be_off_in_either_direction_though_no_call_succeeds() {
    for offset in [-1000, 1000] {
        let config = SimConfig { clock_offset_seconds: offset, ..SimConfig::default() };
        let house = House::with(config).await;
        let aws = house.aws();
        let error = aws.find_place().await.unwrap_err();
        assert!(matches!(error.kind, Kind::ClockSkew { .. } | Kind::Login { .. }), "{error:?}");
        let skew = ask(&aws).clock_ahead().await.unwrap();
        let off = (skew.seconds + offset).unsigned_abs();
        assert!(off <= skew.within.as_secs() + 1, "{skew:?} of {offset}");
    }
}

#[tokio::test]
async fn the_time_is_asked_for_without_a_login() {
    let house = House::new().await;
    house.write_profile(&key_lines("AKIANOBODYKNOWSME001", "x"));
    ask(&house.aws()).clock_ahead().await.unwrap();
    // A profile whose login is known to be over.
    house.write_profile("sso_start_url = https://example.com/start\nsso_region = ap-northeast-1\nsso_account_id = 123456789012\nsso_role_name = Dev\n");
    let aws = house.aws();
    assert!(matches!(aws.identity().await.unwrap_err().kind, Kind::Login { .. }));
    ask(&aws).clock_ahead().await.unwrap();
}

#[tokio::test]
async fn nobody_who_answers_tells_no_time() {
    let house = House::new().await;
    let aws = house.aws();
    house.sim.stop().await;
    let error = ask(&aws).clock_ahead().await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable, "{error:?}");
}
