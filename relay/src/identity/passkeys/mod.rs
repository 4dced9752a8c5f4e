//! Passkeys (Web Authentication, level 3): a person proves that they are there, and mean this. The relay asks with a challenge
//! of its own, keeps what it is for, and takes one answer, of the same visitor, about the same thing, within five minutes.
//!
//! What is to be proven comes in as [`Meant`]; a proof, or why there is none, goes out. Both are audited. No secret is kept:
//! the private key stays in the passkey. What is under way is in `ceremony`.

mod ceremony;

pub use ceremony::Passkeys;

use super::{Principal, oauth::hash};
use crate::{approval::text::visible, relay::Relay};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ceremony::Step;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn_rs::{
    Webauthn,
    prelude::{Passkey, Uuid},
};
use weir_shared::{
    error::{Kind, UserFacing},
    id::AgentId,
};
use weir_store::{StoreError, passkeys::Passkey as Stored};

/// After so long a visitor's cookie adds no passkey: whoever stole it would stay.
const FRESH: i64 = 5 * 60 * 1_000_000;
/// Passkeys of one user.
const MOST: u32 = 16;
/// Characters of a passkey's name.
const LONGEST: usize = 60;

/// What somebody says with a passkey, as a digest of all of it; and what an audit event calls it.
pub struct Meant {
    kind: &'static str,
    of: String,
    digest: [u8; 32],
}

impl Meant {
    /// `kind` and `of` name it; `said` is everything that must be the same when the answer comes.
    #[must_use]
    pub fn new(kind: &'static str, of: &str, said: &Value) -> Self {
        let digest = hash(&format!("weir passkey {}", json!([kind, of, said])));
        Self { kind, of: of.to_owned(), digest }
    }
}

/// What the browser is asked.
#[derive(Serialize)]
pub struct Question {
    /// By this the answer is known.
    pub ceremony: String,
    /// `CredentialCreationOptions` or `CredentialRequestOptions`, as JSON.
    pub options: Value,
}

/// What the browser answers. Both are empty when it was asked nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// The question's.
    pub ceremony: String,
    /// The `PublicKeyCredential`, as JSON.
    pub answer: String,
}

impl Answer {
    /// No answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ceremony.is_empty() && self.answer.is_empty()
    }
}

fn broken(error: &StoreError) -> UserFacing {
    tracing::error!(%error, "passkeys cannot be looked up");
    UserFacing::new(Kind::Internal, "the relay cannot use its database", "try again, or see the relay's log")
}

fn failed(error: &dyn std::fmt::Display) -> UserFacing {
    tracing::error!(%error, "a passkey cannot be asked for");
    UserFacing::new(Kind::Internal, "the passkey cannot be asked for", "see the relay's log")
}

/// Asks for a proof that this visitor means this.
///
/// # Errors
/// When they have no passkey, there are none here, or the store fails.
pub async fn ask(relay: &Relay, principal: &Principal, meant: &Meant) -> Result<Question, UserFacing> {
    let party = relay.passkeys.party()?;
    let stored = relay.store.passkeys(principal.user_id()).await.map_err(|error| broken(&error))?;
    let passkeys: Result<Vec<Passkey>, _> = stored.iter().map(|one| serde_json::from_str(&one.credential)).collect();
    let passkeys = passkeys.map_err(|error| failed(&error))?;
    if passkeys.is_empty() {
        return Err(UserFacing::new(Kind::Denied, "you have no passkey", "add one on the page Passkeys"));
    }
    let (options, state) = party.start_passkey_authentication(&passkeys).map_err(|error| failed(&error))?;
    let step = Step::Proving(meant.digest, state, stored);
    let ceremony = relay.passkeys.keep(principal.agent(), step, relay.now())?;
    Ok(Question { ceremony, options: serde_json::to_value(options).map_err(|error| failed(&error))? })
}

/// Takes the proof.
///
/// # Errors
/// When it proves nothing, or something else.
pub async fn prove(relay: &Relay, principal: &Principal, meant: &Meant, answer: &Answer) -> Result<(), UserFacing> {
    match proven(relay, principal, meant, answer).await {
        Ok(passkey) => {
            relay.audit_of(principal, "passkey.used", json!({ meant.kind: meant.of, "passkey": passkey })).await;
            Ok(())
        }
        Err(why) => Err(refused(relay, principal, json!({ meant.kind: meant.of }), why).await),
    }
}

async fn refused(relay: &Relay, principal: &Principal, mut body: Value, why: &'static str) -> UserFacing {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("why".to_owned(), json!(why));
    }
    relay.audit_of(principal, "passkey.refused", body).await;
    UserFacing::new(Kind::Denied, format!("the passkey's answer does not count: {why}"), "begin again on the page")
}

/// Which passkey it was, or why it is no proof.
async fn proven(relay: &Relay, principal: &Principal, meant: &Meant, answer: &Answer) -> Result<String, &'static str> {
    const BROKEN: &str = "the relay cannot look it up";
    let Ok(party) = relay.passkeys.party() else { return Err("there are no passkeys here") };
    let now = relay.now();
    let Step::Proving(digest, state, stored) = relay.passkeys.take(&answer.ceremony, principal.agent(), now)? else {
        return Err("it was asked for something else");
    };
    if digest != meant.digest {
        return Err("it was asked for something else");
    }
    let credential = serde_json::from_str(&answer.answer).map_err(|_| "it is no passkey's")?;
    let proof = party.finish_passkey_authentication(&credential, &state).map_err(|error| {
        tracing::info!(%error, user = principal.user(), "a passkey's answer is refused");
        "it is not by a passkey of yours, or not right"
    })?;
    if !proof.user_verified() {
        return Err("the passkey did not ask who you are");
    }
    let id = URL_SAFE_NO_PAD.encode(proof.cred_id());
    let before = stored.iter().find(|one| one.id == id).ok_or("it is not by a passkey of yours")?;
    let mut passkey: Passkey = serde_json::from_str(&before.credential).map_err(|_| BROKEN)?;
    let after = match passkey.update_credential(&proof) {
        Some(true) => serde_json::to_string(&passkey).map_err(|_| BROKEN)?,
        _ => before.credential.clone(),
    };
    // Its counter was compared with that of the beginning: only if that still stands is it a proof.
    let used = relay.store.passkey_used(before, &after, now).await.map_err(|error| {
        broken(&error);
        BROKEN
    })?;
    if used { Ok(id) } else { Err("the passkey was removed, or used elsewhere meanwhile") }
}

/// What adding another passkey is, to those that there are.
#[must_use]
pub fn adding() -> Meant {
    Meant::new("passkey", "new", &Value::Null)
}

/// What removing one is.
#[must_use]
pub fn removing(id: &str) -> Meant {
    Meant::new("passkey", id, &json!("remove"))
}

/// Whether this visitor may add a passkey: they have logged in just now.
#[must_use]
pub fn may_add(relay: &Relay, principal: &Principal) -> bool {
    is_fresh(principal.agent().created_at(), relay.now())
}

fn is_fresh(created: i64, now: i64) -> bool {
    now - created < FRESH
}

fn stale() -> UserFacing {
    UserFacing::new(Kind::Denied, "you logged in more than five minutes ago", "log out, log in, and add it then")
}

/// Asks for a new passkey. Who has one already proves with it that they mean it: a stolen password adds none.
///
/// # Errors
/// When the visitor may not add one, does not prove it, or the store fails.
pub async fn ask_new(relay: &Relay, principal: &Principal, answer: &Answer) -> Result<Question, UserFacing> {
    let party = relay.passkeys.party()?;
    if !may_add(relay, principal) {
        return Err(stale());
    }
    let stored = relay.store.passkeys(principal.user_id()).await.map_err(|error| broken(&error))?;
    if !stored.is_empty() {
        prove(relay, principal, &adding(), answer).await?;
    }
    let known = stored.iter().filter_map(|one| URL_SAFE_NO_PAD.decode(&one.id).ok()).collect();
    let (user, name) = (Uuid::from_bytes(*principal.user_id().as_bytes()), principal.user());
    let begun = party.start_passkey_registration(user, name, name, Some(known));
    let (options, state) = begun.map_err(|error| failed(&error))?;
    let mut options = serde_json::to_value(options).map_err(|error| failed(&error))?;
    // Kept by the passkey where it can be, so that the browser can say whose it is.
    if let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection").and_then(Value::as_object_mut) {
        selection.insert("residentKey".to_owned(), json!("preferred"));
    }
    let ceremony = relay.passkeys.keep(principal.agent(), Step::Adding(state), relay.now())?;
    Ok(Question { ceremony, options })
}

/// Adds the passkey that was asked for.
///
/// # Errors
/// When the visitor may not, the answer is not right, the passkey is known, or there are too many.
pub async fn add(relay: &Relay, principal: &Principal, name: &str, answer: &Answer) -> Result<(), UserFacing> {
    let party = relay.passkeys.party()?;
    if !may_add(relay, principal) {
        return Err(stale());
    }
    let passkey = match added(&relay.passkeys, party, principal.agent(), answer, relay.now()) {
        Ok(passkey) => passkey,
        Err(why) => return Err(refused(relay, principal, json!({ "passkey": "new" }), why).await),
    };
    let name: String = name.trim().chars().take(LONGEST).collect();
    let stored = Stored {
        id: URL_SAFE_NO_PAD.encode(passkey.cred_id()),
        name: if name.is_empty() { "passkey".to_owned() } else { visible(&name) },
        credential: serde_json::to_string(&passkey).map_err(|error| failed(&error))?,
        added: relay.now(),
        used: None,
    };
    let kept = relay.store.passkey_add(principal.user_id(), &stored, MOST).await.map_err(|error| broken(&error))?;
    if !kept {
        let why = format!("this passkey is known already, or you have {MOST}");
        return Err(UserFacing::new(Kind::Conflict, why, "remove one"));
    }
    relay.audit_of(principal, "passkey.added", json!({ "passkey": stored.id, "name": stored.name })).await;
    Ok(())
}

fn added(
    passkeys: &Passkeys,
    party: &Webauthn,
    agent: AgentId,
    answer: &Answer,
    now: i64,
) -> Result<Passkey, &'static str> {
    let Step::Adding(state) = passkeys.take(&answer.ceremony, agent, now)? else {
        return Err("it was asked for something else");
    };
    let credential = serde_json::from_str(&answer.answer).map_err(|_| "it is no passkey's")?;
    party.finish_passkey_registration(&credential, &state).map_err(|error| {
        tracing::info!(%error, "a new passkey is refused");
        "it is not right"
    })
}

/// Removes one of the visitor's passkeys, once they have proven with one that they mean it.
///
/// # Errors
/// When they do not prove it, have no such passkey, or the store fails.
pub async fn remove(relay: &Relay, principal: &Principal, id: &str, answer: &Answer) -> Result<(), UserFacing> {
    prove(relay, principal, &removing(id), answer).await?;
    if !relay.store.passkey_remove(principal.user_id(), id).await.map_err(|error| broken(&error))? {
        return Err(UserFacing::new(Kind::NotFound, "you have no such passkey", "reload the page"));
    }
    relay.audit_of(principal, "passkey.removed", json!({ "passkey": id })).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_all_of_it() {
        let meant = |of, said: Value| Meant::new("approval", of, &said).digest;
        assert_eq!(meant("a", json!(["approve", "d"])), meant("a", json!(["approve", "d"])));
        assert_ne!(meant("a", json!(["approve", "d"])), meant("b", json!(["approve", "d"])));
        assert_ne!(meant("a", json!(["approve", "d"])), meant("a", json!(["deny", "d"])));
        assert_ne!(adding().digest, removing("new").digest);
    }

    #[test]
    fn a_passkey_is_added_just_after_a_login() {
        let created = AgentId::generate().created_at();
        assert!(is_fresh(created, created + FRESH - 1) && !is_fresh(created, created + FRESH));
        assert!(!is_fresh(0, created), "an id without a time");
    }
}
