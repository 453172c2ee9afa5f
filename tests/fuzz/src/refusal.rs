//! A refusal is one packet that says its own length, whatever its texts hold: what is longer gives way, and nothing in
//! them ends it early.

use dbwire::postgres::{LONGEST_ERROR, SqlState, error_response};
use dbwire::{Refusal, mysql};

/// Message, detail and hint stand in the bytes, parted by 0xff; what is left is the hint's.
pub fn run(bytes: &[u8]) {
    let mut texts = bytes.splitn(3, |&byte| byte == 0xff).map(String::from_utf8_lossy);
    let mut next = || texts.next().unwrap_or_default().into_owned();
    let (message, detail, hint) = (next(), next(), next());
    let refusal = Refusal { message: &message, detail: &detail, hint: &hint };

    let packet = error_response(SqlState::CannotConnectNow, &refusal);
    let length = u32::from_be_bytes([packet[1], packet[2], packet[3], packet[4]]) as usize;
    assert!(packet[0] == b'E' && packet.len() <= LONGEST_ERROR);
    assert_eq!(length, packet.len() - 1);
    let body = packet[5..].strip_suffix(&[0, 0]).expect("the last field ends, and then the packet");
    let names: Vec<u8> = body.split(|&byte| byte == 0).map(|field| field[0]).collect();
    let empty = |text: &str| text.is_empty();
    let names_wanted: Vec<u8> = [
        Some(b'S'),
        Some(b'V'),
        Some(b'C'),
        Some(b'M'),
        (!empty(&detail)).then_some(b'D'),
        (!empty(&hint)).then_some(b'H'),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert_eq!(names, names_wanted);

    let packet = mysql::error_packet(&refusal);
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]) as usize;
    assert!(length == packet.len() - 4 && packet[3] == 0 && packet[4] == 0xff);
    // libmysql's buffer is of 512.
    assert!(packet.len() < 512 && std::str::from_utf8(&packet[7..]).is_ok());
}
