//! What fuzzing starts from and what it has found, replayed: `tests/fuzz/seeds`.
//!
//! The seeds named after recordings are made of them. `PLANT=1 cargo test -p ssm-proto --test corpora` writes them anew.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(unreachable_pub, reason = "the fuzz targets use it, too")]
#[path = "../../../tests/fuzz/src/channel.rs"]
mod channel;
mod dice;
#[expect(unreachable_pub, reason = "the fuzz targets use it, too")]
#[path = "../../../tests/fuzz/src/handshake.rs"]
mod handshake;
#[expect(unreachable_pub, reason = "the fuzz targets use it, too")]
#[path = "../../../tests/fuzz/src/message.rs"]
mod message;
#[expect(unreachable_pub, reason = "the fuzz targets use it, too")]
#[path = "../../../tests/fuzz/src/mux.rs"]
mod mux;
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod recording;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use dice::Dice;
use recording::{AGENT, CLIENT, FILES, Line, Recording};
use ssm_proto::MessageKind;

#[test]
fn every_seed_of_every_target_is_survived() {
    for (target, run) in TARGETS {
        let seeds = committed(target);
        assert!(seeds.len() >= 5, "{target} has {} seeds", seeds.len());
        seeds.values().for_each(|seed| run(seed));
    }
}

#[test]
fn seeds_changed_at_random_are_survived() {
    let rounds = if std::env::var_os("BASTION_TEST_LONG").is_some() { 2_000 } else { 20 };
    let mut dice = Dice(1);
    for (target, run) in TARGETS {
        for seed in committed(target).values() {
            for _ in 0..rounds {
                let mut bytes = seed.clone();
                for _ in 0..1 + dice.below(4) {
                    let at = dice.below(bytes.len() + 1);
                    match dice.below(4) {
                        0 => bytes.truncate(at),
                        1 => bytes.insert(at, dice.below(256) as u8),
                        2 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
                        _ => bytes.extend_from_within(at..),
                    }
                    bytes.truncate(1 << 16);
                }
                run(&bytes);
            }
        }
    }
}

#[test]
fn the_seeds_are_those_of_the_recordings() {
    for (target, made) in planted() {
        if std::env::var_os("PLANT").is_some() {
            for (name, bytes) in &made {
                fs::create_dir_all(folder(target)).unwrap();
                fs::write(folder(target).join(name), bytes).unwrap();
            }
        }
        let committed = committed(target);
        for (name, bytes) in &made {
            assert!(committed.get(name) == Some(bytes), "{target}/{name}");
        }
    }
}

const TARGETS: [(&str, Run); 4] = [
    ("channel", channel::run),
    ("handshake", handshake::run),
    ("message", message::run),
    ("mux", mux::run),
];

type Run = fn(&[u8]);
type Seeds = BTreeMap<String, Vec<u8>>;

fn committed(target: &str) -> Seeds {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    fs::read_dir(folder(target)).unwrap().map(read).collect()
}

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../tests/fuzz/seeds", target].iter().collect()
}

/// The seeds that the recordings make.
fn planted() -> BTreeMap<&'static str, Seeds> {
    let mut seeds = BTreeMap::<_, Seeds>::new();
    let mut plant = |target, name: String, bytes: Vec<u8>| {
        seeds.entry(target).or_default().insert(name, bytes);
    };
    for name in FILES {
        let recording = Recording::load(name);
        for frame in recording.frames().filter(|frame| frame.bytes.is_some()) {
            let bytes = frame.bytes.clone().unwrap().to_vec();
            let kind = format!("{}-{}", frame.kind, frame.payload_type);
            if frame.kind == "output_stream_data" && frame.payload_type == 5 {
                plant("handshake", name.to_owned(), bytes[120..].to_vec());
            }
            // One of each kind.
            plant("message", kind, bytes);
        }
        plant("channel", name.to_owned(), script(&recording));
    }
    for (number, name) in (0..).zip(["psql-mux", "two-connections", "refused-mux"]) {
        for (side, end) in [(AGENT, "down"), (CLIENT, "up")] {
            let bytes = Recording::load(name).mux_bytes(side);
            let bytes = &bytes[..bytes.len().min(1500)];
            plant("mux", format!("{name}-{end}"), [&[number * 7 + 1], bytes].concat());
        }
    }
    seeds
}

/// What the channel lives through in a recording, as the fuzz target's script.
fn script(recording: &Recording) -> Vec<u8> {
    let mut script = vec![8]; // it shakes hands itself
    for line in recording.lines.iter().take(60) {
        let frame = match line {
            Line::Frame(frame) => frame,
            Line::Event { event, .. } => {
                script.extend(if event.contains("cut") { [9, 10] } else { [12, 4] });
                continue;
            }
        };
        let bytes = recording.bytes_of(frame);
        let payload = &bytes[120..bytes.len().min(120 + 300)];
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        match (frame.side == AGENT, frame.kind.as_str()) {
            (true, kind) if kind == MessageKind::OutputStreamData.as_str() => {
                script.extend([2, u8::try_from(frame.payload_type).unwrap()]);
                script.extend(length);
                script.extend(payload);
            }
            (true, _) if bytes.len() < 500 => {
                script.push(0);
                script.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
                script.extend(&bytes[..]);
            }
            (true, _) => {}
            // What a client does: it opens, writes, reads, waits, and has its messages acknowledged.
            (false, "input_stream_data") => script.extend([4, 5, 120, length[0], length[1], 0]),
            (false, _) => script.extend([6, 1, 0, 0, 3, 0, 11, 0, 250]),
        }
    }
    script
}
