//! A visitor is known by his first bytes, whoever cuts them up, and nothing that anybody sends makes us fall.
//!
//! `golden/` holds what real programs sent first: psql and pg_isready 15, curl, and OpenSSL 3 with and without
//! PostgreSQL's name in its ALPN extension.

use dbwire::postgres::{MOST, Prologue, Startup, prologue};

const PSQL: &[u8] = include_bytes!("golden/psql-startup.bin");
const PSQL_SSL: &[u8] = include_bytes!("golden/psql-ssl-request.bin");
const PSQL_REPLICATION: &[u8] = include_bytes!("golden/psql-replication.bin");
const PG_ISREADY: &[u8] = include_bytes!("golden/pg-isready.bin");
const DIRECT_TLS: &[u8] = include_bytes!("golden/direct-tls.bin");
const CURL: &[u8] = include_bytes!("golden/curl.bin");
const CURL_HTTPS: &[u8] = include_bytes!("golden/curl-https.bin");
const TLS_HTTP: &[u8] = include_bytes!("golden/tls-http.bin");
const TLS_NO_ALPN: &[u8] = include_bytes!("golden/tls-no-alpn.bin");

#[test]
fn psql_says_who_it_is() {
    let Prologue::Startup(startup) = prologue(PSQL) else { panic!("{:?}", prologue(PSQL)) };
    assert_eq!(
        startup,
        Startup {
            minor: 0,
            user: "postgres".into(),
            database: Some("neuraKnot".into()),
            application_name: Some("psql".into()),
            replication: false,
        }
    );
}

#[test]
fn a_replication_client_is_told_from_others() {
    let asks = |value: &str| {
        let packet = startup(3 << 16, &[("user", "amy"), ("replication", value)]);
        let Prologue::Startup(startup) = prologue(&packet) else { panic!("no startup") };
        startup.replication
    };
    for value in ["database", "true", "on", "1", "yes", "o"] {
        assert!(asks(value), "{value}");
    }
    for value in ["false", "f", "off", "of", "no", "n", "0", "FALSE"] {
        assert!(!asks(value), "{value}");
    }
    let Prologue::Startup(startup) = prologue(PSQL_REPLICATION) else { panic!("no startup") };
    assert!(startup.replication);
}

#[test]
fn real_visitors_are_visitors() {
    assert_eq!(prologue(PSQL_SSL), Prologue::SslRequest);
    assert_eq!(prologue(&request(80_877_104, &[])), Prologue::GssEncRequest);
    assert_eq!(prologue(DIRECT_TLS), Prologue::DirectTls);
    for bytes in [PSQL, PSQL_SSL, PG_ISREADY, DIRECT_TLS] {
        assert!(prologue(bytes).is_visitor());
    }
}

#[test]
fn every_minor_version_is_taken_and_no_other_major_one() {
    for minor in [0, 2, 9999] {
        let packet = startup(3 << 16 | minor, &[("user", "amy")]);
        let Prologue::Startup(startup) = prologue(&packet) else { panic!("minor {minor}") };
        assert_eq!(u32::from(startup.minor), minor);
    }
    for major in [0, 1, 2, 4, 255] {
        assert_eq!(prologue(&startup(major << 16, &[("user", "amy")])), Prologue::Not, "{major}");
    }
}

#[test]
fn a_cancel_request_is_no_visitor_however_long_its_key() {
    for key in [4, 32, 256] {
        let packet = request(80_877_102, &vec![7; 4 + key]);
        assert_eq!(prologue(&packet), Prologue::CancelRequest, "{key}");
        assert_eq!(prologue(&packet[..packet.len() - 1]), Prologue::More, "{key}");
        assert!(!prologue(&packet).is_visitor());
    }
    for rest in [0, 4, 7, 261] {
        assert_eq!(prologue(&request(80_877_102, &vec![7; rest])), Prologue::Not, "{rest}");
    }
}

#[test]
fn others_are_told_by_their_first_byte_or_soon_after() {
    for stranger in
        [CURL, b"GET / HTTP/1.0\r\n\r\n", b"SSH-2.0-x\r\n", b"\r\n", b"*1\r\n$4\r\nPING\r\n"]
    {
        assert_eq!(prologue(stranger), Prologue::Not, "{stranger:?}");
        assert_eq!(prologue(&stranger[..1]), Prologue::Not, "{stranger:?}");
    }
    assert_eq!(prologue(&[]), Prologue::More);
    assert_eq!(prologue(&[0]), Prologue::More);
    assert_eq!(prologue(&[0, 1]), Prologue::Not);
    assert_eq!(prologue(&[0, 0, 0x28]), Prologue::Not);
}

#[test]
fn tls_for_anybody_else_is_not_for_us() {
    for hello in [CURL_HTTPS, TLS_HTTP, TLS_NO_ALPN] {
        assert_eq!(prologue(hello), Prologue::Not);
        assert_eq!(prologue(&hello[..hello.len() - 1]), Prologue::More);
    }
}

#[test]
fn a_hello_in_many_records_is_still_a_hello() {
    for size in [1, 3, 100] {
        let mut bytes = Vec::new();
        for part in DIRECT_TLS[5..].chunks(size) {
            bytes.extend([0x16, 3, 1, 0, part.len() as u8]);
            bytes.extend(part);
        }
        assert_eq!(prologue(&bytes), Prologue::DirectTls, "{size}");
        for end in 0..bytes.len() {
            assert_eq!(prologue(&bytes[..end]), Prologue::More, "{size} {end}");
        }
    }
}

#[test]
fn a_hello_that_never_ends_is_given_up_at_the_bound() {
    // The longest hello there may be, a byte to a record: most of it is headers.
    let hello = [1, 0, 0x40, 0].into_iter().chain(std::iter::repeat(0));
    let bytes: Vec<u8> = hello.flat_map(|byte| [0x16, 3, 1, 0, 1, byte]).take(MOST).collect();
    assert_eq!(prologue(&bytes[..MOST - 1]), Prologue::More);
    assert_eq!(prologue(&bytes), Prologue::Not);
}

#[test]
fn a_record_that_is_no_hello_is_refused_at_once() {
    let not = [
        &[0x16, 2][..],
        &[0x16, 3, 5],
        &[0x16, 3, 1, 0, 0],
        &[0x16, 3, 1, 0x40, 1],
        &[0x16, 3, 1, 0, 4, 2],
        &[0x16, 3, 1, 0x20, 0, 1, 0xff, 0xff, 0xff],
    ];
    for bytes in not {
        assert_eq!(prologue(bytes), Prologue::Not, "{bytes:02x?}");
    }
}

#[test]
fn a_length_out_of_bounds_is_refused() {
    for length in [0, 1, 7, 10_005, 0xffff, u32::MAX] {
        let mut packet = startup(3 << 16, &[("user", "amy")]);
        packet[..4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(prologue(&packet), Prologue::Not, "{length}");
    }
    // The longest that the server takes: 10 000 bytes, and the length itself.
    let user = "a".repeat(10_000 - 4 - "user\0\0\0".len());
    let longest = startup(3 << 16, &[("user", &user)]);
    assert_eq!(longest.len(), 10_004);
    assert!(prologue(&longest).is_visitor());
    let longer = startup(3 << 16, &[("user", &format!("{user}a"))]);
    assert_eq!(prologue(&longer), Prologue::Not);
}

#[test]
fn pairs_that_do_not_end_well_are_refused() {
    let bodies: [&[u8]; 7] = [
        b"",
        b"\0",
        b"user\0amy\0",
        b"user\0amy",
        b"user\0amy\0database\0",
        b"user\0\0\0",
        b"user\0amy\0\0more",
    ];
    for body in bodies {
        assert_eq!(prologue(&request(3 << 16, body)), Prologue::Not, "{body:?}");
    }
    assert_eq!(prologue(&request(3 << 16, b"database\0shop\0\0")), Prologue::Not);
}

#[test]
fn requests_have_no_body() {
    for code in [80_877_103, 80_877_104] {
        assert_eq!(prologue(&request(code, &[0])), Prologue::Not, "{code}");
    }
}

#[test]
fn what_follows_a_packet_is_not_looked_at() {
    for packet in [PSQL, PSQL_SSL, DIRECT_TLS] {
        let with_more = [packet, b"\xff\xff\xff"].concat();
        assert_eq!(prologue(&with_more), prologue(packet));
    }
}

#[test]
fn every_beginning_of_a_visitor_may_still_become_one() {
    for packet in [PSQL, PSQL_SSL, PG_ISREADY, PSQL_REPLICATION, DIRECT_TLS] {
        for end in 0..packet.len() {
            assert_eq!(prologue(&packet[..end]), Prologue::More, "{end} of {}", packet.len());
        }
    }
}

#[test]
fn no_bytes_make_it_panic_or_ask_for_ever() {
    let mut dice = Dice(0x5eed);
    let samples = [PSQL, PSQL_SSL, PSQL_REPLICATION, PG_ISREADY, DIRECT_TLS, TLS_HTTP, CURL];
    let mut answers = [0usize; 7];
    for _ in 0..60_000 {
        let mut bytes = samples[dice.below(samples.len())].to_vec();
        for _ in 0..=dice.below(6) {
            match dice.below(4) {
                0 => bytes.truncate(dice.below(bytes.len() + 1)),
                1 => bytes.extend((0..dice.below(40)).map(|_| dice.next() as u8)),
                _ if bytes.is_empty() => {}
                _ => {
                    let at = dice.below(bytes.len());
                    bytes[at] = [0, 1, 0xff, dice.next() as u8][dice.below(4)];
                }
            }
        }
        answers[match prologue(&bytes) {
            Prologue::More => 0,
            Prologue::Startup(_) => 1,
            Prologue::SslRequest => 2,
            Prologue::GssEncRequest => 3,
            Prologue::CancelRequest => 4,
            Prologue::DirectTls => 5,
            Prologue::Not => 6,
        }] += 1;
        // Whatever came so far, an answer is reached within the bound.
        bytes.resize(MOST, dice.next() as u8);
        assert_ne!(prologue(&bytes), Prologue::More);
    }
    for common in [0, 1, 2, 5, 6] {
        assert!(answers[common] > 1000, "the dice are poor: {answers:?}");
    }
}

fn startup(code: u32, pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in pairs {
        body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    request(code, &body)
}

fn request(code: u32, body: &[u8]) -> Vec<u8> {
    let length = 8 + body.len() as u32;
    [&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
}

/// Dice with a seed: splitmix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
