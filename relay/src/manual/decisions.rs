//! Decisions, with their reasons.
//!
//! - **The engine tracks names by what the server confirmed.** Optimistic tracking can be made to judge one text while
//!   the server runs another: close a statement in a segment that fails, define it anew, run it. So inside a segment
//!   the latest definition counts (if it fails, the server skips what follows), across segments only confirmed ones.
//! - **The driver is generic over nothing and boxes nothing.** One engine exists; the trait is the contract for the next.
//!   An enum of engines comes with the second one.
//! - **WebSocket carries one stream a connection.** TCP then gives each stream its own flow control, nothing of ours
//!   multiplexes, and a slow stream cannot stall another. The price is a resumed TLS handshake for each connection.
//! - **`access_token` is the agent's id.** The proof is the key: the id is no secret, and nothing accepts it as one.
//! - **A session's file is its recording.** Segments are small and sealed one by one; a write that fails half-way is cut
//!   back, so that the chain stays whole and the next try can work.
//! - **Values too large to hold are masked by filling**, since their length has been sent already.
//! - **Columns that the client does not describe are described by weir**: otherwise rows could not be masked by column.
//! - **client_encoding is UTF8 and standard_conforming_strings is on, always.** What was judged must be what the server
//!   reads.
