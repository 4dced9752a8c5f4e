//! weir-relay: all I/O and assembly. The data's path, in order:
//!
//! 1. [`server`] listens on one port number: QUIC, and TCP for HTTPS and WebSocket; [`doors`] bounds who comes in
//! 2. [`tunnel`] turns either transport into streams that begin with `Open`
//! 3. [`identity`] turns a key's thumbprint into a `Principal`, and others' tokens into users; [`web`] holds the login pages
//! 4. [`session`] is the pipeline: authorise (`Grant`), gate each request (`Permit`), mask each answer (`Masked`)
//! 5. [`credential`] and [`upstream`] reach the resource; [`approval`] asks humans, some of them over a [`channel`]; [`mask`]
//!    and [`record`] do what they say
//! 6. [`api`] answers the CLI; [`keep`] ends what may not go on; [`telemetry`] counts and measures it all;
//!    [`policy`] is what is in force; [`tls`] the relay's own certificate, [`workers`] its threads
//!
//! The manual (threat model, decisions, formats) is [`manual`].

pub mod api;
pub mod approval;
pub mod channel;
pub mod cmd;
pub mod credential;
pub mod doors;
pub mod identity;
pub mod keep;
pub mod manual;
pub mod mask;
mod outbound;
pub mod policy;
pub mod record;
pub mod relay;
pub mod resources;
pub mod server;
pub mod session;
pub mod telemetry;
pub mod tls;
pub mod tunnel;
pub mod upstream;
pub mod web;
pub mod workers;
