//! Who may make which call: one table, that [`Caller`](super::Caller) enforces and the OpenAPI document tells. A call that is not in it
//! is refused.
//!
//! A role is had by people and services themselves: what was delegated, or narrowed, has none (see [`Principal::is`]). What a
//! call that is for everybody shows each of them, it says itself.

use crate::identity::Principal;
use axum::http::Method;
use weir_shared::{
    config::checked::Scope,
    error::{Kind, UserFacing},
};

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Whoever is logged in: what they see and change is theirs, or policy's to say.
    Login,
    /// One of these roles.
    Role(&'static [&'static str]),
}

const ADMIN: Needs = Needs::Role(&["admin"]);
const READER: Needs = Needs::Role(&["admin", "auditor"]);

/// Every call.
#[rustfmt::skip]
const TABLE: &[(&str, &str, Needs)] = &[
    ("GET",    "/api/v1/openapi.json",              Needs::Login),
    ("GET",    "/api/v1/whoami",                    Needs::Login),
    ("GET",    "/api/v1/status",                    Needs::Login),
    ("GET",    "/api/v1/sessions",                  Needs::Login),
    ("GET",    "/api/v1/sessions/{id}",             Needs::Login),
    ("GET",    "/api/v1/sessions/{id}/entries",     Needs::Login),
    ("GET",    "/api/v1/agents",                    Needs::Login),
    ("POST",   "/api/v1/agents/{id}/end",           Needs::Login),
    ("POST",   "/api/v1/tickets",                   Needs::Login),
    ("GET",    "/api/v1/approvals",                 Needs::Login),
    ("POST",   "/api/v1/approvals",                 Needs::Login),
    ("GET",    "/api/v1/approvals/events",          Needs::Login),
    ("GET",    "/api/v1/approvals/{id}",            Needs::Login),
    ("POST",   "/api/v1/approvals/{id}/approve",    Needs::Login),
    ("POST",   "/api/v1/approvals/{id}/deny",       Needs::Login),
    ("POST",   "/api/v1/approvals/{id}/break-glass", Needs::Login),
    ("POST",   "/api/v1/approvals/{id}/review",     Needs::Login),
    ("GET",    "/api/v1/audit",                     READER),
    ("GET",    "/api/v1/policies",                  READER),
    ("POST",   "/api/v1/policies/check",            READER),
    ("POST",   "/api/v1/policies/explain",          READER),
    ("PUT",    "/api/v1/policies/{file}",           ADMIN),
    ("DELETE", "/api/v1/policies/{file}",           ADMIN),
    ("GET",    "/api/v1/resources",                 Needs::Login),
    ("GET",    "/api/v1/resources/{name}",          READER),
    ("PUT",    "/api/v1/resources/{name}",          ADMIN),
    ("DELETE", "/api/v1/resources/{name}",          ADMIN),
    ("GET",    "/api/v1/settings/resources",        READER),
];

impl Needs {
    /// What a call needs; none when it is in no table.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        // axum answers HEAD by the handler of GET (RFC 9110, 9.3.2).
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        TABLE.iter().find(|(known, at, _)| *known == method && *at == path).map(|(.., needs)| *needs)
    }

    /// Refuses who has none of the roles.
    pub(super) fn check(self, principal: &Principal) -> Result<(), UserFacing> {
        match self {
            Self::Role(roles) if !roles.iter().any(|role| principal.is(role)) => {
                let message = format!("this call is for {}", roles.join(" or "));
                let hint = "ask an administrator for the role, and log in yourself: agents that were delegated or narrowed have none";
                Err(UserFacing::new(Kind::Denied, message, hint))
            }
            Self::Login | Self::Role(_) => Ok(()),
        }
    }

    /// What the caller's token, or login, must be good for besides.
    pub(super) fn scope(self, method: &Method) -> Scope {
        let reads = method == Method::GET || method == Method::HEAD;
        match self {
            ADMIN => Scope::Admin,
            // What an auditor may read may be explained to them as well.
            Self::Role(_) => Scope::Read,
            Self::Login if reads => Scope::Read,
            Self::Login => Scope::Approve,
        }
    }

    /// The roles, of which one is needed; empty when none is.
    pub(super) fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Login => &[],
            Self::Role(roles) => roles,
        }
    }
}

#[cfg(test)]
pub(super) fn calls() -> std::collections::BTreeSet<(String, String)> {
    TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_administrators_change_needs_their_scope_and_nothing_else_does() {
        for (method, path, needs) in TABLE {
            let method: Method = method.parse().unwrap();
            let changes = *needs == ADMIN;
            assert_eq!(needs.scope(&method) == Scope::Admin, changes, "{method} {path}");
            assert!(!changes || (method != Method::GET && needs.roles() == ["admin"]), "{method} {path}");
        }
    }

    #[test]
    fn what_is_in_no_table_is_for_nobody() {
        assert_eq!(Needs::of(&Method::HEAD, "/api/v1/policies"), Some(READER));
        for (method, path) in [
            (Method::POST, "/api/v1/policies"),
            (Method::GET, ""),
            (Method::GET, "/api/v1/policies/"),
            (Method::OPTIONS, "/api/v1/audit"),
        ] {
            assert_eq!(Needs::of(&method, path), None, "{method} {path}");
        }
    }
}
