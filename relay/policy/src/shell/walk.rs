//! From a tree to facts: visits every command, whatever it lies in.

use super::{
    Class, Facts, destroy, parse, program, secret,
    word::{self, Arg, Resolved, Values},
    wrap::{self, Look},
};
use crate::sql;
use brush_parser::ast::{
    AndOr, Assignment, AssignmentName, AssignmentValue, Command, CommandPrefixOrSuffixItem as Item, CompoundCommand,
    CompoundList, ExtendedTestExpr, FunctionDefinition, IoFileRedirectKind as Kind, IoFileRedirectTarget as Target,
    IoRedirect, Pipeline, RedirectList, SimpleCommand,
};

/// Most texts inside of texts: `sh -c "sh -c ..."`, command substitutions.
const DEPTH: usize = 12;
/// Longest value that is remembered of a variable.
const VALUE: usize = 512;
/// Folders whose programs are what their names say.
const STANDARD: &[&str] = &["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/"];
/// Where a file changes what others run, or who may come in.
const SYSTEM: &[&str] = &[
    "/etc/",
    "/boot/",
    "/usr/",
    "/bin/",
    "/sbin/",
    "/lib",
    "/proc/",
    "/sys/",
    "/var/spool/cron",
    "/root/",
    "/.ssh/",
    "/.git/hooks/",
    "/.config/autostart",
];
const PROFILES: &[&str] =
    &[".bashrc", ".bash_profile", ".profile", ".zshrc", ".bash_login", ".psqlrc", ".gitconfig", "authorized_keys"];

#[derive(Default)]
pub(super) struct Walk {
    facts: Facts,
    depth: usize,
    /// Functions in whose bodies the walk is.
    inside: Vec<String>,
    /// A secret variable stands somewhere.
    secret: bool,
    /// Values of variables, where they are known.
    values: Values,
    /// Variables whose value is known to nobody before it runs.
    computed: Vec<String>,
    /// Variables that were given the value of a secret one.
    tainted: Vec<String>,
    /// Commands are printed before they run (`set -x`).
    traces: bool,
}

/// What a command's standard input is, and where its output goes.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    /// The program that reads its output.
    next: Option<&'a str>,
    /// A here-document or here-string.
    input: Option<&'a Arg>,
}

impl Walk {
    pub(super) fn finish(mut self) -> Facts {
        if self.traces && self.secret {
            self.facts.reads_secret = true;
        }
        if self.facts.reason.is_empty() {
            self.facts.reason = "nothing runs".to_owned();
        }
        self.facts
    }

    fn raise(&mut self, class: Class, reason: impl Into<String>) {
        if class > self.facts.class || self.facts.reason.is_empty() {
            self.facts.reason = reason.into();
        }
        self.facts.class = self.facts.class.max(class);
    }

    fn hidden(&mut self) {
        self.raise(Class::Admin, "what runs shows only at run time");
    }

    /// A text of its own, as a shell reads it.
    pub(super) fn script(&mut self, text: &str) {
        if self.depth >= DEPTH {
            return self.raise(Class::Admin, "unparseable: too many texts inside of texts");
        }
        let Some(tree) = parse::tree(text) else {
            self.facts.commands += 1;
            return self.raise(Class::Admin, "unparseable: no bash");
        };
        self.depth += 1;
        tree.complete_commands.iter().for_each(|list| self.list(list));
        self.depth -= 1;
    }

    fn list(&mut self, list: &CompoundList) {
        for item in &list.0 {
            self.pipeline(&item.0.first);
            for more in &item.0.additional {
                match more {
                    AndOr::And(pipeline) | AndOr::Or(pipeline) => self.pipeline(pipeline),
                }
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        for (at, command) in pipeline.seq.iter().enumerate() {
            let last = pipeline.seq.last().filter(|_| at + 1 < pipeline.seq.len()).and_then(first_word);
            self.command(command, Place { next: last.as_deref(), input: None });
        }
    }

    fn command(&mut self, command: &Command, place: Place<'_>) {
        match command {
            Command::Simple(simple) => self.simple(simple, place),
            Command::Compound(compound, redirects) => {
                self.redirects(redirects.as_ref());
                self.compound(compound);
            }
            Command::Function(function) => self.function(function),
            Command::ExtendedTest(test, redirects) => {
                self.redirects(redirects.as_ref());
                self.test(&test.expr);
            }
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(command) => drop(self.word(&command.expr.value)),
            CompoundCommand::ArithmeticForClause(command) => {
                for part in [&command.initializer, &command.condition, &command.updater].into_iter().flatten() {
                    self.word(&part.value);
                }
                self.list(&command.body.list);
            }
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => self.list(&subshell.list),
            CompoundCommand::ForClause(command) => {
                for value in command.values.iter().flatten() {
                    let args = self.word(&value.value);
                    self.gives(&command.variable_name, &args);
                }
                self.assigned(&command.variable_name);
                self.list(&command.body.list);
            }
            CompoundCommand::CaseClause(command) => {
                self.word(&command.value.value);
                for case in &command.cases {
                    case.patterns.iter().for_each(|pattern| drop(self.word(&pattern.value)));
                    case.cmd.iter().for_each(|list| self.list(list));
                }
            }
            CompoundCommand::IfClause(command) => {
                self.list(&command.condition);
                self.list(&command.then);
                for branch in command.elses.iter().flatten() {
                    branch.condition.iter().for_each(|list| self.list(list));
                    self.list(&branch.body);
                }
            }
            CompoundCommand::WhileClause(command) | CompoundCommand::UntilClause(command) => {
                self.list(&command.0);
                self.list(&command.1.list);
            }
            CompoundCommand::Coprocess(command) => self.command(&command.body, Place::default()),
        }
    }

    fn function(&mut self, function: &FunctionDefinition) {
        let name = function.fname.value.clone();
        if program::is_known(&name) {
            self.raise(Class::Admin, format!("a function takes the place of {name}"));
        }
        self.inside.push(name);
        self.redirects(function.body.1.as_ref());
        self.compound(&function.body.0);
        self.inside.pop();
    }

    fn test(&mut self, test: &ExtendedTestExpr) {
        match test {
            ExtendedTestExpr::And(a, b) | ExtendedTestExpr::Or(a, b) => {
                self.test(a);
                self.test(b);
            }
            ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => self.test(inner),
            ExtendedTestExpr::UnaryTest(_, word) => drop(self.word(&word.value)),
            ExtendedTestExpr::BinaryTest(_, left, right) => {
                self.word(&left.value);
                self.word(&right.value);
            }
        }
    }

    /// A word's scripts run; what it becomes.
    fn word(&mut self, text: &str) -> Vec<Arg> {
        let resolved = word::resolve(text, &self.values);
        self.resolved(resolved)
    }

    fn resolved(&mut self, mut resolved: Resolved) -> Vec<Arg> {
        for arg in &mut resolved.args {
            if arg.variables.iter().any(|name| self.tainted.contains(name)) {
                arg.variables.push("SECRET".to_owned());
            }
            arg.computed |= arg.variables.iter().any(|name| self.computed.contains(name));
        }
        resolved.scripts.iter().for_each(|script| self.script(script));
        if resolved.opaque {
            self.hidden();
        }
        self.secret |= resolved.args.iter().any(secret::in_word);
        resolved.args
    }

    fn simple(&mut self, command: &SimpleCommand, place: Place<'_>) {
        let mut args = Vec::new();
        let mut redirects = Vec::new();
        let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
        for item in prefix {
            self.item(item, &mut Vec::new(), &mut redirects);
        }
        if let Some(word) = &command.word_or_name {
            args.extend(self.word(&word.value));
        }
        for item in command.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, &mut args, &mut redirects);
        }
        let program = args.first().and_then(Arg::exactly).map(base_name).unwrap_or_default().to_owned();
        let mut input = None;
        for redirect in redirects {
            input = self.redirect(redirect, &program).or(input);
        }
        self.run(&args, Place { input: input.as_ref(), ..place });
    }

    fn item<'a>(&mut self, item: &'a Item, args: &mut Vec<Arg>, redirects: &mut Vec<&'a IoRedirect>) {
        match item {
            Item::IoRedirect(redirect) => redirects.push(redirect),
            Item::Word(word) => args.extend(self.word(&word.value)),
            Item::AssignmentWord(assignment, word) => {
                self.assignment(assignment);
                // `export NAME=value` takes it as a word.
                args.extend(word::resolve(&word.value, &self.values).args);
            }
            Item::ProcessSubstitution(_, subshell) => {
                self.list(&subshell.list);
                args.push(Arg { text: "/dev/fd/".to_owned(), ..Arg::default() });
            }
        }
    }

    fn assignment(&mut self, assignment: &Assignment) {
        match &assignment.name {
            AssignmentName::VariableName(name) => self.assigned(name),
            AssignmentName::ArrayElementName(name, index) => {
                self.assigned(name);
                self.word(index);
            }
        }
        match &assignment.value {
            AssignmentValue::Scalar(value) => {
                let args = self.word(&value.value);
                if let AssignmentName::VariableName(name) = &assignment.name {
                    self.gives(name, &args);
                }
            }
            AssignmentValue::Array(values) => {
                for (index, value) in values {
                    index.iter().for_each(|index| drop(self.word(&index.value)));
                    self.word(&value.value);
                }
            }
        }
    }

    /// A variable gets one of these values.
    fn gives(&mut self, name: &str, args: &[Arg]) {
        let known = args.iter().map(|arg| arg.text.as_str()).collect::<Vec<_>>().join(" ");
        // Of several values each may be the one: none takes another's place.
        let value = self.values.entry(name.to_owned()).or_default();
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(&known);
        // `x=$x$x`, again and again, would double it each time.
        let long = value.len() > VALUE;
        if long {
            value.clear();
        }
        if long || args.iter().any(|arg| arg.computed) {
            self.computed.push(name.to_owned());
        }
        if args.iter().any(secret::in_word) {
            self.tainted.push(name.to_owned());
        }
    }

    fn assigned(&mut self, name: &str) {
        if wrap::changes_programs(name) {
            self.raise(Class::Admin, format!("{name} decides what programs do"));
        }
    }

    fn redirects(&mut self, list: Option<&RedirectList>) {
        for redirect in list.iter().flat_map(|list| &list.0) {
            self.redirect(redirect, "");
        }
    }

    /// What a redirection touches; the document that it makes the standard input.
    fn redirect(&mut self, redirect: &IoRedirect, program: &str) -> Option<Arg> {
        match redirect {
            IoRedirect::File(_, kind, target) => match target {
                Target::Filename(word) => {
                    for file in self.word(&word.value) {
                        self.file(&file, matches!(kind, Kind::Read | Kind::DuplicateInput), program);
                    }
                }
                Target::Duplicate(word) => {
                    for file in self.word(&word.value) {
                        let descriptor = file
                            .exactly()
                            .is_some_and(|text| text.trim_end_matches('-').bytes().all(|byte| byte.is_ascii_digit()));
                        if !descriptor {
                            self.file(&file, matches!(kind, Kind::DuplicateInput), program);
                        }
                    }
                }
                Target::Fd(_) => {}
                Target::ProcessSubstitution(_, subshell) => {
                    self.list(&subshell.list);
                    return Some(Arg::default());
                }
            },
            IoRedirect::HereDocument(_, document) => {
                if !document.requires_expansion {
                    return Some(Arg::known(document.doc.value.clone()));
                }
                let args = self.resolved(word::resolve_document(&document.doc.value, &self.values));
                return Some(self.input(args, program));
            }
            IoRedirect::HereString(_, word) => {
                let args = self.word(&word.value);
                return Some(self.input(args, program));
            }
            IoRedirect::OutputAndError(word, _) => {
                for file in self.word(&word.value) {
                    self.file(&file, false, program);
                }
            }
        }
        None
    }

    /// A text that a program gets as its input. Most print it.
    fn input(&mut self, args: Vec<Arg>, program: &str) -> Arg {
        self.facts.reads_secret |= args.iter().any(secret::in_word) && !secret::is_taken(Some(program));
        args.into_iter().next().unwrap_or_default()
    }

    fn file(&mut self, file: &Arg, read: bool, program: &str) {
        let path = file.text.as_str();
        if path.starts_with("/dev/tcp/") || path.starts_with("/dev/udp/") {
            return self.raise(Class::Admin, "opens a connection");
        }
        if read {
            self.facts.reads_secret |= secret::is_file(file) && !secret::is_taken(Some(program));
            return;
        }
        if destroy::is_device(path) {
            self.facts.destructive = true;
            self.raise(Class::Admin, format!("writes {path}"));
        } else if is_system(path) {
            self.raise(Class::Admin, format!("writes {path}"));
        } else if !path.starts_with("/dev/") {
            self.raise(Class::Write, format!("writes {}", if file.exact { path } else { "a file" }));
        }
    }

    /// A command whose words are resolved.
    fn run(&mut self, args: &[Arg], place: Place<'_>) {
        let [first, rest @ ..] = args else { return };
        self.facts.commands += 1;
        let Some(name) = first.exactly().map(base_name).filter(|name| !name.is_empty()) else {
            return self.hidden();
        };
        if !self.facts.programs.iter().any(|known| known == name) {
            self.facts.programs.push(name.to_owned());
        }
        if self.inside.iter().any(|function| function == name) {
            // A function that calls itself: `:(){ :|:& };:`.
            self.facts.destructive = true;
            return self.raise(Class::Admin, format!("{name} calls itself without an end"));
        }
        self.facts.reads_secret |= secret::prints(name, rest) && !secret::is_taken(place.next);
        self.facts.destructive |= destroy::destroys(name, rest);
        self.traces |= traces(name, rest);
        // `declare PATH=...`, `export LD_PRELOAD=...`
        if matches!(
            name,
            "alias" | "export" | "declare" | "typeset" | "local" | "readonly" | "read" | "printf" | "unset"
        ) {
            rest.iter().for_each(|arg| self.assigned(arg.text.split('=').next().unwrap_or_default()));
        }

        if matches!(name, "read" | "mapfile" | "readarray" | "printf") {
            self.computed.extend(rest.iter().map(|arg| arg.text.clone()));
        }

        let (look, least) = wrap::look(name, rest);
        self.raise(
            least,
            if least == Class::Admin {
                format!("{name} runs with other rights, or elsewhere")
            } else {
                name.to_owned()
            },
        );
        if self.depth >= DEPTH {
            return self.hidden();
        }
        self.depth += 1;
        match look {
            Look::Itself => self.itself(name, rest, place),
            Look::Words(commands) => commands.iter().for_each(|words| self.run(words, place)),
            Look::Script(text) => self.script(&text),
            Look::Input => match place.input.map(Arg::exactly) {
                Some(Some(text)) => self.script(text),
                Some(None) => self.hidden(),
                // Nothing: its own standard input, which nobody has seen either.
                None => self.hidden(),
            },
            Look::Environment => self.facts.reads_secret = true,
            Look::Hidden => self.hidden(),
        }
        self.depth -= 1;
    }

    fn itself(&mut self, name: &str, args: &[Arg], place: Place<'_>) {
        if matches!(name, "psql" | "mysql" | "mariadb") {
            return self.database(name, args, place);
        }
        // `find / $(echo -delete)`: an option that nobody sees.
        if !program::is_plain(name)
            && args.iter().any(|arg| arg.computed && (arg.text.is_empty() || arg.text.starts_with('-')))
        {
            self.raise(program::blind(name), format!("{name} gets words that show only at run time"));
        }
        let (class, reason) = program::class_of(name, args);
        self.raise(class, reason);
        if class == Class::Write && written(name, args).iter().any(|arg| is_system(&arg.text)) {
            self.raise(Class::Admin, format!("{name} changes the system's files"));
        }
    }

    /// A database's client: what it is told to run is SQL. MySQL's differs, and what cannot be parsed is Admin.
    fn database(&mut self, name: &str, args: &[Arg], place: Place<'_>) {
        let mut statements: Vec<&Arg> = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            let text = arg.text.as_str();
            if matches!(text, "-c" | "--command" | "-e" | "--execute") {
                statements.extend(args.get(at + 1));
            } else if matches!(text, "-l" | "--list" | "-V" | "--version" | "--help" | "-?") {
                return self.raise(Class::Read, name);
            } else if text.starts_with("-f")
                || text.starts_with("--file")
                || text.starts_with("--command=")
                || text.starts_with("--execute=")
                || text.starts_with("-o")
                || text.starts_with("-L")
                || text.len() > 2 && (text.starts_with("-c") || text.starts_with("-e")) && !text.starts_with("--")
            {
                return self.raise(Class::Admin, format!("{name} runs what is not judged"));
            }
        }
        if statements.is_empty() {
            statements.extend(place.input);
        }
        if statements.is_empty() {
            return self.raise(Class::Admin, format!("{name} runs what it reads"));
        }
        for statement in statements {
            let Some(text) = Some(statement).filter(|statement| statement.exact) else {
                return self.raise(Class::Admin, format!("{name} runs a statement that shows only at run time"));
            };
            let facts = sql::facts(&text.text);
            self.facts.destructive |= facts.destructive;
            let class = match facts.class {
                sql::Class::Session | sql::Class::Read => Class::Read,
                sql::Class::Write => Class::Write,
                sql::Class::Ddl | sql::Class::Admin => Class::Admin,
            };
            self.raise(class, format!("{name}: {}", facts.reason));
        }
    }
}

/// True for a file that changes what others run, or who may come in.
fn is_system(path: &str) -> bool {
    let path = path.strip_prefix("of=").unwrap_or(path);
    SYSTEM.iter().any(|folder| path.starts_with(folder) || folder.starts_with("/.") && path.contains(folder))
        || PROFILES.iter().any(|profile| path.ends_with(profile))
}

/// The words that name what a program writes.
fn written<'a>(name: &str, args: &'a [Arg]) -> &'a [Arg] {
    match name {
        "cp" | "mv" | "ln" | "install" | "rsync" | "scp" => args.last().map(std::slice::from_ref).unwrap_or_default(),
        "tee" | "rm" | "touch" | "truncate" | "chmod" | "chown" | "mkdir" | "rmdir" | "unlink" | "sed" | "dd"
        | "patch" => args,
        _ => &[],
    }
}

/// The program's name: without its folder where that is the system's.
fn base_name(path: &str) -> &str {
    STANDARD.iter().find_map(|folder| path.strip_prefix(folder)).filter(|name| !name.contains('/')).unwrap_or(path)
}

/// The first word of a command, when it is plain.
fn first_word(command: &Command) -> Option<String> {
    let Command::Simple(simple) = command else { return None };
    let resolved = word::resolve(&simple.word_or_name.as_ref()?.value, &Values::default());
    resolved.args.first().and_then(Arg::exactly).map(|name| base_name(name).to_owned())
}

/// `set -x`, `bash -x`, `set -o xtrace`.
fn traces(name: &str, args: &[Arg]) -> bool {
    let words: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
    matches!(name, "set" | "bash" | "sh" | "dash" | "zsh" | "ksh")
        && (destroy::flag(&words, &['x', 'v'], "--xtrace")
            || words.iter().any(|word| matches!(*word, "xtrace" | "verbose")))
}
