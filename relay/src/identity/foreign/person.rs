//! What a provider's verified claims make of a person: a name and roles, or why they may not come in. Pure.

use super::token::Claims;
use serde_json::Value;
use std::collections::BTreeSet;
use weir_shared::config::checked::Oidc;

/// A person for whom the provider vouches.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// The provider's own, never given to another (OpenID Connect Core 2).
    pub(super) subject: String,
    /// In small letters: names that differ by case only would mislead.
    pub(super) name: String,
    pub(super) roles: Vec<String>,
}

/// Why a person may not come in; fit to be shown to them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unwelcome {
    #[error("the provider says no user name")]
    Nameless,
    #[error("the provider's user name has other than 1 to 64 of a-z 0-9 . _ - @")]
    Name,
    #[error("the user name is a service's")]
    Service,
    #[error("the mail address is not a verified one of an allowed domain")]
    Domain,
    #[error("no group of yours may use weir here")]
    Group,
}

/// True when what is needed to know a person is not among the claims.
pub(super) fn is_incomplete(claims: &Claims, config: &Oidc) -> bool {
    let groups = !config.groups.is_empty() || !config.required_groups.is_empty();
    let lacks = |name: &str| !claims.contains_key(name);
    lacks(&config.name_claim)
        || groups && lacks(&config.groups_claim)
        || !config.domains.is_empty() && (lacks("email") || lacks("email_verified"))
}

/// The person; no service's name may be taken, since policies speak of names.
pub(super) fn person<'a>(
    claims: &Claims,
    config: &Oidc,
    mut services: impl Iterator<Item = &'a str>,
) -> Result<Person, Unwelcome> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if !config.domains.is_empty() {
        let verified = matches!(claims.get("email_verified"), Some(Value::Bool(true)));
        let domain =
            text("email").and_then(|mail| mail.rsplit_once('@')).map(|(_, domain)| domain.to_ascii_lowercase());
        if !verified || !domain.is_some_and(|domain| config.domains.contains(&domain)) {
            return Err(Unwelcome::Domain);
        }
    }
    let groups: BTreeSet<&str> = match claims.get(&config.groups_claim) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => BTreeSet::from([one.as_str()]),
        _ => BTreeSet::new(),
    };
    let required = &config.required_groups;
    if !required.is_empty() && !required.iter().any(|group| groups.contains(group.as_str())) {
        return Err(Unwelcome::Group);
    }
    let by_group =
        config.groups.iter().filter(|(group, _)| groups.contains(group.as_str())).flat_map(|(_, roles)| roles);
    let roles: BTreeSet<&String> = config.roles.iter().chain(by_group).collect();
    if roles.is_empty() {
        return Err(Unwelcome::Group);
    }
    let name = text(&config.name_claim).ok_or(Unwelcome::Nameless)?.to_ascii_lowercase();
    if !(1..=64).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b)) {
        return Err(Unwelcome::Name);
    }
    if services.any(|service| service.eq_ignore_ascii_case(&name)) {
        return Err(Unwelcome::Service);
    }
    let subject = text("sub").unwrap_or_default().to_owned();
    Ok(Person { subject, name, roles: roles.into_iter().cloned().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    fn config(more: &str) -> Oidc {
        let text = format!(
            "[identity.oidc]\nissuer = \"https://id\"\nclient_id = \"c\"\nclient_secret = \"none\"\n\
             groups = {{ dba = \"dba\", staff = [\"user\", \"auditor\"] }}\n{more}"
        );
        weir_shared::config::parse(&text, Path::new("x.toml")).unwrap().0.identity.oidc.unwrap()
    }

    fn of(more: &str, claims: Value) -> Result<Person, Unwelcome> {
        person(claims.as_object().unwrap(), &config(more), ["deploy"].into_iter())
    }

    #[test]
    fn groups_give_roles_and_none_gives_no_way_in() {
        let come = |groups: Value| of("", json!({ "sub": "7", "preferred_username": "Ada", "groups": groups }));
        let ada = come(json!(["staff", "dba", "other"])).unwrap();
        assert_eq!((ada.name.as_str(), ada.subject.as_str()), ("ada", "7"));
        assert_eq!(ada.roles, ["auditor", "dba", "user"]);
        assert_eq!(come(json!("dba")).unwrap().roles, ["dba"]);
        for none in [json!([]), json!(["other"]), json!(["dba-not"]), json!(7), json!(null)] {
            assert_eq!(come(none), Err(Unwelcome::Group));
        }
        let required = |groups: Value| {
            let claims = json!({ "sub": "7", "preferred_username": "ada", "groups": groups });
            of("required_groups = [\"weir\"]\nroles = [\"user\"]", claims)
        };
        assert_eq!(required(json!(["dba"])), Err(Unwelcome::Group));
        assert_eq!(required(json!(["weir"])).unwrap().roles, ["user"]);
    }

    #[test]
    fn names_that_would_mislead_are_refused() {
        let come = |name: Value| of("roles = [\"user\"]", json!({ "sub": "7", "preferred_username": name }));
        for name in ["", "a b", "a/b", "ädä", "a\u{202e}b", &"x".repeat(65)] {
            assert_eq!(come(json!(name)), Err(Unwelcome::Name), "{name}");
        }
        assert_eq!(come(json!("Deploy")), Err(Unwelcome::Service));
        assert_eq!(come(json!(null)), Err(Unwelcome::Nameless));
    }

    #[test]
    fn an_address_counts_when_it_is_verified_and_of_the_domain() {
        let come = |mail: &str, verified: Value| {
            let claims = json!({ "sub": "7", "preferred_username": "a", "email": mail, "email_verified": verified });
            of("roles = [\"user\"]\ndomains = [\"example.com\"]", claims)
        };
        assert!(come("a@Example.com", json!(true)).is_ok());
        for (mail, verified) in [
            ("a@example.com", json!(false)),
            ("a@example.com", json!(null)),
            ("a@example.com", json!("true")),
            ("a@evil.example.com", json!(true)),
            ("a@example.com@evil.example", json!(true)),
            ("example.com", json!(true)),
        ] {
            assert_eq!(come(mail, verified), Err(Unwelcome::Domain), "{mail}");
        }
    }
}
