//! Changes by whoever has seen what is there (RFC 9110, 13.1), and why one is refused.

use super::ApiError;
use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use weir_shared::{
    api::{Flaw, Problem},
    error::{Kind, UserFacing},
};
use weir_store::StoreError;

/// Why a change is refused, as the API answers it.
pub(super) enum Refused {
    /// As every call may be.
    Usual(ApiError),
    /// With another status, or with places.
    With(StatusCode, Problem),
}

impl Refused {
    /// What was seen is not there any more (RFC 9110, 13.1.1).
    pub(super) fn stale(why: UserFacing) -> Self {
        Self::With(StatusCode::PRECONDITION_FAILED, why.into())
    }

    /// What was sent is not valid, here and there.
    pub(super) fn invalid(why: UserFacing, problems: Vec<Flaw>) -> Self {
        Self::With(StatusCode::UNPROCESSABLE_ENTITY, Problem { problems, ..why.into() })
    }

    /// It is not said what was seen (RFC 6585, 3).
    pub(super) fn unseen(what: &str, hint: &str) -> Self {
        let message = format!("it is not said which {what} was seen");
        Self::With(StatusCode::PRECONDITION_REQUIRED, UserFacing::new(Kind::Usage, message, hint).into())
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Usual(error)
    }
}

impl From<UserFacing> for Refused {
    fn from(error: UserFacing) -> Self {
        Self::Usual(error.into())
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Usual(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Usual(error) => error.into_response(),
            Self::With(status, problem) => {
                let kind = HeaderValue::from_static("application/problem+json");
                let problem = Problem { status: status.as_u16(), ..problem };
                (status, [(header::CONTENT_TYPE, kind)], Json(problem)).into_response()
            }
        }
    }
}

/// A strong tag, for `ETag`.
pub(super) fn tag(hash: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The one strong tag that `If-Match` names. `*` is none: it would overwrite what nobody saw.
pub(super) fn if_match(headers: &HeaderMap) -> Option<String> {
    let tag = said(headers, &header::IF_MATCH)?;
    Some(tag.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

/// True when nothing must be there (`If-None-Match: *`).
pub(super) fn if_none(headers: &HeaderMap) -> bool {
    said(headers, &header::IF_NONE_MATCH) == Some("*")
}

fn said<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
