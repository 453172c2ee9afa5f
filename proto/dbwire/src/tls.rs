//! A TLS ClientHello, read only as far as the protocols it offers.
//!
//! ```text
//!   record:     16  03 xx  length:2   …
//!   handshake:  01  length:3
//!   hello:      version:2  random:32  session:1+  ciphers:2+  compressions:1+  extensions:2+
//!   extension:  type:2  length:2   …       type 16 (ALPN): list:2+ of names:1+
//! ```

/// Whether a client offers a protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Offer {
    /// Too few bytes to tell.
    More,
    /// It does.
    Yes,
    /// It does not, or this is no ClientHello.
    No,
}

/// Whether these bytes begin a ClientHello whose ALPN extension names `protocol`.
pub(crate) fn offers(bytes: &[u8], protocol: &[u8]) -> Offer {
    match hello(bytes) {
        Hello::Whole(hello) => match has_protocol(&hello, protocol) {
            Some(true) => Offer::Yes,
            Some(false) | None => Offer::No,
        },
        Hello::Part if bytes.len() < MOST => Offer::More,
        Hello::Part | Hello::Not => Offer::No,
    }
}

enum Hello {
    Whole(Vec<u8>),
    Part,
    Not,
}

/// The hello itself, put together from as many records as it takes.
fn hello(bytes: &[u8]) -> Hello {
    let mut hello = Vec::new();
    let mut records = Reader(bytes);
    loop {
        for expected in [HANDSHAKE, MAJOR] {
            match records.byte() {
                None => return Hello::Part,
                Some(byte) if byte == expected => {}
                Some(_) => return Hello::Not,
            }
        }
        let Some(minor) = records.byte() else { return Hello::Part };
        if minor > LATEST_MINOR {
            return Hello::Not;
        }
        let Some(length) = records.number(2) else { return Hello::Part };
        if length == 0 || length > LONGEST_RECORD {
            return Hello::Not;
        }
        hello.extend_from_slice(&records.0[..length.min(records.0.len())]);
        match whole(&hello) {
            Hello::Part => {}
            known @ (Hello::Whole(_) | Hello::Not) => return known,
        }
        if records.take(length).is_none() {
            return Hello::Part;
        }
    }
}

/// A hello out of its handshake message.
fn whole(message: &[u8]) -> Hello {
    let mut reader = Reader(message);
    match reader.byte() {
        None => return Hello::Part,
        Some(CLIENT_HELLO) => {}
        Some(_) => return Hello::Not,
    }
    match reader.number(3) {
        None => Hello::Part,
        Some(length) if length > LONGEST_HELLO => Hello::Not,
        Some(length) => {
            reader.take(length).map_or(Hello::Part, |hello| Hello::Whole(hello.to_vec()))
        }
    }
}

fn has_protocol(hello: &[u8], protocol: &[u8]) -> Option<bool> {
    let mut hello = Reader(hello);
    if hello.byte()? != MAJOR {
        return None;
    }
    hello.take(1 + RANDOM)?;
    hello.counted(1)?; // session
    hello.counted(2)?; // cipher suites
    hello.counted(1)?; // compression methods
    let mut extensions = Reader(hello.counted(2)?);
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let extension = extensions.counted(2)?;
        if kind == ALPN {
            let mut names = Reader(Reader(extension).counted(2)?);
            while !names.0.is_empty() {
                if names.counted(1)? == protocol {
                    return Some(true);
                }
            }
        }
    }
    Some(false)
}

/// Bytes from the front, never past the end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    /// A big-endian number of so many bytes (at most 3).
    fn number(&mut self, width: usize) -> Option<usize> {
        let taken = self.take(width)?;
        Some(taken.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }

    /// What stands behind a length of so many bytes.
    fn counted(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self.number(width)?;
        self.take(length)
    }
}

/// A record that holds handshake messages: the first byte of every TLS connection.
pub(crate) const HANDSHAKE: u8 = 0x16;

/// How many bytes [`offers`] may want to see, at most. A hello in records so small that their headers pass this bound
/// is nobody's.
pub(crate) const MOST: usize = LONGEST_HELLO + 1024;

const MAJOR: u8 = 3; // SSL 3.0 to TLS 1.3 all say 3 here.
const LATEST_MINOR: u8 = 4;
const CLIENT_HELLO: u8 = 1;
const ALPN: usize = 16;
const RANDOM: usize = 32; // bytes
const LONGEST_RECORD: usize = 1 << 14; // bytes, RFC 8446 section 5.1
const LONGEST_HELLO: usize = 1 << 14; // bytes; the largest seen (post-quantum keys) have about 2 KiB
