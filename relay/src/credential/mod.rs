//! The resource's credential: read from its source anew for every session, held as a [`Lease`], never seen by an agent.

mod source;

pub use source::CredentialError;
pub(crate) use source::read;

use crate::upstream::ScramKeys;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use subtle::ConstantTimeEq as _;
use weir_shared::{
    config::checked::{CredentialSource, Resource},
    detect::KnownValues,
    id::ResourceName,
    secret::Secret,
};

/// A credential, and what is derived from it at a price. Sessions share it for as long as the source gives the same text.
pub struct Lease {
    secret: Secret<String>,
    known: Arc<KnownValues>,
    scram: ScramKeys,
}

impl Lease {
    fn new(secret: Secret<String>) -> Self {
        let known = Arc::new(KnownValues::new(&[secret.expose().as_bytes()]));
        Self { secret, known, scram: ScramKeys::default() }
    }

    /// The credential, for the login alone.
    #[must_use]
    pub fn secret(&self) -> &Secret<String> {
        &self.secret
    }

    /// Finds the credential in whatever form an answer may show it.
    #[must_use]
    pub fn known(&self) -> &Arc<KnownValues> {
        &self.known
    }

    /// What SCRAM derives from it.
    #[must_use]
    pub fn scram(&self) -> &ScramKeys {
        &self.scram
    }
}

/// The leases of one relay: the last of each resource.
#[derive(Default)]
pub struct Leases(Mutex<HashMap<ResourceName, Arc<Lease>>>);

impl Leases {
    /// Reads the resource's credential; none where the client certificate is the credential.
    ///
    /// # Errors
    /// Says which source failed.
    pub async fn lease(&self, resource: &Resource) -> Result<Option<Arc<Lease>>, CredentialError> {
        if resource.credential == CredentialSource::None {
            return Ok(None);
        }
        let secret = read(&resource.credential).await?;
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lease) = leases.get(&resource.name) {
            let (old, new) = (lease.secret.expose().as_bytes(), secret.expose().as_bytes());
            if bool::from(old.ct_eq(new)) {
                return Ok(Some(Arc::clone(lease)));
            }
        }
        let lease = Arc::new(Lease::new(secret));
        leases.insert(resource.name.clone(), Arc::clone(&lease));
        Ok(Some(lease))
    }
}
