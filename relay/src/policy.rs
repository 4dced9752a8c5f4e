//! The policies in force: a handle ([`Policies`]) that sessions follow. Files that change are loaded while the relay runs; what is
//! not valid changes nothing, and is told. [`edit`] changes a file.

pub mod edit;

use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use weir_policy::bundle::{Bundle, Guardrails, Judge, PolicyProblem, Subject, Target};
use weir_shared::config::checked::Config;

/// Judges that are remembered, at most, while somebody holds them.
const MOST_JUDGES: usize = 4_096;

/// The policies in force, and what is wrong with those that are not.
#[derive(Debug)]
pub struct Policies {
    folder: PathBuf,
    guardrails: Guardrails,
    /// The bundle in force, and the how many-th it is.
    current: RwLock<(u64, Arc<Bundle>)>,
    /// The same number, to be looked at for each statement.
    generation: AtomicU64,
    /// Sessions of one subject with one target share a judge.
    judges: Mutex<HashMap<(Subject, Target), Weak<Judge>>>,
    problems: Mutex<Vec<String>>,
    /// Held by whoever changes a file, from what they saw until it is written.
    editing: tokio::sync::Mutex<()>,
}

/// What became of a look at the files.
#[derive(Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The bundle is the same.
    Same,
    /// Another one is in force.
    Changed {
        /// The hash before.
        from: String,
        /// The hash now.
        to: String,
    },
    /// The files are not valid: nothing has changed.
    Invalid(Vec<String>),
}

/// Which guardrails the configuration asks for.
#[must_use]
pub fn guardrails(config: &Config) -> Guardrails {
    Guardrails { on: config.policy.guardrails, disable: config.policy.disable.clone() }
}

/// A problem with its hint, on one line.
#[must_use]
pub fn shown(problem: &PolicyProblem) -> String {
    format!("{problem} ({})", problem.hint)
}

impl Policies {
    /// Loads the configured folder.
    ///
    /// # Errors
    /// Every problem of its files.
    pub fn load(config: &Config) -> Result<Self, Vec<PolicyProblem>> {
        let (folder, guardrails) = (config.policies.clone(), guardrails(config));
        let bundle = Bundle::load(&folder, &guardrails)?;
        Ok(Self {
            folder,
            guardrails,
            current: RwLock::new((0, Arc::new(bundle))),
            generation: AtomicU64::new(0),
            judges: Mutex::default(),
            problems: Mutex::default(),
            editing: tokio::sync::Mutex::default(),
        })
    }

    /// The bundle in force.
    #[must_use]
    pub fn current(&self) -> Arc<Bundle> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// Another number for each bundle that comes into force.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A judge of the bundle in force, with its generation.
    #[must_use]
    pub fn judge(&self, subject: &Subject, target: &Target) -> (u64, Arc<Judge>) {
        let (generation, bundle) = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            (current.0, Arc::clone(&current.1))
        };
        let key = (subject.clone(), target.clone());
        let mut judges = self.judges.lock().unwrap_or_else(PoisonError::into_inner);
        // One of an earlier bundle may still be held by a session that has not followed yet.
        let known = judges.get(&key).and_then(Weak::upgrade).filter(|judge| judge.hash() == bundle.hash());
        if let Some(known) = known {
            return (generation, known);
        }
        let judge = Arc::new(bundle.judge(subject, target));
        if judges.len() >= MOST_JUDGES {
            judges.retain(|_, judge| judge.strong_count() > 0);
        }
        if judges.len() < MOST_JUDGES {
            judges.insert(key, Arc::downgrade(&judge));
        }
        (generation, judge)
    }

    /// What is wrong with the files that are there now; empty when they are in force.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads the files; they come into force when they are valid. Blocking.
    pub fn reload(&self) -> Reloaded {
        let loaded = Bundle::load(&self.folder, &self.guardrails);
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        match loaded {
            Ok(bundle) => {
                problems.clear();
                drop(problems);
                self.replace(bundle)
            }
            Err(found) => {
                *problems = found.iter().map(shown).collect();
                Reloaded::Invalid(problems.clone())
            }
        }
    }

    fn replace(&self, bundle: Bundle) -> Reloaded {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = (current.1.hash().to_owned(), bundle.hash().to_owned());
        if from == to {
            return Reloaded::Same;
        }
        *current = (current.0 + 1, Arc::new(bundle));
        self.generation.store(current.0, Ordering::Release);
        Reloaded::Changed { from, to }
    }

    /// What tells whether the files have changed. Blocking.
    #[must_use]
    pub fn look(&self) -> Look {
        Look::at(&self.folder)
    }
}

/// The policy files of a folder: name, inode, size and time of change of each. None when it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look(Option<Vec<(std::ffi::OsString, [i64; 4])>>);

impl Look {
    fn at(folder: &Path) -> Self {
        let Ok(list) = std::fs::read_dir(folder) else { return Self(None) };
        let file = |entry: std::fs::DirEntry| {
            let is_policy = Path::new(&entry.file_name()).extension().is_some_and(|extension| extension == "cedar");
            // Through links, since folders of configuration are often made of them.
            let metadata = std::fs::metadata(entry.path()).ok().filter(|_| is_policy)?;
            let numbers =
                [metadata.ino().cast_signed(), metadata.size().cast_signed(), metadata.mtime(), metadata.mtime_nsec()];
            Some((entry.file_name(), numbers))
        };
        let mut files: Vec<_> = list.filter_map(|entry| file(entry.ok()?)).collect();
        files.sort();
        Self(Some(files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_policy::bundle::DEFAULT_POLICY;

    #[test]
    fn what_is_valid_comes_into_force_and_what_is_not_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policies/a.cedar");
        std::fs::create_dir(folder.path().join("policies")).unwrap();
        std::fs::write(&file, DEFAULT_POLICY).unwrap();
        let (config, _) = weir_shared::config::parse("", &folder.path().join("weir-relay.toml")).unwrap();
        let policies = Policies::load(&config).unwrap();
        let (subject, target) = (Subject::default(), Target::default());
        let (before, judge) = policies.judge(&subject, &target);
        assert!(Arc::ptr_eq(&judge, &policies.judge(&subject, &target).1), "sessions share a judge");
        assert_eq!(policies.reload(), Reloaded::Same);

        let seen = policies.look();
        std::fs::write(&file, "permit (principal, action, resource)").unwrap();
        assert_ne!(policies.look(), seen);
        assert!(matches!(policies.reload(), Reloaded::Invalid(problems) if problems == policies.problems()));
        assert!(!policies.problems().is_empty());
        assert_eq!((policies.generation(), policies.current().hash()), (before, judge.hash()));

        std::fs::write(&file, format!("{DEFAULT_POLICY}// more\n")).unwrap();
        assert!(matches!(policies.reload(), Reloaded::Changed { from, to } if from == judge.hash() && to != from));
        assert!(policies.problems().is_empty());
        let (after, new) = policies.judge(&subject, &target);
        assert!(after > before && after == policies.generation() && new.hash() != judge.hash());
    }
}
