//! A refusal is a packet that clients read to its end, whatever its texts hold, and is put in only where one may stand.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use dbwire::postgres::{LONGEST_ERROR, SqlState, Talk, error_response};
use dbwire::{Refusal, mysql};

const LOGIN: Refusal<'_> = Refusal {
    message: "D18 the AWS SSO login of profile \"prod\" expired 12 min ago",
    detail: "no bastion can be started",
    hint: "aws sso login --profile prod",
};

#[test]
fn a_postgres_client_reads_code_message_detail_and_hint() {
    let packet = error_response(SqlState::CannotConnectNow, &LOGIN);
    let fields = fields(&packet);
    let expected = [
        ('S', "FATAL"),
        ('V', "FATAL"),
        ('C', "57P03"),
        ('M', LOGIN.message),
        ('D', LOGIN.detail),
        ('H', LOGIN.hint),
    ];
    assert_eq!(fields, expected.map(|(name, text)| (name, text.to_owned())));
    let code = &self::fields(&error_response(SqlState::AdminShutdown, &LOGIN))[2];
    assert_eq!(*code, ('C', "57P01".to_owned()));
}

#[test]
fn what_is_empty_is_not_in_the_packet() {
    let bare = Refusal { message: "D23 gone", detail: "", hint: "" };
    let names: String = fields(&error_response(SqlState::AdminShutdown, &bare))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, "SVCM");
    let packet = mysql::error_packet(&bare);
    assert_eq!(packet[7..], *b"D23 gone");
}

#[test]
fn no_text_makes_a_postgres_packet_too_long_or_ends_it_early() {
    let long = "x".repeat(80_000);
    let refusal = Refusal { message: &long, detail: &long, hint: &long };
    let packet = error_response(SqlState::CannotConnectNow, &refusal);
    assert!((24_000..=LONGEST_ERROR).contains(&packet.len()), "{}", packet.len());
    let long = "a\0ä".repeat(20_000);
    let refusal = Refusal { message: &long, detail: &long, hint: &long };
    let packet = error_response(SqlState::CannotConnectNow, &refusal);
    assert!(packet.len() <= LONGEST_ERROR, "{}", packet.len());
    let fields = fields(&packet);
    assert_eq!(fields.len(), 6);
    assert!(fields[3].1.starts_with("aäaä"), "{}", &fields[3].1[..20]);
}

#[test]
fn a_mysql_client_reads_the_text_in_the_oldest_form() {
    let packet = mysql::error_packet(&LOGIN);
    let text = format!("{}; because: {}; hint: {}", LOGIN.message, LOGIN.detail, LOGIN.hint);
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]) as usize;
    assert_eq!(length, packet.len() - 4);
    assert_eq!((packet[3], packet[4]), (0, 0xff));
    assert_eq!(u16::from_le_bytes([packet[5], packet[6]]), 1105);
    assert_eq!(packet[7..], *text.as_bytes());
}

#[test]
fn a_long_detail_gives_way_to_the_hint() {
    let long = "ä".repeat(1_000);
    let text = |refusal: &Refusal<'_>| {
        let packet = mysql::error_packet(refusal);
        String::from_utf8(packet[7..].to_vec()).unwrap()
    };
    let told = text(&Refusal { detail: &long, ..LOGIN });
    assert!(told.len() <= 384 && told.len() > 374, "{}", told.len());
    assert!(told.starts_with(LOGIN.message), "{told}");
    assert!(told.ends_with("; hint: aws sso login --profile prod"), "{told}");
    let told = text(&Refusal { message: &long, detail: &long, hint: &long });
    assert!(told.len() <= 384, "{}", told.len());
    assert!(told.contains("; hint: ä"), "{told}");
}

#[test]
fn a_third_may_speak_between_two_messages_in_the_clear_and_nowhere_else() {
    let mut talk = Talk::new();
    assert!(!talk.may_interrupt(), "nobody has said who he is");
    talk.client(&startup());
    assert!(talk.may_interrupt(), "the server has not begun to answer");
    let said = [message(b'R', &[0, 0, 0, 0]), message(b'Z', b"I"), message(b'D', &[7; 300])];
    let bytes = said.concat();
    let ends: Vec<usize> = said
        .iter()
        .scan(0, |end, message| {
            *end += message.len();
            Some(*end)
        })
        .collect();
    for (at, byte) in bytes.iter().enumerate() {
        talk.server(&[*byte]);
        talk.client(b"Q");
        assert_eq!(talk.may_interrupt(), ends.contains(&(at + 1)), "after byte {at}");
    }
    talk.server(&bytes);
    assert!(talk.may_interrupt(), "three messages in one piece");
}

#[test]
fn encryption_that_the_server_refuses_leaves_the_talk_in_the_clear() {
    let mut talk = Talk::new();
    for request in [80_877_104, 80_877_103] {
        talk.client(&packet(request, &[]));
        assert!(!talk.may_interrupt());
        talk.server(b"N");
        assert!(!talk.may_interrupt());
    }
    let startup = startup();
    let (early, late) = startup.split_at(5);
    talk.client(early);
    talk.client(late);
    assert!(talk.may_interrupt());
}

#[test]
fn nobody_speaks_where_the_two_have_sealed_their_talk() {
    let sealed: [fn(&mut Talk); 7] = [
        |talk| {
            talk.client(&packet(80_877_103, &[]));
            talk.server(b"S");
        },
        |talk| {
            talk.client(&packet(80_877_103, &[]));
            talk.server(b"S");
            talk.client(&[0x16, 3, 1]);
            talk.server(&[0x16, 3, 3]);
        },
        |talk| talk.client(include_bytes!("golden/direct-tls.bin")),
        |talk| talk.client(&packet(80_877_102, &[0; 8])),
        |talk| talk.server(b"hello"),
        |talk| {
            talk.client(&startup());
            talk.server(&[b'Z', 0, 0, 0, 3]);
        },
        |talk| {
            talk.client(&startup());
            talk.server(&[0, 0, 0, 0, 4]);
        },
    ];
    for (case, seal) in sealed.iter().enumerate() {
        let mut talk = Talk::new();
        seal(&mut talk);
        assert!(!talk.may_interrupt(), "case {case}");
        // And it stays so.
        talk.client(&startup());
        talk.server(&message(b'Z', b"I"));
        assert!(!talk.may_interrupt(), "case {case}, later");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut seed = 0x5eed_u64;
    let mut dice = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    let mut may = 0;
    for _ in 0..20_000 {
        let mut talk = Talk::new();
        for _ in 0..dice() % 8 {
            let bytes = match dice() % 6 {
                0 => startup(),
                1 => packet(80_877_103, &[]),
                2 => b"N".to_vec(),
                3 => message(b'D', &vec![1; dice() % 50]),
                _ => (0..dice() % 12).map(|_| dice() as u8).collect(),
            };
            if dice() % 2 == 0 { talk.client(&bytes) } else { talk.server(&bytes) }
        }
        may += usize::from(talk.may_interrupt());
    }
    assert!(may > 500, "the dice are poor: {may}");
}

/// The fields of an ErrorResponse, read as libpq reads them.
fn fields(packet: &[u8]) -> Vec<(char, String)> {
    assert_eq!(packet[0], b'E');
    let length = u32::from_be_bytes(packet[1..5].try_into().unwrap()) as usize;
    assert_eq!(length, packet.len() - 1, "the length says where the packet ends");
    let (last, body) = packet[5..].split_last().unwrap();
    assert_eq!(*last, 0, "a zero in place of a field's name ends it");
    let (last, body) = body.split_last().unwrap();
    assert_eq!(*last, 0);
    body.split(|&byte| byte == 0)
        .map(|field| (field[0] as char, String::from_utf8(field[1..].to_vec()).unwrap()))
        .collect()
}

fn startup() -> Vec<u8> {
    packet(3 << 16, b"user\0amy\0\0")
}

fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    [&(8 + body.len() as u32).to_be_bytes()[..], &code.to_be_bytes(), body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(4 + body.len() as u32).to_be_bytes(), body].concat()
}
