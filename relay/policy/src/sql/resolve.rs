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
    names::{FieldName, Name, Names, Origin, add},
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
    /// Of a table that is written: it has few rows.
    #[serde(default)]
    pub small: bool,
    /// Of one too: columns that leave out at least half of the rows when each has one value.
    #[serde(default)]
    pub selective: Vec<Vec<String>>,
}

impl FoundRelation {
    /// True when a change may be one of most of its rows, and there are many.
    fn may_lose_most(&self, pins: &[String]) -> bool {
        matches!(self.kind.as_str(), "r" | "p")
            && !self.small
            && !self.selective.iter().any(|columns| columns.iter().all(|column| pins.contains(column)))
    }
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
    judge.changes();
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

    fn changes(&mut self) {
        let Self { names, answer, facts, .. } = self;
        facts.changes.retain(|change| {
            let place = names.relations.iter().position(|named| named.name == change.relation && named.writes);
            // On several paths it may be any of them.
            let mut found = answer.relations.iter().filter(|found| place.is_some() && found.place == place);
            found.any(|found| found.may_lose_most(&change.pins))
        });
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
        let has = |source: &Origin| match source {
            Origin::Columns(columns) => columns.contains(&field.name),
            Origin::Relation(place) => {
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

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    fn own<'a>(made: &'a HashSet<String>, settings: &'a [String], functions: &'a [String]) -> Own<'a> {
        Own { role: "agent", settings, functions, made }
    }

    fn resolved(text: &str, answer: &Answer) -> Resolved {
        resolve(&facts(text), answer, own(&HashSet::new(), &["app.".to_owned()], &["public.total(integer)".to_owned()]))
    }

    /// A function of one's own that takes one argument, for the first call.
    fn function(name: &str) -> FoundFunction {
        FoundFunction {
            place: Some(0),
            schema: "public".to_owned(),
            name: name.to_owned(),
            signature: format!("public.{name}(integer)"),
            volatility: "i".to_owned(),
            least: 1,
            most: Some(1),
            ..FoundFunction::default()
        }
    }

    fn system(name: &str, volatility: &str) -> FoundFunction {
        let (schema, volatility) = ("pg_catalog".to_owned(), volatility.to_owned());
        FoundFunction { system: true, schema, volatility, signature: String::new(), ..function(name) }
    }

    fn of(extension: &str, name: &str, volatility: &str) -> FoundFunction {
        let (extension, volatility) = (Some(extension.to_owned()), volatility.to_owned());
        FoundFunction { extension, volatility, ..function(name) }
    }

    #[test]
    fn a_call_is_the_worst_function_that_it_may_mean() {
        for (text, functions, class) in [
            ("SELECT lower(1)", vec![system("lower", "i")], Class::Read),
            ("SELECT lower(1)", vec![system("lower", "i"), function("lower")], Class::Write),
            ("SELECT newer(1)", vec![system("newer", "s")], Class::Read),
            ("SELECT newer(1)", vec![system("newer", "v")], Class::Write),
            ("SELECT pg_read_file(1)", vec![system("pg_read_file", "v")], Class::Admin),
            ("SELECT total(1)", vec![function("total")], Class::Read),
            ("SELECT other(1)", vec![function("other")], Class::Write),
            ("SELECT similarity(1)", vec![of("pg_trgm", "similarity", "i")], Class::Read),
            ("SELECT set_limit(1)", vec![of("pg_trgm", "set_limit", "v")], Class::Write),
            ("SELECT gen_salt(1)", vec![of("pgcrypto", "gen_salt", "v")], Class::Read),
            ("SELECT dblink(1)", vec![of("dblink", "dblink", "v")], Class::Admin),
            ("SELECT similarity(1)", vec![of("mine", "similarity", "i")], Class::Write),
        ] {
            let Resolved { facts, missing } = resolved(text, &Answer { functions, ..Answer::default() });
            assert_eq!((facts.class, missing), (class, vec![]), "{text}: {}", facts.reason);
        }
        // One that takes another number of arguments is not meant.
        let functions = vec![system("lower", "i"), FoundFunction { least: 2, most: Some(2), ..function("lower") }];
        assert_eq!(resolved("SELECT lower(1)", &Answer { functions, ..Answer::default() }).facts.class, Class::Read);
    }

    #[test]
    fn what_is_missing_is_the_servers_to_say() {
        let Resolved { facts: found, missing } = resolved("SELECT lenght(1)", &Answer::default());
        assert_eq!((found.class, missing.len()), (Class::Read, 1));
        let not_understood = resolved("SELECT lenght(1)", &Answer::default()).not_understood();
        assert_eq!((not_understood.class, not_understood.opaque), (Class::Write, true));
        let relation = resolved("SELECT * FROM nowhere", &Answer::default());
        assert_eq!(relation.missing.len(), 1);
        assert_eq!(relation.not_understood().class, Class::Admin);
        // What the text or the session makes is no surprise, nor is a name of its own query.
        for text in ["CREATE TABLE t (a int); INSERT INTO t VALUES (1)", "WITH t AS (SELECT 1) SELECT * FROM t"] {
            assert_eq!(resolved(text, &Answer { types: vec![0], ..Answer::default() }).missing, [], "{text}");
        }
        let made = HashSet::from(["t".to_owned()]);
        assert_eq!(resolve(&facts("SELECT * FROM t"), &Answer::default(), own(&made, &[], &[])).missing, []);
    }

    #[test]
    fn a_field_is_a_call_unless_it_is_certainly_a_column() {
        let tidy = |columns: Vec<(usize, String)>| {
            let functions = vec![FoundFunction { place: None, field: Some(0), ..function("tidy") }];
            let relations = vec![FoundRelation {
                place: Some(0),
                schema: "public".into(),
                name: "orders".into(),
                ..Default::default()
            }];
            Answer { relations, functions, columns, ..Answer::default() }
        };
        let class = |text: &str, columns| resolved(text, &tidy(columns)).facts.class;
        assert_eq!(class("SELECT o.tidy FROM orders o", vec![]), Class::Write);
        assert_eq!(class("SELECT o.tidy FROM orders o", vec![(0, "tidy".to_owned())]), Class::Read);
        assert_eq!(class("SELECT (o).tidy FROM orders o", vec![(0, "tidy".to_owned())]), Class::Write);
        // Two things of one name: both must have it.
        let both = "SELECT o.tidy FROM orders o WHERE EXISTS (SELECT 1 FROM unnest(ARRAY[1]) o)";
        assert_eq!(class(both, vec![(0, "tidy".to_owned())]), Class::Write);
        assert_eq!(class("SELECT q.tidy FROM (SELECT 1 AS tidy) q", vec![]), Class::Read);
        assert_eq!(class("SELECT q.tidy FROM (SELECT * FROM orders) q", vec![]), Class::Write);
        assert_eq!(
            class("SELECT (o).amount FROM (SELECT o FROM orders o) q", vec![]),
            Class::Write,
            "as the answer says"
        );
    }

    #[test]
    fn a_foreign_table_is_what_its_server_does() {
        let foreign = |wrapper: &str, option: &str| Answer {
            relations: vec![FoundRelation {
                place: Some(0),
                schema: "public".into(),
                name: "f".into(),
                kind: "f".into(),
                wrapper: Some(wrapper.into()),
                options: vec![option.into()],
                ..FoundRelation::default()
            }],
            ..Answer::default()
        };
        let facts = |wrapper, option| resolved("SELECT * FROM f", &foreign(wrapper, option)).facts;
        assert_eq!(facts("postgres_fdw", "table_name").class, Class::Read);
        assert_eq!(facts("oracle_fdw", "table").class, Class::Write);
        let program = facts("file_fdw", "program");
        assert!(program.class == Class::Admin && program.exposure.server_program && !program.exposure.server_file);
        assert!(facts("file_fdw", "filename").exposure.server_file);
    }

    #[test]
    fn settings_and_roles_are_the_resources_to_know() {
        for (text, class) in [
            ("SET app.tenant = '7'", Class::Session),
            ("SET APP.Tenant = '7'", Class::Session),
            ("RESET app.tenant", Class::Session),
            ("SET application.tenant = '7'", Class::Admin),
            ("SET ROLE agent", Class::Session),
            ("SET LOCAL ROLE other", Class::Admin),
            ("SET SESSION AUTHORIZATION agent", Class::Admin),
        ] {
            assert_eq!(resolved(text, &Answer::default()).facts.class, class, "{text}");
        }
        let functions = vec![FoundFunction { least: 3, most: Some(3), ..system("set_config", "v") }];
        let answer = Answer { functions, ..Answer::default() };
        for (text, class) in [
            ("SELECT set_config('app.tenant', $1, true)", Class::Read),
            ("SELECT set_config('other.tenant', '1', true)", Class::Admin),
            ("SELECT set_config('role', 'agent', true)", Class::Admin),
            ("SELECT set_config('jit', $1, false)", Class::Read),
            ("SELECT set_config($1, 'off', false)", Class::Admin),
        ] {
            assert_eq!(resolved(text, &answer).facts.class, class, "{text}");
        }
    }

    #[test]
    fn what_writing_a_table_runs_is_named_and_permitted_with_it() {
        let via = vec![
            FoundFunction { by: "trigger t".into(), on_write: true, ..function("audit") },
            FoundFunction { by: "view public.v".into(), ..function("noted") },
        ];
        let relations = vec![FoundRelation {
            place: Some(0),
            schema: "public".into(),
            name: "t".into(),
            writes: true,
            ..Default::default()
        }];
        let facts = resolved("INSERT INTO t VALUES (1)", &Answer { relations, via, ..Answer::default() }).facts;
        assert_eq!(facts.functions, ["public.audit(integer)", "public.noted(integer)"]);
        assert_eq!((facts.class, facts.reason.as_str(), facts.opaque), (Class::Write, "INSERT", true));
        assert_eq!(facts.writes, ["t", "public.t"]);
    }
}
