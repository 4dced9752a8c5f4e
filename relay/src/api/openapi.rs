//! The OpenAPI document of every call under `/api/v1`, from the handlers themselves: what is routed is in it.

use super::{Caller, access::Needs};
use axum::{
    http::{Method, header},
    response::IntoResponse,
};
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;
use weir_shared::{
    api::{ApprovalEvent, Entry, Problem},
    config::checked::Scope,
    error::Kind,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "weir relay",
        description = "The HTTPS API of a weir relay. Failures are problems (RFC 9457): `kind` is for programs, `hint` \
                       says what to do next."
    ),
    // What no body names: lines, events and failures.
    components(schemas(Entry, ApprovalEvent, Problem))
)]
struct Head;

/// What the document begins with.
pub(super) fn head() -> utoipa::openapi::OpenApi {
    Head::openapi()
}

/// The document (OpenAPI 3.1).
#[must_use]
pub fn document() -> Value {
    let (_, described) = super::calls().split_for_parts();
    let mut document = serde_json::to_value(described).unwrap_or_default();
    if let Some(schemes) = document.pointer_mut("/components").and_then(Value::as_object_mut) {
        schemes.insert("securitySchemes".to_owned(), schemes_of_callers());
        schemes.insert("responses".to_owned(), json!({ "Problem": problem() }));
    }
    let paths = document.pointer_mut("/paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) else { continue };
            if let Some(needs) = Needs::of(&method, path) {
                complete(operation, needs, needs.scope(&method));
            }
        }
    }
    document
}

/// What all calls have in common.
fn complete(operation: &mut Value, needs: Needs, scope: Scope) {
    let roles = needs.roles();
    let role = if roles.is_empty() { "any login".to_owned() } else { roles.join(" or ") };
    let description = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{description}\n\nRole: {role}.").trim().to_owned();
    if let Some(operation) = operation.as_object_mut() {
        operation.insert("description".to_owned(), description.into());
        operation.insert("x-weir-roles".to_owned(), json!(roles));
        operation.insert("security".to_owned(), json!([{ "mutualTLS": [] }, { "token": [scope.as_str()] }]));
    }
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    }
}

fn problem() -> Value {
    let kinds = Kind::ALL.map(|kind| format!("`{}` {}", kind.as_str(), kind.http_status()));
    json!({
        "description": format!("A failure. The kinds, with the status of each unless the call says another: {}.", kinds.join(", ")),
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

fn schemes_of_callers() -> Value {
    let scopes = json!({
        "weir:read": "see what one may see",
        "weir:approve": "decide requests, end agents",
        "weir:admin": "change the relay's policies",
    });
    json!({
        "mutualTLS": {
            "type": "mutualTLS",
            "description": "The certificate of an agent's key, as `weir` shows it: the key is known since its login.",
        },
        "token": {
            "type": "oauth2",
            "description": "An access token, in `Authorization: DPoP TOKEN` with a proof of its key (RFC 9449), or in \
                            `Authorization: Bearer TOKEN` on a connection with the certificate that it is bound to (RFC 8705). \
                            On its own it is worth nothing.",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": "/oauth/authorize", "tokenUrl": "/oauth/token", "scopes": scopes,
                },
            },
        },
    })
}

/// This document.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "relay", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub(super) async fn serve(_caller: Caller) -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The checked-in document.
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

    fn operations(document: &Value) -> Vec<(String, String, &Value)> {
        let paths = document.get("paths").and_then(Value::as_object).unwrap();
        let each = |(path, item): (&String, &'_ Value)| -> Vec<(String, String)> {
            item.as_object().unwrap().keys().map(|method| (method.to_ascii_uppercase(), path.clone())).collect()
        };
        let names = paths.iter().flat_map(each);
        names
            .map(|(method, path)| {
                let operation = &document["paths"][&path][method.to_ascii_lowercase()];
                (method, path, operation)
            })
            .collect()
    }

    #[test]
    fn the_document_that_is_checked_in_is_the_codes() {
        let text = format!("{:#}\n", document());
        if std::env::var_os("WEIR_UPDATE_OPENAPI").is_some() {
            std::fs::write(FILE, &text).unwrap();
        }
        let known: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap_or_default()).unwrap_or_default();
        assert!(known == document(), "openapi.json is old: `weir-relay openapi > relay/openapi.json` writes it anew");
    }

    #[test]
    fn each_call_is_described_once_and_says_who_may_make_it() {
        let document = document();
        let operations = operations(&document);
        let calls: BTreeSet<_> = operations.iter().map(|(method, path, _)| (method.clone(), path.clone())).collect();
        assert_eq!(calls, super::super::access::calls());
        let ids: BTreeSet<_> = operations.iter().map(|(.., operation)| operation["operationId"].to_string()).collect();
        assert_eq!(ids.len(), operations.len(), "{ids:?}");
        for (method, path, operation) in operations {
            let said = operation["description"].as_str().unwrap_or_default();
            assert!(said.contains("Role: "), "{method} {path}: {said}");
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert_eq!(operation["responses"]["default"]["$ref"], "#/components/responses/Problem");
        }
    }

    #[test]
    fn no_reference_leads_nowhere() {
        fn references<'d>(value: &'d Value, found: &mut BTreeSet<&'d str>) {
            match value {
                Value::Object(fields) => fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
                    ("$ref", Value::String(to)) => drop(found.insert(to)),
                    _ => references(value, found),
                }),
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let (document, mut found) = (document(), BTreeSet::new());
        references(&document, &mut found);
        assert!(found.len() > 10, "{found:?}");
        for to in found {
            assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
        }
    }

    /// Nothing under `/api/v1` is routed past the document.
    #[test]
    fn no_call_is_routed_beside_the_document() {
        let source = include_str!("mod.rs");
        assert!(source.contains(".route(\"/oauth/token\""), "this test knows how routes are written");
        assert!(!source.contains(".route(\"/api/"));
    }
}
