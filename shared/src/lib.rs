//! What both ends of weir agree on. Pure: no I/O runtime, no database.
//!
//! - [`id`]: newtyped identifiers
//! - [`secret`]: a value that is never printed and wiped when dropped
//! - [`error`]: what a user is told: kind, message, hint; exit codes
//! - [`wire`]: the tunnel's frames and their codec
//! - [`api`]: the JSON bodies of the relay's HTTPS API
//! - [`recording`]: the frames of a session's recording
//! - [`scope`], [`hop`]: what one hop of a chain of agents may do, and the statement its parent signs
//! - [`native`]: errors in the words of the client's own protocol
//! - [`congestion`]: how much may be in flight over QUIC
//! - [`keys`]: ephemeral session keys and certificate thumbprints
//! - [`config`]: the relay's configuration, raw to checked
//! - [`detect`]: detectors of secrets and personal data

pub mod api;
pub mod config;
pub mod congestion;
pub mod detect;
pub mod error;
pub mod hop;
pub mod id;
pub mod keys;
pub mod native;
pub mod recording;
pub mod scope;
pub mod secret;
pub mod wire;
