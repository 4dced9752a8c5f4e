//! weir-tests: the harness of the journeys. Everything in it is real: a PostgreSQL server, `weir-relay serve`, logins
//! through the relay's own form, `weir connect` as a process of its own.
//!
//! - [`lab`]: starts all of it in one temporary folder, and ends it by process id
//! - [`agent`]: a logged-in user, and the ports that they open
//! - [`login`]: drives the login form as a browser would
//! - [`federation`]: those who vouch for others: a real provider; [`stand_in`]: an issuer for any other
//! - [`middle`]: what may stand between an agent and its relay
//! - [`forger`]: an agent whose key the test holds, to sign and send what an attacker would
//! - [`told`]: stands in for Slack and for the receiver of a webhook
//! - [`stranger`]: connections by somebody who is nobody's agent
//! - [`process`]: children that end with their owner; [`port`]: ports that nobody else gets
//! - [`raw`]: the PostgreSQL protocol spoken by hand

pub mod agent;
pub mod federation;
pub mod forger;
pub mod lab;
pub mod login;
pub mod middle;
pub mod port;
pub mod process;
pub mod raw;
pub mod reviewer;
pub mod stand_in;
pub mod stranger;
pub mod told;
