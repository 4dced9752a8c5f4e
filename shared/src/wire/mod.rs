//! The tunnel's frames: every frame number and its layout in one enum.
//!
//! A frame is `number: u8, length: u32 big-endian, payload: bincode` ([`codec`]). On QUIC each accepted local
//! connection is one bidirectional stream; over WebSocket it is one WebSocket connection of its own, so that TCP's
//! flow control holds end to end and a slow stream cannot stall another. Both begin with frames and go on raw:
//!
//! 1. control stream, client: [`Frame::Hello`]; relay: [`Frame::Welcome`] or [`Frame::Refused`]
//! 2. control stream, relay, at any time: [`Frame::Notice`], [`Frame::Drain`]
//! 3. data stream, client: [`Frame::Open`], and at once the raw bytes of the local client
//! 4. data stream, relay: [`Frame::Opened`] and then raw bytes, or [`Frame::Refused`] and the end
//!
//! Over WebSocket a binary message carries raw bytes and an empty one is the half-close.
//! Numbers from 128 are optional: who does not know one skips it. An unknown number below is refused.

pub mod codec;

use crate::id::{AgentId, ResourceName, SessionId};
use serde::{Deserialize, Serialize};

/// ALPN protocol of the tunnel over QUIC.
pub const ALPN: &[u8] = b"weir/1";
/// Path of the WebSocket upgrade.
pub const WEBSOCKET_PATH: &str = "/tunnel";
/// The version of the frames that this build speaks.
pub const VERSION: u16 = 1;

/// Why a stream or a tunnel was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalCode {
    /// No common version.
    Version,
    /// The key is not, or no longer, an agent's.
    Unauthenticated,
    /// No such resource, or policy does not let this agent see it.
    Denied,
    /// The resource cannot be reached or refused the login.
    ResourceDown,
    /// A limit of the relay.
    Limit,
    /// The relay is draining.
    Draining,
    /// The recording cannot be written.
    Recording,
    /// The peer broke the protocol.
    Protocol,
    /// A defect in the relay.
    Internal,
}

/// What the client says of the process that connected; a claim, marked as such wherever it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Process id, when known.
    pub pid: Option<u32>,
    /// Path of the executable, when known; at most 4 KiB.
    pub executable: Option<String>,
    /// Machine's host name.
    pub host: Option<String>,
}

/// Every frame of version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// 1, client: first on the control stream.
    Hello {
        /// Lowest version that the client speaks.
        oldest: u16,
        /// Highest version.
        newest: u16,
        /// Program and version, for logs.
        software: String,
    },
    /// 2, relay: the tunnel stands.
    Welcome {
        /// The version chosen.
        version: u16,
        /// The relay's program and version.
        software: String,
        /// Whom the relay takes the client for.
        agent: AgentId,
        /// The user behind it.
        user: String,
        /// When the agent's key expires, in seconds since 1970.
        expires_at: i64,
    },
    /// 3, client: first on a data stream.
    Open {
        /// The resource.
        resource: ResourceName,
        /// What connected locally.
        evidence: Evidence,
    },
    /// 4, relay: raw bytes follow.
    Opened {
        /// The session and its recording.
        session: SessionId,
    },
    /// 5, relay: no, and the end.
    Refused {
        /// Why, for programs.
        code: RefusalCode,
        /// Why, for people.
        message: String,
        /// What to do next.
        hint: String,
        /// What to write to the local client: the same in its own protocol.
        native: Vec<u8>,
    },
    /// 6, relay, control stream: the relay goes away; open new streams elsewhere.
    Drain {
        /// Seconds until open streams are cut.
        deadline_seconds: u32,
    },
    /// 128, relay, control stream: something to tell the person at the terminal.
    Notice {
        /// Which session it is about.
        session: Option<SessionId>,
        /// One line.
        text: String,
    },
}

impl Frame {
    /// The frame's number on the wire.
    #[must_use]
    pub fn number(&self) -> u8 {
        match self {
            Self::Hello { .. } => 1,
            Self::Welcome { .. } => 2,
            Self::Open { .. } => 3,
            Self::Opened { .. } => 4,
            Self::Refused { .. } => 5,
            Self::Drain { .. } => 6,
            Self::Notice { .. } => 128,
        }
    }
}

/// The version to speak with a peer that offers `oldest..=newest`; none when there is no overlap.
#[must_use]
pub fn negotiate(oldest: u16, newest: u16) -> Option<u16> {
    (oldest <= VERSION && VERSION <= newest).then_some(VERSION)
}
