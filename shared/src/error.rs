//! What a user is told when something fails: what, why, what to do; and with which exit code.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of a failure: it decides the exit code of `weir` and the HTTP status of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The command line or a request's form is wrong. Exit 2, HTTP 400.
    Usage,
    /// Nothing of that name. Exit 3, HTTP 404.
    NotFound,
    /// No login, or it has expired. Exit 4, HTTP 401.
    Unauthenticated,
    /// Policy says no. Exit 5, HTTP 403.
    Denied,
    /// The relay or the resource cannot be reached. Exit 6, HTTP 502.
    Unreachable,
    /// A certificate is not the one expected. Exit 7, HTTP 502.
    Untrusted,
    /// The two programs' versions do not fit. Exit 8, HTTP 426.
    Incompatible,
    /// Something else has it: a port, a name, a decision already made. Exit 9, HTTP 409.
    Conflict,
    /// A limit was reached. Exit 10, HTTP 429.
    Limit,
    /// The configuration cannot be used. Exit 11, HTTP 500.
    Config,
    /// A file or the system refused. Exit 12, HTTP 500.
    System,
    /// A defect in weir. Exit 70, HTTP 500.
    Internal,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Usage,
        Self::NotFound,
        Self::Unauthenticated,
        Self::Denied,
        Self::Unreachable,
        Self::Untrusted,
        Self::Incompatible,
        Self::Conflict,
        Self::Limit,
        Self::Config,
        Self::System,
        Self::Internal,
    ];

    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::Incompatible => "incompatible",
            Self::Conflict => "conflict",
            Self::Limit => "limit",
            Self::Config => "config",
            Self::System => "system",
            Self::Internal => "internal",
        }
    }

    /// The exit code of `weir` and `weir-relay`; 0 is success, 130 an interrupt.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unauthenticated => 4,
            Self::Denied => 5,
            Self::Unreachable => 6,
            Self::Untrusted => 7,
            Self::Incompatible => 8,
            Self::Conflict => 9,
            Self::Limit => 10,
            Self::Config => 11,
            Self::System => 12,
            Self::Internal => 70,
        }
    }

    /// The HTTP status of the API's answer (RFC 9110).
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::Usage => 400,
            Self::NotFound => 404,
            Self::Unauthenticated => 401,
            Self::Denied => 403,
            Self::Unreachable | Self::Untrusted => 502,
            Self::Incompatible => 426,
            Self::Conflict => 409,
            Self::Limit => 429,
            Self::Config | Self::System | Self::Internal => 500,
        }
    }
}

/// An error fit to be shown: no secret, no internals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserFacing {
    /// Which kind.
    pub kind: Kind,
    /// What failed and why, one line, no full stop.
    pub message: String,
    /// What to do next; empty when there is nothing to add.
    pub hint: String,
}

impl UserFacing {
    /// An error with a next step.
    pub fn new(kind: Kind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for UserFacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UserFacing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_named_as_in_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
