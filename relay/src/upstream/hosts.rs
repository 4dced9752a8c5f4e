//! Which of a resource's hosts a session is with: the first that can be logged in to and is of the kind asked for, as
//! libpq chooses (PostgreSQL documentation, "Specifying Multiple Hosts" and `target_session_attrs`).
//!
//! A host that does not answer in time, has not the right certificate or is just starting up is passed over. A login that
//! a host refuses is not tried at the next: it would be refused there too, or should have been.

use super::{UpstreamError, login::Connection};
use weir_shared::config::checked::{Host, Resource, TargetSession};

/// The hosts to try, in order, and what each must be.
pub(super) fn candidates(resource: &Resource) -> Vec<(&Host, TargetSession)> {
    let all = |target| resource.hosts.iter().map(move |host| (host, target));
    match resource.target_session_attrs {
        TargetSession::PreferStandby => all(TargetSession::Standby).chain(all(TargetSession::Any)).collect(),
        target => all(target).collect(),
    }
}

/// True when the next host may do better.
pub(super) fn passes_over(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::Dial(..)
        | UpstreamError::Tls(..)
        | UpstreamError::Io(_)
        | UpstreamError::Timeout(..)
        | UpstreamError::Unfit(..) => true,
        // cannot_connect_now: it starts up, shuts down or recovers.
        UpstreamError::Refused(text) => text.starts_with("57P03"),
        UpstreamError::Credential(_) | UpstreamError::Method(_) | UpstreamError::Hosts(_) => false,
    }
}

/// True when the server of a logged-in connection is what is asked for. `parameters` are what it reported, `own_default`
/// is true when the client itself set `default_transaction_read_only`, which then says nothing about the server.
pub(super) async fn fits(
    connection: &mut Connection,
    target: TargetSession,
    parameters: &[(String, String)],
    own_default: bool,
) -> Result<bool, UpstreamError> {
    let reported = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value == "on");
    let (standby, read_only) = (reported("in_hot_standby"), reported("default_transaction_read_only"));
    Ok(match target {
        TargetSession::Any | TargetSession::PreferStandby => true,
        TargetSession::Primary | TargetSession::Standby => {
            let standby = match standby {
                Some(standby) => standby,
                None => says(connection, "SELECT pg_catalog.pg_is_in_recovery()", "t").await?,
            };
            standby == (target == TargetSession::Standby)
        }
        TargetSession::ReadWrite | TargetSession::ReadOnly => {
            // PostgreSQL reports both since version 14.
            let read_only = match standby.zip(read_only) {
                Some((standby, read_only)) => standby || (read_only && !own_default),
                None => says(connection, "SHOW transaction_read_only", "on").await?,
            };
            read_only == (target == TargetSession::ReadOnly)
        }
    })
}

async fn says(connection: &mut Connection, query: &str, answer: &str) -> Result<bool, UpstreamError> {
    let rows = connection.query(query).await?;
    Ok(rows.first().and_then(|row| row.first()).is_some_and(|cell| cell == answer))
}
