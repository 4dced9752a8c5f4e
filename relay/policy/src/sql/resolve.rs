//! What the names in a statement mean at the server: [`resolve`] joins the facts that the text tells with what the catalog
//! answered. Pure: whoever asks the catalog hands its answer in.
//!
//! What the server would run for a name counts, whatever the name looks like: a view's functions, a domain's conditions, a cast's
//! or an operator's function, a foreign table's server. A function's own claim to be harmless (its volatility) is its author's,
//! and is believed of extensions that are known only.

use super::{
    Class, Facts,
    exposure::{self, Exposure},
    function,
    names::{FieldName, Name, Names, Source, add},
};
use serde::Deserialize;
use std::collections::HashSet;

/// What the catalog says of [`Names`]. Places are those in the lists of `Names`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Answer {
    /// Relations: those named, and what views, rules and inheritance lead to.
    #[serde(default)]
    pub relations: Vec<FoundRelation>,
    /// Functions that a call may mean.
    #[serde(default)]
    pub functions: Vec<FoundFunction>,
    /// Functions that are run besides: by views, row security, domains, types, casts, operators.
    #[serde(default)]
    pub via: Vec<FoundFunction>,
    /// Places of the types that there are.
    #[serde(default)]
    pub types: Vec<usize>,
    /// Columns of a relation that have the name of a field: the relation's place, and the name.
    #[serde(default)]
    pub columns: Vec<(usize, String)>,
}

/// A relation.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct FoundRelation {
    /// Its place; none for one that another leads to.
    pub place: Option<usize>,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: String,
    /// It is written.
    #[serde(default)]
    pub writes: bool,
    /// It is the server's own.
    #[serde(default)]
    pub system: bool,
    /// The foreign-data wrapper behind it.
    #[serde(default)]
    pub wrapper: Option<String>,
    /// Names of the options of a foreign table.
    #[serde(default)]
    pub options: Vec<String>,
}

/// A function.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct FoundFunction {
    /// The call's place; none for a field's.
    #[serde(default)]
    pub place: Option<usize>,
    /// The field's place.
    #[serde(default)]
    pub field: Option<usize>,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// As the server writes it with its argument types: `public.total(integer)`.
    #[serde(default)]
    pub signature: String,
    /// `pg_proc.provolatile`.
    #[serde(default)]
    pub volatility: String,
    /// The extension that it belongs to.
    #[serde(default)]
    pub extension: Option<String>,
    /// It is the server's own.
    #[serde(default)]
    pub system: bool,
    /// Fewest and most arguments; most is none where there is no limit.
    #[serde(default)]
    pub least: usize,
    #[serde(default)]
    #[expect(missing_docs, reason = "said above")]
    pub most: Option<usize>,
    /// What runs it, for people: `view public.totals`.
    #[serde(default)]
    pub by: String,
    /// Writing a table runs it: a trigger, a default. The right to write to the table includes it.
    #[serde(default)]
    pub on_write: bool,
}

/// What the session and the resource know of names besides the catalog.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// The role that the session acts as.
    pub role: &'a str,
    /// Prefixes of settings that are harmless.
    pub settings: &'a [String],
    /// Signatures of functions that are harmless.
    pub functions: &'a [String],
    /// Relations and types that the session has made: others need not see them yet.
    pub made: &'a HashSet<String>,
}

/// Facts of a statement whose names are known, and the names that are not in the catalog.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The facts.
    pub facts: Facts,
    /// Names that nothing in the catalog has. The server is to say so; if it does not, the statement is not understood:
    /// [`Resolved::not_understood`].
    pub missing: Vec<Missing>,
}

/// A name that nothing in the catalog has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    name: String,
    class: Class,
}

impl Resolved {
    /// The facts when the server does not say that what is missing does not exist: what is not there for others, an open
    /// transaction may have made. Then a call is one of a function that nobody knows, and a relation may do anything.
    #[must_use]
    pub fn not_understood(self) -> Facts {
        let mut facts = self.facts;
        for Missing { name, class } in self.missing {
            if class > facts.class {
                facts.class = class;
                facts.reason = match class {
                    Class::Write => unknown(&name),
                    _ => format!("names {name}, which weir cannot find in the catalog"),
                };
            }
        }
        facts.opaque = true;
        facts
    }
}

/// Extensions whose functions are what they say: what is not volatile changes nothing.
const KNOWN_EXTENSIONS: &[&str] = &[
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "fuzzystrmatch",
    "h3",
    "hll",
    "hstore",
    "hstore_plperl",
    "intarray",
    "ip4r",
    "isn",
    "jsonb_plperl",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "postgis",
    "postgis_raster",
    "postgis_sfcgal",
    "postgis_topology",
    "prefix",
    "rum",
    "seg",
    "semver",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "unit",
    "uuid-ossp",
    "vchord",
    "vector",
];

/// Of those, functions that are volatile because their answer is random or takes time.
const KNOWN_VOLATILE: &[&str] = &[
    "armor",
    "crypt",
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "pgp_pub_encrypt",
    "pgp_pub_encrypt_bytea",
    "pgp_sym_encrypt",
    "pgp_sym_encrypt_bytea",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
];

/// The facts of a statement whose names mean what `answer` says.
#[must_use]
pub fn resolve(facts: &Facts, answer: &Answer, own: Own<'_>) -> Resolved {
    let (class, reason) = (facts.certain, facts.certain_reason.clone());
    let facts = Facts { class, reason, ..facts.clone() };
    let names = std::sync::Arc::clone(&facts.names);
    let mut judge = Judge { names: &names, answer, own, facts, missing: Vec::new() };
    judge.settings();
    judge.relations();
    judge.calls();
    judge.fields();
    judge.types();
    judge.besides();
    let Judge { facts, missing, .. } = judge;
    Resolved { facts, missing }
}

struct Judge<'a> {
    names: &'a Names,
    answer: &'a Answer,
    own: Own<'a>,
    facts: Facts,
    missing: Vec<Missing>,
}

impl Judge<'_> {
    fn raise(&mut self, class: Class, reason: impl FnOnce() -> String) {
        if class > self.facts.class {
            self.facts.reason = reason();
            self.facts.class = class;
        }
    }

    fn settings(&mut self) {
        for name in &self.names.settings {
            if !self.own.settings.iter().any(|prefix| name.starts_with(prefix.as_str())) {
                self.raise(Class::Admin, || format!("SET {name}"));
            }
        }
        for role in &self.names.roles {
            if role != self.own.role {
                self.raise(Class::Admin, || "SET role".to_owned());
            }
        }
    }

    fn is_made(&self, name: &Name) -> bool {
        self.own.made.contains(&name.name) || self.names.creates.contains(&name.name)
    }

    fn relations(&mut self) {
        for (place, wanted) in self.names.relations.iter().enumerate() {
            let found = self.answer.relations.iter().any(|found| found.place == Some(place));
            if !found && !wanted.may_be_cte && !self.is_made(&wanted.name) {
                self.missing.push(Missing { name: dotted(&wanted.name), class: Class::Admin });
            }
        }
        for found in &self.answer.relations {
            if found.system {
                continue;
            }
            let name = format!("{}.{}", found.schema, found.name);
            if found.kind == "f" {
                self.foreign(found, &name);
            }
            let list = if found.writes { &mut self.facts.writes } else { &mut self.facts.reads };
            add(list, name);
        }
    }

    /// A foreign table is what its server's options do.
    fn foreign(&mut self, found: &FoundRelation, name: &str) {
        let has = |option: &str| found.options.iter().any(|known| known == option);
        match found.wrapper.as_deref() {
            Some("postgres_fdw") => {}
            Some("file_fdw") => {
                self.facts.exposure.server_program |= has("program");
                self.facts.exposure.server_file |= !has("program");
                self.raise(Class::Admin, || format!("reads {name}, a file or program of the server"));
            }
            _ => {
                self.raise(Class::Write, || format!("uses the foreign table {name}, which is not known to be harmless"))
            }
        }
    }

    fn calls(&mut self) {
        for (place, call) in self.names.functions.iter().enumerate() {
            let takes = |found: &&FoundFunction| {
                found.place == Some(place)
                    && call
                        .arguments
                        .is_none_or(|count| count >= found.least && found.most.is_none_or(|most| count <= most))
            };
            let mut found = self.answer.functions.iter().filter(takes).peekable();
            if found.peek().is_none() {
                if !call.may_be_syntax {
                    self.missing.push(Missing { name: dotted(&call.name), class: Class::Write });
                }
                continue;
            }
            for function in self.answer.functions.iter().filter(takes) {
                self.called(function);
            }
        }
    }

    fn called(&mut self, function: &FoundFunction) {
        let class = class_of(function, self.own.functions);
        self.facts.opaque |= class > Class::Read && !(function.system && class == Class::Write);
        let name = if function.system { function.name.clone() } else { function.signature.clone() };
        let by = if function.by.is_empty() { String::new() } else { format!("{} ", function.by) };
        match class {
            Class::Session | Class::Read => {}
            Class::Write => self.raise(class, || format!("{by}{}", unknown(&name))),
            Class::Ddl | Class::Admin => self.raise(class, || format!("{by}calls {name}")),
        }
        self.facts.exposure = self.facts.exposure.or(exposure::of_function(&function.name));
        self.facts.redefines |= class >= Class::Admin && function::is_opaque(&function.schema, &function.name);
        if !function.system || !function.by.is_empty() {
            add(&mut self.facts.functions, name);
        }
    }

    /// `of.name` is a column where `of` has one of that name; else a call, when there is a function that takes it.
    fn fields(&mut self) {
        for (place, field) in self.names.fields.iter().enumerate() {
            let takes = |found: &&FoundFunction| {
                found.field == Some(place) && found.least <= 1 && found.most.is_none_or(|most| most >= 1)
            };
            if !self.answer.functions.iter().any(|found| takes(&found)) || self.is_column(field) {
                continue;
            }
            for function in self.answer.functions.iter().filter(takes) {
                self.called(function);
            }
        }
    }

    fn is_column(&self, field: &FieldName) -> bool {
        let Some(of) = &field.of else { return false };
        let mut sources = self.names.sources.iter().filter(|(name, _)| name == of).peekable();
        let has = |source: &Source| match source {
            Source::Columns(columns) => columns.contains(&field.name),
            Source::Relation(place) => {
                let mut columns = self.answer.columns.iter();
                columns.any(|(relation, name)| relation == place && *name == field.name)
            }
        };
        sources.peek().is_some() && sources.all(|(_, source)| has(source))
    }

    fn types(&mut self) {
        for (place, wanted) in self.names.types.iter().enumerate() {
            // A relation's row is a type as well.
            if !self.answer.types.contains(&place) && !self.is_made(wanted) {
                self.missing.push(Missing { name: dotted(wanted), class: Class::Admin });
            }
        }
    }

    fn besides(&mut self) {
        for function in &self.answer.via {
            if function.on_write {
                if !function.system {
                    self.facts.opaque = true;
                    add(&mut self.facts.functions, function.signature.clone());
                }
                continue;
            }
            self.called(function);
        }
    }
}

fn unknown(name: &str) -> String {
    format!("calls {name}, which is not known to be harmless")
}

fn dotted(Name { schema, name }: &Name) -> String {
    if schema.is_empty() { name.clone() } else { format!("{schema}.{name}") }
}

fn class_of(found: &FoundFunction, harmless: &[String]) -> Class {
    if found.system {
        return match function::class_of(&found.schema, &found.name) {
            // What it sets was judged with its arguments.
            _ if found.name == "set_config" => Class::Read,
            // The server's own say of themselves what they are: operators' functions, those of newer versions.
            Class::Write if found.volatility != "v" => Class::Read,
            class => class,
        };
    }
    let known = found.extension.as_deref().is_some_and(|extension| KNOWN_EXTENSIONS.contains(&extension));
    if known && (found.volatility != "v" || KNOWN_VOLATILE.contains(&found.name.as_str())) {
        return Class::Read;
    }
    if harmless.contains(&found.signature) {
        return Class::Read;
    }
    // An extension's that reads files or runs SQL, whatever its schema.
    match function::class_of("", &found.name) {
        Class::Admin if found.extension.is_some() => Class::Admin,
        _ => Class::Write,
    }
}

impl Exposure {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            server_program: self.server_program || other.server_program,
            server_file: self.server_file || other.server_file,
            secret: self.secret || other.secret,
        }
    }
}
