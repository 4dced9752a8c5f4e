//! What a client, a login or a token may do of what its user may: scopes (RFC 6749, 3.3) and resources
//! (`authorization_details` of type `weir_access`, RFC 9396). Policy decides about the user as always; this only takes away.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use weir_shared::{config::checked::Scope, id::ResourceName};

/// The one type of `authorization_details`.
pub const DETAILS: &str = "weir_access";
/// More of them are not read.
const MOST_DETAILS: usize = 16;

/// A part of what a user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    scopes: BTreeSet<Scope>,
    /// None: every resource.
    resources: Option<BTreeSet<ResourceName>>,
}

/// An element of `authorization_details`. What it does not name is not narrowed; what is not known is refused (RFC 9396, 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detail {
    r#type: String,
    resources: BTreeSet<ResourceName>,
}

/// What was asked for cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Beyond {
    /// `invalid_scope`
    #[error("a scope is not known, or is more than there is to give")]
    Scope,
    /// `invalid_authorization_details`
    #[error(
        "authorization_details are not [{{\"type\":\"weir_access\",\"resources\":[...]}}], or more than there is to give"
    )]
    Details,
}

impl Beyond {
    /// OAuth's error code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Scope => "invalid_scope",
            Self::Details => "invalid_authorization_details",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<BTreeSet<ResourceName>>,
}

impl Access {
    /// All that the user may.
    #[must_use]
    pub fn all() -> Self {
        Self::of(Scope::ALL)
    }

    /// These scopes, on every resource.
    #[must_use]
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { scopes: scopes.into_iter().collect(), resources: None }
    }

    /// The part that is asked for: `scope` and `authorization_details` as in a request; empty asks for all there is.
    ///
    /// # Errors
    /// It is more than this, or cannot be read.
    pub fn narrowed(&self, scope: &str, details: &str) -> Result<Self, Beyond> {
        let mut narrow = self.clone();
        if !scope.is_empty() {
            let known = |word| self.scopes.iter().copied().find(|held| held.as_str() == word);
            let asked: Option<BTreeSet<Scope>> = scope.split(' ').filter(|word| !word.is_empty()).map(known).collect();
            narrow.scopes = asked.filter(|asked| !asked.is_empty()).ok_or(Beyond::Scope)?;
        }
        if !details.is_empty() {
            let details: Vec<Detail> = serde_json::from_str(details).map_err(|_| Beyond::Details)?;
            if details.is_empty() || details.len() > MOST_DETAILS || details.iter().any(|d| d.r#type != DETAILS) {
                return Err(Beyond::Details);
            }
            narrow = narrow.on(details.into_iter().flat_map(|detail| detail.resources).collect())?;
        }
        Ok(narrow)
    }

    /// On these resources only.
    ///
    /// # Errors
    /// It is more than this.
    pub fn on(mut self, resources: BTreeSet<ResourceName>) -> Result<Self, Beyond> {
        if self.resources.as_ref().is_some_and(|held| !resources.is_subset(held)) {
            return Err(Beyond::Details);
        }
        self.resources = Some(resources);
        Ok(self)
    }

    /// What both allow.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        let scopes = self.scopes.intersection(&other.scopes).copied().collect();
        let resources = match (&self.resources, &other.resources) {
            (Some(one), Some(two)) => Some(one.intersection(two).cloned().collect()),
            (one, two) => one.clone().or_else(|| two.clone()),
        };
        Self { scopes, resources }
    }

    /// True when it has the scope.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// True when it has something to do with the resource.
    #[must_use]
    pub fn reaches(&self, resource: &ResourceName) -> bool {
        self.resources.as_ref().is_none_or(|resources| resources.contains(resource))
    }

    /// The resources that it names; none: every one.
    #[must_use]
    pub fn resources(&self) -> Option<&BTreeSet<ResourceName>> {
        self.resources.as_ref()
    }

    /// As `scope` says it.
    #[must_use]
    pub fn scope(&self) -> String {
        self.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// As `authorization_details` say it; none when no resource was named.
    #[must_use]
    pub fn details(&self) -> Option<Vec<Detail>> {
        let resources = self.resources.clone()?;
        Some(vec![Detail { r#type: DETAILS.to_owned(), resources }])
    }

    /// As a token says it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of_claims(scope: &str, details: Option<Vec<Detail>>) -> Result<Self, Beyond> {
        let access = if scope.is_empty() { Self::of([]) } else { Self::all().narrowed(scope, "")? };
        match details {
            Some(details) => access.on(details.into_iter().flat_map(|detail| detail.resources).collect()),
            None => Ok(access),
        }
    }

    /// As the store keeps it; all is nothing.
    #[must_use]
    pub fn stored(&self) -> String {
        if *self == Self::all() {
            return String::new();
        }
        let stored = Stored { scope: self.scope(), resources: self.resources.clone() };
        // Texts only: this does not fail.
        serde_json::to_string(&stored).unwrap_or_else(|_| "{}".to_owned())
    }

    /// As the store kept it; nothing at all when it cannot be read.
    #[must_use]
    pub fn of_stored(text: &str) -> Self {
        if text.is_empty() {
            return Self::all();
        }
        let Ok(Stored { scope, resources }) = serde_json::from_str(text) else { return Self::of([]) };
        let scopes = Scope::ALL.into_iter().filter(|known| scope.split(' ').any(|word| word == known.as_str()));
        Self { scopes: scopes.collect(), resources }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> String {
        serde_json::json!([{ "type": "weir_access", "resources": names }]).to_string()
    }

    #[test]
    fn access_only_narrows() {
        let all = Access::all();
        let read = all.narrowed("weir:read weir:connect", &names(&["a", "b"])).unwrap();
        assert!(read.has(Scope::Read) && !read.has(Scope::Approve));
        assert!(read.reaches(&"a".parse().unwrap()) && !read.reaches(&"c".parse().unwrap()));
        assert_eq!(read.narrowed("", "").unwrap(), read);
        assert_eq!(read.narrowed("weir:approve", ""), Err(Beyond::Scope));
        assert_eq!(read.narrowed("", &names(&["a", "c"])), Err(Beyond::Details));
        assert_eq!(read.narrowed("weir:read", &names(&["b"])).unwrap().scope(), "weir:read");
        assert_eq!(Access::of_stored(&read.stored()), read);
        assert_eq!(Access::of_claims(&read.scope(), read.details()).unwrap(), read);
        assert_eq!(
            read.both(&all.narrowed("weir:read", &names(&["b", "z"])).unwrap()).stored().matches("\"b\"").count(),
            1
        );
        assert_eq!((all.stored().as_str(), Access::of_stored("")), ("", all.clone()));
        assert!(!Access::of_stored("nonsense").has(Scope::Read));
        for bad in [
            "[]",
            "{}",
            "[{\"type\":\"other\",\"resources\":[]}]",
            "[{\"type\":\"weir_access\",\"resources\":[\"a\"],\"more\":1}]",
        ] {
            assert_eq!(all.narrowed("", bad), Err(Beyond::Details), "{bad}");
        }
        for bad in [" ", "weir:read weir:all", "WEIR:READ"] {
            assert_eq!(all.narrowed(bad, ""), Err(Beyond::Scope), "{bad}");
        }
    }
}
