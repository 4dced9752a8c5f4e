//! From policy files to a [`Bundle`]: parsed, named by `@id`, validated strictly, and hashed. Every problem is reported.

use super::Bundle;
use cedar_policy::{ActionConstraint, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use std::{collections::BTreeMap, fmt, path::Path, str::FromStr};

/// What policies may speak of.
pub(super) const SCHEMA: &str = include_str!("schema.cedarschema");
/// Most bytes of all policy files together.
const MOST_BYTES: u64 = 4 << 20;

/// Something wrong with a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// File name, or folder.
    pub file: String,
    /// From 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: error: {}", self.file, self.message),
            line => write!(f, "{}:{line}: error: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for PolicyProblem {}

struct File {
    name: String,
    text: String,
}

impl File {
    fn problem(&self, error: &dyn Diagnostic, hint: &str) -> PolicyProblem {
        let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
        let hint = error.help().map_or_else(|| hint.to_owned(), |help| help.to_string());
        PolicyProblem {
            file: self.name.clone(),
            line: offset.map_or(0, |at| self.line(at)),
            message: error.to_string(),
            hint,
        }
    }

    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }
}

impl Bundle {
    /// Loads every `*.cedar` file of the folder, in the order of their names.
    ///
    /// # Errors
    /// Every problem of every file: unreadable, not parseable, without or with a second `@id`, not valid.
    pub fn load(folder: &Path) -> Result<Self, Vec<PolicyProblem>> {
        let whole = |message: String, hint: &str| {
            vec![PolicyProblem { file: folder.display().to_string(), line: 0, message, hint: hint.to_owned() }]
        };
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
                Ok(text) => files.push(File { name, text }),
                Err(error) => {
                    problems.push(PolicyProblem { file: name, line: 0, message: error.to_string(), hint: hint.into() })
                }
            }
        }
        build(&files, problems)
    }

    /// A bundle of one text.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn from_text(text: &str) -> Result<Self, Vec<PolicyProblem>> {
        build(&[File { name: "policy.cedar".into(), text: text.into() }], Vec::new())
    }
}

fn build(files: &[File], mut problems: Vec<PolicyProblem>) -> Result<Bundle, Vec<PolicyProblem>> {
    let schema = match Schema::from_cedarschema_str(SCHEMA) {
        Ok((schema, _)) => schema,
        Err(error) => {
            let file = "schema.cedarschema".to_owned();
            problems.push(PolicyProblem { file, line: 0, message: error.to_string(), hint: "this is a defect".into() });
            return Err(problems);
        }
    };
    let mut owners: BTreeMap<PolicyId, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let parsed = match PolicySet::from_str(&file.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let hint = "each policy is: @id(\"name\") permit (principal, action, resource) when { ... };";
                problems.extend(errors.iter().map(|error| file.problem(error, hint)));
                continue;
            }
        };
        let mut problem = |message: String, hint: &str| {
            problems.push(PolicyProblem { file: file.name.clone(), line: 0, message, hint: hint.to_owned() });
        };
        if parsed.templates().next().is_some() {
            problem("has a template (?principal or ?resource)".into(), "name the group, user or environment instead");
        }
        for policy in parsed.policies() {
            let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
                problem(format!("a policy has no @id: {}", first_line(policy)), "write @id(\"name\") before it");
                continue;
            };
            let id = PolicyId::new(id);
            if owners.contains_key(&id) {
                problem(format!("a second policy has the @id \"{id}\""), "give each policy a name of its own");
                continue;
            }
            owners.insert(id.clone(), index);
            all.push(policy.new_id(id));
        }
    }
    let set = match PolicySet::from_policies(all.iter().cloned()) {
        Ok(set) => set,
        Err(error) => {
            problems.push(PolicyProblem {
                file: String::new(),
                line: 0,
                message: error.to_string(),
                hint: String::new(),
            });
            return Err(problems);
        }
    };
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    for error in result.validation_errors() {
        let hint = "weir's schema names every entity, action and fact that a policy may speak of";
        if let Some(file) = owners.get(error.policy_id()).and_then(|index| files.get(*index)) {
            problems.push(file.problem(error, hint));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // The depth is only in `context.agent`: who does not name it cannot tell.
    let tells_depths = all.iter().any(|policy| policy.to_string().contains("agent"));
    Ok(Bundle { schema, slices: slices(&all)?, hash: hash(files), tells_depths })
}

fn first_line(policy: &Policy) -> String {
    policy.to_string().lines().next().unwrap_or_default().chars().take(120).collect()
}

/// The policies that could apply to each action: most name theirs, and evaluating the others would cost time for nothing.
fn slices(policies: &[Policy]) -> Result<BTreeMap<&'static str, PolicySet>, Vec<PolicyProblem>> {
    let mut slices = BTreeMap::new();
    for action in super::ACTIONS {
        let applies = |policy: &&Policy| match policy.action_constraint() {
            ActionConstraint::Eq(uid) => uid.id().unescaped() == action,
            ActionConstraint::In(_) | ActionConstraint::Any => true,
        };
        let slice = PolicySet::from_policies(policies.iter().filter(applies).cloned()).map_err(|error| {
            vec![PolicyProblem { file: String::new(), line: 0, message: error.to_string(), hint: String::new() }]
        })?;
        slices.insert(action, slice);
    }
    Ok(slices)
}

fn hash(files: &[File]) -> String {
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
    hasher.finalize().to_hex().to_string()
}
