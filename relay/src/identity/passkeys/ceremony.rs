//! The ceremonies under way: each is answered once, in time, by the visitor whom it was begun for.

use crate::identity::oauth::secret;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use webauthn_rs::{
    Webauthn, WebauthnBuilder,
    prelude::{PasskeyAuthentication, PasskeyRegistration, Url},
};
use weir_shared::{
    error::{Kind, UserFacing},
    id::AgentId,
};
use weir_store::passkeys::Passkey as Stored;

/// An answer may take so long: five minutes.
const PATIENCE: i64 = 5 * 60 * 1_000_000;
/// Ceremonies under way: of one visitor, where a new one takes the oldest's place; and in all.
const MOST_OF_ONE: usize = 4;
const MOST_OF_ALL: usize = 4096;

/// What is under way.
pub(super) enum Step {
    /// A new passkey.
    Adding(PasskeyRegistration),
    /// A proof: the digest of what is meant, and the passkeys as they were when it began.
    Proving([u8; 32], PasskeyAuthentication, Vec<Stored>),
}

struct Ceremony {
    agent: AgentId,
    until: i64,
    step: Step,
}

/// The ceremonies under way, and what passkeys are for.
pub struct Passkeys {
    party: Option<Webauthn>,
    ceremonies: Mutex<HashMap<String, Ceremony>>,
}

impl Passkeys {
    /// For the pages at this URL. Passkeys belong to a name: at an address there are none.
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        let origin = Url::parse(public_url).ok();
        let party = origin.as_ref().and_then(|origin| {
            let party = WebauthnBuilder::new(origin.domain()?, origin).and_then(|party| party.rp_name("weir").build());
            party.inspect_err(|error| tracing::error!(%error, "there can be no passkeys")).ok()
        });
        Self { party, ceremonies: Mutex::default() }
    }

    /// Whether there can be any here.
    #[must_use]
    pub fn are_possible(&self) -> bool {
        self.party.is_some()
    }

    pub(super) fn party(&self) -> Result<&Webauthn, UserFacing> {
        let hint = "set `public_url` to https://NAME:PORT";
        self.party.as_ref().ok_or_else(|| {
            UserFacing::new(Kind::Config, "there are no passkeys: the relay is known by an address, not a name", hint)
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Ceremony>> {
        self.ceremonies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, agent: AgentId, step: Step, now: i64) -> Result<String, UserFacing> {
        let Some(id) = secret() else { return Err(UserFacing::new(Kind::Internal, "no randomness", "try again")) };
        let mut ceremonies = self.lock();
        ceremonies.retain(|_, ceremony| ceremony.until > now);
        let own = || ceremonies.iter().filter(|(_, ceremony)| ceremony.agent == agent);
        if own().count() >= MOST_OF_ONE
            && let Some(oldest) = own().min_by_key(|(_, ceremony)| ceremony.until).map(|(id, _)| id.clone())
        {
            ceremonies.remove(&oldest);
        }
        if ceremonies.len() >= MOST_OF_ALL {
            return Err(UserFacing::new(Kind::Limit, "too many passkeys are being asked for", "try again in a minute"));
        }
        ceremonies.insert(id.expose().clone(), Ceremony { agent, until: now + PATIENCE, step });
        Ok(id.expose().clone())
    }

    /// Whatever comes of it, it is not answered again.
    pub(super) fn take(&self, id: &str, agent: AgentId, now: i64) -> Result<Step, &'static str> {
        let ceremony = self.lock().remove(id).ok_or("it was answered before, or never asked")?;
        if ceremony.agent != agent {
            return Err("it was asked in another session");
        }
        if ceremony.until <= now {
            return Err("it came too late");
        }
        Ok(ceremony.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webauthn_rs::prelude::Uuid;

    fn step(passkeys: &Passkeys) -> Step {
        let party = passkeys.party().unwrap();
        Step::Adding(party.start_passkey_registration(Uuid::nil(), "rita", "rita", None).unwrap().1)
    }

    #[test]
    fn a_ceremony_is_answered_once_in_time_by_whom_it_was_begun_for() {
        let passkeys = Passkeys::new("https://weir.example:8443");
        let (rita, adam) = (AgentId::generate(), AgentId::generate());
        let keep = |now| passkeys.keep(rita, step(&passkeys), now).unwrap();
        let id = keep(0);
        assert!(passkeys.take(&id, rita, PATIENCE - 1).is_ok());
        assert!(passkeys.take(&id, rita, 1).is_err(), "twice");
        assert!(passkeys.take(&keep(0), rita, PATIENCE).is_err(), "too late");
        let id = keep(0);
        assert!(passkeys.take(&id, adam, 1).is_err(), "another's");
        assert!(passkeys.take(&id, rita, 1).is_err(), "shown to another");
        assert!(passkeys.take("", rita, 1).is_err());
    }

    #[test]
    fn ceremonies_are_bounded_and_forgotten() {
        let passkeys = Passkeys::new("https://weir.example:8443");
        let rita = AgentId::generate();
        let ids: Vec<String> = (0..6).map(|now| passkeys.keep(rita, step(&passkeys), now).unwrap()).collect();
        assert_eq!(passkeys.lock().len(), MOST_OF_ONE);
        assert!(passkeys.take(&ids[0], rita, 6).is_err() && passkeys.take(&ids[5], rita, 6).is_ok());
        passkeys.keep(AgentId::generate(), step(&passkeys), 2 * PATIENCE).unwrap();
        assert_eq!(passkeys.lock().len(), 1, "those that are over take no room");
    }

    #[test]
    fn passkeys_belong_to_a_name() {
        assert!(Passkeys::new("https://localhost:8443").are_possible());
        for url in ["https://127.0.0.1:8443", "https://[::1]:8443", "nonsense"] {
            assert!(!Passkeys::new(url).are_possible(), "{url}");
        }
    }
}
