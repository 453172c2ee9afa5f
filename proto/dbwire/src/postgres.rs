//! A PostgreSQL client's first packet.
//!
//! ```text
//!    0        4        8
//!   ┌────────┬────────┬───────────────────────────────
//!   │ length │  code  │ the rest, by code
//!   └────────┴────────┴───────────────────────────────
//!    both big-endian; the length counts itself
//!
//!   80877103   SSLRequest, nothing follows
//!   80877104   GSSENCRequest, nothing follows
//!   80877102   CancelRequest: process id, key of 4–256 bytes
//!   3 << 16 | minor   startup: name\0value\0 … \0, of which one is `user`
//! ```
//!
//! Since PostgreSQL 17 a client may also begin with TLS at once, and then says `postgresql` in its ALPN extension.

mod refusal;
mod talk;

pub use refusal::{MOST as LONGEST_ERROR, SqlState, error_response};
pub use talk::Talk;

use crate::tls;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Prologue {
    /// Too few bytes to tell; they may still become any of the others.
    More,
    /// The startup message of a client that wants no encryption.
    Startup(Startup),
    /// A client that asks whether the server speaks TLS.
    SslRequest,
    /// A client that asks whether the server encrypts by GSSAPI.
    GssEncRequest,
    /// Somebody who wants a query of another connection to end.
    CancelRequest,
    /// A TLS handshake for PostgreSQL without asking first.
    DirectTls,
    /// Nothing that a PostgreSQL client sends first.
    Not,
}

/// What a client says about itself in its startup message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Startup {
    /// The protocol's minor version: 0, or 2 since PostgreSQL 18.
    pub minor: u16,
    /// The user it logs in as; not empty.
    pub user: String,
    /// The database it asks for; without one, the server takes the user's name.
    pub database: Option<String>,
    /// What it calls itself.
    pub application_name: Option<String>,
    /// Whether it asks to be a replication client.
    pub replication: bool,
}

impl Prologue {
    /// Whether a visitor stands behind it, for whom a bastion may be started.
    pub fn is_visitor(&self) -> bool {
        match self {
            Self::Startup(_) | Self::SslRequest | Self::GssEncRequest | Self::DirectTls => true,
            Self::More | Self::CancelRequest | Self::Not => false,
        }
    }
}

/// Says what the first bytes of a connection are. What follows a whole packet is not looked at.
///
/// At most [`MOST`] bytes are ever needed; with so many the answer is never [`Prologue::More`].
pub fn prologue(bytes: &[u8]) -> Prologue {
    match bytes.first() {
        None => Prologue::More,
        Some(&tls::HANDSHAKE) => match tls::offers(bytes, ALPN) {
            tls::Offer::More => Prologue::More,
            tls::Offer::Yes => Prologue::DirectTls,
            tls::Offer::No => Prologue::Not,
        },
        Some(_) => packet(bytes),
    }
}

fn packet(bytes: &[u8]) -> Prologue {
    let Some(length) = word(bytes, 0) else {
        // A length within bounds starts with two zeros and a small byte, so that "GET " is known by its "G".
        let most = LONGEST.to_be_bytes();
        let fits = bytes[..] <= most[..bytes.len()];
        return if fits { Prologue::More } else { Prologue::Not };
    };
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Prologue::Not;
    }
    let Some(code) = word(bytes, 4) else { return Prologue::More };
    match (code, length) {
        (SSL_REQUEST, SHORTEST) => Prologue::SslRequest,
        (GSS_ENC_REQUEST, SHORTEST) => Prologue::GssEncRequest,
        (CANCEL_REQUEST, SHORTEST_CANCEL..=LONGEST_CANCEL) => match whole(bytes, length) {
            Some(_) => Prologue::CancelRequest,
            None => Prologue::More,
        },
        _ if code >> 16 == MAJOR => match whole(bytes, length) {
            Some(packet) => match startup(code, &packet[8..]) {
                Some(startup) => Prologue::Startup(startup),
                None => Prologue::Not,
            },
            None => Prologue::More,
        },
        _ => Prologue::Not,
    }
}

fn startup(code: u32, mut pairs: &[u8]) -> Option<Startup> {
    let mut found = Startup {
        minor: code as u16,
        user: String::new(),
        database: None,
        application_name: None,
        replication: false,
    };
    loop {
        let (name, rest) = text(pairs)?;
        if name.is_empty() {
            // As the server sees it: the closing zero is the packet's last byte, and nobody is nobody.
            return (rest.is_empty() && !found.user.is_empty()).then_some(found);
        }
        let (value, rest) = text(rest)?;
        let value = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"user" => found.user = value(),
            b"database" => found.database = Some(value()),
            b"application_name" => found.application_name = Some(value()),
            b"replication" => found.replication = !is_false(&value()),
            _ => {}
        }
        pairs = rest;
    }
}

/// Text up to a zero, and what follows the zero.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// As PostgreSQL's parse_bool: any unique beginning of a word will do. `replication=database` is neither; it is on.
fn is_false(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let begins = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    begins("false", 1) || begins("no", 1) || begins("off", 2) || value == "0"
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(word.try_into().expect("four bytes are four bytes")))
}

fn whole(bytes: &[u8], length: u32) -> Option<&[u8]> {
    bytes.get(..length as usize)
}

/// How many bytes of a connection [`prologue`] may want to see, at most.
pub const MOST: usize = if tls::MOST > LONGEST as usize { tls::MOST } else { LONGEST as usize };

const SSL_REQUEST: u32 = 80_877_103;
const GSS_ENC_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
const MAJOR: u32 = 3; // The server answers any minor version, and says which it knows.
const SHORTEST: u32 = 8; // bytes: length and code
const LONGEST: u32 = 10_004; // bytes: MAX_STARTUP_PACKET_LENGTH of pqcomm.h, which does not count the length itself
const SHORTEST_CANCEL: u32 = 16; // bytes: a key of 4, protocol 3.0
const LONGEST_CANCEL: u32 = 268; // bytes: a key of 256, protocol 3.2
const ALPN: &[u8] = b"postgresql";
