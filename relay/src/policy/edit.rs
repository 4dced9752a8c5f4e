//! Changing a policy file: seen, judged together with the others, written whole, in force at once.
//!
//! Who changes one names the hash of what they saw, so that nobody overwrites what they have not seen. An editor on the relay's own
//! machine is not held up by this: what it writes between the look and the write is lost if it is the same file.

use super::Policies;
use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};
use tokio::sync::MutexGuard;
use weir_policy::bundle::{self, Bundle, PolicyFile, PolicyProblem};

/// Longest name of a file.
const LONGEST: usize = 100;

/// The files as they stand in the folder.
#[derive(Debug)]
pub struct Seen {
    /// Hash of the bundle that they are, or would be.
    pub hash: String,
    /// By name.
    pub files: Vec<PolicyFile>,
    /// What is wrong with them.
    pub problems: Vec<PolicyProblem>,
}

/// Why nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// It would be no policy file.
    #[error("{0:?} is no name of a policy file")]
    Name(String),
    /// Somebody else was first.
    #[error("the policies have changed: they are {0} now")]
    Stale(String),
    /// Nothing to delete.
    #[error("there is no policy file {0}")]
    Missing(String),
    /// The policies would not be valid.
    #[error("the policies would not be valid")]
    Invalid(Vec<PolicyProblem>),
    /// The folder, or a file, cannot be written.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, std::io::Error),
}

/// A change that is valid, and not yet made.
#[derive(Debug)]
pub struct Change {
    path: PathBuf,
    text: Option<String>,
    /// The hash before.
    pub from: String,
    /// The hash after.
    pub to: String,
}

/// `NAME.cedar`, of letters, digits, `.`, `_` and `-`, and not hidden.
fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let stem = name.strip_suffix(".cedar").unwrap_or_default();
    !stem.is_empty() && !name.starts_with('.') && name.len() <= LONGEST && name.bytes().all(good)
}

impl Policies {
    /// Nobody else changes a file while this is held.
    pub async fn editing(&self) -> MutexGuard<'_, ()> {
        self.editing.lock().await
    }

    /// The files as they stand, and what is wrong with them. Blocking.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let (files, mut problems) = bundle::read(&self.folder).unwrap_or_else(|problems| (Vec::new(), problems));
        let hash = self.tag(&files, &problems);
        // Those in force are known to be valid.
        if problems.is_empty() && hash != self.current().hash() {
            problems = Bundle::of(files.clone(), &self.guardrails).err().unwrap_or_default();
        }
        Seen { hash, files, problems }
    }

    /// The hash of the bundle that these files are. One that cannot be read makes it another, which no bundle has.
    fn tag(&self, files: &[PolicyFile], unreadable: &[PolicyProblem]) -> String {
        let names = unreadable.iter().map(|problem| format!(" {}", problem.file)).collect::<String>();
        let hash = bundle::hash_of(files, &self.guardrails);
        if names.is_empty() { hash } else { blake3::hash(format!("{hash}{names}").as_bytes()).to_hex().to_string() }
    }

    /// What these files would be as all the policies, behind the configured guardrails. Blocking.
    ///
    /// # Errors
    /// Every problem.
    pub fn check(&self, files: Vec<PolicyFile>) -> Result<Bundle, Vec<PolicyProblem>> {
        let problem = |file: &PolicyFile| PolicyProblem {
            file: file.name.clone(),
            line: 0,
            column: 0,
            message: "is no name of a policy file".to_owned(),
            hint: "write NAME.cedar, of letters, digits, ., _ and -".to_owned(),
        };
        let problems: Vec<_> = files.iter().filter(|file| !is_name(&file.name)).map(problem).collect();
        if problems.is_empty() { Bundle::of(files, &self.guardrails) } else { Err(problems) }
    }

    /// Makes ready to write a file, or with no text to delete it. Blocking; call it while [`Self::editing`].
    ///
    /// # Errors
    /// When `expected` is not the hash of the files, or the policies would not be valid.
    pub fn prepare(&self, name: &str, text: Option<String>, expected: &str) -> Result<Change, NotChanged> {
        if !is_name(name) {
            return Err(NotChanged::Name(name.chars().take(LONGEST).collect()));
        }
        let (mut files, unreadable) = bundle::read(&self.folder).map_err(NotChanged::Invalid)?;
        let from = self.tag(&files, &unreadable);
        if from != expected {
            return Err(NotChanged::Stale(from));
        }
        // One that cannot be read may be what this change replaces; another would keep it from coming into force.
        let (own, others): (Vec<_>, Vec<_>) = unreadable.into_iter().partition(|problem| problem.file == name);
        if !others.is_empty() {
            return Err(NotChanged::Invalid(others));
        }
        let known = !own.is_empty() || files.iter().any(|file| file.name == name);
        files.retain(|file| file.name != name);
        match &text {
            Some(text) => files.push(PolicyFile { name: name.to_owned(), text: text.clone() }),
            None if !known => return Err(NotChanged::Missing(name.to_owned())),
            None => {}
        }
        let to = Bundle::of(files, &self.guardrails).map_err(NotChanged::Invalid)?.hash().to_owned();
        Ok(Change { path: self.folder.join(name), text, from, to })
    }
}

impl Change {
    /// Makes it: the file is there whole, or as it was. Blocking.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn make(&self) -> Result<(), NotChanged> {
        let made = match &self.text {
            Some(text) => replace(&self.path, text),
            None => fs::remove_file(&self.path),
        };
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let made = made.and_then(|()| File::open(folder)?.sync_all());
        made.map_err(|error| NotChanged::Io(self.path.clone(), error))
    }
}

/// Writes a file beside the other, and puts it in its place.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // Its name is no policy file's: half of it is never loaded.
    let new = path.with_extension("new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&new, path));
    if placed.is_err() {
        let _ = fs::remove_file(&new);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_policy::bundle::DEFAULT_POLICY;

    const MORE: &str = "@id(\"more\") forbid (principal, action == Action::\"sql.ddl\", resource);";

    fn policies() -> (tempfile::TempDir, Policies) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/default.cedar"), DEFAULT_POLICY).unwrap();
        let (config, _) = weir_shared::config::parse("", &folder.path().join("weir-relay.toml")).unwrap();
        let policies = Policies::load(&config).unwrap();
        (folder, policies)
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let (_folder, policies) = policies();
        let seen = policies.seen().hash;
        for name in
            ["", ".cedar", "a", "a.txt", "../a.cedar", "a/b.cedar", "/a.cedar", ".a.cedar", "a\0.cedar", "ä.cedar"]
        {
            let refused = policies.prepare(name, Some(MORE.to_owned()), &seen);
            assert!(matches!(refused, Err(NotChanged::Name(_))), "{name:?}: {refused:?}");
        }
    }

    #[test]
    fn what_is_stale_or_not_valid_changes_nothing() {
        let (folder, policies) = policies();
        let seen = policies.seen();
        assert_eq!((seen.hash.as_str(), seen.problems.len()), (policies.current().hash(), 0));
        let refused = |name: &str, text: Option<&str>, hash: &str| {
            policies.prepare(name, text.map(str::to_owned), hash).unwrap_err()
        };
        assert!(matches!(refused("a.cedar", Some(MORE), "0"), NotChanged::Stale(hash) if hash == seen.hash));
        assert!(matches!(refused("a.cedar", Some("permit"), &seen.hash), NotChanged::Invalid(_)));
        assert!(matches!(refused("a.cedar", Some(DEFAULT_POLICY), &seen.hash), NotChanged::Invalid(_)), "the same ids");
        assert!(matches!(refused("b.cedar", None, &seen.hash), NotChanged::Missing(_)));
        assert!(matches!(refused("default.cedar", None, &seen.hash), NotChanged::Invalid(_)), "the last one");
        assert_eq!(fs::read_dir(folder.path().join("policies")).unwrap().count(), 1);
        assert_eq!(policies.seen().hash, seen.hash);
    }

    #[test]
    fn a_change_is_whole_and_has_the_hash_it_promised() {
        let (folder, policies) = policies();
        let before = policies.seen().hash;
        let change = policies.prepare("more.cedar", Some(MORE.to_owned()), &before).unwrap();
        assert_eq!(policies.seen().hash, before, "prepared is not made");
        change.make().unwrap();
        assert_eq!(fs::read_dir(folder.path().join("policies")).unwrap().count(), 2, "nothing is left over");
        policies.reload();
        assert_eq!(
            (policies.seen().hash.as_str(), policies.current().hash()),
            (change.to.as_str(), change.to.as_str())
        );
        // What an editor has broken may be mended.
        fs::write(folder.path().join("policies/more.cedar"), b"\xff").unwrap();
        let seen = policies.seen();
        assert!(!seen.problems.is_empty() && seen.hash != before && seen.hash != change.to);
        let stale = policies.prepare("more.cedar", Some(MORE.to_owned()), &before).unwrap_err();
        assert!(matches!(stale, NotChanged::Stale(hash) if hash == seen.hash), "it is there, and was not seen");
        policies.prepare("more.cedar", Some(MORE.to_owned()), &seen.hash).unwrap().make().unwrap();
        assert!(policies.seen().problems.is_empty());
    }
}
