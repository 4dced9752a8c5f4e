//! Facts about a shell command, read from bash's grammar: [`facts`] parses a text and says what it runs and touches.
//! What cannot be parsed, and what decides only at run time which program it runs, takes the most dangerous class.
//!
//! The data's path: `parse` bounds and parses the text, `walk` visits the tree, `word` says what is known of a word,
//! `wrap` looks through programs that run others, `program`, `language` and `tool` know what programs do, `secret` what shows a credential,
//! `destroy` what cannot be undone. Nothing is run, and no file is looked at: these are facts about the text.

mod destroy;
mod language;
mod parse;
mod program;
mod secret;
mod tool;
mod walk;
mod word;
mod wrap;

#[cfg(test)]
mod tests;

/// The class of a command. Ordered by danger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Every program is known to only read.
    #[default]
    Read,
    /// Something writes, or nobody knows whether it does.
    Write,
    /// Another user's rights, the machine itself, code that does not show; also everything that cannot be parsed.
    Admin,
}

impl Class {
    /// As it stands in policy and recordings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// What is known of one command line (one or more commands).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The most dangerous class of its commands.
    pub class: Class,
    /// Number of simple commands, those inside of others included.
    pub commands: usize,
    /// Programs, builtins and functions that run, in order of their first place; those of wrappers (`sudo`, `xargs`) and
    /// inner texts (`sh -c`) included.
    pub programs: Vec<String>,
    /// True when it would show a token, a password or a key: in its output, or in a file.
    pub reads_secret: bool,
    /// True when it would remove what cannot be had back: `rm -rf /`, `mkfs`, `git push --force`, `DROP TABLE` by psql.
    pub destructive: bool,
    /// Why the class is what it is, for people.
    pub reason: String,
}

/// The facts of `command`, as bash would read it. Parses on a thread of its own: takes some 100 µs, and blocks so long.
#[must_use]
pub fn facts(command: &str) -> Facts {
    parse::facts(command)
}
