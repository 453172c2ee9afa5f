//! Who is at fault: [`Misbehaved`] (the peer) or [`Unsupported`] (we). Being closed by the service is not an error.

use std::sync::Arc;

/// What the other side sent that no honest agent or service sends.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Misbehaved {
    /// A message too short to hold its own header.
    #[error("a message of {length} bytes is shorter than its header")]
    Short {
        /// How long it was.
        length: usize,
    },
    /// A message whose header claims a length that cannot be.
    #[error("a message of {length} bytes claims a header of {claimed} bytes")]
    HeaderLength {
        /// What the header says.
        claimed: u32,
        /// How long the message was.
        length: usize,
    },
    /// A message whose type is not text.
    #[error("a message type is not text")]
    MessageType,
    /// A message whose digest is not that of its payload.
    #[error("the digest of a message does not fit its payload")]
    Digest,
    /// A smux header that names another version than 1.
    #[error("a smux header names version {0}")]
    MuxVersion(u8),
    /// A smux header that names a command which version 1 does not have.
    #[error("a smux header names command {0}")]
    MuxCommand(u8),
    /// A smux frame that carries data where its command has none.
    #[error("a smux frame of command {command} carries {length} bytes")]
    MuxLength {
        /// The command's number.
        command: u8,
        /// How many bytes it claims.
        length: u16,
    },
    /// A part of the handshake that cannot be read.
    #[error("the {part} cannot be read")]
    Handshake {
        /// Which part it was.
        part: &'static str,
        /// What is wrong with it.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// A part of the handshake that does not belong where it came.
    #[error("the {part} came out of turn")]
    OutOfTurn {
        /// Which part it was.
        part: &'static str,
    },
    /// Messages of a size that went through before, and then did not any more.
    #[error("messages with {bytes} bytes of payload went through before and do not any more")]
    PayloadLimit {
        /// How much payload such a message has.
        bytes: usize,
    },
}

/// What the other side asked for, honestly, that we do not do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsupported {
    /// An agent too old to carry several streams at once.
    #[error(
        "the SSM agent {version} is too old: only agents after {after} can carry several streams"
    )]
    AgentTooOld {
        /// The agent's version.
        version: String,
        /// The last version that is too old.
        after: &'static str,
    },
    /// An agent whose version is not four numbers.
    #[error("the SSM agent calls its version {version:?}, which is not four numbers")]
    AgentVersion {
        /// What it said.
        version: String,
    },
    /// An agent that sends data without any handshake: older than all that have one.
    #[error("the SSM agent sends data without a handshake: it is too old")]
    NoHandshake,
    /// A session whose data are to be encrypted with a KMS key.
    #[error("the session wants its data encrypted with a KMS key")]
    Encryption,
    /// A session of another kind than port forwarding.
    #[error("the session is of type {session_type:?}, not a port session")]
    SessionType {
        /// The type that was asked for.
        session_type: String,
    },
    /// A port session that carries one stream only.
    #[error("the port session is of kind {kind:?}, which cannot carry several streams")]
    PortKind {
        /// The kind that was asked for; empty where none was.
        kind: String,
    },
    /// An action that we do not know.
    #[error("the agent asks for the action {action:?}")]
    Action {
        /// Its name.
        action: String,
    },
    /// A request that never says what kind of session it is.
    #[error("the agent does not say what kind of session it is")]
    NoSessionType,
}

/// The stream is not there (any more): it ended, or the channel did.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the stream is gone")]
pub struct StreamGone;

/// Why a stream cannot be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The handshake is not complete yet.
    #[error("the channel is not open yet")]
    NotOpen,
    /// The channel is closed, or was told to end.
    #[error("the channel is closed")]
    Closed,
    /// As many streams as one channel carries are there already.
    #[error("the channel carries as many streams as it can")]
    TooMany,
    /// Every number that a stream may have was used.
    #[error("the channel has used up its stream numbers")]
    Exhausted,
}
