//! Leave to dial again that is not given: each kind has its own end, or none.

use std::time::Duration;

use bastion_sim::gateway::Mishap;
use ssm_tunnel::{Closed, State};

use super::LONG;
use super::destination::{Destination, Kind};
use super::lane::{Lane, Mood, Way};
use super::talk::Talks;

async fn talking() -> (Lane, Destination, Way, Talks) {
    let lane = Lane::lay(|_| {}).await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    let talks = Talks::start(&way.tunnel, 2, Kind::Up, 20_000).await;
    assert!(talks.more(2, LONG).await);
    (lane, destination, way, talks)
}

async fn closed(way: Way) -> Closed {
    tokio::time::timeout(LONG, way.driving).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hour_s_bye_is_no_more_than_a_pause() {
    let (_lane, destination, way, talks) = talking().await;
    for clients in 2..=6 {
        way.befall(Mishap::Bye);
        way.until("another websocket", |view| view.client && view.clients == clients).await;
        assert!(talks.more(2, LONG).await, "{:?}", way.view());
    }
    talks.end(&destination).await.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_waited_for_and_then_it_goes_on() {
    let (_lane, destination, way, talks) = talking().await;
    way.leave.set(Mood::Login);
    way.befall(Mishap::CutClient);
    let mut state = way.tunnel.state();
    let waits = state.wait_for(|state| matches!(state, State::WaitingForLogin { .. }));
    tokio::time::timeout(LONG, waits).await.unwrap().unwrap();
    way.leave.set(Mood::Grants);
    let took = way.until("the websocket after the login", |view| view.clients == 2).await;
    assert!(took < Duration::from_secs(5), "noticed after {took:?}");
    assert!(talks.more(2, LONG).await);
    talks.end(&destination).await.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_asked_for_again_and_again_but_not_all_the_time() {
    let (_lane, destination, way, talks) = talking().await;
    way.leave.set(Mood::Fails);
    way.befall(Mishap::CutClient);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = way.leave.asked();
    assert!((2..=40).contains(&asked), "asked {asked} times in 5 s");
    way.leave.set(Mood::Grants);
    way.until("another websocket", |view| view.clients == 2).await;
    assert!(talks.more(2, LONG).await);
    talks.end(&destination).await.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_that_is_not_permitted_ends_the_tunnel_as_such() {
    let (_lane, _destination, way, _talks) = talking().await;
    way.leave.set(Mood::Refuses);
    way.befall(Mishap::CutClient);
    let closed = closed(way).await;
    assert!(matches!(closed, Closed::ResumeRefused { .. }), "{closed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_over_ends_the_tunnel_as_such() {
    let (lane, _destination, way, _talks) = talking().await;
    lane.sim.gateway().alter(|settings| settings.dials_hang = true);
    way.befall(Mishap::CutClient);
    way.befall(Mishap::End { output: "somebody ended it".to_owned() });
    lane.sim.gateway().alter(|settings| settings.dials_hang = false);
    let closed = closed(way).await;
    assert!(matches!(closed, Closed::SessionOver { .. }), "{closed:?}");
}
