//! What the command finds in its environment: where its tools look for a server, and nothing that opens a session anew.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};
use weir_shared::{
    api::{ResourceView, WhoAmI},
    error::{Kind, UserFacing},
};

/// Variables that the command does not inherit: they would lead its tools elsewhere, or let it ask for a session of its own.
const REMOVED: [&str; 20] = [
    "PGHOSTADDR",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGTARGETSESSIONATTRS",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "CI_JOB_JWT",
    "CI_JOB_JWT_V1",
    "CI_JOB_JWT_V2",
    "CIRCLE_OIDC_TOKEN",
    "CIRCLE_OIDC_TOKEN_V2",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    "WEIR_ID_TOKEN",
    "WEIR_ID_TOKEN_FILE",
];

/// One resource's local end.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) database: String,
    /// Folder of its UNIX socket, when there is one.
    pub(crate) socket: Option<PathBuf>,
    /// The CA of its local certificate.
    pub(crate) ca: PathBuf,
}

impl Opened {
    /// A port of a resource, for whom the relay takes us for.
    pub(crate) fn new(view: &ResourceView, who: &WhoAmI, port: u16, socket: Option<PathBuf>, ca: &Path) -> Self {
        let database = view.databases.first().cloned().unwrap_or_default();
        Self { name: view.name.to_string(), port, user: who.user.clone(), database, socket, ca: ca.to_owned() }
    }

    /// A connection string; names are escaped in it, as those of a provider's users may have to be.
    pub(crate) fn url(&self) -> String {
        let part = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
        };
        format!("postgresql://{}@127.0.0.1:{}/{}", part(&self.user), self.port, part(&self.database))
    }

    /// `{{NAME.FIELD}}`
    fn field(&self, field: &str) -> Option<String> {
        Some(match field {
            "url" => self.url(),
            "host" => "127.0.0.1".to_owned(),
            "port" => self.port.to_string(),
            "user" => self.user.clone(),
            "database" => self.database.clone(),
            "ca" => self.ca.display().to_string(),
            "socket" => self.socket.as_ref()?.display().to_string(),
            _ => return None,
        })
    }
}

/// Variables to set and to remove.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) set: BTreeMap<String, OsString>,
    pub(crate) removed: Vec<&'static str>,
}

/// `NAME=TEMPLATE`, with `{{RESOURCE.FIELD}}` in the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    name: String,
    text: String,
}

impl std::str::FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, text)) if !name.is_empty() => Ok(Self { name: name.to_owned(), text: text.to_owned() }),
            _ => Err("write NAME=TEXT, with {{RESOURCE.url}} in it".to_owned()),
        }
    }
}

impl Template {
    fn filled(&self, opened: &[Opened]) -> Result<String, UserFacing> {
        let (mut out, mut rest) = (String::new(), self.text.as_str());
        while let Some((before, after)) = rest.split_once("{{") {
            let (place, after) = after.split_once("}}").ok_or_else(|| self.problem("an open {{"))?;
            let (name, field) = place.trim().split_once('.').ok_or_else(|| self.problem(place))?;
            let value = opened.iter().find(|opened| opened.name == name).and_then(|opened| opened.field(field));
            out.push_str(before);
            out.push_str(&value.ok_or_else(|| self.problem(place))?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn problem(&self, place: &str) -> UserFacing {
        let message = format!("--env {}: {place:?} cannot be filled in", self.name);
        let hint = "write {{RESOURCE.FIELD}} of a --connect; fields: url, host, port, user, database, ca, socket";
        UserFacing::new(Kind::Usage, message, hint)
    }
}

/// The environment for these resources. The first one is what tools find by default; each has `WEIR_NAME_URL`.
pub(crate) fn of(opened: &[Opened], templates: &[Template]) -> Result<Environment, UserFacing> {
    let mut environment = Environment { removed: REMOVED.to_vec(), ..Environment::default() };
    let set = &mut environment.set;
    if let Some(first) = opened.first() {
        set.insert("PGHOST".into(), "127.0.0.1".into());
        set.insert("PGPORT".into(), first.port.to_string().into());
        set.insert("PGUSER".into(), first.user.clone().into());
        set.insert("PGDATABASE".into(), first.database.clone().into());
        set.insert("DATABASE_URL".into(), first.url().into());
    }
    for resource in opened {
        let name = resource.name.to_ascii_uppercase().replace('-', "_");
        set.insert(format!("WEIR_{name}_URL"), resource.url().into());
    }
    for template in templates {
        set.insert(template.name.clone(), template.filled(opened)?.into());
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(name: &str, port: u16) -> Opened {
        let (user, database) = ("alice@example".into(), "shop".into());
        Opened { name: name.into(), port, user, database, socket: None, ca: "/ca.pem".into() }
    }

    #[test]
    fn tools_find_the_first_and_templates_any() {
        let all = [opened("shop-prod", 1), opened("logs", 2)];
        let template = |text: &str| text.parse::<Template>().unwrap();
        let environment =
            of(&all, &[template("URL=x{{logs.url}}y"), template("P={{ logs.port }}{{shop-prod.port}}")]).unwrap();
        let get = |name: &str| environment.set[name].to_str().unwrap();
        assert_eq!(get("PGPORT"), "1");
        assert_eq!(get("PGUSER"), "alice@example");
        assert_eq!(get("DATABASE_URL"), "postgresql://alice%40example@127.0.0.1:1/shop");
        assert_eq!(get("WEIR_LOGS_URL"), "postgresql://alice%40example@127.0.0.1:2/shop");
        assert_eq!(get("URL"), "xpostgresql://alice%40example@127.0.0.1:2/shopy");
        assert_eq!(get("P"), "21");
        for bad in ["A={{logs}}", "A={{other.url}}", "A={{logs.password}}", "A={{logs.url", "A={{logs.socket}}"] {
            assert!(of(&all, &[template(bad)]).is_err(), "{bad}");
        }
        assert!("=x".parse::<Template>().is_err() && "x".parse::<Template>().is_err());
    }
}
