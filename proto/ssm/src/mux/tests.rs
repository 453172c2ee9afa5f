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
fn a_short_query_waits_for_one_message_at_most_however_many_streams_are_busy() {
    let mut mux = mux(Config::default());
    let busy: Vec<StreamId> = (0..8).map(|_| mux.open().unwrap()).collect();
    for id in &busy {
        assert_eq!(mux.write(*id, &[0; 60_000]), Ok(60_000));
    }
    for messages in [8, 1, 3, 8, 20] {
        (0..messages).for_each(|_| drop(sent(&mut mux, 1024)));
        let short = mux.open().unwrap();
        mux.write(short, b"select 1").unwrap();
        let waited = (0..).find(|_| sent(&mut mux, 1024).iter().any(|f| f.stream == short.0));
        assert!(waited.unwrap() <= 1, "it waited for {waited:?} messages");
    }
}

#[test]
fn busy_streams_get_equal_shares_and_one_that_comes_and_goes_gets_no_more() {
    let mut mux = mux(Config::default());
    let ids = [mux.open(), mux.open(), mux.open()].map(Result::unwrap);
    let mut carried = BTreeMap::new();
    for round in 0..600 {
        for id in &ids[..2] {
            mux.write(*id, &[0; 4000]).unwrap();
        }
        if round % 2 == 0 {
            mux.write(ids[2], &[0; 3000]).unwrap();
        }
        for frame in sent(&mut mux, 1024) {
            *carried.entry(frame.stream).or_insert(0) += frame.data.len();
        }
    }
    let (least, most) = (carried.values().min().unwrap(), carried.values().max().unwrap());
    assert!(most - least < 5000, "{carried:?}");
}

#[test]
fn a_stream_with_too_much_in_flight_sends_nothing_and_the_others_go_on() {
    let mut mux = mux(Config::default());
    let (bulk, short) = (mux.open().unwrap(), mux.open().unwrap());
    mux.write(bulk, &[0; 60_000]).unwrap();
    let pack = |mux: &mut Mux, bound| {
        let mut out = BytesMut::new();
        let packed = mux.pack(&mut out, 1024, bound, &mut VecDeque::new());
        (packed.stream, out.len())
    };
    assert_eq!(pack(&mut mux, 2000), (3, 1024));
    assert_eq!(pack(&mut mux, 2000).0, 3);
    assert!(!mux.has_output(2000) && mux.has_output(3000), "the other one is opened");
    mux.write(short, b"select 1").unwrap();
    assert_eq!(pack(&mut mux, 2000), (5, 8 + 8));
    assert!(!mux.has_output(2000));
    mux.acknowledged(3, 1024);
    assert_eq!(pack(&mut mux, 2000).0, 3);
    assert_eq!(mux.stream_stats(bulk).unwrap().unacknowledged, 2048);
}

#[test]
fn a_reader_that_is_behind_keeps_no_more_memory_than_is_counted_and_loses_nothing() {
    let mut mux = mux(Config { unread_per_stream: 200_000, ..Config::default() });
    let id = mux.open().unwrap();
    let text: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut came = 0;
    for part in text.chunks(700) {
        let before = mux.unread();
        let data = Bytes::copy_from_slice(part);
        received(&mut mux, &[Frame { command: Command::Psh, stream: 3, data }]);
        came += part.len();
        assert!(mux.unread() > before && mux.unread() < came + came / 4 + 200);
        assert_eq!(mux.is_full(), mux.unread() >= 200_000);
    }
    assert!(mux.is_full() && mux.stream_stats(id).unwrap().full);
    let mut read = Vec::new();
    while let Some(data) = mux.read(id, 9_000).unwrap() {
        read.extend_from_slice(&data);
    }
    assert!(read == text && mux.unread() == 0 && !mux.is_full());
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
fn a_failed_dial_is_never_that_of_a_stream_which_was_dialed_before_one_that_was_heard() {
    let mut mux = mux(Config::default());
    (0..4).for_each(|_| assert!(mux.open().is_ok()));
    sent(&mut mux, 1024);
    // 3 is reached and says nothing, 5 answers, 7 and 9 cannot be reached.
    received(&mut mux, &[frame(Command::Psh, 5, b"reached")]);
    mux.dial_failed();
    mux.dial_failed();
    let ends = [3, 7, 9, 5].map(|id| frame(Command::Fin, id, b""));
    assert_eq!(
        received(&mut mux, &ends),
        [
            "StreamEnded(StreamId(3), Finished)",
            "StreamEnded(StreamId(7), DialFailed)",
            "StreamEnded(StreamId(9), DialFailed)",
            "StreamEnded(StreamId(5), Finished)",
        ]
    );
}

#[test]
fn whether_a_stream_was_answered_and_what_was_sent_since_can_be_asked() {
    let mut mux = mux(Config::default());
    let id = mux.open().unwrap();
    mux.write(id, b"hello").unwrap();
    let stats = mux.stream_stats(id).unwrap();
    assert_eq!((stats.answered, stats.unsent, stats.unanswered), (false, 5, 0));
    sent(&mut mux, 1024);
    let stats = mux.stream_stats(id).unwrap();
    assert_eq!((stats.answered, stats.unsent, stats.unanswered), (false, 0, 5));
    received(&mut mux, &[frame(Command::Psh, 3, b"hi")]);
    let stats = mux.stream_stats(id).unwrap();
    assert_eq!((stats.answered, stats.unanswered), (true, 0));
    assert_eq!((mux.bytes(), mux.stream_stats(StreamId(5))), ((5, 2), None));
}

#[test]
fn a_keepalive_is_a_frame_that_says_nothing() {
    let mut mux = mux(Config::default());
    mux.want_nop();
    assert!(mux.has_output(usize::MAX));
    assert_eq!(sent(&mut mux, 1024), [frame(Command::Nop, 0, b"")]);
    assert!(!mux.has_output(usize::MAX));
}
