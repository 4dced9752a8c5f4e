//! `weir admin policies`: the relay's policy files. One changes only as long as all are what was seen.

use super::{
    change::{self, Consent, refused, shown},
    explain,
};
use crate::{
    api::{Call, Condition, Session},
    settings::Settings,
    ui,
    ui::Output,
};
use http::{Method, StatusCode};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};
use weir_shared::{
    api::{PoliciesBody, PoliciesChecked, PoliciesView, PolicyText},
    error::{Kind, UserFacing},
};

const LIST_THEM: &str = "`weir admin policies list` shows them";

#[derive(clap::Subcommand)]
pub(in crate::cmd) enum Command {
    /// List the files, the hash that they have together, which one is in force, and what is wrong with them.
    #[command(after_help = "Example: weir admin policies list")]
    List,
    /// Print a file's text.
    #[command(after_help = "Example: weir admin policies show default.cedar > default.cedar")]
    Show {
        /// Its name.
        name: String,
    },
    /// Write a file, new or in the place of the one of its name; in force at once, unless they would not be valid.
    #[command(after_help = "Example: weir admin policies put orders.cedar")]
    Put {
        /// The file here; - for standard input.
        file: PathBuf,
        /// What it is called at the relay; as here when nothing is said.
        #[arg(long = "as", value_name = "NAME.cedar", required_if_eq("file", "-"))]
        name: Option<PolicyName>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Delete a file, unless the others would not be valid without it.
    #[command(after_help = "Example: weir admin policies delete orders.cedar")]
    Delete {
        /// Its name.
        name: PolicyName,
        #[command(flatten)]
        consent: Consent,
    },
    /// Have the relay check files as if they were all the policies; nothing changes.
    #[command(after_help = "Example: weir admin policies check policies/")]
    Check {
        /// Files, or folders of *.cedar files.
        #[arg(required = true, value_name = "FILE_OR_FOLDER")]
        paths: Vec<PathBuf>,
    },
    /// Show how a request is decided: each hop, each question, what decides, and what nearly did.
    #[command(
        after_help = "Example: weir admin policies explain --user alice --resource shop --sql 'DELETE FROM orders'"
    )]
    Explain(explain::Args),
}

/// `NAME.cedar`; what else it must be, the relay says.
#[derive(Clone)]
pub(in crate::cmd) struct PolicyName(String);

impl FromStr for PolicyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if text.len() > ".cedar".len() && text.ends_with(".cedar") && text.bytes().all(good) {
            return Ok(Self(text.to_owned()));
        }
        Err("a policy file is called NAME.cedar, of letters, digits, ., _ and -".to_owned())
    }
}

pub(super) async fn run(settings: &Settings, command: Command, output: Output) -> Result<(), UserFacing> {
    match command {
        Command::List => list(&read(&*Session::open(settings).await?).await?, output),
        Command::Show { name } => show(read(&*Session::open(settings).await?).await?, &name, output),
        Command::Put { file, name, consent } => {
            let name = name.map_or_else(|| name_of(&file), Ok)?;
            let text = change::text(&file)?;
            let session = Session::open(settings).await?;
            make(&session, &name, Some((text, &file)), &consent, output).await
        }
        Command::Delete { name, consent } => {
            make(&*Session::open(settings).await?, &name, None, &consent, output).await
        }
        Command::Check { paths } => check(settings, &paths, output).await,
        Command::Explain(args) => explain::run(settings, args, output).await,
    }
}

async fn read(session: &Session) -> Result<PoliciesView, UserFacing> {
    session.get("/policies").await
}

fn list(view: &PoliciesView, output: Output) -> Result<(), UserFacing> {
    let PoliciesView { hash, in_force, files, problems } = view;
    if output == Output::Json {
        let file = |file: &PolicyText| json!({ "name": file.name, "lines": file.text.lines().count(), "bytes": file.text.len() });
        let files: Vec<_> = files.iter().map(file).collect();
        ui::json(&json!({ "hash": hash, "in_force": in_force, "files": files, "problems": problems }));
        return Ok(());
    }
    let row = |file: &PolicyText| {
        let (lines, bytes) = (file.text.lines().count(), file.text.len());
        vec![ui::visible_line(&file.name), lines.to_string(), bytes.to_string()]
    };
    ui::say(&ui::table(&["file", "lines", "bytes"], files.iter().map(row).collect()));
    ui::say(&format!("hash      {hash}"));
    ui::say(&format!("in force  {}", if in_force == hash { "the same" } else { in_force }));
    problems.iter().for_each(|problem| ui::say(&shown(problem)));
    Ok(())
}

fn show(view: PoliciesView, name: &str, output: Output) -> Result<(), UserFacing> {
    let found = view.files.into_iter().find(|file| file.name == name);
    let missing = || UserFacing::new(Kind::NotFound, format!("there is no policy file {name:?}"), LIST_THEM);
    let file = found.ok_or_else(missing)?;
    match output {
        Output::Json => ui::json(&file),
        Output::Text => ui::pass_on(&file.text),
    }
    Ok(())
}

fn name_of(file: &Path) -> Result<PolicyName, UserFacing> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.parse().map_err(|why| UserFacing::new(Kind::Usage, format!("{name:?}: {why}"), "name it with --as NAME.cedar"))
}

/// Writes a file, or deletes it when there is no text for it.
async fn make(
    session: &Session,
    name: &PolicyName,
    new: Option<(String, &Path)>,
    consent: &Consent,
    output: Output,
) -> Result<(), UserFacing> {
    let PolicyName(name) = name;
    let before = read(session).await?;
    let old = before.files.iter().find(|file| file.name == *name).map(|file| file.text.as_str());
    // A file that cannot be read is not among them, and is deleted all the same.
    consent.ask(name, old, new.as_ref().map(|(text, _)| text.as_str()))?;
    let seen = consent.hash(Some(&before.hash)).unwrap_or_default();
    let (method, text, file) = match new {
        Some((text, file)) => (Method::PUT, Some(("text/plain; charset=utf-8", text)), Some(file)),
        None => (Method::DELETE, None, None),
    };
    let path = format!("/policies/{name}");
    let call = Call { method, path: &path, condition: Some(Condition::Tagged(&seen)), text };
    let answer = session.call(call).await.map_err(|why| {
        let missing = why.status == Some(StatusCode::NOT_FOUND);
        let error = refused(why, name, file, output);
        if missing { UserFacing { hint: LIST_THEM.to_owned(), ..error } } else { error }
    })?;
    let PoliciesView { hash, in_force, .. } = answer.read()?;
    match output {
        Output::Json => ui::json(&json!({ "file": name, "from": seen, "hash": hash, "in_force": in_force })),
        Output::Text if hash == in_force => {
            let done = if file.is_some() { "written" } else { "deleted" };
            ui::say(&format!("{name} is {done}; in force is {hash}"));
        }
        Output::Text => ui::say(&format!("{name} is changed; the files are {hash}, in force is {in_force}")),
    }
    Ok(())
}

async fn check(settings: &Settings, paths: &[PathBuf], output: Output) -> Result<(), UserFacing> {
    let mut places: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut files = Vec::new();
    for path in listed(paths)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push(PolicyText { name: name.clone(), text: change::text(&path)? });
        if let Some(other) = places.insert(name, path) {
            let message = format!("two files have the name of {}", other.display());
            return Err(UserFacing::new(Kind::Usage, message, "all policies stand in one folder at the relay"));
        }
    }
    let session = Session::open(settings).await?;
    let mut checked: PoliciesChecked = session.post("/policies/check", &PoliciesBody { files }).await?;
    for problem in &mut checked.problems {
        if let Some(place) = places.get(&problem.file) {
            problem.file = place.display().to_string();
        }
    }
    match output {
        Output::Json => ui::json(&checked),
        Output::Text => checked.problems.iter().for_each(|problem| ui::say(&shown(problem))),
    }
    match checked.hash {
        Some(hash) => ui::tell(&format!("the policies are good: {hash}")),
        None => return Err(UserFacing::new(Kind::Config, "they cannot be used", "correct what is listed above")),
    }
    Ok(())
}

/// The files that are named, and the *.cedar files of the folders that are.
fn listed(paths: &[PathBuf]) -> Result<Vec<PathBuf>, UserFacing> {
    let unreadable =
        |error| UserFacing::new(Kind::Usage, format!("{error}"), "name files, or folders of *.cedar files");
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut files = Vec::new();
        for entry in fs_err::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.extension().is_some_and(|extension| extension == "cedar") {
                files.push(file);
            }
        }
        files.sort();
        found.append(&mut files);
    }
    Ok(found)
}
