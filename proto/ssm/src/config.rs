//! How a [`Channel`](crate::Channel) behaves where it has a choice.

use std::time::Duration;

/// What may be set. The defaults are right for the real service.
#[derive(Clone, Debug)]
pub struct Config {
    /// The version of Amazon's client that we claim to be: four numbers with dots.
    pub client_version: String,
    /// The most payload that one message with data carries where nothing larger is proven.
    pub payload_size: usize,
    /// Whether larger payloads are tried out.
    pub probing: bool,
    /// The size that is tried first, where one is known to have gone through before; else the smallest step.
    pub payload_start: usize,
    /// No larger payload is tried.
    pub payload_max: usize,
    /// How many bytes of payload may be unacknowledged before no new data are sent.
    pub window_bytes: usize,
    /// How many messages may be unacknowledged before no new data are sent.
    pub window_frames: usize,
    /// How many messages with data are sent before the first of them is acknowledged.
    pub first_frames: usize,
    /// How many bytes of payload of one stream may be unacknowledged before it sends no more.
    pub stream_unacknowledged_bytes: usize,
    /// How many bytes a stream takes that have not been sent yet.
    pub stream_send_bytes: usize,
    /// How many bytes of one stream may wait to be read before no message is taken.
    pub unread_per_stream: usize,
    /// How many bytes, of all streams together, may wait to be read before no message is taken.
    pub unread_in_all: usize,
    /// How many messages that came too early are kept.
    pub early_frames: usize,
    /// How many bytes of payload that came too early are kept.
    pub early_bytes: usize,
    /// How many acknowledgements may wait to be sent before no message is taken.
    pub pending_acknowledgements: usize,
    /// How many streams may be there at once.
    pub streams: usize,
    /// The least time that an acknowledgement is given.
    pub rto_floor: Duration,
    /// The most time that an acknowledgement is given.
    pub rto_ceiling: Duration,
    /// How long a pause that the service asked for may last.
    pub pause_limit: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client_version: CLIENT_VERSION.to_owned(),
            payload_size: 1024, // as Amazon's plugin; the gateway's own limit is unknown
            probing: true,
            payload_start: 0,
            payload_max: 32 << 10, // one frame of smux; beyond it there is little to win
            window_bytes: 3 << 20, // 60 MB/s at 50 ms; how much of it is used, the road decides
            window_frames: 3072,   // the same in messages of 1024 bytes
            first_frames: 4,       // one screenful: the agent may not be listening yet
            stream_unacknowledged_bytes: 5 << 19, // leaves the others some of the window
            stream_send_bytes: 64 << 10, // one write of a busy local socket
            unread_per_stream: 64 << 20, // 90 s of what one agent can send
            unread_in_all: 256 << 20, // four readers that have stopped
            early_frames: 8192,    // 10 s of what one agent can send behind one lost message
            early_bytes: 8 << 20,  // the same in messages of 1024 bytes
            pending_acknowledgements: 8192, // as many as messages may be early
            streams: 1000,         // the agent's smux queues 1024 that it has not accepted
            rto_floor: Duration::from_millis(200),
            rto_ceiling: Duration::from_secs(2), // one loss never costs more
            pause_limit: Duration::from_secs(30),
        }
    }
}

/// The least that AWS's documents support, and the first that signs the upgrade.
const CLIENT_VERSION: &str = "1.2.764.0";
