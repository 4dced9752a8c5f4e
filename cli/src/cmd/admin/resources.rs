//! `weir admin resources`: what a resource is, and its definition where that was put over the API.

use super::change::{self, Consent, refused};
use crate::{
    api::{Answer, Call, Condition, Refused, Session},
    settings::Settings,
    ui,
    ui::Output,
};
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use weir_shared::{
    error::{Kind, UserFacing},
    id::ResourceName,
};

/// What is shown before the others.
const FIRST: [&str; 3] = ["name", "kind", "origin"];
/// Limits in milliseconds.
const TIMES: [&str; 3] = ["statement_time", "session_time", "idle"];

#[derive(clap::Subcommand)]
pub(in crate::cmd) enum Command {
    /// List every resource, with where it stands.
    List,
    /// Show a resource's settings; of its credential, where that comes from.
    #[command(after_help = "Example: weir admin resources show postgres-prod")]
    Show {
        /// Its name.
        name: ResourceName,
        /// Print only its definition, as it was put.
        #[arg(long)]
        definition: bool,
    },
    /// Define a resource, new or in the place of the one of its name, by a file with the keys of its table in the configuration.
    #[command(after_help = "Example: weir admin resources put postgres-prod postgres-prod.toml")]
    Put {
        /// Its name.
        name: ResourceName,
        /// A file of TOML; - for standard input.
        file: PathBuf,
        #[command(flatten)]
        consent: Consent,
    },
    /// Delete a resource that was put over the API.
    #[command(after_help = "Example: weir admin resources delete postgres-prod")]
    Delete {
        /// Its name.
        name: ResourceName,
        #[command(flatten)]
        consent: Consent,
    },
}

/// A resource as the relay tells it.
struct Seen {
    settings: Map<String, Value>,
    /// None where it cannot be changed.
    hash: Option<String>,
}

impl Seen {
    fn of(answer: &Answer) -> Result<Self, UserFacing> {
        Ok(Self { settings: answer.read()?, hash: answer.tag.clone() })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.as_str()
    }

    /// With its hash, for scripts.
    fn json(mut self) -> Value {
        self.settings.insert("hash".to_owned(), self.hash.into());
        Value::Object(self.settings)
    }

    /// # Errors
    /// It stands in the configuration.
    fn changeable(&self, name: &ResourceName) -> Result<(), UserFacing> {
        if self.text("origin") != Some("configuration") {
            return Ok(());
        }
        let message = format!("{name} stands in the relay's configuration file");
        Err(UserFacing::new(Kind::Conflict, message, "change it there, or take another name"))
    }
}

pub(super) async fn run(settings: &Settings, command: Command, output: Output) -> Result<(), UserFacing> {
    match command {
        Command::List => list(&*Session::open(settings).await?, output).await,
        Command::Show { name, definition } => {
            let seen = see(&*Session::open(settings).await?, &name).await?;
            if definition { show_definition(&seen, &name) } else { show(seen, output) }
        }
        Command::Put { name, file, consent } => {
            let text = change::text(&file)?;
            put(&*Session::open(settings).await?, &name, (text, &file), &consent, output).await
        }
        Command::Delete { name, consent } => delete(&*Session::open(settings).await?, &name, &consent, output).await,
    }
}

async fn list(session: &Session, output: Output) -> Result<(), UserFacing> {
    let call = Call { method: Method::GET, path: "/settings/resources", condition: None, text: None };
    let all: Vec<Value> = session.call(call).await.map_err(UserFacing::from)?.read()?;
    match output {
        Output::Json => ui::json(&Value::Array(all)),
        Output::Text => all.iter().for_each(|resource| ui::say(&ui::visible_line(&row(resource)))),
    }
    Ok(())
}

/// Name, kind, where it stands, where it is; or that it cannot be reached.
fn row(resource: &Value) -> String {
    let text = |name: &str| resource.get(name).and_then(words).unwrap_or_default();
    let unusable = resource.get("problems").and_then(Value::as_array).is_some_and(|problems| !problems.is_empty());
    let place =
        if unusable { "cannot be reached: its definition is not valid any more".to_owned() } else { text("hosts") };
    format!("{:<24} {:<10} {:<14} {place}", text("name"), text("kind"), text("origin"))
}

fn path(name: &ResourceName) -> String {
    format!("/resources/{name}")
}

async fn see(session: &Session, name: &ResourceName) -> Result<Seen, Refused> {
    let call = Call { method: Method::GET, path: &path(name), condition: None, text: None };
    Ok(Seen::of(&session.call(call).await?)?)
}

fn show_definition(seen: &Seen, name: &ResourceName) -> Result<(), UserFacing> {
    let missing = || {
        let message = format!("{name} was not put over the API: there is no text of it");
        UserFacing::new(Kind::NotFound, message, "look into the relay's configuration file")
    };
    ui::pass_on(seen.text("definition").ok_or_else(missing)?);
    Ok(())
}

fn show(seen: Seen, output: Output) -> Result<(), UserFacing> {
    match output {
        Output::Json => ui::json(&seen.json()),
        Output::Text => lines(&seen).iter().for_each(|line| ui::say(line)),
    }
    Ok(())
}

/// A setting a line, without those that say nothing; its definition below.
fn lines(seen: &Seen) -> Vec<String> {
    let definition = seen.text("definition").unwrap_or_default();
    let mut settings: Vec<_> = seen.settings.iter().filter(|(name, _)| *name != "definition").collect();
    settings.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    let line = |(name, value): (&String, &Value)| Some(format!("{:<20} {}", name.replace('_', " "), words(value)?));
    let mut lines: Vec<String> = settings.into_iter().filter_map(line).collect();
    lines.extend(seen.hash.iter().map(|hash| format!("{:<20} {hash}", "hash")));
    if !definition.is_empty() {
        lines.push("definition:".to_owned());
        lines.extend(definition.lines().map(|line| format!("  | {line}")));
    }
    lines.iter().map(|line| ui::visible_line(line)).collect()
}

/// A value in words; none when it says nothing.
fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let unit = |name: &String| if TIMES.contains(&name.as_str()) { "ms" } else { "" };
            let pair = |(name, value): (&String, &Value)| Some(format!("{name}={}{}", words(value)?, unit(name)));
            fields.iter().filter_map(pair).collect::<Vec<_>>().join(" ")
        }
        Value::Number(number) => number.to_string(),
    };
    Some(text).filter(|text| !text.is_empty())
}

async fn put(
    session: &Session,
    name: &ResourceName,
    (text, file): (String, &Path),
    consent: &Consent,
    output: Output,
) -> Result<(), UserFacing> {
    let seen = match see(session, name).await {
        Ok(seen) => Some(seen),
        Err(why) if why.status == Some(StatusCode::NOT_FOUND) => None,
        Err(why) => return Err(why.into()),
    };
    let before = seen.as_ref().and_then(|seen| seen.text("definition"));
    seen.as_ref().map_or(Ok(()), |seen| seen.changeable(name))?;
    consent.ask(&format!("{name}.toml"), before, Some(&text))?;
    let hash = consent.hash(seen.as_ref().and_then(|seen| seen.hash.as_deref()));
    let condition = hash.as_deref().map_or(Condition::Absent, Condition::Tagged);
    let text = Some(("application/toml", text));
    let call = Call { method: Method::PUT, path: &path(name), condition: Some(condition), text };
    let answer = session.call(call).await.map_err(|mut why| {
        // It is all that was sent.
        why.flaws.iter_mut().for_each(|flaw| flaw.file = file.display().to_string());
        refused(why, "", None, output)
    })?;
    let seen = Seen::of(&answer)?;
    match output {
        Output::Json => ui::json(&seen.json()),
        Output::Text => {
            let hash = seen.hash.map_or_else(String::new, |hash| format!("; its hash is {}", ui::visible_line(&hash)));
            ui::say(&format!("{name} is defined{hash}"));
        }
    }
    Ok(())
}

async fn delete(session: &Session, name: &ResourceName, consent: &Consent, output: Output) -> Result<(), UserFacing> {
    let seen = see(session, name).await?;
    seen.changeable(name)?;
    consent.ask(&format!("{name}.toml"), seen.text("definition"), None)?;
    let hash = consent.hash(seen.hash.as_deref());
    let condition = hash.as_deref().map(Condition::Tagged);
    let call = Call { method: Method::DELETE, path: &path(name), condition, text: None };
    session.call(call).await.map_err(|why| refused(why, "", None, output))?;
    match output {
        Output::Json => ui::json(&serde_json::json!({ "name": name, "from": hash })),
        Output::Text => ui::say(&format!("{name} is deleted")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(settings: Value, hash: Option<&str>) -> Seen {
        let Value::Object(settings) = settings else { panic!("no object") };
        Seen { settings, hash: hash.map(str::to_owned) }
    }

    #[test]
    fn settings_are_lines_and_nothing_in_them_hides() {
        let settings = json!({
            "name": "shop", "hosts": ["a:1", "b:2"], "allow_md5": false, "labels": { "env": "prod" }, "columns": [],
            "limits": { "idle": 5, "rate": null }, "origin": "api", "definition": "host = \"a\u{1b}\"\nport = 1\n",
        });
        let lines = lines(&seen(settings, Some("0a")));
        assert_eq!(lines.first().unwrap(), "name                 shop");
        for line in [
            "hosts                a:1, b:2",
            "allow md5            no",
            "labels               env=prod",
            "limits               idle=5ms",
            "hash                 0a",
            "  | host = \"a\\u{1b}\"",
            "  | port = 1",
        ] {
            assert!(lines.iter().any(|shown| shown == line), "{line}: {lines:#?}");
        }
        assert!(!lines.iter().any(|line| line.starts_with("columns") || line.starts_with("definition ")), "{lines:#?}");
    }

    #[test]
    fn what_stands_in_the_configuration_is_not_changed() {
        let name = "shop".parse().unwrap();
        let error = seen(json!({ "origin": "configuration" }), None).changeable(&name).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert_eq!(seen(json!({ "origin": "api" }), Some("0a")).changeable(&name), Ok(()));
    }
}
