//! Stories of many streams on one channel.

use super::*;

fn mux(config: Config) -> Mux {
    Mux::new(&config)
}

/// The frames of the next message, which has so much room.
fn packed(mux: &mut Mux, room: usize, events: &mut VecDeque<Event>) -> Vec<Frame> {
    let mut out = BytesMut::new();
    mux.pack(&mut out, room, usize::MAX, events);
    assert!(out.len() <= room, "{} bytes where there is room for {room}", out.len());
    let mut decoder = Decoder::new();
    decoder.push(&out.freeze());
    let frames = std::iter::from_fn(|| decoder.next().unwrap()).collect();
    assert!(decoder.is_at_border());
    frames
}

fn sent(mux: &mut Mux, room: usize) -> Vec<Frame> {
    packed(mux, room, &mut VecDeque::new())
}

fn frame(command: Command, stream: u32, data: &[u8]) -> Frame {
    Frame { command, stream, data: Bytes::copy_from_slice(data) }
}

/// What happens when these frames come from the agent.
fn received(mux: &mut Mux, frames: &[Frame]) -> Vec<String> {
    let mut bytes = BytesMut::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    let mut events = VecDeque::new();
    mux.receive(&bytes.freeze(), &mut events).unwrap();
    events.into_iter().map(|event| format!("{event:?}")).collect()
}

#[test]
fn streams_are_numbered_by_two_from_three_on() {
    let mut mux = mux(Config::default());
    assert_eq!([mux.open(), mux.open(), mux.open()].map(|id| id.unwrap().0), [3, 5, 7]);
}

#[test]
fn stream_numbers_can_be_used_up() {
    let mut mux = mux(Config::default());
    mux.next = Some(u32::MAX);
    assert_eq!(mux.open(), Ok(StreamId(u32::MAX)));
    assert_eq!(mux.open(), Err(Refused::Exhausted));
}

#[test]
fn no_more_streams_are_opened_than_allowed_until_one_is_over() {
    let mut mux = mux(Config { streams: 1, ..Config::default() });
    let id = mux.open().unwrap();
    assert_eq!(mux.open(), Err(Refused::TooMany));
    mux.finish(id);
    sent(&mut mux, 1024);
    assert_eq!(mux.open(), Err(Refused::TooMany), "the agent has not closed it yet");
    received(&mut mux, &[frame(Command::Fin, 3, b"")]);
    assert_eq!(mux.open(), Ok(StreamId(5)));
}

#[test]
fn opening_first_bytes_and_end_share_one_message() {
    let mut mux = mux(Config::default());
    let id = mux.open().unwrap();
    assert_eq!(mux.write(id, b"hello"), Ok(5));
    mux.finish(id);
    assert_eq!(mux.write(id, b"more"), Err(StreamGone));
    let expected = [
        frame(Command::Syn, 3, b""),
        frame(Command::Psh, 3, b"hello"),
        frame(Command::Fin, 3, b""),
    ];
    assert_eq!(sent(&mut mux, 1024), expected);
    assert!(!mux.has_output(usize::MAX));
}

#[test]
fn a_short_query_waits_for_one_message_of_each_busy_stream() {
    let mut mux = mux(Config::default());
    let busy = [mux.open().unwrap(), mux.open().unwrap()];
    sent(&mut mux, 1024);
    for id in busy {
        assert_eq!(mux.write(id, &[0; 60_000]), Ok(60_000));
    }
    sent(&mut mux, 1024);
    let short = mux.open().unwrap();
    mux.write(short, b"select 1").unwrap();
    let order: Vec<Vec<u32>> =
        (0..3).map(|_| sent(&mut mux, 1024).iter().map(|frame| frame.stream).collect()).collect();
    assert_eq!(order, [vec![7, 7, 5], vec![3], vec![5]]);
}

#[test]
fn a_message_is_filled_to_the_last_byte_whatever_its_size() {
    for room in [17, 64, 1024, 40_000, 70_000] {
        let mut mux = mux(Config::default());
        let id = mux.open().unwrap();
        let data: Vec<u8> = (0..=255).cycle().take(60_000).collect();
        mux.write(id, &data).unwrap();
        mux.finish(id);
        let mut carried = Vec::new();
        let mut ended = false;
        while mux.has_output(usize::MAX) {
            for frame in sent(&mut mux, room) {
                assert!(!ended && frame.data.len() <= frame::MAX_DATA);
                ended = frame.command == Command::Fin;
                carried.extend_from_slice(&frame.data);
            }
        }
        assert!(ended && carried == data, "messages of {room} bytes");
    }
}

#[test]
fn a_writer_is_told_once_when_half_of_its_room_is_free_again() {
    let mut mux = mux(Config { stream_send_bytes: 1000, ..Config::default() });
    let id = mux.open().unwrap();
    assert_eq!(mux.write(id, &[1; 1500]), Ok(1000));
    assert_eq!(mux.write(id, &[1; 500]), Ok(0));
    let mut events = VecDeque::new();
    packed(&mut mux, 300, &mut events);
    assert!(events.is_empty(), "{events:?}");
    packed(&mut mux, 300, &mut events);
    assert!(matches!(events.pop_front(), Some(Event::Writable(StreamId(3)))));
    packed(&mut mux, 2000, &mut events);
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn data_are_read_in_the_pieces_that_the_reader_wants_and_said_to_be_there_once() {
    let mut mux = mux(Config::default());
    let id = mux.open().unwrap();
    assert_eq!(mux.read(id, 10), Ok(None));
    let two = [frame(Command::Psh, 3, b"hello "), frame(Command::Psh, 3, b"world")];
    assert_eq!(received(&mut mux, &two), ["Readable(StreamId(3))"]);
    assert!(mux.unread() > 11);
    assert_eq!(mux.read(id, 4), Ok(Some(Bytes::from_static(b"hell"))));
    assert_eq!(mux.read(id, 100), Ok(Some(Bytes::from_static(b"o "))));
    assert_eq!(mux.read(id, 100), Ok(Some(Bytes::from_static(b"world"))));
    assert_eq!((mux.read(id, 100), mux.unread()), (Ok(None), 0));
    assert_eq!(received(&mut mux, &two[..1]), ["Readable(StreamId(3))"]);
}

#[test]
fn what_came_before_the_agents_end_can_still_be_read_and_the_end_is_answered() {
    let mut mux = mux(Config::default());
    let id = mux.open().unwrap();
    mux.write(id, b"hello").unwrap();
    sent(&mut mux, 1024);
    mux.write(id, b"too late").unwrap();
    let last = [frame(Command::Psh, 3, b"bye"), frame(Command::Fin, 3, b"")];
    let events = received(&mut mux, &last);
    assert_eq!(events, ["Readable(StreamId(3))", "StreamEnded(StreamId(3), Finished)"]);
    assert_eq!(mux.write(id, b"x"), Err(StreamGone));
    assert_eq!(sent(&mut mux, 1024), [frame(Command::Fin, 3, b"")]);
    assert_eq!(mux.read(id, 100), Ok(Some(Bytes::from_static(b"bye"))));
    assert_eq!((mux.read(id, 100), mux.len()), (Err(StreamGone), 0));
}

#[test]
fn a_stream_that_is_read_to_the_end_is_forgotten_when_its_end_is_answered() {
    let mut mux = mux(Config::default());
    let id = mux.open().unwrap();
    sent(&mut mux, 1024);
    received(&mut mux, &[frame(Command::Psh, 3, b"bye"), frame(Command::Fin, 3, b"")]);
    assert_eq!(mux.read(id, 100), Ok(Some(Bytes::from_static(b"bye"))));
    assert_eq!(mux.len(), 1);
    assert_eq!(sent(&mut mux, 1024), [frame(Command::Fin, 3, b"")]);
    assert_eq!(mux.len(), 0);
}

#[test]
fn what_comes_after_our_end_can_still_be_read() {
    let mut mux = mux(Config::default());
    let id = mux.open().unwrap();
    mux.finish(id);
    sent(&mut mux, 1024);
    received(&mut mux, &[frame(Command::Psh, 3, b"late")]);
    assert_eq!(mux.read(id, 100), Ok(Some(Bytes::from_static(b"late"))));
    let events = received(&mut mux, &[frame(Command::Fin, 3, b"")]);
    assert_eq!(events, ["StreamEnded(StreamId(3), Finished)"]);
    assert_eq!((mux.len(), mux.has_output(usize::MAX)), (0, false));
}

#[test]
fn an_abandoned_stream_keeps_nothing_and_says_nothing() {
    let mut mux = mux(Config::default());
    let id = mux.open().unwrap();
    received(&mut mux, &[frame(Command::Psh, 3, b"unread")]);
    mux.abandon(id);
    assert_eq!((mux.unread(), mux.read(id, 10)), (0, Err(StreamGone)));
    assert_eq!(sent(&mut mux, 1024), [frame(Command::Syn, 3, b""), frame(Command::Fin, 3, b"")]);
    let rest = [frame(Command::Psh, 3, b"more"), frame(Command::Fin, 3, b"")];
    assert_eq!(received(&mut mux, &rest), [""; 0]);
    assert_eq!((mux.unread(), mux.len()), (0, 0));
}

#[test]
fn data_for_streams_that_are_not_there_are_dropped_and_counted() {
    let mut mux = mux(Config::default());
    let mut bytes = BytesMut::new();
    frame(Command::Psh, 9, b"stray").encode(&mut bytes);
    frame(Command::Fin, 9, b"").encode(&mut bytes);
    frame(Command::Syn, 2, b"").encode(&mut bytes);
    let mut events = VecDeque::new();
    assert_eq!(mux.receive(&bytes.freeze(), &mut events).unwrap(), 5);
    assert!(events.is_empty() && mux.unread() == 0 && mux.len() == 0);
}

#[test]
fn a_failed_dial_belongs_to_the_next_end_of_a_stream_that_nothing_came_from() {
    let mut mux = mux(Config::default());
    let ids = [mux.open(), mux.open(), mux.open()].map(Result::unwrap);
    sent(&mut mux, 1024);
    received(&mut mux, &[frame(Command::Psh, 3, b"reached")]);
    assert_eq!(mux.read(ids[0], 100), Ok(Some(Bytes::from_static(b"reached"))));
    mux.dial_failed();
    let ends = [3, 5, 7].map(|id| frame(Command::Fin, id, b""));
    assert_eq!(
        received(&mut mux, &ends),
        [
            "StreamEnded(StreamId(3), Finished)",
            "StreamEnded(StreamId(5), DialFailed)",
            "StreamEnded(StreamId(7), Finished)",
        ]
    );
}

#[test]
fn a_keepalive_is_a_frame_that_says_nothing() {
    let mut mux = mux(Config::default());
    mux.want_nop();
    assert!(mux.has_output(usize::MAX));
    assert_eq!(sent(&mut mux, 1024), [frame(Command::Nop, 0, b"")]);
    assert!(!mux.has_output(usize::MAX));
}
