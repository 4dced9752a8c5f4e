//! Decisions over real bundles.

use super::{context::Asked, needs::Needs, *};
use crate::sql::{Facts, facts};
use cedar_policy::{Context, EntityUid, Request};
use std::{collections::BTreeSet, time::Duration};

fn bundle(text: &str) -> Arc<Bundle> {
    Arc::new(Bundle::from_text(text).unwrap())
}

fn subject(roles: &[&str], depth: u32) -> Subject {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Subject { user: "alice".into(), roles, depth, ci: false }
}

fn target(env: &str) -> Target {
    Target { resource: "db".into(), labels: BTreeMap::from([("env".into(), env.into())]) }
}

fn decide(bundle: &Arc<Bundle>, roles: &[&str], env: &str, sql: Option<&str>) -> Decision {
    let facts = sql.map(facts);
    let action = facts.as_ref().map_or(Action::Connect, |facts| Action::of(facts.class));
    bundle.judge(&subject(roles, 0), &target(env)).decide(action, facts.as_ref(), Moment::default())
}

fn problems(text: &str) -> Vec<PolicyProblem> {
    Bundle::from_text(text).err().unwrap_or_default()
}

#[test]
fn the_default_policy_behind_the_guardrails() {
    let bundle = Arc::new(Bundle::guarded(DEFAULT_POLICY, &Guardrails::default()).unwrap());
    for (role, env, sql, outcome, policies) in [
        ("user", "prod", None, Outcome::Allow, &["connect", "connect-unattended"][..]),
        ("reviewer", "prod", None, Outcome::Deny, &[]),
        ("user", "prod", Some("SELECT 1"), Outcome::Allow, &["read", "read-unattended"]),
        ("user", "prod", Some("DELETE FROM t WHERE id = 1"), Outcome::Hold, &["write"]),
        ("user", "dev", Some("DELETE FROM t WHERE id = 1"), Outcome::Allow, &["write", "write-unattended"]),
        ("user", "dev", Some("DELETE FROM t"), Outcome::Hold, &["write", "guardrail-no-where"]),
        ("user", "dev", Some("CREATE TABLE t (a int)"), Outcome::Deny, &[]),
        ("admin", "dev", Some("CREATE TABLE t (a int)"), Outcome::Allow, &["ddl", "ddl-unattended"]),
        ("admin", "prod", Some("CREATE TABLE t (a int)"), Outcome::Hold, &["ddl"]),
        ("admin", "dev", Some("DROP TABLE t"), Outcome::Hold, &["ddl", "guardrail-destructive-attended"]),
        ("admin", "prod", Some("DROP TABLE t"), Outcome::Deny, &["guardrail-destructive"]),
        ("user", "prod", Some("DROP TABLE t"), Outcome::Deny, &["guardrail-destructive"]),
        ("admin", "prod", Some("DO ''"), Outcome::Deny, &[]),
        ("dba", "prod", Some("DO ''"), Outcome::Hold, &["admin"]),
        ("dba", "prod", Some("TRUNCATE t; DO ''"), Outcome::Deny, &["guardrail-destructive"]),
        ("dba", "dev", Some("COPY t TO PROGRAM 'x'"), Outcome::Deny, &["guardrail-server-program"]),
        ("dba", "dev", Some("SELECT pg_read_file('x')"), Outcome::Deny, &["guardrail-server-file"]),
        ("dba", "dev", Some("SELECT passwd FROM pg_shadow"), Outcome::Deny, &["guardrail-secrets"]),
        ("user", "dev", Some("SELECT current_setting('app.secret')"), Outcome::Deny, &["guardrail-secrets"]),
        ("user", "dev", Some("SELECT 'DROP TABLE t; pg_shadow'"), Outcome::Allow, &["read", "read-unattended"]),
    ] {
        let decision = decide(&bundle, &[role], env, sql);
        assert_eq!(decision.outcome, outcome, "{role} {env} {sql:?}: {decision:?}");
        assert_eq!(decision.policies[..], *policies, "{role} {env} {sql:?}");
    }
    let denied = decide(&bundle, &["user"], "prod", Some("DROP TABLE t"));
    assert!(denied.message.is_some_and(|message| message.contains("gone")) && denied.next.is_some());
}

/// That it does no text says: the session's gate does.
#[test]
fn a_mask_is_written_by_nobody_unless_policy_says_otherwise() {
    let decide = |more: &str, disable: &[&str], writes_mask: bool| {
        let disable = disable.iter().map(ToString::to_string).collect();
        let text = format!("{DEFAULT_POLICY}\n{more}");
        let bundle = Arc::new(Bundle::guarded(&text, &Guardrails { on: true, disable }).unwrap());
        let facts = Facts { writes_mask, ..facts("UPDATE t SET a = 'x' WHERE id = 1") };
        bundle.judge(&subject(&["user"], 0), &target("dev")).decide(Action::SqlWrite, Some(&facts), Moment::default())
    };
    let held = "@id(\"masks\") forbid (principal, action == Action::\"unattended\", resource) \
        when { context.sql.writes_mask };";
    assert_eq!(decide("", &[], false).outcome, Outcome::Allow);
    let denied = decide("", &[], true);
    assert_eq!((denied.outcome, denied.policies.first().map(String::as_str)), (Outcome::Deny, Some("guardrail-masks")));
    assert!(denied.message.is_some() && denied.next.is_some());
    assert_eq!(decide("", &["guardrail-masks"], true).outcome, Outcome::Allow);
    assert_eq!(decide(held, &["guardrail-masks"], true).outcome, Outcome::Hold);
    assert_eq!(decide(held, &["guardrail-masks"], false).outcome, Outcome::Allow);
}

#[test]
fn guardrails_can_be_taken_away() {
    let with = |guardrails: &Guardrails| Arc::new(Bundle::guarded(DEFAULT_POLICY, guardrails).unwrap());
    let disable = BTreeSet::from(["guardrail-server-program".to_owned()]);
    let (all, some, none) =
        (with(&Guardrails::default()), with(&Guardrails { on: true, disable }), with(&Guardrails::OFF));
    let copy = Some("COPY t TO PROGRAM 'x'");
    assert_eq!(decide(&all, &["dba"], "dev", copy).outcome, Outcome::Deny);
    assert_eq!(decide(&some, &["dba"], "dev", copy).outcome, Outcome::Hold);
    assert_eq!(decide(&some, &["dba"], "prod", Some("DROP TABLE t")).outcome, Outcome::Deny);
    assert_eq!(decide(&none, &["dba"], "prod", Some("DROP TABLE t")).outcome, Outcome::Hold);
    assert!(all.hash() != some.hash() && some.hash() != none.hash());
    let unknown = Guardrails { on: true, disable: ["guardrail-nope".to_owned()].into() };
    let problems = Bundle::guarded(DEFAULT_POLICY, &unknown).unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("guardrail-nope")), "{problems:?}");
    let taken = "@id(\"guardrail-destructive\") permit (principal, action, resource);";
    let problems = Bundle::guarded(taken, &Guardrails::default()).unwrap_err();
    assert!(problems.iter().any(|problem| problem.hint.contains("ships with the relay")), "{problems:?}");
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
        let decision = decide(&bundle(&fails(rule)), &["user"], "prod", Some("SELECT 1"));
        assert_eq!((decision.outcome, &decision.policies[..]), (Outcome::Deny, &["fails".to_owned()][..]), "{rule}");
    }
}

#[test]
fn a_failing_policy_in_shadow_denies_nothing_and_is_told() {
    let text = "@id(\"all\") permit (principal, action, resource);
        @id(\"fails\") @enforce(\"shadow\") forbid (principal, action == Action::\"sql.read\", resource)
        when { context.sql.statements + 9223372036854775807 > 0 };";
    let decision = decide(&bundle(text), &["user"], "prod", Some("SELECT 1"));
    assert_eq!(decision.outcome, Outcome::Allow);
    assert_eq!(decision.notices, [Notice::Failed { id: "fails".into() }]);
}

#[test]
fn no_rule_denies_and_no_unattended_rule_holds() {
    assert_eq!(decide(&bundle(""), &["user"], "dev", Some("SELECT 1")).outcome, Outcome::Deny);
    let some = bundle("@id(\"r\") permit (principal, action == Action::\"sql.read\", resource);");
    assert_eq!(decide(&some, &[], "dev", Some("SELECT 1")).outcome, Outcome::Hold);
    let judge = some.judge(&subject(&[], 0), &Target::default());
    assert_eq!(judge.decide(Action::SqlRead, None, Moment::default()).outcome, Outcome::Hold);
    let connect = bundle("@id(\"c\") permit (principal, action == Action::\"connect\", resource);");
    assert_eq!(decide(&connect, &[], "dev", None).outcome, Outcome::Hold, "a connection is asked about too");
}

#[test]
fn a_connection_is_unattended_as_one_without_statements() {
    let text = "@id(\"c\") permit (principal, action == Action::\"connect\", resource);
        @id(\"u\") permit (principal, action == Action::\"unattended\", resource)
        when { context.action == \"connect\" && context.sql.class == \"connect\" && context.sql.statements == 0
               && context.sql.has_where && context.sql.reads.isEmpty() };";
    assert_eq!(decide(&bundle(text), &[], "dev", None).outcome, Outcome::Allow);
}

#[test]
fn facts_and_labels_reach_policy() {
    let bundle = bundle(
        "@id(\"r\") permit (principal == User::\"alice\", action in Action::\"sql\", resource == Resource::\"db\")
         when { context.sql.reads.contains(\"t\") && !context.sql.columns.contains(\"ssn\")
                && context.sql.functions == [\"lower\"] && resource.labels.contains(\"env=dev\") && !context.sql.multi };",
    );
    assert_eq!(decide(&bundle, &[], "dev", Some("SELECT lower(a) FROM t")).outcome, Outcome::Hold);
    assert_eq!(decide(&bundle, &[], "dev", Some("SELECT lower(ssn) FROM t")).outcome, Outcome::Deny);
    assert_eq!(decide(&bundle, &[], "prod", Some("SELECT lower(a) FROM t")).outcome, Outcome::Deny);
    assert_eq!(decide(&bundle, &[], "dev", Some("SELECT lower(a) FROM t; SELECT 1")).outcome, Outcome::Deny);
}

#[test]
fn only_scopes_that_can_apply_are_kept() {
    let rule = |id: &str, scope: &str| format!("@id(\"{id}\") permit ({scope}) when {{ context.agent.depth >= 0 }};");
    let all = [
        ("any", "principal, action, resource"),
        ("me", "principal == User::\"alice\", action, resource"),
        ("other", "principal == User::\"bob\", action, resource"),
        ("mine", "principal in Group::\"user\", action, resource"),
        ("self", "principal in User::\"alice\", action, resource"),
        ("others", "principal in Group::\"dba\", action, resource"),
        ("users", "principal is User, action, resource"),
        ("mine-is", "principal is User in Group::\"user\", action, resource"),
        ("others-is", "principal is User in Group::\"dba\", action, resource"),
        ("read", "principal, action == Action::\"sql.read\", resource"),
        ("write", "principal, action == Action::\"sql.write\", resource"),
        ("sql", "principal, action in Action::\"sql\", resource"),
        ("list", "principal, action in [Action::\"connect\", Action::\"sql.read\"], resource"),
        ("list-other", "principal, action in [Action::\"connect\", Action::\"sql.write\"], resource"),
        ("here", "principal, action, resource == Resource::\"db\""),
        ("there", "principal, action, resource == Resource::\"other\""),
        ("dev", "principal, action, resource in Env::\"dev\""),
        ("prod", "principal, action, resource in Env::\"prod\""),
        ("dev-is", "principal, action, resource is Resource in Env::\"dev\""),
    ];
    let text: String = all.iter().map(|(id, scope)| rule(id, scope)).collect();
    let bundle = bundle(&text);
    let decision = decide(&bundle, &["user"], "dev", Some("SELECT 1"));
    let first = ["any", "dev", "dev-is", "here", "list", "me", "mine", "mine-is", "read", "self", "sql", "users"];
    assert_eq!(decision.policies[..first.len()], first.map(str::to_owned));
    // The slice is exactly what decides when every condition is true.
    let judge = bundle.judge(&subject(&["user"], 0), &target("dev"));
    let mut kept: Vec<&str> = judge
        .slice(Asked::First(Action::SqlRead, &Facts::default()))
        .unwrap()
        .rules
        .iter()
        .map(|rule| rule.id.as_str())
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, first);
    assert!(
        judge
            .slice(Asked::First(Action::Connect, &Facts::default()))
            .unwrap()
            .rules
            .iter()
            .all(|rule| rule.id != "sql")
    );
}

#[test]
fn each_depth_of_a_chain_must_be_permitted() {
    let at = |text: &str, depth| {
        let judge = bundle(text).judge(&subject(&[], depth), &Target::default());
        judge.decide(Action::Connect, None, Moment::default()).outcome
    };
    let shallow = "@id(\"s\") permit (principal, action, resource) when { context.agent.depth <= 1 };";
    let deep = "@id(\"d\") permit (principal, action, resource) when { context.agent.depth >= 1 };";
    let hidden = "@id(\"d\") permit (principal, action, resource) when { context[\"\\u{61}gent\"].depth >= 1 };";
    let any = "@id(\"a\") permit (principal, action, resource);";
    assert_eq!([0, 1, 2].map(|depth| at(shallow, depth)), [Outcome::Allow, Outcome::Allow, Outcome::Deny]);
    // What the root may not, no child may.
    assert_eq!([0, 1, 2].map(|depth| at(deep, depth)), [Outcome::Deny; 3]);
    assert_eq!([0, 1, 2].map(|depth| at(hidden, depth)), [Outcome::Deny; 3]);
    assert_eq!([0, 1, 2].map(|depth| at(any, depth)), [Outcome::Allow; 3]);
}

#[test]
fn terms_are_the_strictest_of_what_led_to_the_hold() {
    let text = "@id(\"w\") @quorum(\"2\") @approvers(\"leads\") @ttl(\"15m\") @uses(\"5\")
        permit (principal, action == Action::\"sql.write\", resource);
        @id(\"v\") @approvers(\"dba, leads\") @ttl(\"1h\") @reason_required
        permit (principal, action == Action::\"sql.write\", resource);
        @id(\"other\") @quorum(\"9\") permit (principal, action == Action::\"sql.write\", resource)
        when { context.sql.multi };
        @id(\"u\") permit (principal, action == Action::\"unattended\", resource) when { context.sql.has_where };
        @id(\"f\") @quorum(\"3\") @passkey @window(\"30m\") @message(\"every row\") @next(\"add a WHERE\")
        forbid (principal, action == Action::\"unattended\", resource) when { !context.sql.has_where };";
    let bundle = bundle(text);
    let held = decide(&bundle, &[], "dev", Some("DELETE FROM t"));
    assert_eq!(held.outcome, Outcome::Hold);
    assert_eq!(held.policies[..], ["v", "w", "f"].map(str::to_owned));
    assert_eq!(
        held.terms,
        Terms {
            quorum: 3,
            approvers: ["dba".to_owned(), "leads".to_owned()].into(),
            ttl: Some(Duration::from_secs(900)),
            reason_required: true,
            passkey: true,
            uses: Some(5),
            window: Some(Duration::from_secs(1800)),
        }
    );
    assert_eq!((held.message.as_deref(), held.next.as_deref()), (Some("every row"), Some("add a WHERE")));
    let allowed = decide(&bundle, &[], "dev", Some("DELETE FROM t WHERE a = 1"));
    assert_eq!((allowed.outcome, allowed.terms), (Outcome::Allow, Terms::default()));
}

#[test]
fn terms_of_every_depth_that_holds_count() {
    let text = "@id(\"r\") permit (principal, action == Action::\"sql.read\", resource);
        @id(\"a\") @quorum(\"2\") permit (principal, action == Action::\"sql.read\", resource) when { context.agent.depth == 0 };
        @id(\"b\") @passkey permit (principal, action == Action::\"sql.read\", resource) when { context.agent.depth == 1 };";
    let judge = bundle(text).judge(&subject(&[], 1), &target("dev"));
    let held = judge.decide(Action::SqlRead, None, Moment::default());
    assert_eq!(held.terms, Terms { quorum: 2, passkey: true, ..Terms::default() });
    assert_eq!(held.policies[..], ["b", "r", "a"].map(str::to_owned));
}

#[test]
fn what_is_not_enforced_is_noticed() {
    let text = "@id(\"all\") permit (principal, action, resource);
        @id(\"s\") @enforce(\"shadow\") forbid (principal, action == Action::\"sql.write\", resource);
        @id(\"p\") @enforce(\"shadow\") permit (principal, action == Action::\"sql.write\", resource);
        @id(\"w\") @enforce(\"warn\") @message(\"soon denied\") forbid (principal, action == Action::\"unattended\", resource)
        when { context.action == \"sql.write\" };
        @id(\"n\") @enforce(\"warn\") forbid (principal, action, resource) when { context.agent.depth > 5 };";
    let decision = decide(&bundle(text), &[], "dev", Some("DELETE FROM t WHERE a = 1"));
    assert_eq!((decision.outcome, &decision.policies[..]), (Outcome::Allow, &["all", "all"].map(str::to_owned)[..]));
    let shadow = |id: &str| Notice::Shadow { id: id.into() };
    let warn = Notice::Warn { id: "w".into(), message: "soon denied".into() };
    assert_eq!(decision.notices, [shadow("p"), shadow("s"), warn]);
    // A permit in shadow permits nothing.
    let alone = bundle("@id(\"p\") @enforce(\"shadow\") permit (principal, action, resource);");
    assert_eq!(decide(&alone, &[], "dev", None).outcome, Outcome::Deny);
}

#[test]
fn annotations_are_checked_where_they_stand() {
    for (text, line, column, part) in [
        ("@id(\"a\")\n  @qourum(\"2\")\npermit (principal, action, resource);", 2, 3, "there is no annotation @qourum"),
        ("@id(\"a\") @quorum(\"0\") permit (principal, action, resource);", 1, 10, "@quorum(\"0\") is not accepted"),
        ("@id(\"a\") @quorum(\"11\") permit (principal, action, resource);", 1, 10, "is not accepted"),
        ("@id(\"a\") @ttl(\"soon\") permit (principal, action, resource);", 1, 10, "is not accepted"),
        ("@id(\"a\") @ttl(\"0s\") permit (principal, action, resource);", 1, 10, "is not accepted"),
        ("@id(\"a\") @approvers(\"a,,b\") permit (principal, action, resource);", 1, 10, "is not accepted"),
        ("@id(\"a\") @approvers permit (principal, action, resource);", 1, 10, "is not accepted"),
        ("@id(\"a\") @enforce(\"off\") permit (principal, action, resource);", 1, 10, "is not accepted"),
        ("@id(\"a\") @passkey(\"no\") permit (principal, action, resource);", 1, 10, "is not accepted"),
        ("@id(\"a\") @message(\" \") forbid (principal, action, resource);", 1, 10, "is not accepted"),
        ("@id(\"a\") @uses(\"-1\") forbid (principal, action, resource);", 1, 10, "is not accepted"),
        ("\n\n permit (principal, action, resource);", 3, 2, "has no @id"),
    ] {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].message.contains(part) && !problems[0].hint.is_empty(), "{problems:?}");
        assert_eq!((problems[0].line, problems[0].column), (line, column), "{text}: {problems:?}");
    }
}

#[test]
fn columns_are_masked_unless_policy_says_otherwise_at_every_depth() {
    let ask = |text: &str, depth, relation: &str| {
        let column = ColumnName { name: "ssn", relation, label: "" };
        bundle(text).judge(&subject(&["support"], depth), &target("dev")).unmasked(&column, Moment::default()).outcome
    };
    assert_eq!(
        ask("@id(\"r\") permit (principal, action == Action::\"sql.read\", resource);", 0, "public.c"),
        Outcome::Deny
    );
    let text = "@id(\"u\") permit (principal in Group::\"support\", action == Action::\"unmasked\", resource)
        when { context.column.name == \"ssn\" && context.column.relation == \"public.c\" && context.agent.depth <= 1 };";
    assert_eq!([0, 1, 2].map(|depth| ask(text, depth, "public.c")), [Outcome::Allow, Outcome::Allow, Outcome::Deny]);
    assert_eq!(ask(text, 0, "public.d"), Outcome::Deny);
    let fails = "@id(\"u\") permit (principal, action == Action::\"unmasked\", resource);
        @id(\"f\") forbid (principal, action == Action::\"unmasked\", resource)
        when { context.agent.depth + 9223372036854775807 > 0 && context.agent.depth * 9223372036854775807 > 1 };";
    assert_eq!(ask(fails, 2, "public.c"), Outcome::Deny);
}

#[test]
fn who_may_approve_and_break_glass() {
    let bundle = bundle(DEFAULT_POLICY);
    let may = |role: &str, channel: &str| {
        let approving = Approving { channel, passkey: false, class: "sql.write", requester: "bob" };
        let judge = bundle.judge(&subject(&[role], 0), &target("prod"));
        judge.approve(&approving, Moment::default()).outcome == Outcome::Allow
    };
    let breaks = |bundle: &Arc<Bundle>, role: &str| {
        let judge = bundle.judge(&subject(&[role], 0), &target("prod"));
        judge.break_glass("sql.write", Moment::default()).outcome == Outcome::Allow
    };
    assert!(may("reviewer", "cli") && may("admin", "web"));
    assert!(!may("reviewer", "slack") && !may("dba", "cli") && !may("user", "web"));
    assert!(!breaks(&bundle, "dba"));
    let example = DEFAULT_POLICY.replace("// @id(\"break-glass\")\n// ", "@id(\"break-glass\")\n");
    let bundle = self::bundle(&example);
    assert!(breaks(&bundle, "dba"));
    assert!(!breaks(&bundle, "user"));
    // The other example is valid too.
    let example = DEFAULT_POLICY
        .replace("// @id(\"unmasked", "@id(\"unmasked")
        .replace("// permit (principal in Group::\"support\"", "permit (principal in Group::\"support\"");
    let example = example.replace("// when { context.column", "when { context.column");
    assert_eq!(problems(&example), []);
    assert!(self::bundle(&example).policies().any(|(id, _)| id == "unmasked-support"));
}

#[test]
fn time_reaches_policy_and_is_told_apart() {
    let text = "@id(\"all\") permit (principal, action, resource);
        @id(\"night\") forbid (principal, action == Action::\"sql.write\", resource)
        when { context.time.hour < 6 || context.time.weekday > 5 };";
    let judge = bundle(text).judge(&subject(&[], 0), &target("dev"));
    let at = |seconds: i64| judge.decide(Action::SqlWrite, None, Moment::of(seconds * 1_000_000)).outcome;
    // 1970-01-01 was a Thursday, the third a Saturday.
    assert_eq!([0, 6 * 3600, 2 * 86_400 + 7 * 3600].map(at), [Outcome::Deny, Outcome::Allow, Outcome::Deny]);
    assert!(judge.tells_time());
    let timeless = Arc::new(Bundle::from_text(DEFAULT_POLICY).unwrap());
    assert!(!timeless.judge(&subject(&[], 0), &target("dev")).tells_time());
}

/// Requests are not validated when a decision is made: this is what stands for it.
#[test]
fn every_context_is_as_the_schema_says() {
    let bundle = bundle(DEFAULT_POLICY);
    let judge = bundle.judge(&subject(&["user"], 3), &target("prod"));
    let facts: Facts = facts("SELECT lower(a) FROM t WHERE b = 1; DROP TABLE x");
    let column = ColumnName { name: "a", relation: "public.t", label: "" };
    let approving = Approving { channel: "cli", passkey: true, class: "sql.write", requester: "bob" };
    let mut asked = vec![Asked::Unmasked(&column), Asked::Approve(&approving), Asked::BreakGlass("sql.write")];
    let plain = Action::ALL.map(context::plain);
    for (action, plain) in Action::ALL.into_iter().zip(&plain) {
        asked.extend([Asked::First(action, plain), Asked::Unattended(action, plain)]);
        asked.extend([Asked::First(action, &facts), Asked::Unattended(action, &facts)]);
    }
    let uid = |text: &str| text.parse::<EntityUid>().unwrap();
    for one in asked {
        let context: Context = one.context(Needs::ALL, &judge.subject, 3, Moment::of(0)).unwrap();
        let action = uid(&format!("Action::\"{}\"", one.action()));
        let request =
            Request::new(uid("User::\"alice\""), action, uid("Resource::\"db\""), context, Some(&bundle.schema));
        assert!(request.is_ok(), "{}: {:?}", one.action(), request.err().map(|error| error.to_string()));
    }
}

#[test]
fn what_is_left_out_of_a_context_is_what_no_policy_looks_at() {
    // Each fact alone, so that none comes along with another.
    for (condition, sql) in [
        ("context.sql.class == \"read\"", "SELECT 1"),
        ("context.sql.reads.contains(\"t\")", "SELECT a FROM t"),
        ("context.sql.writes.isEmpty()", "SELECT 1"),
        ("context.sql.columns.contains(\"a\")", "SELECT a FROM t"),
        ("context.sql.functions.contains(\"lower\")", "SELECT lower('A')"),
        ("context.sql.statements == 2", "SELECT 1; SELECT 2"),
        ("context.sql.multi", "SELECT 1; SELECT 2"),
        ("context.sql.has_where", "SELECT 1"),
        ("!context.sql.destructive", "SELECT 1"),
        ("!context.sql.server_program", "SELECT 1"),
        ("!context.sql.server_file", "SELECT 1"),
        ("!context.sql.exposes_secret", "SELECT 1"),
        ("!context.sql.writes_mask", "SELECT 1"),
        ("context.time.zone == \"UTC\"", "SELECT 1"),
        ("context.agent.user == \"alice\" && !context.agent.ci", "SELECT 1"),
    ] {
        let text =
            format!("@id(\"r\") permit (principal, action == Action::\"sql.read\", resource) when {{ {condition} }};");
        assert_eq!(decide(&bundle(&text), &[], "dev", Some(sql)).outcome, Outcome::Hold, "{condition}");
    }
}

#[test]
fn a_decision_is_explained_with_what_nearly_decided() {
    let bundle = Arc::new(Bundle::guarded(DEFAULT_POLICY, &Guardrails::default()).unwrap());
    let judge = bundle.judge(&subject(&["user"], 1), &target("prod"));
    let facts = facts("DELETE FROM t WHERE a = 1");
    let explained = judge.explain(Action::SqlWrite, Some(&facts), Moment::default());
    assert_eq!((explained.outcome, explained.policies), ("hold".to_owned(), vec!["write".to_owned()]));
    assert_eq!(explained.hops.len(), 2);
    let questions = &explained.hops[1].questions;
    assert_eq!(questions.iter().map(|asked| asked.action.as_str()).collect::<Vec<_>>(), ["sql.write", "unattended"]);
    let near: Vec<&str> = questions[1].near_misses.iter().map(|miss| miss.id.as_str()).collect();
    assert!(near.contains(&"write-unattended") && near.contains(&"guardrail-no-where"), "{near:?}");
    assert!(!near.contains(&"read-unattended"), "it is about another action");
    let denied = judge.explain(Action::SqlDdl, None, Moment::default());
    assert_eq!((denied.outcome, denied.hops[0].questions.len()), ("deny".to_owned(), 1));
    assert!(denied.hops[0].questions[0].near_misses.iter().any(|miss| miss.id == "ddl" && miss.effect == "permit"));
}

#[test]
fn two_bundles_differ_by_policies_and_by_what_they_decide() {
    let (one, two) = (bundle(DEFAULT_POLICY), bundle(&DEFAULT_POLICY.replace("@id(\"admin\")", "@id(\"other\")")));
    let added = |id: &str| Change::Added { id: id.to_owned() };
    assert_eq!(one.changes(&two), [Change::Removed { id: "admin".to_owned() }, added("other")]);
    assert_eq!(one.grid(&two, Moment::default()), []);
    let open = format!(
        "{DEFAULT_POLICY}@id(\"open\") permit (principal in Group::\"ops\", action, resource in Env::\"lab\");"
    );
    let cases = one.grid(&bundle(&open), Moment::default());
    assert!(!cases.is_empty() && cases.iter().all(|case| case.role == "ops" && case.env == "lab"), "{cases:?}");
    assert!(cases.iter().all(|case| (case.before, case.after) == ("deny", "allow")), "{cases:?}");
    let changed =
        bundle(&DEFAULT_POLICY.replace(
            "Group::\"dba\", action == Action::\"sql.admin\"",
            "Group::\"ops\", action == Action::\"sql.admin\"",
        ));
    assert_eq!(one.changes(&changed), [Change::Changed { id: "admin".to_owned() }]);
}

#[test]
fn the_example_of_the_readme_is_valid() {
    let readme = include_str!("../../../../README.md");
    let example = readme.split("```cedar\n").nth(1).unwrap().split("```").next().unwrap();
    let bundle = Arc::new(Bundle::guarded(&format!("{DEFAULT_POLICY}{example}"), &Guardrails::default()).unwrap());
    let thursday = Moment::of(0);
    let facts = facts("UPDATE orders SET a = 1 WHERE b = 2");
    let judge = bundle.judge(&subject(&["orders"], 2), &target("prod"));
    let held = judge.decide(Action::SqlWrite, Some(&facts), thursday);
    assert_eq!((held.outcome, held.terms.quorum, held.terms.reason_required), (Outcome::Hold, 2, true));
    let deep = bundle.judge(&subject(&["orders"], 3), &target("prod"));
    assert_eq!(deep.decide(Action::SqlWrite, Some(&facts), thursday).outcome, Outcome::Deny);
    let salary = decide(&bundle, &["user"], "prod", Some("SELECT salary FROM people"));
    assert_eq!((salary.outcome, salary.notices.len()), (Outcome::Allow, 1));
}

#[test]
fn problems_have_file_line_and_hint() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let load = || Bundle::load(folder.path(), &Guardrails::default());
    assert!(load().is_err(), "an empty folder would deny everything without a word");
    write("a.cedar", "@id(\"a\")\npermit (principal, action, resource)\nwhen { context.nope };\n");
    write("b.cedar", "@id(\"a\") permit (principal, action, resource);\npermit (principal, action, resource);");
    write("c.cedar", "\n\npermit (principal, action resource);");
    write("d.txt", "ignored");
    let problems = load().unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for start in [
        "a.cedar:3:",
        "b.cedar:1:1: error: a second policy has the @id \"a\"",
        "b.cedar:2:1: error: a policy has no @id",
        "c.cedar:3:",
    ] {
        assert!(shown.iter().any(|problem| problem.starts_with(start)), "{start} is missing in {shown:#?}");
    }
    assert!(problems.iter().all(|problem| !problem.hint.is_empty()), "{problems:#?}");
    assert!(Bundle::load(&folder.path().join("missing"), &Guardrails::default()).is_err());
}

#[test]
fn the_hash_is_the_contents() {
    let folder = tempfile::tempdir().unwrap();
    let load = || Bundle::load(folder.path(), &Guardrails::default()).unwrap();
    std::fs::write(folder.path().join("a.cedar"), DEFAULT_POLICY).unwrap();
    let one = load();
    assert_eq!(one.hash(), load().hash());
    assert_eq!(one.hash().len(), 64);
    std::fs::write(folder.path().join("b.cedar"), "// more\n").unwrap();
    assert_ne!(one.hash(), load().hash());
    // As files in memory, in whatever order.
    let (mut files, problems) = read(folder.path()).unwrap();
    assert!(problems.is_empty());
    for guardrails in [Guardrails::default(), Guardrails::OFF] {
        let bundle = Bundle::load(folder.path(), &guardrails).unwrap();
        assert_eq!(hash_of(&files, &guardrails), bundle.hash());
    }
    files.reverse();
    assert_eq!(Bundle::of(files, &Guardrails::default()).unwrap().hash(), load().hash());
    assert!(Bundle::of(Vec::new(), &Guardrails::default()).is_err(), "nothing would be permitted");
}
