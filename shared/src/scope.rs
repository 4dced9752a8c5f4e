//! What one hop of a chain may do at most. A scope narrows and never grants: what counts is what organisation policy and
//! every hop's scope allow together.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Entries of a scope.
const MOST: usize = 64;
/// Characters of a pattern or of an action.
const LONGEST: usize = 128;
/// The action that any entry for a resource includes: without it the others would be of no use.
const CONNECT: &str = "connect";

/// Text that is not a scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a scope: write RESOURCE or RESOURCE:ACTION+ACTION, for example orders-*:sql.read")]
pub struct InvalidScope(String);

/// Some resources, and what may be done there: an entry of `authorization_details` (RFC 9396) of type `weir_access`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Always `weir_access`.
    #[serde(rename = "type")]
    kind: AccessType,
    /// Names of resources; `*` stands for any characters.
    resources: Vec<String>,
    /// Names of actions; none means all. `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
enum AccessType {
    #[serde(rename = "weir_access")]
    WeirAccess,
}

impl Access {
    fn permits(&self, resource: &str, action: &str) -> bool {
        self.resources.iter().any(|pattern| fits(pattern, resource))
            && (self.actions.is_empty()
                || action == CONNECT
                || self.actions.iter().any(|pattern| fits(pattern, action)))
    }

    /// Whether this entry alone permits all that `other` permits on this pattern of its resources.
    fn includes(&self, other: &Self, resource: &str) -> bool {
        // A pattern that fits another one's text fits all that the other one fits: its stars take the other's.
        let actions = |action: &String| self.actions.iter().any(|pattern| fits(pattern, action));
        self.resources.iter().any(|pattern| fits(pattern, resource))
            && (self.actions.is_empty() || (!other.actions.is_empty() && other.actions.iter().all(actions)))
    }

    fn bounded(&self) -> bool {
        let texts = || self.resources.iter().chain(&self.actions);
        self.resources.len() <= MOST && self.actions.len() <= MOST && texts().all(|text| text.len() <= LONGEST)
    }
}

impl FromStr for Access {
    type Err = InvalidScope;

    /// `RESOURCE` or `RESOURCE:ACTION+ACTION`; `*` stands for any characters.
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let (resource, actions) = match text.split_once(':') {
            Some((resource, actions)) => (resource, actions.split('+').map(str::to_owned).collect()),
            None => (text, Vec::new()),
        };
        let good = |text: &str, more: &str| {
            let byte =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'*' || more.as_bytes().contains(&b);
            !text.is_empty() && text.len() <= LONGEST && text.bytes().all(byte)
        };
        if !good(resource, "-") || !actions.iter().all(|action| good(action, "._-")) {
            return Err(InvalidScope(text.chars().take(LONGEST).collect()));
        }
        Ok(Self { kind: AccessType::WeirAccess, resources: vec![resource.to_owned()], actions })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resources.join(","))?;
        if self.actions.is_empty() { Ok(()) } else { write!(f, ":{}", self.actions.join("+")) }
    }
}

/// What a hop may do at most. By default everything that its parent may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Scope(Option<Vec<Access>>);

impl Scope {
    /// Everything that the parent may.
    pub const WHOLE: Self = Self(None);

    /// These and nothing else; an empty list permits nothing.
    #[must_use]
    pub fn of(entries: Vec<Access>) -> Self {
        Self(Some(entries))
    }

    /// Whether it takes nothing away.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the action may be done on the resource, as far as this hop goes.
    #[must_use]
    pub fn permits(&self, resource: &str, action: &str) -> bool {
        self.0.as_ref().is_none_or(|entries| entries.iter().any(|entry| entry.permits(resource, action)))
    }

    /// Whether it surely permits all that `other` permits. Some that do are not seen to: those that need several entries
    /// together.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => others.iter().all(|other| {
                other.resources.iter().all(|resource| own.iter().any(|entry| entry.includes(other, resource)))
            }),
        }
    }

    /// The part of it that is about this resource; none when there is none.
    #[must_use]
    pub fn on(&self, resource: &str) -> Option<Self> {
        let only = |actions| Access { kind: AccessType::WeirAccess, resources: vec![resource.to_owned()], actions };
        let entries: Vec<Access> = match &self.0 {
            None => vec![only(Vec::new())],
            Some(entries) => {
                let about =
                    entries.iter().filter(|entry| entry.resources.iter().any(|pattern| fits(pattern, resource)));
                about.map(|entry| only(entry.actions.clone())).collect()
            }
        };
        (!entries.is_empty()).then_some(Self(Some(entries)))
    }

    /// Its entries; none when it takes nothing away.
    #[must_use]
    pub fn entries(&self) -> Option<&[Access]> {
        self.0.as_deref()
    }

    /// Whether it is small enough to be kept.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.0.as_ref().is_none_or(|entries| entries.len() <= MOST && entries.iter().all(Access::bounded))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_deref() {
            None => f.write_str("everything"),
            Some([]) => f.write_str("nothing"),
            Some(entries) => f.write_str(&entries.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        }
    }
}

/// `*` stands for any characters, also none; everything else for itself.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(entries: &[&str]) -> Scope {
        Scope::of(entries.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn patterns() {
        for (pattern, text, fit) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*", "", true),
            ("*b", "ab", true),
            ("a*b*c", "axbyc", true),
            ("a*b*c", "axbc", true),
            ("a*b*c", "axc", false),
            ("a*a", "a", false),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn a_scope_permits_what_it_names() {
        let narrow = scope(&["orders-*:sql.read", "logs"]);
        assert!(narrow.permits("orders-prod", "sql.read"));
        assert!(narrow.permits("orders-prod", "connect"), "or reading would be of no use");
        assert!(!narrow.permits("orders-prod", "sql.write"));
        assert!(narrow.permits("logs", "sql.admin"));
        assert!(!narrow.permits("customers", "connect"));
        assert!(Scope::default().permits("customers", "sql.admin"));
        assert!(!Scope::of(Vec::new()).permits("customers", "connect"));
        assert!(scope(&["*:sql.*"]).permits("customers", "sql.admin"));
        assert!(!scope(&["*:sql.*"]).permits("customers", "http.get"));
    }

    #[test]
    fn what_is_narrower() {
        let held = scope(&["orders-*:sql.read+sql.write", "logs", "a*b:sql.*"]);
        for narrower in
            [&["orders-prod:sql.read"][..], &["orders-p*:sql.write", "logs:sql.admin"], &["logs"], &["axb:sql.r*"], &[]]
        {
            assert!(held.includes(&scope(narrower)), "{narrower:?}");
        }
        for wider in [
            "orders-prod",
            "orders-prod:sql.admin",
            "orders*:sql.read",
            "*",
            "log*",
            "a*:sql.read",
            "*b:sql.read",
            "axb:*",
        ] {
            assert!(!held.includes(&scope(&[wider])), "{wider}");
        }
        assert!(Scope::WHOLE.includes(&held) && !held.includes(&Scope::WHOLE) && held.includes(&held));
        assert_eq!(held.on("orders-prod").unwrap().to_string(), "orders-prod:sql.read+sql.write");
        assert_eq!(Scope::WHOLE.on("logs").unwrap().to_string(), "logs");
        assert_eq!(held.on("customers"), None);
    }

    #[test]
    fn text_and_json() {
        for bad in ["", ":", "a:", ":a", "A", "a:b c", "a b", &"a".repeat(LONGEST + 1)] {
            assert!(bad.parse::<Access>().is_err(), "{bad}");
        }
        let narrow = scope(&["orders-*:sql.read+sql.write", "logs"]);
        assert_eq!(narrow.to_string(), "orders-*:sql.read+sql.write logs");
        let json = serde_json::to_value(&narrow).unwrap();
        let first = serde_json::json!(
            { "type": "weir_access", "resources": ["orders-*"], "actions": ["sql.read", "sql.write"] });
        assert_eq!(json[0], first);
        assert_eq!(serde_json::from_value::<Scope>(json).unwrap(), narrow);
        assert!(serde_json::from_str::<Scope>(r#"[{"type":"other","resources":["a"]}]"#).is_err());
        assert_eq!(serde_json::from_str::<Scope>("null").unwrap(), Scope::default());
    }
}
