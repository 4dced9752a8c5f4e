//! What a platform's verified claims make of a workload: a service identity by the first rule that fits, or why none does.
//! Pure. Names are not trusted to stay anybody's; a rule must name an id (see `Platform::immutable`).

use super::token::Claims;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use weir_shared::config::checked::{Claim, Exception, Platform, Workload, WorkloadRule};

/// Claims that tell an auditor which run it was, of any platform.
const EVIDENCE: &[&str] = &[
    "sub",
    "jti",
    "iat",
    "exp",
    "actor",
    "actor_id",
    "agent_id",
    "build_branch",
    "build_commit",
    "build_number",
    "ci_config_ref_uri",
    "environment",
    "event_name",
    "job_id",
    "job_workflow_ref",
    "kubernetes.io",
    "oidc.circleci.com/org-id",
    "oidc.circleci.com/project-id",
    "oidc.circleci.com/vcs-origin",
    "oidc.circleci.com/vcs-ref",
    "organization_id",
    "organization_slug",
    "pipeline_id",
    "pipeline_slug",
    "pipeline_source",
    "project_id",
    "project_path",
    "ref",
    "ref_path",
    "repository",
    "repository_id",
    "run_attempt",
    "run_id",
    "runner_environment",
    "runner_id",
    "sha",
    "step_key",
    "user_id",
    "user_login",
    "workflow_ref",
];
/// A claim longer than this, as JSON, is no evidence.
const LONGEST: usize = 512;

/// The rule that fits.
pub(in crate::identity) fn fit<'a>(workload: &'a Workload, claims: &Claims) -> Result<&'a WorkloadRule, String> {
    let mut why = None;
    for rule in &workload.rules {
        if rule.claims.iter().all(|(name, wanted)| has(workload.kind, claims, name, wanted)) {
            match refuse(workload.kind, rule, claims) {
                None => return Ok(rule),
                Some(what) => why = why.or_else(|| Some(format!("{what} (rule of {})", rule.service))),
            }
        }
    }
    Err(why.unwrap_or_else(|| "no rule's claims are the token's".to_owned()))
}

/// What is kept of the claims: what the rule asked for, and which run it was.
pub(in crate::identity) fn evidence(rule: &WorkloadRule, claims: &Claims) -> Map<String, Value> {
    let names = EVIDENCE.iter().copied().chain(rule.claims.keys().map(String::as_str));
    let known = names.filter_map(|name| Some((name.to_owned(), claims.get(name)?.clone())));
    known.filter(|(_, value)| value.to_string().len() <= LONGEST).collect()
}

fn has(kind: Platform, claims: &Claims, name: &str, wanted: &Claim) -> bool {
    match (kind, name, wanted) {
        (Platform::GitHub, "sub", Claim::OneOf(any)) => {
            let subjects = github_subjects(claims);
            any.iter().any(|one| subjects.contains(one))
        }
        _ => claims.get(name).is_some_and(|given| is(given, wanted)),
    }
}

fn is(given: &Value, wanted: &Claim) -> bool {
    match (given, wanted) {
        (Value::Object(given), Claim::Within(wanted)) => within(given, wanted),
        (Value::Array(items), Claim::OneOf(_)) => items.iter().any(|item| !item.is_array() && is(item, wanted)),
        (Value::String(text), Claim::OneOf(any)) => any.contains(text),
        (Value::Number(_) | Value::Bool(_), Claim::OneOf(any)) => any.contains(&given.to_string()),
        _ => false,
    }
}

fn within(given: &Claims, wanted: &BTreeMap<String, Claim>) -> bool {
    wanted.iter().all(|(name, wanted)| given.get(name).is_some_and(|given| is(given, wanted)))
}

/// GitHub's subject in both of its forms, `repo:OWNER/NAME:...` and `repo:OWNER@ID/NAME@ID:...`: a rule may have been written
/// with either. The ids come from claims of their own.
fn github_subjects(claims: &Claims) -> Vec<String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let Some(subject) = text("sub") else { return Vec::new() };
    let mut forms = vec![subject.to_owned()];
    let Some((repository, rest)) = subject.strip_prefix("repo:").and_then(|rest| rest.split_once(':')) else {
        return forms;
    };
    let Some((owner, name)) = repository.split_once('/') else { return forms };
    let (Some(owner_id), Some(id)) = (text("repository_owner_id"), text("repository_id")) else { return forms };
    let bare = |part: &str, id: &str| match part.split_once('@') {
        None => Some(part.to_owned()),
        Some((bare, own)) => (own == id).then(|| bare.to_owned()),
    };
    if let (Some(owner), Some(name)) = (bare(owner, owner_id), bare(name, id)) {
        forms.push(format!("repo:{owner}/{name}:{rest}"));
        forms.push(format!("repo:{owner}@{owner_id}/{name}@{id}:{rest}"));
    }
    forms
}

/// What the platform's token says that the rule does not allow; what it should say and does not counts against it.
fn refuse(kind: Platform, rule: &WorkloadRule, claims: &Claims) -> Option<String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let forbids = |exception: Exception| !rule.allow.contains(&exception);
    let protected = text("ref_protected") == "true" || claims.get("ref_protected") == Some(&Value::Bool(true));
    let unprotected =
        || (!protected && forbids(Exception::UnprotectedRef)).then(|| "the ref is not protected".to_owned());
    match kind {
        Platform::GitHub => match text("event_name") {
            "" => Some("event_name is missing".to_owned()),
            "pull_request_target" if forbids(Exception::PullRequestTarget) => {
                Some("event_name is pull_request_target".to_owned())
            }
            "pull_request_target" => unprotected(),
            event if event.starts_with("pull_request") => {
                // Its ref is the merge that GitHub made, never a protected one; and a fork's is not told from one's own.
                forbids(Exception::PullRequest).then(|| format!("event_name is {event}"))
            }
            _ => unprotected(),
        },
        Platform::GitLab => {
            // In a merge request's pipeline `project_id` is where the change comes from, `job_project_id` where it runs.
            let id = |name: &str| claims.get(name).map(|id| id.to_string().trim_matches('"').to_owned());
            let own = id("job_project_id").is_some() && id("job_project_id") == id("project_id");
            match text("pipeline_source") {
                "" => Some("pipeline_source is missing".to_owned()),
                "merge_request_event" if !own && forbids(Exception::ForkMergeRequest) => {
                    Some("the pipeline is a fork's merge request, or the token does not tell".to_owned())
                }
                _ => unprotected(),
            }
        }
        Platform::Kubernetes | Platform::CircleCi | Platform::Buildkite | Platform::Oidc => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    fn workload(kind: &str, rule: &str) -> Workload {
        let text = format!(
            "[[identity.workload]]\nkind = \"{kind}\"\nissuer = \"https://i\"\n[[identity.workload.rules]]\n\
             service = \"deploy\"\nroles = [\"user\"]\n{rule}"
        );
        weir_shared::config::parse(&text, Path::new("x.toml")).unwrap().0.identity.workload.remove(0)
    }

    fn fits(workload: &Workload, claims: &Value) -> Result<(), String> {
        fit(workload, claims.as_object().unwrap()).map(drop)
    }

    fn changed(claims: &Value, name: &str, value: Value) -> Value {
        let mut claims = claims.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        claims
    }

    #[test]
    fn github_runs_that_others_can_begin_are_refused() {
        let strict = workload("github", "claims = { repository_id = \"456\" }");
        let good = json!({
            "sub": "repo:octo@123/shop@456:ref:refs/heads/main", "repository_id": "456", "repository_owner_id": "123",
            "event_name": "push", "ref": "refs/heads/main", "ref_protected": "true",
        });
        assert_eq!(fits(&strict, &good), Ok(()));
        for (name, value) in [
            ("repository_id", json!("457")),
            ("repository_id", json!("")),
            ("repository_id", json!(null)),
            ("event_name", json!("pull_request")),
            ("event_name", json!("pull_request_target")),
            ("event_name", json!("pull_request_review")),
            ("event_name", json!(null)),
            ("ref_protected", json!("false")),
            ("ref_protected", json!(null)),
        ] {
            assert!(fits(&strict, &changed(&good, name, value.clone())).is_err(), "{name} {value}");
        }
        let lax = workload("github", "claims = { repository_id = \"456\" }\nallow = [\"pull_request\"]");
        let pull = changed(&changed(&good, "event_name", json!("pull_request")), "ref_protected", json!("false"));
        assert_eq!(fits(&lax, &pull), Ok(()));
        assert!(fits(&lax, &changed(&pull, "event_name", json!("pull_request_target"))).is_err());
        assert!(fits(&lax, &changed(&pull, "event_name", json!("push"))).is_err());
    }

    #[test]
    fn github_subjects_are_known_in_both_forms() {
        let id = "repository_id = \"456\"";
        for rule in ["repo:octo/shop:ref:refs/heads/main", "repo:octo@123/shop@456:ref:refs/heads/main"] {
            let rule = workload("github", &format!("claims = {{ {id}, sub = \"{rule}\" }}"));
            let claims = |sub: &str| {
                json!({ "sub": sub, "repository_id": "456", "repository_owner_id": "123", "event_name": "push",
                    "ref_protected": "true" })
            };
            for same in ["repo:octo/shop:ref:refs/heads/main", "repo:octo@123/shop@456:ref:refs/heads/main"] {
                assert_eq!(fits(&rule, &claims(same)), Ok(()), "{same}");
            }
            for other in [
                "repo:octo@124/shop@456:ref:refs/heads/main",
                "repo:octo/shop@457:ref:refs/heads/main",
                "repo:octo/shop:ref:refs/heads/maintenance",
                "repo:octo/shop:pull_request",
                "repo:octo/shop",
            ] {
                assert!(fits(&rule, &claims(other)).is_err(), "{other}");
            }
        }
    }

    #[test]
    fn gitlab_forks_and_unprotected_refs_are_refused() {
        let strict = workload("gitlab", "claims = { project_id = \"28\" }");
        let good = json!({ "sub": "project_path:shop/app:ref_type:branch:ref:main", "project_id": "28",
            "job_project_id": "28", "pipeline_source": "push", "ref_protected": "true" });
        assert_eq!(fits(&strict, &good), Ok(()));
        assert_eq!(fits(&strict, &changed(&good, "project_id", json!(28))), Ok(()), "numbers are their digits");
        let merge = changed(&good, "pipeline_source", json!("merge_request_event"));
        assert_eq!(fits(&strict, &merge), Ok(()), "of one's own project");
        for (claims, name, value) in [
            (&good, "ref_protected", json!("false")),
            (&good, "ref_protected", json!(null)),
            (&good, "pipeline_source", json!(null)),
            (&good, "project_id", json!("29")),
            (&merge, "job_project_id", json!("99")),
            (&merge, "job_project_id", json!(null)),
        ] {
            assert!(fits(&strict, &changed(claims, name, value.clone())).is_err(), "{name} {value}");
        }
    }

    #[test]
    fn nested_claims_and_lists_are_matched() {
        let rule = workload(
            "kubernetes",
            "claims = { \"kubernetes.io\" = { namespace = \"ci\", serviceaccount = { name = [\"a\", \"b\"] } } }",
        );
        let claims = |namespace: &str, account: Value| json!({ "sub": "s", "kubernetes.io": { "namespace": namespace, "serviceaccount": account } });
        assert_eq!(fits(&rule, &claims("ci", json!({ "name": "b", "uid": "u" }))), Ok(()));
        assert!(fits(&rule, &claims("prod", json!({ "name": "b" }))).is_err());
        assert!(fits(&rule, &claims("ci", json!({ "name": "c" }))).is_err());
        assert!(fits(&rule, &claims("ci", json!("b"))).is_err());
        let list = workload("oidc", "claims = { contexts = \"x\" }");
        assert_eq!(fits(&list, &json!({ "contexts": ["w", "x"] })), Ok(()));
        assert!(fits(&list, &json!({ "contexts": [["x"]] })).is_err());
        assert!(fits(&list, &json!({ "contexts": { "x": "x" } })).is_err());
    }
}
