//! smux frames are the same wherever the bytes are cut, and written again they are the same bytes.

use bytes::{Bytes, BytesMut};
use ssm_proto::mux::frame::{Command, Decoder, Frame};

/// The first byte says how the rest is cut.
pub fn run(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let bytes = Bytes::copy_from_slice(bytes);
    let whole = read([bytes.clone()]);
    let size = usize::from(*cut).max(1);
    let parts = (0..bytes.len()).step_by(size);
    let parts = parts.map(|at| bytes.slice(at..bytes.len().min(at + size)));
    assert_eq!(whole, read(parts), "cut every {size} bytes");
    if let (true, written) = whole {
        assert_eq!(written, again(&written));
    }
}

/// A command, a stream, and a byte where it carries one.
type Read = (u8, u32, Option<u8>);

/// Whether all of it can be understood, and what was, as one frame for each byte of data.
fn read(parts: impl IntoIterator<Item = Bytes>) -> (bool, Vec<Read>) {
    let mut decoder = Decoder::new();
    let mut found = Vec::new();
    for part in parts {
        decoder.push(&part);
        loop {
            match decoder.next() {
                Ok(Some(frame)) if frame.data.is_empty() => {
                    found.push((frame.command as u8, frame.stream, None));
                }
                Ok(Some(frame)) => {
                    assert_eq!(frame.command, Command::Psh);
                    let data = frame.data.iter().map(|byte| (2, frame.stream, Some(*byte)));
                    found.extend(data);
                }
                Ok(None) => break,
                Err(_) => return (false, found),
            }
        }
    }
    (true, found)
}

/// What was read, written and read once more.
fn again(found: &[Read]) -> Vec<Read> {
    let mut out = BytesMut::new();
    for (command, stream, byte) in found {
        let command = match command {
            0 => Command::Syn,
            1 => Command::Fin,
            2 => Command::Psh,
            _ => Command::Nop,
        };
        let data = byte.map_or_else(Bytes::new, |byte| vec![byte].into());
        Frame { command, stream: *stream, data }.encode(&mut out);
    }
    read([out.freeze()]).1
}
