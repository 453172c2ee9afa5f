//! The channel and the simulator's agent machine face to face on a lossy wire, with a clock turned by
//! hand. The agent is written after the real one: it repeats its oldest message only, is deaf at
//! first, and forgets an acknowledgement that comes before it has stored the message.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod dice;
mod world;

use std::time::Duration;

use bastion_sim::agent::AgentSettings;
use dice::Dice;
use ssm_proto::{Closed, Config, Misbehaved, StreamEnd};
use world::{LONGEST, Limit, LimitKind, To, Visit, Wire, World};

/// How many random lives are lived: `cargo xtask test --long` lives them all.
fn lives() -> u64 {
    if std::env::var_os("BASTION_TEST_LONG").is_some() { 10_000 } else { 300 }
}

#[test]
fn every_byte_goes_to_the_destination_and_back_whatever_the_wire_does() {
    let (mut lost, mut repeated, mut cuts, mut proven, mut failed) = (0, 0, 0, 0, 0);
    for seed in 0..lives() {
        let mut world = random(seed);
        world.live();
        lost += world.lost;
        repeated += world.channel.counters().repeated;
        cuts += world.cuts;
        proven += world.proven.len();
        failed += world.failed.len();
    }
    assert!(lost > 1_000, "only {lost} messages were lost: the wire is too good");
    assert!(repeated > 100, "only {repeated} came again: the agent is too good");
    assert!(cuts > 100, "only {cuts} cuts");
    assert!(proven > 100 && failed > 30, "{proven} sizes proven, {failed} failed");
}

#[test]
fn every_byte_comes_through_loss_doubling_reordering_and_jitter_all_at_once() {
    for seed in 0..lives() {
        let mut world = random(seed);
        let limit = world.wire.limit;
        world.wire = Wire { cut_every: u64::MAX, limit, ..bad_wire() };
        world.live();
    }
}

#[test]
fn a_cut_at_any_message_of_the_handshake_and_of_what_follows_costs_nothing() {
    for cut_at in 1..=220 {
        for seed in 0..2 {
            let mut world = plain(seed);
            world.visits = vec![Visit::of(60_000, &mut world.dice), Visit::of(9, &mut world.dice)];
            world.wire.delay = [0, 5_000][seed as usize];
            world.wire.cut_at = cut_at;
            world.live();
            assert_eq!(world.cuts, 1, "it lived for {} messages", world.sent);
        }
    }
}

#[test]
fn a_limit_of_the_gateway_is_found_and_no_byte_is_lost_by_it() {
    for (limit, largest) in [(1500, 1024), (5_000, 4096), (20_000, 16_384), (40_000, 32_768)] {
        for kind in [LimitKind::Close, LimitKind::Drop] {
            for seed in 0..3 {
                let mut world = plain(seed);
                world.wire.limit = Some(Limit { bytes: limit, kind, since: 0 });
                world.visits = (0..2).map(|_| Visit::of(1_500_000, &mut world.dice)).collect();
                world.live();
                assert_eq!(world.channel.stats().payload_size, largest, "{limit} {kind:?}");
                assert!(world.failed.iter().all(|size| *size > limit), "{:?}", world.failed);
                if let LimitKind::Close = kind {
                    assert_eq!(world.failed.is_empty(), largest == 32_768, "it is told at once");
                }
                assert_eq!(world.proven.last().copied().unwrap_or(1024), largest);
                // After a cut it is the agent that sends again what was lost, at ten messages a second.
                let most = if let LimitKind::Drop = kind { 6_000_000 } else { 60_000_000 };
                assert!(world.time < most, "it took {} ms", world.time / 1000);
            }
        }
    }
}

#[test]
fn a_limit_that_falls_while_large_messages_are_out_ends_the_channel_and_never_changes_a_byte() {
    let (mut ended, mut lived) = (0, 0);
    for seed in 0..60 {
        let mut world = plain(seed);
        let kind = world.dice.one_of(&[LimitKind::Close, LimitKind::Drop]);
        let since = 200_000 + world.dice.below(1_500_000) as u64;
        world.wire.limit = Some(Limit { bytes: 2000, kind, since });
        world.wire.loss = world.dice.one_of(&[[0, 0], [10, 10]]);
        world.visits = (0..2).map(|_| Visit::of(500_000, &mut world.dice)).collect();
        while world.closed.is_none() && !world.machine.is_over() {
            world.step();
        }
        world.is_exact();
        match &world.closed {
            Some(Closed::Misbehaved(Misbehaved::PayloadLimit { bytes })) => {
                assert!(*bytes > 2000 && world.failed.contains(bytes));
                ended += 1;
            }
            Some(other) => panic!("seed {seed}: {other:?}"),
            None => lived += 1,
        }
    }
    assert!(ended > 5 && lived > 5, "{ended} ended, {lived} lived");
}

#[test]
fn a_probe_that_comes_late_and_twice_after_it_was_replaced_changes_nothing() {
    let mut replaced = 0;
    for seed in 0..20 {
        let mut world = plain(seed);
        world.wire.large_are_late = 150_000 + 100_000 * seed;
        world.wire.loss = [[0, 0], [10, 10]][seed as usize % 2];
        world.visits = vec![Visit::of(60_000, &mut world.dice)];
        world.live();
        replaced += usize::from(world.channel.counters().resent > 0);
    }
    assert!(replaced > 10, "only {replaced} probes were replaced");
}

#[test]
fn a_download_of_which_messages_and_acknowledgements_get_lost_does_not_stall() {
    let mut world = plain(1);
    world.visits = vec![Visit::of(1_000_000, &mut world.dice)];
    world.wire.loss = [10, 10]; // as Amazon's client was tried
    world.live();
    assert!(world.channel.counters().repeated > 0);
}

#[test]
fn one_lost_acknowledgement_costs_less_than_two_seconds_whichever_it_is() {
    let run = |lost| {
        let mut world = plain(1);
        world.wire.lost_acknowledgement = lost;
        world.visits = (0..2).map(|_| Visit::of(30_000, &mut world.dice)).collect();
        world.live();
        world.time
    };
    let clean = run(None);
    for way in [To::Agent, To::Client] {
        for which in 0..60 {
            let took = run(Some((way, which)));
            assert!(took < clean + 2_000_000, "{way:?} {which}: {took} and not {clean}");
        }
    }
}

#[test]
fn what_comes_before_the_agent_listens_is_sent_again() {
    let settings = AgentSettings { preparing: Duration::from_millis(50), ..Default::default() };
    let mut world = World::new(1, Dice(1), Config::default(), settings);
    world.visits = vec![Visit::new(b"select 1".to_vec())];
    world.live();
    assert!(world.channel.counters().resent > 0);
    assert!(world.time < 1_000_000, "it took {} ms", world.time / 1000);
}

#[test]
fn the_stream_whose_dial_failed_is_told_from_the_others() {
    let mut world = plain(1);
    world.visits = (0..5).map(|_| Visit::new(vec![1; 3000])).collect();
    world.refused = Some(7);
    while !world.visits.iter().all(|visit| visit.ended.is_some()) {
        world.step();
    }
    let ends: Vec<StreamEnd> = world.visits.iter().filter_map(|visit| visit.ended).collect();
    use StreamEnd::{DialFailed, Finished};
    assert_eq!(ends, [Finished, Finished, DialFailed, Finished, Finished]);
}

#[test]
fn an_agent_without_mux_is_refused_and_hears_of_it() {
    let settings = AgentSettings { version: "3.0.196.0".to_owned(), ..Default::default() };
    let mut world = World::new(1, Dice(1), Config::default(), settings);
    while world.closed.is_none() || !world.machine.is_over() {
        world.step();
        assert!(world.time < 5_000_000, "the agent waits for its limit of 15 s");
    }
    assert!(matches!(world.closed, Some(Closed::Unsupported(_))), "{:?}", world.closed);
}

#[test]
fn a_reader_that_stops_holds_up_nobody_until_its_bound_is_reached_and_loses_nothing() {
    let config = Config { unread_per_stream: 200_000, ..Config::default() };
    let mut world = World::new(1, Dice(1), config, AgentSettings::default());
    world.visits = (0..4).map(|_| Visit::of(100_000, &mut world.dice)).collect();
    world.visits.push(Visit::of(600_000, &mut world.dice));
    world.visits[4].reads_from = 5_000_000;
    world.live();
    for visit in &world.visits[..4] {
        assert!(visit.done_at.unwrap() < 2_000_000, "{:?}", visit.done_at);
    }
    let most = world.most.unread;
    assert!((200_000..300_000).contains(&most), "{most} bytes were unread");
}

#[test]
fn readers_that_stop_share_one_bound() {
    let config = Config { unread_in_all: 100_000, ..Config::default() };
    let mut world = World::new(1, Dice(1), config, AgentSettings::default());
    world.visits = (0..4).map(|_| Visit::of(100_000, &mut world.dice)).collect();
    world.visits.iter_mut().for_each(|visit| visit.reads_from = 3_000_000);
    world.live();
    let most = world.most.unread;
    assert!((90_000..110_000).contains(&most), "{most} bytes were unread");
}

#[test]
fn a_destination_that_stops_reading_stops_its_own_stream_and_all_goes_on_when_it_reads() {
    let mut world = plain(1);
    world.visits = (0..9).map(|_| Visit::of(2_000, &mut world.dice)).collect();
    world.visits.insert(0, Visit::of(3_000_000, &mut world.dice));
    world.visits[1..].iter_mut().for_each(|visit| visit.opens_at = 1_000_000);
    world.stalled = vec![3];
    while world.time < 4_000_000 {
        world.step();
    }
    // It has all in the agent's buffer, which holds 4 MiB: nobody else is held up.
    for visit in &world.visits[1..] {
        assert!(visit.done_at.unwrap() < 1_200_000, "{:?}", visit.done_at);
    }
    let stats = world.channel.stream_stats(world.visits[0].id.unwrap()).unwrap();
    assert_eq!((stats.answered, stats.unanswered), (false, 3_000_000));
    world.stalled.clear();
    world.live();
}

#[test]
fn a_short_query_beside_an_upload_to_a_slow_destination_waits_little() {
    let mut world = plain(1);
    world.slow = Some((3, 2_000)); // 2 MB/s: the agent's buffer is full nearly all the time
    world.visits = vec![Visit::of(16_000_000, &mut world.dice)];
    world.visits.extend((0..20).map(|_| Visit::of(20, &mut world.dice)));
    for (number, visit) in world.visits[1..].iter_mut().enumerate() {
        visit.opens_at = 4_000_000 + 100_000 * number as u64;
    }
    while world.visits[1..].iter().any(|visit| visit.done_at.is_none()) {
        world.step();
    }
    let waited = world.visits[1..].iter().map(|visit| visit.done_at.unwrap() - visit.opens_at);
    let mut waited: Vec<u64> = waited.collect();
    waited.sort_unstable();
    assert!(waited[10] < 500_000, "the median is {} ms", waited[10] / 1000);
}

#[test]
fn a_peer_that_falls_silent_does_not_keep_us_busy() {
    for seed in 0..40 {
        let mut world = random(seed);
        world.wire.cut_every = u64::MAX;
        let until = world.dice.below(3_000_000) as u64;
        while world.time < until && !world.terminated {
            world.step();
        }
        world.wire.loss = [1000, 1000];
        // Whatever is still to come has come by then.
        let (begin, mut steps) = (until + 1_000_000, 0);
        while world.time < begin + 60_000_000 && !world.terminated {
            world.step();
            let own = world.channel.timeout().is_some();
            steps += u64::from(world.time > begin && own);
        }
        // The agent's machine has its own ticks, ten a second.
        assert!(steps < 1_500, "seed {seed}: {steps} steps in a minute");
    }
}

fn plain(seed: u64) -> World {
    World::new(seed, Dice(seed), Config::default(), AgentSettings::default())
}

/// 1 % loss, 1 % doubling, 1 % reordering and 200 ms of jitter.
fn bad_wire() -> Wire {
    let wire = Wire { loss: [10, 10], doubling: 10, reordering: 10, ..Wire::default() };
    Wire { jitter: 200_000, ..wire }
}

/// A life that the seed decides.
fn random(seed: u64) -> World {
    let mut dice = Dice(seed);
    let settings = AgentSettings {
        version: dice.one_of(&["3.3.0.0", "3.1.1000.0"]).to_owned(),
        late_store: dice.one_of(&[0.0, 0.05]),
        preparing: Duration::from_millis(dice.below(300) as u64),
        ..Default::default()
    };
    let config = Config {
        probing: dice.below(4) > 0,
        payload_start: dice.one_of(&[0, 16_384]),
        unread_in_all: dice.one_of(&[20_000, 1 << 28]),
        unread_per_stream: dice.one_of(&[20_000, 1 << 26]),
        window_frames: dice.one_of(&[16, 4096]),
        ..Config::default()
    };
    let wire = match dice.below(3) {
        0 => bad_wire(),
        _ => Wire {
            loss: [dice.one_of(&[0, 20, 80]), dice.one_of(&[0, 20, 80])],
            doubling: dice.one_of(&[0, 20]),
            delay: dice.below(80_000) as u64,
            ..Wire::default()
        },
    };
    let limit = dice.one_of(&[0, 1500, 5_000, 20_000]);
    let kind = dice.one_of(&[LimitKind::Close, LimitKind::Drop]);
    let limit = (limit > 0).then_some(Limit { bytes: limit, kind, since: 0 });
    let cut_every = dice.one_of(&[u64::MAX, 3_000_000]);
    let visits = 1 + dice.below(5);
    let mut world = World::new(seed, dice, config, settings);
    let never_paused = world.dice.below(2) == 0;
    world.wire = Wire { limit, cut_every, never_paused, ..wire };
    for _ in 0..visits {
        let length = world.dice.one_of(&[1, 500, 5_000, 60_000]);
        let mut visit = Visit::of(length, &mut world.dice);
        visit.reads_from = world.dice.one_of(&[0, 0, 0, 4_000_000]);
        world.visits.push(visit);
    }
    assert!(world.time < LONGEST);
    world
}
