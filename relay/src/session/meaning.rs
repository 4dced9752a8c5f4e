//! What the names in a session's statements mean: what the session itself has made (prepared statements, cursors, relations that
//! others do not see yet), where it looks for names, and what the catalog says of the rest.

use super::{authorize::Grant, facts};
use crate::upstream::resolve::{Known, Question, Resolver, path_of};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use weir_policy::sql::{Answer, Class, Facts, Own, Resolved, resolve};
use weir_protocol::{Action, ActionKind, Engine as _, postgres::Postgres};

/// Most names that a session may have made; what is beyond is not understood.
const MOST: usize = 10_000;
/// Bytes of all that it has prepared; the same.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Texts that one name may have stood for.
const MOST_TEXTS: usize = 32;
/// Most search paths that it may have at a time.
const MOST_PATHS: usize = 32;
/// Most statements whose meaning is kept.
const MOST_KEPT: usize = 1_024;

/// What a statement is known by.
pub(super) enum Meaning {
    /// All of it is known.
    Known(Arc<Facts>),
    /// The catalog must be asked.
    Ask(Arc<Facts>, Question),
    /// The server must say whether something in it exists.
    Missing(Box<Resolved>),
}

/// A statement, and the facts that its text tells.
type Text = (Arc<str>, Arc<Facts>);

/// What names stand for: everything that was ever given them, with the facts that its text tells. Which of these the server
/// knows, only the server does.
#[derive(Default)]
struct Stood {
    names: HashMap<String, Vec<Text>>,
    bytes: usize,
}

/// One session's names.
pub(super) struct Names<'a> {
    grant: &'a Grant,
    resolver: Arc<Resolver>,
    /// What SQL-level and protocol-level names may run: everything that was ever prepared under them.
    prepared: Stood,
    cursors: Stood,
    /// Relations and types that it has made.
    made: HashSet<String>,
    /// It has run code that may have made names which are not here.
    opaque: bool,
    /// It has defined something in a transaction that may still be open: others do not see that.
    open: bool,
    paths: Paths,
    /// By the address of the facts that the text tells: each entry holds the Arc that it is keyed by.
    kept: HashMap<usize, Kept>,
}

struct Kept {
    _text: Arc<Facts>,
    known: Known,
    resolved: Arc<Facts>,
}

/// Where it may look for names. None is what the role begins with.
struct Paths {
    first: Option<Vec<String>>,
    session: Vec<Option<Vec<String>>>,
    local: Vec<Option<Vec<String>>>,
    /// Statements that set it outside of a transaction: with each, the path, and whether it has ended well. The last of them
    /// counts alone once nothing can take it back any more.
    unconfirmed: Vec<(u64, Option<Vec<String>>, bool)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(grant: &'a Grant, resolver: Arc<Resolver>, search_path: Option<&str>) -> Self {
        let first = search_path.map(|path| path_of(&weir_policy::sql::name_list(path), &grant.resource().role));
        let paths = Paths { first: first.clone(), session: vec![first], local: Vec::new(), unconfirmed: Vec::new() };
        let (prepared, cursors, made, kept) = Default::default();
        Self { grant, resolver, prepared, cursors, made, opaque: false, open: false, paths, kept }
    }

    /// The path, when it is one for certain; else the last one.
    pub(super) fn search_path(&self) -> Option<&[String]> {
        self.paths.local.last().or(self.paths.session.last())?.as_deref()
    }

    pub(super) fn resolver(&self) -> &Arc<Resolver> {
        &self.resolver
    }

    /// What the statement means, as far as that is known.
    pub(super) fn meaning(&mut self, engine: &Postgres, of: &dyn Fn(&str) -> Arc<Facts>, text: Arc<Facts>) -> Meaning {
        let named = !text.executes.is_empty() || !text.fetches.is_empty();
        if named {
            let joined = Arc::new(self.stood_for(engine, of, &text));
            return self.ask(joined);
        }
        if text.names.is_empty() {
            return Meaning::Known(text);
        }
        let key = Arc::as_ptr(&text).addr();
        if let Some(kept) = self.kept.get(&key)
            && self.resolver.is_current(&kept.known)
        {
            return Meaning::Known(Arc::clone(&kept.resolved));
        }
        self.ask(text)
    }

    fn ask(&mut self, text: Arc<Facts>) -> Meaning {
        if text.names.is_empty() {
            return Meaning::Known(text);
        }
        if self.paths.too_many() {
            return Meaning::Known(Arc::new(facts::unjudged(
                "a search_path that was changed too often in open transactions",
            )));
        }
        if !text.names.need_a_catalog() {
            let resolved = resolve(&text, &Answer::default(), self.own()).facts;
            return Meaning::Known(Arc::new(resolved));
        }
        let question = Question { names: Arc::clone(&text.names), paths: self.paths.all() };
        match self.resolver.known(&question) {
            Some(known) => self.told(text, known),
            None => Meaning::Ask(text, question),
        }
    }

    /// What the statement means now that the catalog has answered.
    pub(super) fn told(&mut self, text: Arc<Facts>, known: Known) -> Meaning {
        let resolved = resolve(&text, &known.answer, self.own());
        // What is missing where the class is no lower anyway, the server says by itself.
        if !resolved.missing.is_empty() && resolved.facts.class < Class::Ddl {
            // Others do not see what it has made, and code that nobody has seen may have made something.
            if self.open || self.opaque {
                return Meaning::Known(Arc::new(resolved.not_understood()));
            }
            // Of a utility statement parsing tells nothing; there the catalog's word is enough.
            return if is_plain(&text) && text.statements == 1 {
                Meaning::Missing(Box::new(resolved))
            } else {
                Meaning::Known(Arc::new(if text.statements == 1 { resolved.facts } else { resolved.not_understood() }))
            };
        }
        let resolved = Arc::new(resolved.facts);
        if text.executes.is_empty() && text.fetches.is_empty() {
            if self.kept.len() >= MOST_KEPT {
                self.kept.clear();
            }
            let key = Arc::as_ptr(&text).addr();
            self.kept.insert(key, Kept { _text: text, known, resolved: Arc::clone(&resolved) });
        }
        Meaning::Known(resolved)
    }

    fn own(&self) -> Own<'_> {
        let resource = self.grant.resource();
        let (settings, functions) = (&resource.harmless_settings, &resource.harmless_functions);
        Own { role: &resource.role, settings, functions, made: &self.made }
    }

    /// The facts with those of everything that names in them may stand for.
    fn stood_for(&self, engine: &Postgres, of: &dyn Fn(&str) -> Arc<Facts>, text: &Facts) -> Facts {
        let mut all = text.clone();
        let mut unknown = None;
        let mut join = |name: &str, stood: &mut dyn Iterator<Item = Text>| {
            let mut any = false;
            for (text, facts) in stood {
                any = true;
                let mut joined = std::mem::take(&mut all).with(&facts);
                if !joined.stands_for.contains(&text) {
                    joined.stands_for.push(text);
                }
                all = joined;
            }
            if !any {
                unknown = Some(name.to_owned());
            }
        };
        for name in &text.executes {
            join(name, &mut self.prepared.of(name));
        }
        for name in &text.fetches {
            let portals = engine.portal_texts(name).into_iter().map(|text| {
                let facts = of(&text);
                (text, facts)
            });
            join(name, &mut self.cursors.of(name).chain(portals));
        }
        // A name that nothing here has made does not exist, unless code has made it that nobody has seen.
        if let Some(name) = unknown.filter(|_| self.opaque) {
            let unjudged = facts::unjudged(&format!("{name}, which was not made in this session's own words"));
            all = all.with(&unjudged);
        }
        all
    }

    /// Takes note of what a permitted request makes and changes; `facts` are those of its text.
    pub(super) fn remember(
        &mut self,
        engine: &Postgres,
        action: &Action,
        number: u64,
        facts: &Facts,
        text: &Arc<Facts>,
    ) {
        for made in &facts.prepares {
            self.opaque |= !self.prepared.keep(&made.name, &action.text, &made.facts);
        }
        for made in &facts.declares {
            self.opaque |= !self.cursors.keep(&made.name, &action.text, &made.facts);
        }
        if let Some(name) = action.prepared_name() {
            self.opaque |= !self.prepared.keep(name, &action.text, text);
        }
        if action.kind == ActionKind::Prepare {
            return;
        }
        self.opaque |= facts.opaque;
        if facts.redefines {
            self.open = true;
            self.resolver.changed();
        }
        for name in &facts.names.creates {
            self.opaque |= self.made.len() >= MOST;
            if self.made.len() < MOST && self.made.insert(name.clone()) {
                self.kept.clear();
            }
        }
        let outside = !engine.busy() && engine.transaction_status() == b'I' && facts.statements == 1;
        for change in &facts.paths {
            let role = &self.grant.resource().role;
            let to = change.to.as_ref().map_or_else(|| self.paths.first.clone(), |to| Some(path_of(to, role)));
            self.paths.set(to, change.local, (outside && change.certain).then_some(number));
            self.kept.clear();
        }
    }

    /// A statement has ended. What it has committed, others see from here on.
    pub(super) fn ended(&mut self, number: u64, failed: bool) {
        if self.open {
            self.resolver.changed();
        }
        self.paths.ended(number, failed);
    }

    /// Looks whether a transaction is over.
    pub(super) fn follow(&mut self, engine: &Postgres) {
        if engine.busy() || engine.transaction_status() != b'I' {
            return;
        }
        if std::mem::take(&mut self.open) {
            self.resolver.changed();
        }
        if self.paths.settle() {
            self.kept.clear();
        }
    }

    /// The session ends; what it has defined may have been committed last.
    pub(super) fn end(&self) {
        if self.open {
            self.resolver.changed();
        }
    }
}

/// True for a statement that the server analyses when it is only parsed.
fn is_plain(facts: &Facts) -> bool {
    let kinds = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"];
    facts.stands_for.is_empty() && kinds.iter().any(|kind| facts.certain_reason.starts_with(kind))
}

impl Stood {
    fn of(&self, name: &str) -> impl Iterator<Item = Text> {
        self.names.get(name).into_iter().flatten().cloned()
    }

    /// False when there are too many: then nobody knows what other names stand for.
    fn keep(&mut self, name: &str, text: &Arc<str>, facts: &Arc<Facts>) -> bool {
        if self.bytes + text.len() > MOST_BYTES || self.names.len() >= MOST && !self.names.contains_key(name) {
            // This one may be known by the name of an earlier one.
            if let Some(stood) = self.names.get_mut(name) {
                stood.truncate(MOST_TEXTS);
                stood.push(("too much to remember".into(), Arc::new(facts::unjudged(name))));
            }
            return false;
        }
        let stood = self.names.entry(name.to_owned()).or_default();
        match stood.len() {
            _ if stood.iter().any(|(known, _)| known == text) => {}
            ..MOST_TEXTS => {
                self.bytes += text.len();
                stood.push((Arc::clone(text), Arc::clone(facts)));
            }
            // None is left out: what is left out may be what the server knows.
            MOST_TEXTS => stood.push(("too much to remember".into(), Arc::new(facts::unjudged(name)))),
            _ => {}
        }
        true
    }
}

impl Paths {
    fn all(&self) -> Vec<Option<Vec<String>>> {
        self.session.iter().chain(&self.local).cloned().collect()
    }

    fn too_many(&self) -> bool {
        self.session.len() + self.local.len() > MOST_PATHS
    }

    fn set(&mut self, to: Option<Vec<String>>, local: bool, outside: Option<u64>) {
        let list = if local { &mut self.local } else { &mut self.session };
        if !list.contains(&to) {
            list.push(to.clone());
        }
        match outside {
            Some(number) if !local => self.unconfirmed.push((number, to, false)),
            // What comes later, or may not happen, may stand in place of what is not confirmed yet.
            _ => self.unconfirmed.clear(),
        }
    }

    /// A statement has ended. One that fails may take back what others before it in a pipeline have set.
    fn ended(&mut self, number: u64, failed: bool) {
        if failed {
            self.unconfirmed.clear();
        }
        self.unconfirmed.iter_mut().filter(|(of, ..)| *of == number).for_each(|(.., done)| *done = true);
    }

    /// No transaction is open: what held in one has ended, and what was set for the session stays. True when there are fewer
    /// paths now.
    fn settle(&mut self) -> bool {
        let before = self.session.len() + self.local.len();
        self.local.clear();
        if self.unconfirmed.iter().all(|(.., done)| *done)
            && let Some((_, last, _)) = std::mem::take(&mut self.unconfirmed).pop()
        {
            self.session = vec![last];
        }
        self.session.len() + self.local.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Option<Vec<String>> {
        Some(vec![name.to_owned()])
    }

    fn paths() -> Paths {
        Paths { first: None, session: vec![None], local: Vec::new(), unconfirmed: Vec::new() }
    }

    #[test]
    fn a_path_counts_alone_only_when_nothing_can_take_it_back() {
        let mut paths = paths();
        paths.set(path("a"), false, Some(1));
        assert_eq!(paths.all(), [None, path("a")], "until it has ended");
        paths.ended(1, false);
        assert_eq!(paths.all().len(), 2, "a pipeline may still fail");
        assert!(paths.settle());
        assert_eq!(paths.all(), [path("a")]);
        // One that failed, or was followed by one that did.
        paths.set(path("b"), false, Some(2));
        paths.ended(2, false);
        paths.ended(3, true);
        paths.settle();
        assert_eq!(paths.all(), [path("a"), path("b")]);
        // Inside a transaction, and what may not have been called.
        paths.set(path("c"), true, None);
        paths.set(path("d"), false, None);
        assert_eq!(paths.all().len(), 4);
        paths.settle();
        assert_eq!(paths.all(), [path("a"), path("b"), path("d")]);
    }

    #[test]
    fn a_name_may_run_all_that_it_was_given() {
        let mut stood = Stood::default();
        let facts = Arc::new(Facts::default());
        for number in 0..MOST_TEXTS + 5 {
            assert!(stood.keep("s", &format!("SELECT {number}").into(), &facts));
        }
        let all: Vec<_> = stood.of("s").collect();
        assert_eq!(all.len(), MOST_TEXTS + 1);
        assert_eq!(all.last().map(|(_, facts)| facts.class), Some(Class::Admin), "what is too much is not left out");
        assert_eq!(stood.of("other").count(), 0);
    }
}
