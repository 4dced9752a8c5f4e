//! What a client, a login or a token may do of what its user may: scopes (RFC 6749, 3.3), and a grant on resources
//! (`authorization_details` of type `weir_access`, RFC 9396: [`Grant`]). Policy decides about the user as always; this only
//! takes away.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use weir_shared::{config::checked::Scope, id::ResourceName, scope::Scope as Grant};

/// The one type of `authorization_details`.
pub const DETAILS: &str = "weir_access";

/// A part of what a user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    scopes: BTreeSet<Scope>,
    grant: Grant,
}

/// What was asked for cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Beyond {
    /// `invalid_scope`
    #[error("a scope is not known, or is more than there is to give")]
    Scope,
    /// `invalid_authorization_details`
    #[error("authorization_details are no list of type weir_access (RFC 9396), or more than there is to give")]
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
    grant: Grant,
}

impl Access {
    /// All that the user may.
    #[must_use]
    pub fn all() -> Self {
        Self::of(Scope::ALL)
    }

    /// These scopes, on everything.
    #[must_use]
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { scopes: scopes.into_iter().collect(), grant: Grant::WHOLE }
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
            let grant: Grant = serde_json::from_str(details).map_err(|_| Beyond::Details)?;
            if !grant.is_bounded() || !self.grant.includes(&grant) {
                return Err(Beyond::Details);
            }
            narrow.grant = grant;
        }
        Ok(narrow)
    }

    /// On this resource only; none when it has nothing to do with it.
    #[must_use]
    pub fn on(&self, resource: &ResourceName) -> Option<Self> {
        Some(Self { scopes: self.scopes.clone(), grant: self.grant.on(resource.as_str())? })
    }

    /// The same scopes on everything.
    #[must_use]
    pub fn on_everything(self) -> Self {
        Self { grant: Grant::WHOLE, ..self }
    }

    /// With the scopes of both, and the grant of the other: a session's own is its agent's.
    #[must_use]
    pub fn both(&self, token: &Self) -> Self {
        Self { scopes: self.scopes.intersection(&token.scopes).copied().collect(), grant: token.grant.clone() }
    }

    /// True when it has the scope.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// What it may do with resources.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// As `scope` says it.
    #[must_use]
    pub fn scope(&self) -> String {
        self.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// As a token says it; a token without `authorization_details` is for everything.
    #[must_use]
    pub fn of_claims(scope: &str, details: Option<Grant>) -> Self {
        Self { scopes: scopes(scope), grant: details.unwrap_or_default() }
    }

    /// As the store keeps it; all is nothing.
    #[must_use]
    pub fn stored(&self) -> String {
        if *self == Self::all() {
            return String::new();
        }
        let stored = Stored { scope: self.scope(), grant: self.grant.clone() };
        // Texts only: this does not fail.
        serde_json::to_string(&stored).unwrap_or_else(|_| "{}".to_owned())
    }

    /// As the store kept it; nothing at all when it cannot be read.
    #[must_use]
    pub fn of_stored(text: &str) -> Self {
        if text.is_empty() {
            return Self::all();
        }
        match serde_json::from_str(text) {
            Ok(Stored { scope, grant }) => Self { scopes: scopes(&scope), grant },
            Err(_) => Self { scopes: BTreeSet::new(), grant: Grant::of(Vec::new()) },
        }
    }
}

/// Those that are known.
fn scopes(text: &str) -> BTreeSet<Scope> {
    Scope::ALL.into_iter().filter(|known| text.split(' ').any(|word| word == known.as_str())).collect()
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
        assert!(read.grant().permits("a", "connect") && !read.grant().permits("c", "connect"));
        assert_eq!(read.narrowed("", "").unwrap(), read);
        assert_eq!(read.narrowed("weir:approve", ""), Err(Beyond::Scope));
        assert_eq!(read.narrowed("", &names(&["a", "c"])), Err(Beyond::Details));
        assert_eq!(read.narrowed("", "null"), Err(Beyond::Details));
        assert_eq!(read.narrowed("weir:read", &names(&["b"])).unwrap().scope(), "weir:read");
        assert_eq!(Access::of_stored(&read.stored()), read);
        assert_eq!(Access::of_claims(&read.scope(), Some(read.grant().clone())), read);
        assert!(read.on(&"c".parse().unwrap()).is_none() && read.on(&"a".parse().unwrap()).is_some());
        assert_eq!((all.stored().as_str(), Access::of_stored("")), ("", all.clone()));
        let unreadable = Access::of_stored("nonsense");
        assert!(!unreadable.has(Scope::Read) && !unreadable.grant().permits("a", "connect"));
        for bad in [
            "{}",
            "[{}]",
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
