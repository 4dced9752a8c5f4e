//! A loaded set of policies ([`Bundle`]), and its decisions.
//!
//! Two questions are asked of a request: may it be done at all, and may it be done `unattended`. No rule means denied, and
//! held. A policy that fails while it is evaluated denies.

mod decide;
mod load;

pub use load::PolicyProblem;

use crate::sql::{Class, Facts};
use cedar_policy::{PolicySet, Schema};
use std::{collections::BTreeMap, sync::Arc};

/// The policy that a new relay starts with.
pub const DEFAULT_POLICY: &str = include_str!("default.cedar");

const UNATTENDED: &str = "unattended";
const ACTIONS: [&str; 6] = ["connect", "sql.read", "sql.write", "sql.ddl", "sql.admin", UNATTENDED];

/// A valid set of policies. Immutable: a change of policy is another bundle with another hash.
#[derive(Debug)]
pub struct Bundle {
    schema: Schema,
    slices: BTreeMap<&'static str, PolicySet>,
    hash: String,
    /// Whether any policy could tell one depth from another.
    tells_depths: bool,
}

impl Bundle {
    /// BLAKE3 over schema and files, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Subject {
    /// User name.
    pub user: String,
    /// The user's roles (groups in policy).
    pub roles: Vec<String>,
    /// Hops between the user's login and who asks.
    pub depth: u32,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Open a session.
    Connect,
    /// `sql.read`
    SqlRead,
    /// `sql.write`
    SqlWrite,
    /// `sql.ddl`
    SqlDdl,
    /// `sql.admin`
    SqlAdmin,
}

impl Action {
    /// As it stands in policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::SqlRead => "sql.read",
            Self::SqlWrite => "sql.write",
            Self::SqlDdl => "sql.ddl",
            Self::SqlAdmin => "sql.admin",
        }
    }

    /// The action that a statement of this class needs.
    #[must_use]
    pub fn of(class: Class) -> Self {
        match class {
            Class::Session => Self::Connect,
            Class::Read => Self::SqlRead,
            Class::Write => Self::SqlWrite,
            Class::Ddl => Self::SqlDdl,
            Class::Admin => Self::SqlAdmin,
        }
    }
}

/// The thing asked about.
#[derive(Clone, Debug)]
pub struct Target {
    /// Resource name.
    pub resource: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What policy says; later ones are stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Go on.
    Allow,
    /// Wait for a human.
    Hold,
    /// No.
    Deny,
}

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub outcome: Outcome,
    /// `@id`s of the determining policies; empty when no rule matched.
    pub policies: Arc<[String]>,
}

/// One decision's question.
#[derive(Debug)]
pub struct Question<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// What.
    pub action: Action,
    /// On what.
    pub target: &'a Target,
    /// About which statement.
    pub facts: Option<&'a Facts>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::facts;

    fn decide(bundle: &Bundle, roles: &[&str], env: &str, sql: Option<&str>) -> Decision {
        let facts = sql.map(facts);
        bundle.decide(&Question {
            subject: &Subject {
                user: "alice".into(),
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                depth: 0,
            },
            action: facts.as_ref().map_or(Action::Connect, |facts| Action::of(facts.class)),
            target: &Target { resource: "db".into(), labels: BTreeMap::from([("env".into(), env.into())]) },
            facts: facts.as_ref(),
        })
    }

    #[test]
    fn the_default_policy() {
        let bundle = Bundle::from_text(DEFAULT_POLICY).unwrap();
        for (role, env, sql, outcome, policies) in [
            ("user", "prod", None, Outcome::Allow, &["connect"][..]),
            ("reviewer", "prod", None, Outcome::Deny, &[]),
            ("user", "prod", Some("SELECT 1"), Outcome::Allow, &["read", "read-unattended"]),
            ("user", "prod", Some("DELETE FROM t WHERE id = 1"), Outcome::Hold, &["write"]),
            ("user", "dev", Some("DELETE FROM t WHERE id = 1"), Outcome::Allow, &["write", "write-unattended"]),
            ("user", "dev", Some("DELETE FROM t"), Outcome::Hold, &["write"]),
            ("user", "dev", Some("CREATE TABLE t (a int)"), Outcome::Deny, &[]),
            ("admin", "dev", Some("CREATE TABLE t (a int)"), Outcome::Allow, &["ddl", "ddl-unattended"]),
            ("admin", "prod", Some("CREATE TABLE t (a int)"), Outcome::Hold, &["ddl"]),
            ("admin", "dev", Some("DROP TABLE t"), Outcome::Hold, &["ddl"]),
            ("admin", "prod", Some("DROP TABLE t"), Outcome::Deny, &["guardrail-destructive"]),
            ("user", "prod", Some("DROP TABLE t"), Outcome::Deny, &["guardrail-destructive"]),
            ("admin", "prod", Some("DO ''"), Outcome::Deny, &[]),
            ("dba", "prod", Some("DO ''"), Outcome::Hold, &["admin"]),
            ("dba", "prod", Some("TRUNCATE t; DO ''"), Outcome::Deny, &["guardrail-destructive"]),
        ] {
            let decision = decide(&bundle, &[role], env, sql);
            assert_eq!(decision.outcome, outcome, "{role} {env} {sql:?}: {decision:?}");
            assert_eq!(decision.policies[..], *policies, "{role} {env} {sql:?}");
        }
    }

    #[test]
    fn a_failing_policy_denies() {
        // Validation cannot see an overflow.
        let fails = |rule: &str| {
            format!(
                "@id(\"all\") permit (principal, action, resource);\n\
                 @id(\"fails\") {rule} when {{ context.sql.statements + 9223372036854775807 > 0 }};"
            )
        };
        for rule in [
            "forbid (principal, action == Action::\"sql.read\", resource)",
            "permit (principal, action == Action::\"sql.read\", resource)",
            "forbid (principal, action == Action::\"unattended\", resource)",
        ] {
            let bundle = Bundle::from_text(&fails(rule)).unwrap();
            let decision = decide(&bundle, &["user"], "prod", Some("SELECT 1"));
            assert_eq!(decision, Decision { outcome: Outcome::Deny, policies: ["fails".to_owned()].into() }, "{rule}");
        }
    }

    #[test]
    fn no_rule_denies_and_no_unattended_rule_holds() {
        let none = Bundle::from_text("").unwrap();
        assert_eq!(decide(&none, &["user"], "dev", Some("SELECT 1")).outcome, Outcome::Deny);
        let some =
            Bundle::from_text("@id(\"r\") permit (principal, action == Action::\"sql.read\", resource);").unwrap();
        assert_eq!(decide(&some, &[], "dev", Some("SELECT 1")).outcome, Outcome::Hold);
        let facts_free = some.decide(&Question {
            subject: &Subject { user: "a".into(), roles: vec![], depth: 0 },
            action: Action::SqlRead,
            target: &Target { resource: "r".into(), labels: BTreeMap::new() },
            facts: None,
        });
        assert_eq!(facts_free.outcome, Outcome::Hold);
    }

    #[test]
    fn facts_and_labels_reach_policy() {
        let bundle = Bundle::from_text(
            "@id(\"r\") permit (principal == User::\"alice\", action in Action::\"sql\", resource == Resource::\"db\")
             when { context.sql.reads.contains(\"t\") && !context.sql.columns.contains(\"ssn\")
                    && context.sql.functions == [\"lower\"] && resource.labels.contains(\"env=dev\") };",
        )
        .unwrap();
        assert_eq!(decide(&bundle, &[], "dev", Some("SELECT lower(a) FROM t")).outcome, Outcome::Hold);
        assert_eq!(decide(&bundle, &[], "dev", Some("SELECT lower(ssn) FROM t")).outcome, Outcome::Deny);
        assert_eq!(decide(&bundle, &[], "prod", Some("SELECT lower(a) FROM t")).outcome, Outcome::Deny);
    }

    #[test]
    fn each_depth_of_a_chain_must_be_permitted() {
        let at = |text: &str, depth| {
            Bundle::from_text(text)
                .unwrap()
                .decide(&Question {
                    subject: &Subject { user: "a".into(), roles: vec![], depth },
                    action: Action::Connect,
                    target: &Target { resource: "r".into(), labels: BTreeMap::new() },
                    facts: None,
                })
                .outcome
        };
        let shallow = "@id(\"s\") permit (principal, action, resource) when { context.agent.depth <= 1 };";
        let deep = "@id(\"d\") permit (principal, action, resource) when { context.agent.depth >= 1 };";
        let any = "@id(\"a\") permit (principal, action, resource);";
        assert_eq!([0, 1, 2].map(|depth| at(shallow, depth)), [Outcome::Allow, Outcome::Allow, Outcome::Deny]);
        // What the root may not, no child may.
        assert_eq!([0, 1, 2].map(|depth| at(deep, depth)), [Outcome::Deny; 3]);
        assert_eq!([0, 1, 2].map(|depth| at(any, depth)), [Outcome::Allow; 3]);
    }

    #[test]
    fn problems_have_file_line_and_hint() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert!(Bundle::load(folder.path()).is_err(), "an empty folder would deny everything without a word");
        write("a.cedar", "@id(\"a\")\npermit (principal, action, resource)\nwhen { context.nope };\n");
        write("b.cedar", "@id(\"a\") permit (principal, action, resource);\npermit (principal, action, resource);");
        write("c.cedar", "\n\npermit (principal, action resource);");
        write("d.txt", "ignored");
        let problems = Bundle::load(folder.path()).unwrap_err();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for start in [
            "a.cedar:3: ",
            "b.cedar: error: a second policy has the @id \"a\"",
            "b.cedar: error: a policy has no @id",
            "c.cedar:3: ",
        ] {
            assert!(shown.iter().any(|problem| problem.starts_with(start)), "{start} is missing in {shown:#?}");
        }
        assert!(problems.iter().all(|problem| !problem.hint.is_empty()), "{problems:#?}");
        assert!(Bundle::load(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn the_hash_is_the_contents() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.cedar"), DEFAULT_POLICY).unwrap();
        let one = Bundle::load(folder.path()).unwrap();
        assert_eq!(one.hash(), Bundle::load(folder.path()).unwrap().hash());
        assert_eq!(one.hash().len(), 64);
        std::fs::write(folder.path().join("b.cedar"), "// more\n").unwrap();
        assert_ne!(one.hash(), Bundle::load(folder.path()).unwrap().hash());
    }
}
