//! A session that policy holds waits for a human before anything is dialled. The client is told, and may go.

use super::authorize::{Admitted, Grant};
use crate::{
    approval::{
        Asked, Outcome,
        wait::{self, Begun},
    },
    record::Recorder,
    relay::Relay,
    session::{refusals, registry::Place},
    tunnel::Stream,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use weir_protocol::{
    Refusal,
    postgres::startup::{self, SessionStart},
};
use weir_shared::recording::Payload;

/// Policy lets the session begin, or a human does.
///
/// # Errors
/// They do not, the client goes, or the session is ended meanwhile.
pub(super) async fn admit<'g>(
    relay: &Relay,
    grant: &'g Grant,
    place: &Place,
    start: &mut SessionStart,
    database: &str,
    recorder: &mut Recorder,
    stream: &mut Stream,
) -> Result<Admitted<'g>, Refusal> {
    let decision = match grant.admission() {
        Ok(admitted) => return Ok(admitted),
        Err(held) => held,
    };
    let asked = Asked::connect(grant, database, decision, &relay.config.approvals);
    let outcome = match wait::ask(relay, &asked).await {
        Begun::Decided(outcome) => outcome,
        Begun::Waits(ticket) => {
            let (text, hint) = wait::notice(relay, &ticket);
            let greeting = startup::waiting(start, &text, &hint).into_bytes();
            let told = async {
                stream.write_all(&greeting).await?;
                stream.flush().await
            };
            if told.await.is_err() { Outcome::Withdrawn } else { decided(relay, place, *ticket, stream).await }
        }
    };
    if outcome == Outcome::Withdrawn {
        wait::withdraw(relay, asked.id()).await;
    }
    let by = match &outcome {
        Outcome::Approved { by, .. } | Outcome::Denied { by, .. } => Some(by.clone()),
        _ => None,
    };
    let (digest, state) = (asked.request.digest.clone(), outcome.state().to_owned());
    recorder.note(Payload::Approval { number: 0, approval: asked.id(), digest, state, by });
    if let Some(refusal) = refusals::unapproved(&asked, "session", &outcome) {
        return Err(refusal);
    }
    // How long it was granted for.
    let view = relay.store.approval(asked.id()).await.ok().flatten();
    let granted = view.and_then(|view| view.granted).map(|granted| granted.extent.window);
    let within = granted.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    // Policy may have changed while a human thought.
    grant.follow();
    let refused = || Refusal::new("28000", "policy has changed while the session waited", "run `weir list`");
    grant.admitted_by(&outcome, within).ok_or_else(refused)
}

/// What a human says, unless the client goes or the session is ended before.
async fn decided(relay: &Relay, place: &Place, ticket: wait::Ticket, stream: &mut Stream) -> Outcome {
    let mut byte = [0];
    tokio::select! {
        biased;
        () = place.handle().kill.cancelled() => Outcome::Withdrawn,
        // A client has nothing to say before it is let in: it has gone, or is none.
        _ = stream.read(&mut byte) => Outcome::Withdrawn,
        outcome = wait::wait(relay, ticket) => outcome,
    }
}
