//! From policy files to a [`Bundle`]: parsed, named by `@id`, validated strictly, and hashed. Every problem is reported.

use super::{
    Bundle, GUARDRAILS,
    guard::Guard,
    needs::Needs,
    rule::{Rule, Says},
};
use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    str::FromStr,
    sync::Arc,
};

/// What policies may speak of.
pub(super) const SCHEMA: &str = include_str!("schema.cedarschema");
/// Most bytes of all policy files together.
const MOST_BYTES: u64 = 4 << 20;
/// The guardrails' file, as problems and hashes name it.
const GUARDRAILS_NAME: &str = "guardrails/sql.cedar";

/// Which of the guardrails stand in front of the folder's policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardrails {
    /// Any at all; true by default.
    pub on: bool,
    /// Those that do not, by their names.
    pub disable: BTreeSet<String>,
}

impl Default for Guardrails {
    fn default() -> Self {
        Self { on: true, disable: BTreeSet::new() }
    }
}

impl Guardrails {
    /// None of them.
    pub const OFF: Self = Self { on: false, disable: BTreeSet::new() };
}

/// Something wrong with a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// File name, or folder.
    pub file: String,
    /// From 1; 0 when it is about the whole file.
    pub line: usize,
    /// From 1, in characters; 0 when it is about the whole file.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl PolicyProblem {
    fn whole(file: impl Into<String>, message: impl Into<String>, hint: &str) -> Self {
        Self { file: file.into(), line: 0, column: 0, message: message.into(), hint: hint.to_owned() }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: error: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: error: {}", self.file, self.column, self.message),
        }
    }
}

impl std::error::Error for PolicyProblem {}

/// A policy file: what it is called in its folder, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// Its name; `*.cedar`.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl PolicyFile {
    fn guardrails() -> Self {
        Self { name: GUARDRAILS_NAME.to_owned(), text: GUARDRAILS.to_owned() }
    }

    fn problem(&self, error: &dyn Diagnostic, hint: &str) -> PolicyProblem {
        let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
        let hint = error.help().map_or_else(|| hint.to_owned(), |help| help.to_string());
        self.problem_at(offset, error.to_string(), hint)
    }

    fn problem_at(&self, offset: Option<usize>, message: String, hint: String) -> PolicyProblem {
        let (line, column) = offset.map_or((0, 0), |at| self.place(at));
        PolicyProblem { file: self.name.clone(), line, column, message, hint }
    }

    /// Line and column of an offset.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.get(line_start..).map_or(0, |part| String::from_utf8_lossy(part).chars().count()) + 1;
        (line, column)
    }

    /// Where a policy stands, and in it an annotation when one is named.
    fn find(&self, policy: &Policy, annotation: Option<&str>) -> Option<usize> {
        let text = policy.to_string();
        // What stands at the start of a line or behind another policy: the same text may be the rest of a longer one.
        let begins = |at: &usize| {
            let before = self.text.get(..*at).unwrap_or_default();
            let line = before.rsplit('\n').next().unwrap_or_default().trim_end();
            line.is_empty() || line.ends_with(';')
        };
        let mut places = self.text.match_indices(&text).map(|(at, _)| at);
        let at = places.clone().find(begins).or_else(|| places.next())?;
        let within = annotation.and_then(|name| text.find(&format!("@{name}"))).unwrap_or(0);
        Some(at + within)
    }
}

impl Bundle {
    /// Loads the guardrails and every `*.cedar` file of the folder, in the order of their names.
    ///
    /// # Errors
    /// Every problem of every file: unreadable, not parseable, without or with a second `@id`, with an annotation that is not
    /// known, not valid.
    pub fn load(folder: &Path, guardrails: &Guardrails) -> Result<Self, Vec<PolicyProblem>> {
        let (files, problems) = read(folder)?;
        build(files, guardrails, problems)
    }

    /// A bundle of these files behind the guardrails, as if they were all of the folder.
    ///
    /// # Errors
    /// Every problem of every file; there are none, or they are too large.
    pub fn of(mut files: Vec<PolicyFile>, guardrails: &Guardrails) -> Result<Self, Vec<PolicyProblem>> {
        files.sort_by(|one, other| one.name.cmp(&other.name));
        if files.is_empty() {
            let message = "there is no *.cedar file, so nothing would be permitted";
            return Err(vec![PolicyProblem::whole("policies", message, "keep a policy")]);
        }
        if files.iter().map(|file| file.text.len() as u64).sum::<u64>() > MOST_BYTES {
            let message = format!("more than {MOST_BYTES} bytes of policies");
            return Err(vec![PolicyProblem::whole("policies", message, "remove some")]);
        }
        build(files, guardrails, Vec::new())
    }

    /// A bundle of one text, without the guardrails.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn from_text(text: &str) -> Result<Self, Vec<PolicyProblem>> {
        Self::guarded(text, &Guardrails::OFF)
    }

    /// A bundle of one text behind the guardrails.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn guarded(text: &str, guardrails: &Guardrails) -> Result<Self, Vec<PolicyProblem>> {
        build(vec![PolicyFile { name: "policy.cedar".into(), text: text.into() }], guardrails, Vec::new())
    }
}

/// The `*.cedar` files of a folder, in the order of their names, and what is wrong with those that cannot be read.
///
/// # Errors
/// The folder cannot be read, or holds none.
pub fn read(folder: &Path) -> Result<(Vec<PolicyFile>, Vec<PolicyProblem>), Vec<PolicyProblem>> {
    let whole = |message: String, hint: &str| vec![PolicyProblem::whole(folder.display().to_string(), message, hint)];
    let list = std::fs::read_dir(folder)
        .map_err(|error| whole(format!("cannot be read: {error}"), "make the folder, or name another one"))?;
    let mut paths: Vec<_> = list
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cedar"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(whole("holds no *.cedar file, so nothing would be permitted".into(), "write a policy there"));
    }
    let mut files = Vec::new();
    let mut problems = Vec::new();
    let mut bytes = 0;
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hint = "the file must be UTF-8 text that the relay may read";
        bytes += path.metadata().map_or(0, |metadata| metadata.len());
        if bytes > MOST_BYTES {
            problems.extend(whole(format!("holds more than {MOST_BYTES} bytes of policies"), "remove some"));
            break;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push(PolicyFile { name, text }),
            Err(error) => problems.push(PolicyProblem::whole(name, error.to_string(), hint)),
        }
    }
    Ok((files, problems))
}

/// The hash that a bundle of these files, in the order of their names, has or would have: BLAKE3, hexadecimal.
#[must_use]
pub fn hash_of(files: &[PolicyFile], guardrails: &Guardrails) -> String {
    let first = guardrails.on.then(PolicyFile::guardrails);
    hash(first.iter().chain(files), guardrails)
}

fn build(
    mut files: Vec<PolicyFile>,
    guardrails: &Guardrails,
    mut problems: Vec<PolicyProblem>,
) -> Result<Bundle, Vec<PolicyProblem>> {
    let schema = match Schema::from_cedarschema_str(SCHEMA) {
        Ok((schema, _)) => schema,
        Err(error) => {
            problems.push(PolicyProblem::whole("schema.cedarschema", error.to_string(), "this is a defect"));
            return Err(problems);
        }
    };
    if guardrails.on {
        files.insert(0, PolicyFile::guardrails());
    }
    let mut unmet = guardrails.disable.clone();
    let mut owners: BTreeMap<PolicyId, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for (index, file) in files.iter().enumerate() {
        for policy in parse(file, &mut problems) {
            let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()).map(str::to_owned) else {
                let message = format!("a policy has no @id: {}", first_line(&policy));
                let hint = "write @id(\"name\") before it".to_owned();
                problems.push(file.problem_at(file.find(&policy, None), message, hint));
                continue;
            };
            if file.name == GUARDRAILS_NAME && guardrails.disable.contains(&id) {
                unmet.remove(&id);
                continue;
            }
            let key = PolicyId::new(&id);
            if let Some(first) = owners.get(&key).and_then(|owner| files.get(*owner)) {
                let message = format!("a second policy has the @id \"{id}\"");
                let hint = match first.name == GUARDRAILS_NAME {
                    true => "it is a guardrail that ships with the relay: remove this one, or give it another name",
                    false => "give each policy a name of its own",
                };
                problems.push(file.problem_at(file.find(&policy, Some("id")), message, hint.to_owned()));
                continue;
            }
            owners.insert(key.clone(), index);
            match Says::read(&policy) {
                Ok(says) => {
                    let (needs, guard) = (Needs::of(&policy), Guard::of(&policy));
                    all.push(Arc::new(Rule { id, policy: policy.new_id(key), says, needs, guard }));
                }
                Err(wrong) => problems.extend(wrong.into_iter().map(|wrong| {
                    let offset = file.find(&policy, Some(&wrong.annotation));
                    file.problem_at(offset, format!("{id}: {}", wrong.message), wrong.hint)
                })),
            }
        }
    }
    for name in unmet.iter().filter(|_| guardrails.on) {
        let known = "`weir-relay policy check --guardrails` prints them";
        problems.push(PolicyProblem::whole("[policy] disable", format!("there is no guardrail {name:?}"), known));
    }
    problems.extend(validate(&schema, &files, &owners, &all));
    if !problems.is_empty() {
        return Err(problems);
    }
    let tells_time = all.iter().any(|rule| rule.needs.has("time"));
    let estimates = all.iter().any(|rule| rule.needs.has("estimated_rows") || rule.needs.has("estimated_share"));
    Ok(Bundle { schema, rules: all, hash: hash(files.iter(), guardrails), tells_time, estimates })
}

/// The policies of a file, in their order.
fn parse(file: &PolicyFile, problems: &mut Vec<PolicyProblem>) -> Vec<Policy> {
    let parsed = match PolicySet::from_str(&file.text) {
        Ok(parsed) => parsed,
        Err(errors) => {
            let hint = "each policy is: @id(\"name\") permit (principal, action, resource) when { ... };";
            problems.extend(errors.iter().map(|error| file.problem(error, hint)));
            return Vec::new();
        }
    };
    if parsed.templates().next().is_some() {
        let message = "has a template (?principal or ?resource)";
        problems.push(PolicyProblem::whole(&file.name, message, "name the group, user or environment instead"));
    }
    let mut policies: Vec<Policy> = parsed.policies().cloned().collect();
    policies.sort_by_key(|policy| file.find(policy, None));
    policies
}

fn validate(
    schema: &Schema,
    files: &[PolicyFile],
    owners: &BTreeMap<PolicyId, usize>,
    all: &[Arc<Rule>],
) -> Vec<PolicyProblem> {
    let set = match PolicySet::from_policies(all.iter().map(|rule| rule.policy.clone())) {
        Ok(set) => set,
        Err(error) => return vec![PolicyProblem::whole("policies", error.to_string(), "this is a defect")],
    };
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let hint = "weir's schema names every entity, action and fact that a policy may speak of";
    let problems = result.validation_errors().map(|error| {
        let file = owners.get(error.policy_id()).and_then(|index| files.get(*index));
        match file {
            Some(file) => file.problem(error, hint),
            None => PolicyProblem::whole("policies", error.to_string(), hint),
        }
    });
    let mut problems: Vec<_> = problems.collect();
    // One mistake is one problem, however many actions it is met with.
    let place = |problem: &PolicyProblem| (problem.file.clone(), problem.line, problem.column);
    problems.sort_by_key(|problem| (place(problem), problem.message.clone()));
    problems.dedup_by_key(|problem| place(problem));
    problems
}

fn first_line(policy: &Policy) -> String {
    policy.to_string().lines().next().unwrap_or_default().chars().take(120).collect()
}

fn hash<'f>(files: impl Iterator<Item = &'f PolicyFile>, guardrails: &Guardrails) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(SCHEMA.as_bytes());
    for file in files {
        part(file.name.as_bytes());
        part(file.text.as_bytes());
    }
    guardrails.disable.iter().filter(|_| guardrails.on).for_each(|name| part(name.as_bytes()));
    hasher.finalize().to_hex().to_string()
}
