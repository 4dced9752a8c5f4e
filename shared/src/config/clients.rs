//! `[[identity.clients]]`: OAuth clients that are not weir's own.

use super::{
    raw::{Reader, join, offset},
    reference::{self, Key},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};
use toml_edit::{Item, TableLike};

/// An OAuth client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `client_id`
    pub id: String,
    /// Where codes may be sent: exactly there; a loopback address with any port (RFC 8252, 7.3).
    pub redirect_uris: Vec<String>,
    /// What it may ask the token endpoint for.
    pub grants: BTreeSet<GrantType>,
    /// How it proves who it is.
    pub auth: ClientAuth,
    /// The most that it may be granted.
    pub scopes: BTreeSet<Scope>,
    /// May ask about the tokens of every client.
    pub introspect: bool,
}

/// How a client proves who it is (RFC 6749, 2.3; RFC 7523).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Not at all: a public client.
    None,
    /// By a secret, whose SHA-256 is in this file.
    Secret(PathBuf),
    /// By signing, with a key that is in this JWK set.
    Keys(PathBuf),
}

/// A grant of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantType {
    /// RFC 6749, 4.1
    AuthorizationCode,
    /// RFC 6749, 6
    RefreshToken,
    /// RFC 8628
    DeviceCode,
    /// RFC 8693
    TokenExchange,
}

impl GrantType {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::AuthorizationCode, Self::RefreshToken, Self::DeviceCode, Self::TokenExchange];

    /// As typed in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::DeviceCode => "device_code",
            Self::TokenExchange => "token_exchange",
        }
    }

    /// As the token endpoint takes it.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            other => other.as_str(),
        }
    }
}

/// A part of what a user may do, as a client may be granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Calls of the API that change nothing.
    Read,
    /// Calls that change something: decide others' requests, end sessions.
    Approve,
    /// Sessions with resources, through the tunnel.
    Connect,
    /// Calls that change what the relay goes by: its policies.
    Admin,
}

impl Scope {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Read, Self::Approve, Self::Connect, Self::Admin];

    /// As OAuth's `scope` names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "weir:read",
            Self::Approve => "weir:approve",
            Self::Connect => "weir:connect",
            Self::Admin => "weir:admin",
        }
    }
}

impl Reader<'_> {
    pub(super) fn clients(&mut self, top: &dyn TableLike) -> BTreeMap<String, Arc<Client>> {
        let mut clients = BTreeMap::new();
        // What else stands there, and whether it is a table, is looked at with the rest of it.
        let Some(identity) = top.get("identity").and_then(Item::as_table_like) else { return clients };
        let Some(item) = identity.get("clients") else { return clients };
        let Some(tables) = tables(item) else {
            self.problem(
                offset(item),
                "identity.clients",
                "is not a list of tables".to_owned(),
                "[[identity.clients]]",
            );
            return clients;
        };
        for table in tables {
            let at = "identity.clients";
            let Some(client) = self.client(table, offset(item), at) else { continue };
            if client.id == "weir-cli" || clients.contains_key(&client.id) {
                self.problem(offset(item), at, format!("{} is taken", client.id), "another id");
            }
            clients.insert(client.id.clone(), Arc::new(client));
        }
        clients
    }

    fn client(&mut self, table: &dyn TableLike, line: usize, at: &str) -> Option<Client> {
        const KEYS: &[Key] = reference::CLIENT;
        self.unknown(table, at, KEYS);
        let id = self.value(table, at, KEYS, "id", None, |item| {
            let good = |text: &&str| {
                (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            };
            item.as_str().filter(good).map(|id| Some(id.to_owned()))
        });
        if table.get("id").is_none() {
            self.problem(line, &join(at, "id"), "is missing".to_owned(), "a text");
        }
        let (id, folder) = (id?, self.folder.to_owned());
        let at = format!("{at}.{id}");
        let redirect_uris = self.value(table, &at, KEYS, "redirect_uris", Vec::new(), |item| {
            let uris =
                item.as_array()?.iter().map(|uri| uri.as_str().filter(|uri| is_redirect(uri)).map(str::to_owned));
            uris.collect()
        });
        let default = BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]);
        let grants = self.value(table, &at, KEYS, "grants", default, |item| {
            set(item, |text| GrantType::ALL.into_iter().find(|grant| grant.as_str() == text))
        });
        if grants.contains(&GrantType::AuthorizationCode) && redirect_uris.is_empty() {
            let what = "authorization_code needs a place to send codes to".to_owned();
            self.problem(line, &join(&at, "redirect_uris"), what, "a list that is not empty, or other grants");
        }
        let path = |item: &Item| item.as_str().filter(|text| !text.is_empty()).map(|text| Some(folder.join(text)));
        let secret = self.value(table, &at, KEYS, "secret", None, path);
        let keys = self.value(table, &at, KEYS, "keys", None, path);
        let auth = self.value(table, &at, KEYS, "auth", "none".to_owned(), |item| {
            let text = item.as_str().filter(|text| ["none", "client_secret", "private_key_jwt"].contains(text));
            text.map(str::to_owned)
        });
        let auth = match (auth.as_str(), secret, keys) {
            ("none", None, None) => ClientAuth::None,
            ("client_secret", Some(file), None) => ClientAuth::Secret(file),
            ("private_key_jwt", None, Some(file)) => ClientAuth::Keys(file),
            _ => {
                let accepted = "client_secret with secret, private_key_jwt with keys, none with neither";
                self.problem(line, &join(&at, "auth"), "does not go with secret and keys".to_owned(), accepted);
                ClientAuth::None
            }
        };
        let scopes = self.value(table, &at, KEYS, "scopes", BTreeSet::from([Scope::Read]), |item| {
            set(item, |text| Scope::ALL.into_iter().find(|scope| scope.as_str() == text))
        });
        let introspect = self.value(table, &at, KEYS, "introspect", false, Item::as_bool);
        if introspect && auth == ClientAuth::None {
            let what = "anybody could ask in its name".to_owned();
            self.problem(line, &join(&at, "introspect"), what, "only with client_secret or private_key_jwt");
        }
        Some(Client { id, redirect_uris, grants, auth, scopes, introspect })
    }
}

/// `[[clients]]`, or an array of inline tables.
fn tables(item: &Item) -> Option<Vec<&dyn TableLike>> {
    if let Some(tables) = item.as_array_of_tables() {
        return Some(tables.iter().map(|table| table as &dyn TableLike).collect());
    }
    item.as_array()?.iter().map(|value| value.as_inline_table().map(|table| table as &dyn TableLike)).collect()
}

fn set<T: Ord>(item: &Item, read: impl Fn(&str) -> Option<T>) -> Option<BTreeSet<T>> {
    item.as_array()?.iter().map(|text| read(text.as_str()?)).collect()
}

/// RFC 9700, 2.1 and 4.1; RFC 8252, 7. No fragment, no user, nothing that a browser would read otherwise.
fn is_redirect(uri: &str) -> bool {
    let plain = uri.bytes().all(|b| b.is_ascii_graphic()) && !uri.contains(['#', '\\', '*', '"', '<', '>', ';', ',']);
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    plain
        && !host.contains('@')
        && match scheme {
            "https" => !host.is_empty(),
            "http" => ["127.0.0.1", "[::1]"].iter().any(|loopback| {
                host.strip_prefix(loopback).is_some_and(|port| port.is_empty() || port.starts_with(':'))
            }),
            private => {
                private.contains('.') && private.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use std::path::Path;

    #[test]
    fn clients_are_read_and_their_problems_reported() {
        let good = r#"
[[identity.clients]]
id = "dashboard"
redirect_uris = ["https://dash.example/callback"]
auth = "client_secret"
secret = "keys/dashboard.sha256"
scopes = ["weir:read", "weir:connect"]
[[identity.clients]]
id = "tv"
grants = ["device_code"]
"#;
        let (config, warnings) = parse(good, Path::new("/etc/weir/weir-relay.toml")).unwrap();
        assert!(warnings.is_empty());
        let dashboard = &config.clients["dashboard"];
        assert_eq!(dashboard.auth, ClientAuth::Secret("/etc/weir/keys/dashboard.sha256".into()));
        assert_eq!(dashboard.grants.len(), 2);
        assert_eq!(config.clients["tv"].scopes, BTreeSet::from([Scope::Read]));
        for (from, to, said) in [
            ("\"tv\"", "\"dashboard\"", "dashboard is taken"),
            ("\"tv\"", "\"weir-cli\"", "weir-cli is taken"),
            ("\"tv\"", "\"t v\"", "identity.clients.id"),
            ("https://dash.example/callback", "http://dash.example/callback", "dashboard.redirect_uris"),
            ("[\"device_code\"]", "[\"password\"]", "tv.grants"),
            ("[\"device_code\"]", "[\"authorization_code\"]", "tv.redirect_uris"),
            ("secret = ", "keys = ", "dashboard.auth"),
            ("id = \"tv\"", "id = \"tv\"\nintrospect = true", "tv.introspect"),
            ("id = \"tv\"", "id = \"tv\"\nsecrets = 1", "did you mean secret?"),
        ] {
            let problems = parse(&good.replace(from, to), Path::new("x.toml")).unwrap_err();
            let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(shown.iter().any(|line| line.contains(said)), "{said}: {shown:#?}");
        }
    }

    #[test]
    fn redirects_go_where_nobody_listens_in() {
        for good in [
            "https://a.example/cb",
            "https://a.example:8443/cb?x=1",
            "http://127.0.0.1/cb",
            "http://[::1]:7/cb",
            "com.example.app:/cb",
        ] {
            assert!(is_redirect(good), "{good}");
        }
        for bad in [
            "http://a.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1@evil.example/",
            "http://localhost/cb",
            "https://a.example/cb#x",
            "https://*.example/cb",
            "https:///cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "/cb",
            "",
        ] {
            assert!(!is_redirect(bad), "{bad}");
        }
    }
}
