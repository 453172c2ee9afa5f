use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::client::TlsStream;

use super::super::{Setback, foreign, tls};

/// Packets both ways, numbered as MySQL wants them.
#[derive(Debug)]
pub(super) struct Packets<S> {
    stream: S,
    /// The number of the next packet, whoever sends it.
    next: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Packets<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, next: 0 }
    }

    pub(super) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The next packet that the server sends.
    pub(super) async fn read(&mut self) -> Result<Vec<u8>, Setback> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await.map_err(Setback::Lost)?;
        let [low, middle, high, number] = head;
        let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        if length > LONGEST {
            return Err(foreign("a packet that is longer than any answer to our questions"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.map_err(Setback::Lost)?;
        self.next = number.wrapping_add(1);
        Ok(body)
    }

    /// Sends a packet that goes on with what is talked about.
    pub(super) async fn write(&mut self, body: &[u8]) -> Result<(), Setback> {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
        let head = [length[0], length[1], length[2], self.next];
        self.next = self.next.wrapping_add(1);
        let packet = [&head[..], body].concat();
        self.stream.write_all(&packet).await.map_err(Setback::Lost)?;
        self.stream.flush().await.map_err(Setback::Lost)
    }

    /// Sends a packet that begins something new.
    pub(super) async fn command(&mut self, body: &[u8]) -> Result<(), Setback> {
        self.next = 0;
        self.write(body).await
    }

    /// The same conversation inside TLS.
    pub(super) async fn encrypted(self) -> Result<Packets<TlsStream<S>>, Setback> {
        let stream = tls::over(self.stream).await.map_err(Setback::Lost)?;
        Ok(Packets { stream, next: self.next })
    }
}

/// What a server says first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Greeting {
    pub(super) version: String,
    pub(super) salt: Vec<u8>,
    pub(super) method: String,
    can: u32,
}

impl Greeting {
    /// Reads protocol version 10, which every server of this century speaks.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Setback> {
        match body.split_first() {
            Some((&10, rest)) => {
                Self::of_version_10(rest).ok_or_else(|| foreign("a greeting that ends too early"))
            }
            Some((&ERR, rest)) => Err(refusal(rest)),
            Some(_) | None => Err(foreign("no greeting of MySQL's")),
        }
    }

    pub(super) fn offers_tls(&self) -> bool {
        self.can & CLIENT_SSL != 0
    }

    fn of_version_10(rest: &[u8]) -> Option<Self> {
        let (version, rest) = text(rest)?;
        let salt = rest.get(4..12)?.to_vec();
        let low = u32::from(u16::from_le_bytes(rest.get(13..15)?.try_into().ok()?));
        // Older than 4.1: neither TLS nor a method's name, and nobody's server any more.
        let high = u32::from(u16::from_le_bytes(rest.get(18..20)?.try_into().ok()?));
        let length = usize::from(*rest.get(20)?);
        let more = rest.get(31..)?;
        // The second part is 13 bytes long at least, the last of which is a zero.
        let second = length.saturating_sub(8).max(13);
        let (second, rest) = more.split_at_checked(second)?;
        let salt = [salt.as_slice(), second.strip_suffix(&[0]).unwrap_or(second)].concat();
        let method = text(rest).map_or_else(|| NATIVE.to_owned(), |(method, _)| method);
        // MariaDB 10 puts this before its version, for replicas that know no version with two digits.
        let version = version.strip_prefix("5.5.5-").map(str::to_owned).unwrap_or(version);
        Some(Self { version, salt, method, can: low | high << 16 })
    }
}

/// The wish for TLS: the head of a response.
pub(super) fn ssl_request(database: bool) -> Vec<u8> {
    head(CLIENT_SSL | if database { CLIENT_CONNECT_WITH_DB } else { 0 })
}

/// Who we are, and the proof of it.
pub(super) fn response(
    user: &str,
    proof: &[u8],
    database: Option<&str>,
    method: &str,
    encrypted: bool,
) -> Vec<u8> {
    let tls = if encrypted { CLIENT_SSL } else { 0 };
    let mut body = head(tls | if database.is_some() { CLIENT_CONNECT_WITH_DB } else { 0 });
    put(&mut body, user);
    body.extend(counted(proof));
    if let Some(database) = database {
        put(&mut body, database);
    }
    put(&mut body, method);
    body
}

/// The method that the server switches to, and its salt.
pub(super) fn switch(rest: &[u8]) -> (String, Vec<u8>) {
    let Some((method, salt)) = text(rest) else { return (OLD.to_owned(), Vec::new()) };
    (method, salt.strip_suffix(&[0]).unwrap_or(salt).to_vec())
}

/// What stands in an error: a number, mostly an SQLSTATE, and words.
pub(super) fn refusal(rest: &[u8]) -> Setback {
    let Some((code, words)) = rest.split_first_chunk() else {
        return Setback::Lost(io::ErrorKind::InvalidData.into());
    };
    let words = match words {
        [b'#', _, _, _, _, _, words @ ..] => words,
        words => words,
    };
    let message = String::from_utf8_lossy(words).into_owned();
    Setback::Said { code: u16::from_le_bytes(*code).to_string(), message }
}

fn head(more: u32) -> Vec<u8> {
    let can = CLIENT_LONG_PASSWORD
        | CLIENT_PROTOCOL_41
        | CLIENT_SECURE
        | CLIENT_METHOD
        | CLIENT_LONG_PROOF
        | more;
    let mut head = can.to_le_bytes().to_vec();
    head.extend(LARGEST.to_le_bytes());
    head.push(UTF8);
    head.extend([0; 23]);
    head
}

/// Bytes with their number before them, of which a token of IAM's, said as it is, has about a thousand; of what is longer
/// than any password nothing is said.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let Ok(length) = u16::try_from(bytes.len()) else { return vec![0] };
    match u8::try_from(length) {
        Ok(length @ ..=LONGEST_SHORT) => [&[length], bytes].concat(),
        Ok(_) | Err(_) => [&[TWO_BYTES], &length.to_le_bytes()[..], bytes].concat(),
    }
}

/// Words with a zero behind them; one with a zero inside ends there.
fn put(body: &mut Vec<u8>, words: &str) {
    body.extend(words.bytes().take_while(|byte| *byte != 0));
    body.push(0);
}

/// Words up to a zero, and what comes after.
fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), &bytes[end + 1..]))
}

/// First bytes of what a server says.
pub(super) const OK: u8 = 0x00;
pub(super) const MORE: u8 = 0x01;
pub(super) const END: u8 = 0xfe;
pub(super) const SWITCH: u8 = 0xfe;
pub(super) const ERR: u8 = 0xff;
/// A packet with the first byte of an end is one only if it is this short.
pub(super) const LONGEST_END: usize = 8;
/// First bytes of what a client asks.
pub(super) const QUIT: u8 = 0x01;
pub(super) const QUERY: u8 = 0x03;

const CLIENT_LONG_PASSWORD: u32 = 0x1;
const CLIENT_CONNECT_WITH_DB: u32 = 0x8;
const CLIENT_PROTOCOL_41: u32 = 0x200;
const CLIENT_SSL: u32 = 0x800;
const CLIENT_SECURE: u32 = 0x8000;
const CLIENT_METHOD: u32 = 0x8_0000;
const CLIENT_LONG_PROOF: u32 = 0x20_0000;
/// The largest number that one byte holds, and what stands before one of two.
const LONGEST_SHORT: u8 = 250;
const TWO_BYTES: u8 = 0xfc;
/// utf8mb3, which every server knows.
const UTF8: u8 = 33;
/// The largest packet that we say we take.
const LARGEST: u32 = 1 << 20;
/// The longest that we do: an error, a greeting, a row.
const LONGEST: usize = 64 * 1024;
/// What a server means that names no method.
const NATIVE: &str = "mysql_native_password";
/// What a server means that switches and names no method.
const OLD: &str = "mysql_old_password";

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a MySQL 8.0.36 says first.
    pub(in crate::probe) fn greeting(can: u32, method: &str) -> Vec<u8> {
        let mut body = b"\x0a8.0.36\0\x07\0\0\0abcdefgh\0".to_vec();
        body.extend(&can.to_le_bytes()[..2]);
        body.extend([255, 2, 0]);
        body.extend(&can.to_le_bytes()[2..]);
        body.push(21);
        body.extend([0; 10]);
        body.extend(b"ijklmnopqrst\0");
        body.extend(method.bytes());
        body.push(0);
        body
    }

    #[test]
    fn a_greeting_tells_version_salt_and_method() {
        let parsed = Greeting::parse(&greeting(0xdfff_ffff, "caching_sha2_password")).unwrap();
        assert_eq!(parsed.version, "8.0.36");
        assert_eq!(parsed.salt, b"abcdefghijklmnopqrst");
        assert_eq!((parsed.method.as_str(), parsed.offers_tls()), ("caching_sha2_password", true));
        let without = Greeting::parse(&greeting(0xdfff_f7ff, "")).unwrap();
        assert!(!without.offers_tls());
    }

    #[test]
    fn a_proof_of_any_length_is_counted() {
        let of = |length: usize| response("", &vec![7; length], None, "", true)[33..].to_vec();
        let expected = |head: &[u8], length: usize| [head, &vec![7; length], &[0]].concat();
        assert_eq!(of(250), expected(&[250], 250));
        assert_eq!(of(251), expected(&[0xfc, 251, 0], 251));
        assert_eq!(of(1000), expected(&[0xfc, 0xe8, 3], 1000));
        assert_eq!(of(70_000), expected(&[0], 0));
    }

    #[test]
    fn a_greeting_that_is_cut_anywhere_is_foreign_and_no_panic() {
        let whole = greeting(0xdfff_ffff, "mysql_native_password");
        // The name of the method may be missing.
        let least = whole.len() - "mysql_native_password\0".len();
        for end in 0..least {
            let cut = Greeting::parse(&whole[..end]);
            assert!(matches!(cut, Err(Setback::Foreign(_))), "{end}");
        }
        for end in least..whole.len() {
            assert_eq!(Greeting::parse(&whole[..end]).unwrap().method, NATIVE);
        }
    }

    #[test]
    fn a_refusal_has_its_number_and_words_with_and_without_a_state() {
        for packet in [&b"\x15\x04#28000Access denied"[..], b"\x15\x04Access denied"] {
            let Setback::Said { code, message } = refusal(packet) else { panic!() };
            assert_eq!((code.as_str(), message.as_str()), ("1045", "Access denied"));
        }
        assert!(matches!(refusal(b"\x15"), Setback::Lost(_)));
    }
}
