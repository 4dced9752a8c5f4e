//! The resources that may be reached: those of the configuration file, and those made over the API, which the store keeps.
//!
//! One that is made uses a credential of the configuration ([`weir_shared::config::parse_resource`]): so whoever may make
//! resources cannot send a secret of the relay's to a host of their choice. What the configuration file has is changed there.
//! Sessions of a resource that is another now, or none, end at once.

use crate::{
    identity::Principal,
    relay::{Relay, with_chain},
    session::registry::Reason,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};
use weir_shared::{
    config::{
        self, Problem,
        checked::{Config, Resource},
    },
    id::ResourceName,
};
use weir_store::{StoreError, resources::ResourceChange};

/// Resources that may be made.
const MOST: usize = 1_000;

/// Every resource, by name.
#[derive(Debug, Default)]
pub struct Resources {
    all: RwLock<BTreeMap<ResourceName, Entry>>,
    /// Held by whoever changes one, from their look at it until sessions of what it was have ended.
    changing: tokio::sync::Mutex<()>,
}

/// A resource, and where it stands.
#[derive(Clone, Debug)]
pub enum Entry {
    /// In the configuration file.
    Configured(Arc<Resource>),
    /// In the store.
    Made(Arc<Made>),
}

/// A resource that was made over the API.
#[derive(Debug)]
pub struct Made {
    /// The keys of a `[resources.NAME]` table, as they were sent.
    pub definition: String,
    /// What they mean; or why they mean nothing any more, when the configuration has changed since.
    pub resource: Result<Arc<Resource>, Vec<Problem>>,
}

/// What whoever changes a resource has seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// That there is none.
    Nothing,
    /// The one with this tag.
    Tag(String),
}

/// Why nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// It is not changed here.
    #[error("{0} stands in the relay's configuration file")]
    Configured(ResourceName),
    /// It is not what was seen.
    #[error("{0} is not what was seen: somebody else has changed it")]
    Stale(ResourceName),
    /// Nothing to change.
    #[error("there is no resource {0}")]
    Missing(ResourceName),
    /// It would be none.
    #[error("{0} would not be valid")]
    Invalid(ResourceName, Vec<Problem>),
    /// There are enough.
    #[error("there are {MOST} resources that were made over the API: no more")]
    TooMany,
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Entry {
    /// What it means; none when its definition means nothing.
    #[must_use]
    pub fn resource(&self) -> Option<&Arc<Resource>> {
        match self {
            Self::Configured(resource) => Some(resource),
            Self::Made(made) => made.resource.as_ref().ok(),
        }
    }
}

impl Made {
    fn new(name: &ResourceName, definition: String, config: &Config) -> Self {
        let resource = config::parse_resource(name, &definition, config).map(|(resource, _)| Arc::new(resource));
        Self { definition, resource }
    }

    /// Another for every definition, hexadecimal.
    #[must_use]
    pub fn tag(&self) -> String {
        blake3::hash(self.definition.as_bytes()).to_hex().to_string()
    }
}

impl Resources {
    /// Those of the configuration, and those that were stored: where both have a name, the configuration's is meant.
    #[must_use]
    pub fn new(config: &Config, stored: Vec<(ResourceName, String)>) -> Self {
        let mut all = BTreeMap::new();
        for (name, definition) in stored {
            let made = Made::new(&name, definition, config);
            for problem in made.resource.as_ref().err().into_iter().flatten() {
                tracing::error!(resource = %name, %problem, "a resource that was made over the API cannot be reached");
            }
            all.insert(name, Entry::Made(Arc::new(made)));
        }
        for (name, resource) in &config.resources {
            if all.insert(name.clone(), Entry::Configured(Arc::clone(resource))).is_some() {
                tracing::warn!(resource = %name, "the configuration has it: what was made over the API is not used");
            }
        }
        Self { all: RwLock::new(all), changing: tokio::sync::Mutex::default() }
    }

    /// The resource of this name.
    #[must_use]
    pub fn get(&self, name: &ResourceName) -> Option<Arc<Resource>> {
        self.entry(name)?.resource().cloned()
    }

    /// Every one that can be reached, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Resource>> {
        self.entries().iter().filter_map(|(_, entry)| entry.resource().cloned()).collect()
    }

    /// What stands under this name.
    #[must_use]
    pub fn entry(&self, name: &ResourceName) -> Option<Entry> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Everything, by name.
    #[must_use]
    pub fn entries(&self) -> Vec<(ResourceName, Entry)> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    /// True while this is what its name means.
    #[must_use]
    pub fn has(&self, resource: &Arc<Resource>) -> bool {
        let same = |known: &Arc<Resource>| Arc::ptr_eq(known, resource) || known.version() == resource.version();
        self.get(&resource.name).is_some_and(|known| same(&known))
    }

    /// What may be put in the place of what stands under a name.
    fn judge(
        &self,
        config: &Config,
        name: &ResourceName,
        definition: Option<String>,
        seen: &Seen,
    ) -> Result<(Option<Arc<Made>>, Option<Made>), NotChanged> {
        let before = match self.entry(name) {
            Some(Entry::Configured(_)) => return Err(NotChanged::Configured(name.clone())),
            Some(Entry::Made(made)) => Some(made),
            None => None,
        };
        match (&before, seen) {
            (None, Seen::Nothing) if definition.is_some() => {}
            (None, _) => return Err(NotChanged::Missing(name.clone())),
            (Some(before), Seen::Tag(tag)) if before.tag() == *tag => {}
            (Some(_), _) => return Err(NotChanged::Stale(name.clone())),
        }
        let made = |(_, entry): &(ResourceName, Entry)| matches!(entry, Entry::Made(_));
        if before.is_none() && self.entries().iter().filter(|entry| made(entry)).count() >= MOST {
            return Err(NotChanged::TooMany);
        }
        let after = definition.map(|definition| Made::new(name, definition, config));
        match after {
            Some(Made { resource: Err(problems), .. }) => Err(NotChanged::Invalid(name.clone(), problems)),
            after => Ok((before, after)),
        }
    }

    fn replace(&self, name: &ResourceName, made: Option<&Arc<Made>>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        match made {
            Some(made) => all.insert(name.clone(), Entry::Made(Arc::clone(made))),
            None => all.remove(name),
        };
    }
}

/// Puts a definition in the place of what `seen` says is there; none deletes it. It is audited with the change, or neither is
/// done; sessions of what was there have been ended when this returns.
///
/// # Errors
/// Then nothing has changed.
pub async fn change(
    relay: &Relay,
    principal: &Principal,
    name: &ResourceName,
    definition: Option<String>,
    seen: &Seen,
) -> Result<Option<Arc<Made>>, NotChanged> {
    let resources = &relay.resources;
    let _changing = resources.changing.lock().await;
    let (before, after) = resources.judge(&relay.config, name, definition, seen)?;
    let after = after.map(Arc::new);
    let event = match (&before, &after) {
        (None, _) => "resource.made",
        (_, None) => "resource.deleted",
        _ => "resource.changed",
    };
    let [from, to] = [&before, &after].map(|made| made.as_ref().map(|made| made.tag()));
    let text = after.as_ref().map(|made| made.definition.as_str());
    let body = serde_json::json!({ "resource": name.as_str(), "from": from, "to": to, "definition": text });
    let change = ResourceChange {
        name,
        before: before.as_ref().map(|made| made.definition.as_str()),
        after: text,
        event,
        actor: principal.user(),
        body: with_chain(principal, body),
    };
    if !relay.store.resource_change(&change, relay.now()).await? {
        return Err(NotChanged::Stale(name.clone()));
    }
    resources.replace(name, after.as_ref());
    let [old, new] = [&before, &after].map(|made| made.as_ref().and_then(|made| made.resource.as_ref().ok()));
    if let Some(new) = new {
        drop(relay.telemetry.resource(new));
    }
    if let Some(old) = old
        && new.map(|new| new.version()) != Some(old.version())
    {
        // A session that begins meanwhile looks whether its resource is still the one, after it can be found here.
        relay.registry.kill_resource(old, Reason::ResourceChanged);
        relay.upstreams.catalogs.forget(old);
        relay.upstreams.resolvers.forget(old);
    }
    tracing::info!(resource = %name, event, "by {}", principal.user());
    Ok(after)
}
