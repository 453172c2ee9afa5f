//! smux, version 1: one frame.
//!
//! ```text
//!   0         1         2        4          8
//!   ┌─────────┬─────────┬────────┬──────────┬──────────────────┐
//!   │ version │ command │ length │ stream   │ length bytes     │
//!   │ = 1     │         │        │          │ (Psh only)       │
//!   └─────────┴─────────┴────────┴──────────┴──────────────────┘
//! ```
//!
//! Little-endian, unlike everything around it.

use std::collections::VecDeque;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::error::Misbehaved;

/// One frame, or one part of a long one's data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// What it does.
    pub command: Command,
    /// The stream that it is for; 0 for [`Command::Nop`].
    pub stream: u32,
    /// What it carries; empty but for [`Command::Psh`].
    pub data: Bytes,
}

/// What a frame does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// Opens the stream.
    Syn = 0,
    /// Closes the stream, both ways.
    Fin = 1,
    /// Carries data.
    Psh = 2,
    /// Does nothing, to be heard from.
    Nop = 3,
}

impl Frame {
    /// Appends the frame to `out`. Data beyond [`MAX_DATA`] bytes become further frames.
    pub fn encode(&self, out: &mut BytesMut) {
        if self.command != Command::Psh || self.data.is_empty() {
            return put_header(out, self.command, self.stream, 0);
        }
        for part in self.data.chunks(MAX_DATA) {
            put_data(out, self.stream, part);
        }
    }
}

/// Appends a frame that carries data: at most [`MAX_DATA`] bytes.
pub(crate) fn put_data(out: &mut BytesMut, stream: u32, data: &[u8]) {
    let length = u16::try_from(data.len()).expect("a frame's data are cut to size before");
    put_header(out, Command::Psh, stream, length);
    out.put_slice(data);
}

/// Appends a frame's header.
pub(crate) fn put_header(out: &mut BytesMut, command: Command, stream: u32, length: u16) {
    let mut header = [VERSION, command as u8, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&length.to_le_bytes());
    header[4..8].copy_from_slice(&stream.to_le_bytes());
    out.put_slice(&header);
}

/// Frames out of a stream of bytes that is cut anywhere.
///
/// Data are handed out as they come, uncopied: a [`Command::Psh`] frame of which only a part has
/// come yields that part as a frame, and the rest as further frames. What an honest sender cut in
/// two may be cut in three; the bytes of a stream are the same.
#[derive(Debug, Default)]
pub struct Decoder {
    chunks: VecDeque<Bytes>,
    header: [u8; HEADER],
    /// How much of `header` has come.
    filled: usize,
    /// How much of the current frame's data is still to come, and for which stream.
    data: Option<(u32, usize)>,
}

impl Decoder {
    /// A decoder at the beginning of the stream of bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &Bytes) {
        if !bytes.is_empty() {
            self.chunks.push_back(bytes.clone());
        }
    }

    /// The next frame, or part of one; `None` where more bytes are needed.
    ///
    /// After an error the stream of bytes cannot be understood any more: every further call fails, too.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end for good at None")]
    pub fn next(&mut self) -> Result<Option<Frame>, Misbehaved> {
        loop {
            if let Some((stream, left)) = self.data {
                return Ok(self.take(left).map(|data| {
                    self.data = (data.len() < left).then(|| (stream, left - data.len()));
                    Frame { command: Command::Psh, stream, data }
                }));
            }
            if self.filled < HEADER {
                let Some(part) = self.take(HEADER - self.filled) else { return Ok(None) };
                self.header[self.filled..self.filled + part.len()].copy_from_slice(&part);
                self.filled += part.len();
                continue;
            }
            let (command, length, stream) = read_header(self.header)?;
            self.filled = 0;
            if command == Command::Psh && length > 0 {
                self.data = Some((stream, usize::from(length)));
                continue;
            }
            return Ok(Some(Frame { command, stream, data: Bytes::new() }));
        }
    }

    /// Whether the bytes so far end with a whole frame.
    pub fn is_at_border(&self) -> bool {
        self.chunks.is_empty() && self.filled == 0 && self.data.is_none()
    }

    /// The next bytes that lie together, at most `most`.
    fn take(&mut self, most: usize) -> Option<Bytes> {
        let chunk = self.chunks.front_mut()?;
        if chunk.len() > most {
            return Some(chunk.split_to(most));
        }
        self.chunks.pop_front()
    }
}

fn read_header(header: [u8; HEADER]) -> Result<(Command, u16, u32), Misbehaved> {
    let mut fields = &header[..];
    let version = fields.get_u8();
    if version != VERSION {
        return Err(Misbehaved::MuxVersion(version));
    }
    let number = fields.get_u8();
    let command = match number {
        0 => Command::Syn,
        1 => Command::Fin,
        2 => Command::Psh,
        3 => Command::Nop,
        _ => return Err(Misbehaved::MuxCommand(number)),
    };
    let length = fields.get_u16_le();
    if command != Command::Psh && length != 0 {
        return Err(Misbehaved::MuxLength { command: number, length });
    }
    Ok((command, length, fields.get_u32_le()))
}

/// How long a frame's header is.
pub const HEADER: usize = 8;
/// The most data that we put into one frame: smux's own default, which every agent takes.
pub const MAX_DATA: usize = 32_768;
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn psh(stream: u32, data: &'static [u8]) -> Frame {
        Frame { command: Command::Psh, stream, data: Bytes::from_static(data) }
    }

    fn bare(command: Command, stream: u32) -> Frame {
        Frame { command, stream, data: Bytes::new() }
    }

    fn written(frames: &[Frame]) -> Bytes {
        let mut out = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut out));
        out.freeze()
    }

    #[test]
    fn a_frame_stands_on_the_wire_little_endian() {
        assert_eq!(written(&[psh(0x0102_0304, b"xy")]), &[1, 2, 2, 0, 4, 3, 2, 1, b'x', b'y'][..]);
    }

    #[test]
    fn frames_are_found_wherever_the_bytes_are_cut() {
        let frames =
            [bare(Command::Syn, 3), psh(3, b"hello"), bare(Command::Nop, 0), bare(Command::Fin, 3)];
        let bytes = written(&frames);
        for size in 1..=bytes.len() {
            let mut decoder = Decoder::new();
            let mut found = Vec::new();
            for at in (0..bytes.len()).step_by(size) {
                decoder.push(&bytes.slice(at..bytes.len().min(at + size)));
                while let Some(frame) = decoder.next().unwrap() {
                    found.push(frame);
                }
            }
            assert!(decoder.is_at_border());
            assert_eq!(written(&joined(found)), bytes, "cut every {size} bytes");
        }
    }

    #[test]
    fn data_are_handed_out_before_their_frame_is_complete() {
        let bytes = written(&[psh(5, b"hello")]);
        let mut decoder = Decoder::new();
        decoder.push(&bytes.slice(..10));
        assert_eq!(decoder.next().unwrap(), Some(psh(5, b"he")));
        assert_eq!(decoder.next().unwrap(), None);
        assert!(!decoder.is_at_border());
        decoder.push(&bytes.slice(10..));
        assert_eq!(decoder.next().unwrap(), Some(psh(5, b"llo")));
    }

    #[test]
    fn data_too_long_for_one_frame_become_several() {
        let data = Bytes::from(vec![7; MAX_DATA + 1]);
        let bytes = written(&[Frame { command: Command::Psh, stream: 3, data: data.clone() }]);
        assert_eq!(bytes.len(), data.len() + 2 * HEADER);
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        assert_eq!(decoder.next().unwrap().unwrap().data.len(), MAX_DATA);
        assert_eq!(decoder.next().unwrap().unwrap().data.len(), 1);
    }

    #[test]
    fn a_header_that_is_not_smux_is_refused_for_good() {
        for (header, expected) in [
            ([2, 2, 0, 0, 3, 0, 0, 0], "a smux header names version 2"),
            ([1, 4, 0, 0, 3, 0, 0, 0], "a smux header names command 4"),
            ([1, 1, 1, 0, 3, 0, 0, 0], "a smux frame of command 1 carries 1 bytes"),
        ] {
            let mut decoder = Decoder::new();
            decoder.push(&Bytes::copy_from_slice(&header));
            assert_eq!(decoder.next().unwrap_err().to_string(), expected);
            decoder.push(&written(&[bare(Command::Nop, 0)]));
            assert_eq!(decoder.next().unwrap_err().to_string(), expected);
        }
    }

    /// Parts of one frame put together again.
    fn joined(frames: Vec<Frame>) -> Vec<Frame> {
        let mut whole: Vec<Frame> = Vec::new();
        for frame in frames {
            match whole.last_mut() {
                Some(last) if last.command == Command::Psh && frame.command == Command::Psh => {
                    last.data = [&last.data[..], &frame.data[..]].concat().into();
                }
                _ => whole.push(frame),
            }
        }
        whole
    }
}
