//! `[identity]`: the provider of people, the platforms of workloads.

use super::{Reader, credential, duration, join, offset};
use crate::config::{
    checked::{Claim, CredentialSource, Identity, Issuer, Oidc, Platform, Workload, WorkloadRule},
    reference::{self, Key},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};
use toml_edit::{Item, TableLike, Value};

/// A workload's login lasts no longer than this.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Roles that decide for others: a workload has none of them, since approvals are people's.
const DECIDING: [&str; 2] = ["admin", "reviewer"];

impl Reader<'_> {
    pub(super) fn identity(&mut self, top: &dyn TableLike, public_url: &str) -> Identity {
        const KEYS: &[Key] = reference::IDENTITY;
        let (empty, at) = (toml_edit::Table::new(), "identity");
        let table = self.table(top, "", at, &empty);
        self.unknown(table, at, KEYS);
        let local = self.value(table, at, KEYS, "local_users", true, Item::as_bool);
        let oidc = table.get("oidc").and_then(|item| self.oidc(item));
        if !local && oidc.is_none() {
            let what = "nobody could log in".to_owned();
            self.problem(
                table.get("local_users").map_or(0, offset),
                "identity.local_users",
                what,
                "with [identity.oidc]",
            );
        }
        let (mut workload, mut issuers, mut services) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        if let Some(item) = table.get("workload") {
            for (index, (place, table)) in self.tables(item, "identity.workload").into_iter().enumerate() {
                let at = format!("identity.workload.{index}");
                if let Some(one) = self.workload(place, table, &at, public_url) {
                    if !issuers.insert(one.issuer.url.clone()) {
                        let what = "is configured twice".to_owned();
                        self.problem(place, &join(&at, "issuer"), what, "all rules of an issuer in one table");
                    }
                    for rule in &one.rules {
                        let roles: BTreeSet<String> = rule.roles.iter().cloned().collect();
                        // A service has its roles, whichever of its jobs came last.
                        if *services.entry(rule.service.clone()).or_insert_with(|| roles.clone()) != roles {
                            let what = format!("{} has other roles in another rule", rule.service);
                            self.problem(place, &join(&at, "rules"), what, "another service, or the same roles");
                        }
                    }
                    workload.push(one);
                }
            }
        }
        Identity { no_local_users: !local, oidc, workload }
    }

    fn oidc(&mut self, item: &Item) -> Option<Oidc> {
        const KEYS: &[Key] = reference::OIDC;
        let at = "identity.oidc";
        let Some(table) = item.as_table_like() else {
            self.problem(offset(item), at, "is not a table".to_owned(), "[identity.oidc]");
            return None;
        };
        self.unknown(table, at, KEYS);
        self.needs(offset(item), table, at, KEYS, &["issuer", "client_id", "client_secret"]);
        let issuer = self.issuer(table, at, KEYS, "");
        let folder = self.folder.to_owned();
        let name = self.value(table, at, KEYS, "name", host_of(&issuer.url).to_owned(), text);
        let scopes = ["openid", "profile", "email"].map(str::to_owned).to_vec();
        let oidc = Oidc {
            issuer,
            name,
            client_id: self.value(table, at, KEYS, "client_id", String::new(), text),
            client_secret: self
                .value(table, at, KEYS, "client_secret", CredentialSource::None, |item| credential(item, &folder)),
            scopes: self.value(table, at, KEYS, "scopes", scopes, |item| {
                texts(item).filter(|scopes| scopes.iter().any(|scope| scope == "openid"))
            }),
            name_claim: self.value(table, at, KEYS, "name_claim", "preferred_username".to_owned(), text),
            groups_claim: self.value(table, at, KEYS, "groups_claim", "groups".to_owned(), text),
            roles: self.value(table, at, KEYS, "roles", Vec::new(), texts),
            groups: self.value(table, at, KEYS, "groups", BTreeMap::new(), |item| {
                let groups = item.as_table_like()?.iter();
                groups.map(|(group, roles)| Some((group.to_owned(), one_or_more(roles)?))).collect()
            }),
            required_groups: self.value(table, at, KEYS, "required_groups", Vec::new(), texts),
            domains: self.value(table, at, KEYS, "domains", Vec::new(), |item| {
                let domains = texts(item)?.into_iter().map(|domain| domain.to_ascii_lowercase());
                Some(domains.collect()).filter(|domains: &Vec<String>| domains.iter().all(|d| !d.contains('@')))
            }),
        };
        if oidc.roles.is_empty() && oidc.groups.is_empty() {
            let what = "nobody would have a role".to_owned();
            self.problem(offset(item), at, what, "groups = { GROUP = \"ROLE\" }, or roles = [\"ROLE\"]");
        }
        Some(oidc)
    }

    fn workload(&mut self, place: usize, table: &dyn TableLike, at: &str, public_url: &str) -> Option<Workload> {
        const KEYS: &[Key] = reference::WORKLOAD;
        self.unknown(table, at, KEYS);
        self.needs(place, table, at, KEYS, &["kind", "rules"]);
        let kind = self.value(table, at, KEYS, "kind", None, |item| {
            Platform::ALL.into_iter().find(|kind| item.as_str() == Some(kind.as_str())).map(Some)
        })?;
        if kind.issuer().is_none() {
            self.needs(place, table, at, KEYS, &["issuer"]);
        }
        let issuer = self.issuer(table, at, KEYS, kind.issuer().unwrap_or_default());
        let audience = self.value(table, at, KEYS, "audience", public_url.to_owned(), text);
        if audience != public_url {
            let what = "is not the relay's URL: whoever else accepts such a token can use it here";
            self.warn(place, &join(at, "audience"), what);
        }
        let lifetime = self.value(table, at, KEYS, "lifetime", Duration::from_secs(3600), |item| {
            duration(item).filter(|time| !time.is_zero() && *time <= LONGEST)
        });
        let mut rules = Vec::new();
        if let Some(item) = table.get("rules") {
            let at = join(at, "rules");
            for (index, (place, table)) in self.tables(item, &at).into_iter().enumerate() {
                rules.push(self.rule(place, table, &format!("{at}.{index}"), kind));
            }
        }
        Some(Workload { issuer, kind, audience, lifetime, rules })
    }

    fn rule(&mut self, place: usize, table: &dyn TableLike, at: &str, kind: Platform) -> WorkloadRule {
        const KEYS: &[Key] = reference::WORKLOAD_RULE;
        self.unknown(table, at, KEYS);
        self.needs(place, table, at, KEYS, &["service", "roles", "claims"]);
        let claims = self.value(table, at, KEYS, "claims", BTreeMap::new(), |item| {
            claims(item.as_table_like()?).filter(|claims| !claims.is_empty())
        });
        let lasting = kind.immutable();
        if !lasting.is_empty() && !claims.is_empty() && !lasting.iter().any(|name| claims.contains_key(*name)) {
            let what = "names nothing that is never given to another".to_owned();
            self.problem(place, &join(at, "claims"), what, &format!("one of {}", lasting.join(", ")));
        }
        WorkloadRule {
            service: self
                .value(table, at, KEYS, "service", String::new(), |item| text(item).filter(|name| is_name(name))),
            roles: self.value(table, at, KEYS, "roles", Vec::new(), |item| {
                texts(item).filter(|roles| !roles.iter().any(|role| DECIDING.contains(&role.as_str())))
            }),
            claims,
            allow: self.value(table, at, KEYS, "allow", Vec::new(), |item| {
                let known = |name: &String| kind.exceptions().iter().copied().find(|known| known.as_str() == name);
                texts(item)?.iter().map(known).collect()
            }),
        }
    }

    fn issuer(&mut self, table: &dyn TableLike, at: &str, keys: &[Key], default: &str) -> Issuer {
        let http = self.value(table, at, keys, "http", false, Item::as_bool);
        let folder = self.folder.to_owned();
        let url = self.value(table, at, keys, "issuer", default.to_owned(), |item| {
            text(item).filter(|url| is_reachable(url, http) && !url.contains(['?', '#']))
        });
        let ca = self.value(table, at, keys, "ca", None, |item| text(item).map(|path| Some(folder.join(path))));
        Issuer { url, ca, http }
    }

    /// The tables of a list, with their places.
    pub(super) fn tables<'t>(&mut self, item: &'t Item, at: &str) -> Vec<(usize, &'t dyn TableLike)> {
        if let Some(tables) = item.as_array_of_tables() {
            return tables.iter().map(|table| (table.span().map_or(0, |span| span.start), table as _)).collect();
        }
        let inline = item.as_array().map(|list| list.iter().map(Value::as_inline_table).collect::<Option<Vec<_>>>());
        let Some(Some(tables)) = inline else {
            self.problem(offset(item), at, "is not a list of tables".to_owned(), &format!("[[{at}]]"));
            return Vec::new();
        };
        tables.into_iter().map(|table| (offset(item), table as _)).collect()
    }
}

/// True when a document may be fetched from there: `https`, or `http` on loopback where that is allowed.
#[must_use]
pub fn is_reachable(url: &str, http: bool) -> bool {
    let host = host_of(url);
    if url.starts_with("https://") {
        return !host.is_empty() && !host.contains('@');
    }
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    http && url.starts_with("http://") && loopback
}

/// The host of a URL, without its port.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// As of a local user.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b))
}

pub(super) fn text(item: &Item) -> Option<String> {
    item.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(super) fn texts(item: &Item) -> Option<Vec<String>> {
    item.as_array()?.iter().map(|text| text.as_str().filter(|text| !text.is_empty()).map(str::to_owned)).collect()
}

fn one_or_more(item: &Item) -> Option<Vec<String>> {
    text(item).map(|one| vec![one]).or_else(|| texts(item)).filter(|texts| !texts.is_empty())
}

fn claims(table: &dyn TableLike) -> Option<BTreeMap<String, Claim>> {
    let claim = |item: &Item| match item.as_table_like() {
        Some(table) => claims(table).filter(|claims| !claims.is_empty()).map(Claim::Within),
        None => one_or_more(item).map(Claim::OneOf),
    };
    table.iter().map(|(name, item)| Some((name.to_owned(), claim(item)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{checked::Exception, parse};
    use std::path::Path;

    const GOOD: &str = r#"
listen = "127.0.0.1:9000"
[identity]
local_users = false
[identity.oidc]
issuer = "https://id.example/realm"
client_id = "weir"
client_secret = "file:keys/oidc"
groups = { dba = "dba", staff = ["user", "auditor"] }
domains = ["Example.com"]
[[identity.workload]]
kind = "github"
[[identity.workload.rules]]
service = "deploy"
roles = ["user"]
claims = { repository_id = "123", ref = ["refs/heads/main", "refs/heads/next"] }
allow = ["unprotected_ref"]
[[identity.workload]]
kind = "kubernetes"
issuer = "http://127.0.0.1:9/cluster"
http = true
lifetime = "10m"
rules = [{ service = "job", roles = ["user"], claims = { "kubernetes.io" = { namespace = "ci" } } }]
"#;

    fn read(text: &str) -> Result<Identity, Vec<String>> {
        let all = |problems: Vec<crate::config::Problem>| problems.iter().map(ToString::to_string).collect();
        parse(text, Path::new("/etc/weir/x.toml")).map(|(config, _)| config.identity).map_err(all)
    }

    #[test]
    fn a_provider_and_platforms_are_read() {
        let identity = read(GOOD).unwrap();
        let oidc = identity.oidc.unwrap();
        assert!(identity.no_local_users && oidc.name == "id.example" && oidc.domains == ["example.com"]);
        assert_eq!(oidc.groups["dba"], ["dba"]);
        let [github, cluster] = identity.workload.as_slice() else { panic!("two") };
        assert_eq!(github.issuer.url, "https://token.actions.githubusercontent.com");
        assert_eq!((github.audience.as_str(), github.lifetime.as_secs()), ("https://127.0.0.1:9000", 3600));
        assert_eq!(github.rules[0].allow, [Exception::UnprotectedRef]);
        assert_eq!((cluster.kind, cluster.lifetime.as_secs()), (Platform::Kubernetes, 600));
        let namespace = Claim::OneOf(vec!["ci".into()]);
        let within = BTreeMap::from([("namespace".to_owned(), namespace)]);
        assert_eq!(cluster.rules[0].claims["kubernetes.io"], Claim::Within(within));
        assert!(read("").unwrap().oidc.is_none());
    }

    #[test]
    fn what_would_let_in_too_many_or_nobody_is_a_problem() {
        for (from, to, said) in [
            ("https://id.example/realm", "http://id.example/realm", "identity.oidc.issuer"),
            ("https://id.example/realm", "http://127.0.0.1:1", "identity.oidc.issuer"),
            ("http = true", "http = false", "identity.workload.1.issuer"),
            ("http://127.0.0.1:9/cluster", "http://127.0.0.1.example/", "identity.workload.1.issuer"),
            ("groups = { dba = \"dba\", staff = [\"user\", \"auditor\"] }", "", "nobody would have a role"),
            ("repository_id", "repository", "never given to another"),
            ("roles = [\"user\"]\nclaims", "roles = [\"admin\"]\nclaims", "rules.0.roles"),
            ("\"unprotected_ref\"", "\"everything\"", "rules.0.allow"),
            ("lifetime = \"10m\"", "lifetime = \"2d\"", "lifetime"),
            ("claims = { \"kubernetes.io\" = { namespace = \"ci\" } }", "claims = {}", "rules.0.claims"),
            ("service = \"job\"", "service = \"a job\"", "rules.0.service"),
            ("service = \"job\", roles = [\"user\"]", "service = \"deploy\", roles = [\"dba\"]", "has other roles"),
            ("client_id = \"weir\"", "", "client_id: is missing"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let shown = read(&GOOD.replace(from, to)).unwrap_err();
            assert!(shown.iter().any(|line| line.contains(said)), "{to}: {shown:#?}");
        }
        let nobody = read("[identity]\nlocal_users = false").unwrap_err();
        assert!(nobody[0].contains("nobody could log in"), "{nobody:?}");
    }
}
