//! `[credentials.NAME]` and `[resources.NAME]`: what may be reached, and whom the relay shows its secrets to.

use super::{Key, Problem, Reader, duration, identity::text, join, offset, reference};
use crate::{
    config::checked::{
        ColumnLabel, Config, Credential, CredentialSource, Durability, Host, Limits, Masking, Rate, RecordRows,
        Recording, Resource, ResourceKind, Strategy, TargetSession, UpstreamTls, UpstreamTlsMode, is_database_pattern,
    },
    detect::Detector,
    id::ResourceName,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    path::Path,
    sync::Arc,
    time::Duration,
};
use toml_edit::{Document, Item, TableLike};

/// What an administrator at the relay's own machine says in a resource or a credential, and nobody over the network.
const TRUST: &[&str] = &["tls", "ca", "client_certificate", "client_key", "allow_md5", "allow_cleartext"];

/// Reads one resource: the keys of a `[resources.NAME]` table, beside the rest of a configuration. It must use one of the
/// configuration's credentials: so whoever writes it chooses neither a secret nor whom it is shown to.
///
/// # Errors
/// Every problem, warnings included, when one of them is an error.
pub fn parse_resource(
    name: &ResourceName,
    text: &str,
    config: &Config,
) -> Result<(Resource, Vec<Problem>), Vec<Problem>> {
    let file = format!("{name}.toml");
    let credentials = config.credentials.clone();
    let mut reader = Reader { text, file: Path::new(&file), folder: &config.folder, problems: Vec::new(), credentials };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => return Err(reader.not_toml(&error)),
    };
    let resource = reader.resource(name.clone(), document.as_table(), 0, "");
    if resource.named.is_none() && document.contains_key("credential") {
        let item = document.get("credential");
        let what = "is not one of the configuration's credentials".to_owned();
        let known: Vec<String> = config.credentials.keys().map(|name| format!("\"named:{name}\"")).collect();
        let accepted =
            if known.is_empty() { "add [credentials.NAME] to the configuration".to_owned() } else { known.join(", ") };
        // What is accepted in the configuration file is not accepted here.
        reader.problems.retain(|problem| problem.key != "credential");
        reader.problem(item.map_or(0, offset), "credential", what, &accepted);
    }
    reader.finish(resource)
}

impl Reader<'_> {
    /// `[resources]`.
    pub(super) fn resources(&mut self, top: &dyn TableLike) -> BTreeMap<ResourceName, Arc<Resource>> {
        let mut resources = BTreeMap::new();
        for (name, table, place, at) in self.named_tables(top, "resources", "[resources.NAME]") {
            match ResourceName::new(&name) {
                Ok(name) => {
                    let resource = self.resource(name, table, place, &at);
                    resources.insert(resource.name.clone(), Arc::new(resource));
                }
                Err(_) => self.problem(place, &at, "is not a name".to_owned(), "1 to 63 of a-z 0-9 -, a letter first"),
            }
        }
        resources
    }

    /// `[credentials]`.
    pub(super) fn credentials(&mut self, top: &dyn TableLike) -> BTreeMap<String, Arc<Credential>> {
        let tables = self.named_tables(top, "credentials", "[credentials.NAME]");
        tables
            .into_iter()
            .map(|(name, table, place, at)| (name, Arc::new(self.credential(table, place, &at))))
            .collect()
    }

    /// The tables in one of this name: the name of each, it, where it stands, and its dotted key.
    fn named_tables<'t>(
        &mut self,
        top: &'t dyn TableLike,
        of: &str,
        accepted: &str,
    ) -> Vec<(String, &'t dyn TableLike, usize, String)> {
        let Some(item) = top.get(of) else { return Vec::new() };
        let Some(tables) = item.as_table_like() else {
            self.problem(offset(item), of, "is not a table".to_owned(), accepted);
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, item) in tables.iter() {
            let at = join(of, name);
            match item.as_table_like() {
                Some(table) => found.push((name.to_owned(), table, offset(item), at)),
                None => self.problem(offset(item), &at, "is not a table".to_owned(), accepted),
            }
        }
        found
    }

    fn credential(&mut self, table: &dyn TableLike, place: usize, at: &str) -> Credential {
        const KEYS: &[Key] = reference::CREDENTIAL;
        self.unknown(table, at, KEYS);
        self.needs(place, table, at, KEYS, &["source", "hosts"]);
        let folder = self.folder.to_owned();
        let (tls, allow_md5, allow_cleartext) = self.trust(table, place, at, KEYS);
        Credential {
            source: self.value(table, at, KEYS, "source", CredentialSource::None, |item| credential(item, &folder)),
            hosts: self.value(table, at, KEYS, "hosts", Vec::new(), |item| {
                hosts(item, 5432).filter(|hosts| hosts.iter().all(is_pattern))
            }),
            roles: self.value(table, at, KEYS, "roles", BTreeSet::new(), |item| {
                list(item).map(|roles| roles.into_iter().collect())
            }),
            tls,
            allow_md5,
            allow_cleartext,
        }
    }

    /// How sure it must be who the resource is, and what it may be shown: TLS, md5, a clear-text password.
    fn trust(&mut self, table: &dyn TableLike, place: usize, at: &str, keys: &[Key]) -> (UpstreamTls, bool, bool) {
        let folder = self.folder.to_owned();
        let path = |item: &Item| item.as_str().map(|text| Some(folder.join(text)));
        let mode = self.value(table, at, keys, "tls", UpstreamTlsMode::VerifyFull, |item| match item.as_str()? {
            "verify-full" => Some(UpstreamTlsMode::VerifyFull),
            "disable" => Some(UpstreamTlsMode::Disable),
            _ => None,
        });
        let certificate = self.value(table, at, keys, "client_certificate", None, path);
        let key = self.value(table, at, keys, "client_key", None, path);
        if certificate.is_some() != key.is_some() {
            let what = "client_certificate and client_key go together".to_owned();
            self.problem(place, at, what, "both or neither");
        }
        let tls = UpstreamTls { mode, ca: self.value(table, at, keys, "ca", None, path), client: certificate.zip(key) };
        if tls.mode == UpstreamTlsMode::Disable {
            self.warn(place, &join(at, "tls"), "what goes to this resource can be read and changed on the way");
        }
        let allow_cleartext = self.value(table, at, keys, "allow_cleartext", false, Item::as_bool);
        if allow_cleartext && tls.mode == UpstreamTlsMode::Disable {
            let what = "would send the password in clear".to_owned();
            self.problem(place, &join(at, "allow_cleartext"), what, "only with tls = \"verify-full\"");
        }
        (tls, self.value(table, at, keys, "allow_md5", false, Item::as_bool), allow_cleartext)
    }

    fn resource(&mut self, name: ResourceName, table: &dyn TableLike, place: usize, at: &str) -> Resource {
        const KEYS: &[Key] = reference::RESOURCE;
        self.unknown(table, at, KEYS);
        self.needs(place, table, at, KEYS, &["kind", "host", "databases", "role", "credential"]);
        self.value(table, at, KEYS, "kind", (), |item| (item.as_str()? == "postgres").then_some(()));
        let port = self.value(table, at, KEYS, "port", 5432, |item| {
            item.as_integer().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
        });
        let hosts = self.value(table, at, KEYS, "host", Vec::new(), |item| hosts(item, port));
        let role = self.value(table, at, KEYS, "role", String::new(), text);
        let named = self.named(table, at);
        let (credential, (tls, allow_md5, allow_cleartext)) = match &named {
            Some((_, credential)) => {
                self.fits(table, at, credential, &hosts, &role);
                let Credential { source, tls, allow_md5, allow_cleartext, .. } = &**credential;
                (source.clone(), (tls.clone(), *allow_md5, *allow_cleartext))
            }
            None => {
                let folder = self.folder.to_owned();
                let source =
                    self.value(table, at, KEYS, "credential", CredentialSource::None, |item| credential(item, &folder));
                (source, self.trust(table, place, at, KEYS))
            }
        };
        Resource {
            name,
            kind: ResourceKind::Postgres,
            hosts,
            target_session_attrs: self.value(table, at, KEYS, "target_session_attrs", TargetSession::Any, |item| {
                TargetSession::ALL.into_iter().find(|target| item.as_str() == Some(target.as_str()))
            }),
            connect_timeout: self.value(table, at, KEYS, "connect_timeout", Duration::from_secs(10), |item| {
                duration(item).filter(|time| !time.is_zero())
            }),
            databases: self.value(table, at, KEYS, "databases", vec!["postgres".to_owned()], |item| {
                let mut names = list(item).filter(|names| names.iter().all(|name| !name.is_empty()))?;
                names.sort_by_key(|name| is_database_pattern(name));
                Some(names).filter(|names| names.first().is_some_and(|name| !is_database_pattern(name)))
            }),
            role,
            credential,
            named: named.map(|(name, _)| name),
            tls,
            allow_md5,
            allow_cleartext,
            labels: self.value(table, at, KEYS, "labels", BTreeMap::new(), |item| {
                let labels = item.as_table_like()?.iter();
                labels.map(|(name, value)| Some((name.to_owned(), value.as_str()?.to_owned()))).collect()
            }),
            harmless_settings: self.value(table, at, KEYS, "harmless_settings", Vec::new(), |item| {
                let prefixes = list(item)?.into_iter().map(|prefix| prefix.to_ascii_lowercase());
                // Without a dot it would be a setting of the server's.
                let prefixes: Vec<String> = prefixes.collect();
                prefixes.iter().all(|prefix| prefix.contains('.')).then_some(prefixes)
            }),
            harmless_functions: self.value(table, at, KEYS, "harmless_functions", Vec::new(), |item| {
                list(item).filter(|functions| functions.iter().all(|name| name.contains('.') && name.ends_with(')')))
            }),
            columns: self.value(table, at, KEYS, "columns", Vec::new(), |item| {
                list(item)?.iter().map(|text| column(text)).collect()
            }),
            mask: self.mask(table, at),
            limits: self.limits(
                table,
                at,
                "limits",
                &Limits { connections: 100, statement_bytes: 1024 * 1024, ..Limits::NONE },
            ),
            recording: self.recording(table, at),
        }
    }

    /// The credential that `credential = "named:NAME"` means.
    fn named(&mut self, table: &dyn TableLike, at: &str) -> Option<(String, Arc<Credential>)> {
        let item = table.get("credential")?;
        let name = item.as_str()?.strip_prefix("named:")?;
        let known = self.credentials.get(name).map(Arc::clone);
        if known.is_none() {
            let what = format!("there is no [credentials.{name}]");
            let names: Vec<String> = self.credentials.keys().map(|name| format!("\"named:{name}\"")).collect();
            self.problem(offset(item), &join(at, "credential"), what, &names.join(", "));
        }
        // Then it is none at all, rather than one of another kind.
        Some((name.to_owned(), known.unwrap_or_default()))
    }

    /// A named credential is shown to nobody else than it says, and in no other way.
    fn fits(&mut self, table: &dyn TableLike, at: &str, credential: &Credential, hosts: &[Host], role: &str) {
        // One that is not there, or not whole, is a problem already.
        if credential.hosts.is_empty() {
            return;
        }
        for (name, item) in table.iter().filter(|(name, _)| TRUST.contains(name)) {
            let what = "is said by the credential that is named".to_owned();
            self.problem(offset(item), &join(at, name), what, "leave it out, or give it to [credentials.NAME]");
        }
        let place = |name: &str| table.get(name).map_or(0, offset);
        if let Some(host) = hosts.iter().find(|host| !credential.is_for(host)) {
            let may = credential.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            self.problem(place("host"), &join(at, "host"), format!("{host} may not be shown the credential"), &may);
        }
        if !credential.roles.is_empty() && !credential.roles.contains(role) {
            let may = credential.roles.iter().cloned().collect::<Vec<_>>().join(", ");
            self.problem(place("role"), &join(at, "role"), "is no role of the credential".to_owned(), &may);
        }
    }

    /// The table `name` of limits; what it leaves out is as in `default`.
    pub(super) fn limits(&mut self, table: &dyn TableLike, at: &str, name: &str, default: &Limits) -> Limits {
        const KEYS: &[Key] = reference::LIMITS;
        let empty = toml_edit::Table::new();
        let (table, at) = (self.table(table, at, name, &empty), join(at, name));
        self.unknown(table, &at, KEYS);
        let count = |item: &Item| item.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let most = |item: &Item| match u64::try_from(item.as_integer()?).ok()? {
            0 => Some(u64::MAX),
            most => Some(most),
        };
        let time = |item: &Item| duration(item).map(|time| if time.is_zero() { Duration::MAX } else { time });
        let number = |item: &Item| u32::try_from(item.as_integer()?).ok().map(NonZero::new);
        let rate = self.value(table, &at, KEYS, "rate", default.rate.map(|rate| rate.per_second), number);
        let burst = default.rate.map(|rate| rate.burst).filter(|_| table.get("rate").is_none());
        let burst = self.value(table, &at, KEYS, "burst", burst.or(rate), number);
        Limits {
            connections: self.value(table, &at, KEYS, "connections", default.connections, count),
            statement_bytes: self.value(table, &at, KEYS, "statement_bytes", default.statement_bytes, count),
            rows: self.value(table, &at, KEYS, "rows", default.rows, most),
            result_bytes: self.value(table, &at, KEYS, "result_bytes", default.result_bytes, most),
            statement_time: self.value(table, &at, KEYS, "statement_time", default.statement_time, time),
            session_time: self.value(table, &at, KEYS, "session_time", default.session_time, time),
            idle: self.value(table, &at, KEYS, "idle", default.idle, time),
            rate: rate.zip(burst).map(|(per_second, burst)| Rate { per_second, burst }),
        }
    }

    fn mask(&mut self, table: &dyn TableLike, at: &str) -> Masking {
        const KEYS: &[Key] = reference::MASK;
        let empty = toml_edit::Table::new();
        let (table, at) = (self.table(table, at, "mask", &empty), join(at, "mask"));
        self.unknown(table, &at, KEYS);
        let known = Detector::rules();
        let rule = |name: &str| name == Masking::EVERY || known.contains(&name);
        let rules = |item: &Item| -> Option<BTreeMap<String, Strategy>> {
            let each = item.as_table_like()?.iter();
            each.map(|(name, item)| Some((name.to_owned(), strategy(item).filter(|_| rule(name))?))).collect()
        };
        Masking {
            notices: self.value(table, &at, KEYS, "notices", true, Item::as_bool),
            rules: self.value(table, &at, KEYS, "rules", BTreeMap::new(), rules),
            columns: self.value(table, &at, KEYS, "columns", Vec::new(), |item| {
                let every = |item: &Item| Some(BTreeMap::from([(Masking::EVERY.to_owned(), strategy(item)?)]));
                let each = item.as_table_like()?.iter();
                each.map(|(name, item)| Some((column(name)?, every(item).or_else(|| rules(item))?))).collect()
            }),
        }
    }

    fn recording(&mut self, table: &dyn TableLike, at: &str) -> Recording {
        const KEYS: &[Key] = reference::RECORDING;
        let empty = toml_edit::Table::new();
        let (table, at) = (self.table(table, at, "recording", &empty), join(at, "recording"));
        self.unknown(table, &at, KEYS);
        Recording {
            rows: self.value(table, &at, KEYS, "rows", RecordRows::All, |item| match item.as_str()? {
                "all" => Some(RecordRows::All),
                "counts" => Some(RecordRows::Counts),
                first => first.strip_prefix("first:")?.parse().ok().map(RecordRows::First),
            }),
            quota_bytes: self.value(table, &at, KEYS, "quota_bytes", 0, |item| u64::try_from(item.as_integer()?).ok()),
            durability: self.value(table, &at, KEYS, "durability", Durability::Strict, |item| match item.as_str()? {
                "sync" => Some(Durability::Sync),
                "strict" => Some(Durability::Strict),
                "best_effort" => Some(Durability::BestEffort),
                _ => None,
            }),
        }
    }
}

fn list(item: &Item) -> Option<Vec<String>> {
    item.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

pub(super) fn credential(item: &Item, folder: &Path) -> Option<CredentialSource> {
    if let Some(table) = item.as_table_like() {
        let argv: Option<Vec<String>> =
            table.get("exec")?.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect();
        let timeout = table.get("timeout").map_or(Some(Duration::from_secs(5)), duration)?;
        return argv.filter(|argv| !argv.is_empty()).map(|argv| CredentialSource::Exec { argv, timeout });
    }
    match item.as_str()?.split_once(':') {
        None => (item.as_str()? == "none").then_some(CredentialSource::None),
        Some(("env", name)) if !name.is_empty() => Some(CredentialSource::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Some(CredentialSource::File(folder.join(path))),
        Some(_) => None,
    }
}

/// A text of hosts with commas between them, or a list of such texts.
fn hosts(item: &Item, port: u16) -> Option<Vec<Host>> {
    let texts: Vec<&str> = match item.as_array() {
        Some(list) => list.iter().map(|text| text.as_str()).collect::<Option<_>>()?,
        None => vec![item.as_str()?],
    };
    let hosts: Option<Vec<Host>> =
        texts.into_iter().flat_map(|text| text.split(',')).map(|text| host(text.trim(), port)).collect();
    hosts.filter(|hosts| !hosts.is_empty())
}

fn host(text: &str, port: u16) -> Option<Host> {
    let (name, own) = match text.strip_prefix('[') {
        // An IPv6 address.
        Some(rest) => match rest.split_once(']')? {
            (name, "") => (name, None),
            (name, rest) => (name, Some(rest.strip_prefix(':')?)),
        },
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let port = own.map_or(Some(port), |own| own.parse().ok().filter(|port| *port > 0))?;
    let good = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '[' | ']'));
    good.then(|| Host { name: name.to_owned(), port })
}

fn strategy(item: &Item) -> Option<Strategy> {
    Some(match item.as_str()? {
        "redact" => Strategy::Redact,
        "partial" => Strategy::Partial,
        "null" => Strategy::Null,
        "off" => Strategy::Off,
        _ => return None,
    })
}

fn column(text: &str) -> Option<ColumnLabel> {
    let parts: Vec<&str> = text.split('.').collect();
    let (schema, table, column) = match parts.as_slice() {
        [table, column] => ("public", *table, *column),
        [schema, table, column] => (*schema, *table, *column),
        _ => return None,
    };
    let whole = !(schema.is_empty() || table.is_empty() || column.is_empty());
    whole.then(|| ColumnLabel { schema: schema.to_owned(), table: table.to_owned(), column: column.to_owned() })
}

/// A host, or `*.` and a domain.
fn is_pattern(host: &Host) -> bool {
    let name = host.name.strip_prefix("*.").unwrap_or(&host.name);
    !name.contains('*') && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const GOOD: &str = r#"
[credentials.shop]
source = "file:keys/shop"
hosts = ["*.shop.internal", "db.internal:6000"]
roles = ["app", "reports"]
ca = "ca.pem"
[resources.postgres-prod]
kind = "postgres"
host = "db.internal"
databases = ["shop"]
role = "weir"
credential = "file:keys/db"
"#;
    const MADE: &str = "kind = \"postgres\"\nhost = \"a.shop.internal\"\ndatabases = [\"shop\"]\nrole = \"app\"\n\
        credential = \"named:shop\"\nlabels = { env = \"dev\" }\n";

    fn made(text: &str) -> Result<Resource, Vec<String>> {
        let (config, _) = parse(GOOD, Path::new("/etc/weir/weir-relay.toml")).unwrap();
        let name = ResourceName::new("made").unwrap();
        let read = parse_resource(&name, text, &config);
        read.map(|(made, _)| made).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn hosts_are_read_in_every_form() {
        let read = |value: &str| {
            let text = GOOD.replace("host = \"db.internal\"", &format!("port = 6000\nhost = {value}"));
            let (config, _) = parse(&text, Path::new("x.toml")).ok()?;
            let hosts = &config.resources.values().next()?.hosts;
            Some(hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        for (value, hosts) in [
            ("\"db\"", "db:6000"),
            ("\"db1:5432,db2\"", "db1:5432 db2:6000"),
            ("[\"db1:5432\", \"10.0.0.1\", \"::1\", \"[fe80::2]:7\"]", "db1:5432 10.0.0.1:6000 [::1]:6000 [fe80::2]:7"),
        ] {
            assert_eq!(read(value).as_deref(), Some(hosts), "{value}");
        }
        for wrong in ["\"\"", "[]", "\"a,,b\"", "\"db:0\"", "\"db:port\"", "\"[::1\"", "\"/tmp\"", "7", "[7]"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn databases_are_names_and_patterns_and_the_first_name_is_the_default() {
        let read = |value: &str| made(&MADE.replace("[\"shop\"]", value)).ok().map(|made| made.databases.join(" "));
        assert_eq!(read("[\"shop_*\", \"shop\", \"*\", \"other\"]").as_deref(), Some("shop other shop_* *"));
        for wrong in ["[]", "[\"shop_*\"]", "[\"shop\", \"\"]", "\"shop\""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_resource_that_is_made_is_whole_with_a_credential_of_the_configuration() {
        let resource = made(MADE).unwrap();
        assert_eq!(resource.credential, CredentialSource::File("/etc/weir/keys/shop".into()));
        assert_eq!(resource.tls.ca.as_deref(), Some(Path::new("/etc/weir/ca.pem")));
        assert_eq!((resource.named.as_deref(), resource.role.as_str()), (Some("shop"), "app"));
        assert_eq!(resource.version(), made(&format!("# the same\n{MADE}")).unwrap().version());
        for (from, to) in
            [("dev", "prod"), ("a.shop", "b.shop"), ("\"app\"", "\"reports\""), ("[\"shop\"]", "[\"other\"]")]
        {
            let other = made(&MADE.replace(from, to)).unwrap();
            assert_ne!(resource.version(), other.version(), "{from}");
        }
    }

    /// Whoever may make resources chooses neither a secret, nor whom it is shown to, nor a file of the relay's.
    #[test]
    fn a_resource_that_is_made_leads_no_secret_elsewhere() {
        for (from, to, key) in [
            ("named:shop", "file:keys/sealing.key", "credential"),
            ("named:shop", "env:PATH", "credential"),
            ("named:shop", "none", "credential"),
            ("named:shop", "named:other", "credential"),
            ("\"named:shop\"", "{ exec = [\"id\"] }", "credential"),
            ("a.shop.internal", "evil.example", "host"),
            ("a.shop.internal", "a.b.shop.internal", "host"),
            ("a.shop.internal", "shop.internal", "host"),
            ("a.shop.internal", ".shop.internal", "host"),
            ("a.shop.internal", "a.shop.internal:6000", "host"),
            ("a.shop.internal", "a.shop.internal,evil.example", "host"),
            ("a.shop.internal", "db.internal", "host"),
            ("\"app\"", "\"postgres\"", "role"),
            ("kind", "tls = \"disable\"\nkind", "tls"),
            ("kind", "ca = \"/etc/shadow\"\nkind", "ca"),
            ("kind", "allow_cleartext = true\nkind", "allow_cleartext"),
            ("kind", "allow_md5 = true\nkind", "allow_md5"),
            ("kind", "client_certificate = \"a\"\nclient_key = \"b\"\nkind", "client_key"),
        ] {
            let problems = made(&MADE.replace(from, to)).unwrap_err();
            let found = problems.iter().any(|problem| problem.contains(&format!("error: {key}: ")));
            assert!(found && problems.iter().all(|problem| problem.starts_with("made.toml:")), "{to}: {problems:#?}");
        }
        assert!(made(&MADE.replace("a.shop.internal", "db.internal:6000,B.SHOP.internal")).is_ok());
        let typed = made(&MADE.replace("named:shop", "hunter2")).unwrap_err().concat();
        assert!(!typed.contains("hunter2") && typed.contains("named:shop"), "{typed}");
    }

    #[test]
    fn a_rule_has_a_strategy_by_resource_and_by_column() {
        let read = |text: &str| made(&format!("{MADE}{text}\n")).map(|resource| resource.mask);
        assert_eq!(read("").unwrap(), Masking::default());
        let mask = read(
            "[mask]\nnotices = false\nrules = { phone = \"off\", \"*\" = \"null\" }\n\
             columns = { \"releases.version\" = \"off\", \"s.people.phone\" = { phone = \"partial\" } }",
        )
        .unwrap();
        assert!(!mask.notices);
        for (rule, column, strategy) in [
            ("phone", None, Strategy::Off),
            ("email", None, Strategy::Null),
            ("ipv4", Some(0), Strategy::Off),
            ("phone", Some(1), Strategy::Partial),
            ("email", Some(1), Strategy::Null),
        ] {
            assert_eq!(mask.strategy(rule, column), strategy, "{rule} {column:?}");
        }
        assert_eq!(mask.columns[1].0.to_string(), "s.people.phone");
        for wrong in [
            "mask = 5",
            "mask = { notices = 1 }",
            "mask = { rules = { phones = \"off\" } }",
            "mask = { rules = { phone = \"no\" } }",
            "mask = { columns = { version = \"off\" } }",
            "mask = { columns = { \"a.b\" = { x = \"off\" } } }",
            "mask = { other = true }",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_credential_may_not_be_for_everybody() {
        for hosts in ["[]", "[\"*\"]", "[\"*.\"]", "[\"a*.b\"]", "[\"*.*.b\"]", "\"\""] {
            let text = GOOD.replace("[\"*.shop.internal\", \"db.internal:6000\"]", hosts);
            assert!(parse(&text, Path::new("x.toml")).is_err(), "{hosts}");
        }
    }

    #[test]
    fn what_is_no_table_is_a_problem() {
        for wrong in ["recording = 5", "limits = 5"] {
            assert!(parse(&format!("{GOOD}{wrong}\n"), Path::new("x.toml")).is_err(), "{wrong}");
        }
        for wrong in ["resources = 5", "credentials = 5", "[resources]\na = 5", "[credentials]\na = 5"] {
            assert!(parse(wrong, Path::new("x.toml")).is_err(), "{wrong}");
        }
    }
}
