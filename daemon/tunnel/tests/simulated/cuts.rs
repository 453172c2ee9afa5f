//! Cuts at random places while bytes go both ways: none is lost, and no stream ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ssm_tunnel::{FirstByte, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stage::{STORY, Stage, echo, pattern};

/// How many times as long as usual the stories last.
pub(crate) fn length() -> u32 {
    if std::env::var_os("BASTION_TEST_LONG").is_some() { 20 } else { 1 }
}

/// Bytes go both ways on so many streams at once, until the websocket was cut often enough.
pub(crate) async fn on_streams(streams: usize) {
    let cuts = u64::from(length()) * CUTS;
    let stage = Stage::set(|settings| settings.bye_every = None).await;
    let (tunnel, driving, id) = stage.lasting_tunnel(echo().await, Options::default()).await;
    let seed = std::process::id();
    println!("seed {seed}");
    let mut dice = seed.max(1);
    let mut roll = move || {
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        dice
    };
    let (done, moved) = (AtomicU64::new(0), AtomicU64::new(0));
    let cutting = async {
        for cut in 0..cuts {
            // At a place of its own, wherever the transfers are by then.
            let at = moved.load(Ordering::Relaxed) + u64::from(roll() % 40_000);
            while moved.load(Ordering::Relaxed) < at {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            match roll() % 4 {
                0 => assert!(stage.sim.gateway().say_bye(&id)),
                _ => assert!(stage.sim.gateway().cut_client(&id)),
            }
            let again = stage.sim.gateway().until(STORY, &id, |view| view.clients > cut + 1);
            assert!(again.await, "the websocket was not replaced");
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let transfers = (0..streams).map(|number| {
        let (tunnel, done, moved) = (tunnel.clone(), &done, &moved);
        async move {
            let stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
            let (mut reader, mut writer) = tokio::io::split(stream);
            // The agent repairs ten messages a second of those that a cut has lost: few at a time are more cuts.
            let mut part = pattern(PART / streams);
            part.rotate_left(number);
            while done.load(Ordering::Relaxed) < cuts {
                let mut back = vec![0; part.len()];
                let (wrote, read) =
                    tokio::join!(writer.write_all(&part), reader.read_exact(&mut back));
                wrote.unwrap();
                read.unwrap();
                assert!(back == part, "stream {number} came back changed");
                moved.fetch_add(part.len() as u64, Ordering::Relaxed);
                part.rotate_left(1);
            }
            (reader, writer)
        }
    });
    let ((), kept) = tokio::join!(cutting, futures_util::future::join_all(transfers));
    assert_eq!(tunnel.streams(), streams, "no stream was closed");
    assert!(stage.sim.gateway().session(&id).unwrap().clients > cuts);
    drop(kept);
    tunnel.close().await;
    driving.await.unwrap();
}

/// Bytes on their way in all.
const PART: usize = 8_011;

/// Cuts of one story.
const CUTS: u64 = 25;
