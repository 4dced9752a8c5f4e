//! Workloads that show their platform's token: each platform's documented claims, signed by a stand-in for its issuer.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use weir_tests::{
    agent::{Agent, Transport},
    federation::{audit, with_identity},
    lab::{Lab, output},
    stand_in::{StandIn, now},
};

/// The rules of every platform, each with an issuer of its own.
struct Platforms {
    github: StandIn,
    gitlab: StandIn,
    kubernetes: StandIn,
    circleci: StandIn,
    buildkite: StandIn,
}

impl Platforms {
    async fn start(lab: &mut Lab) -> Result<Self> {
        let issuer = StandIn::start;
        let own = Self {
            github: issuer()?,
            gitlab: issuer()?,
            kubernetes: issuer()?,
            circleci: issuer()?,
            buildkite: issuer()?,
        };
        let table = |kind: &str, issuer: &StandIn, claims: &str| {
            format!(
                "[[identity.workload]]\nkind = \"{kind}\"\nissuer = \"{}\"\nhttp = true\n[[identity.workload.rules]]\n\
                 service = \"{kind}-job\"\nroles = [\"user\"]\nclaims = {{ {claims} }}\n",
                issuer.url()
            )
        };
        let tables = [
            table("github", &own.github, "repository_id = \"74\", environment = \"production\""),
            table("gitlab", &own.gitlab, "project_id = \"28\""),
            table(
                "kubernetes",
                &own.kubernetes,
                "\"kubernetes.io\" = { namespace = \"ci\", serviceaccount = { name = \"runner\", uid = \"u-1\" } }",
            ),
            table("circleci", &own.circleci, "\"oidc.circleci.com/project-id\" = \"p-1\""),
            table("buildkite", &own.buildkite, "pipeline_id = \"pipe-1\", build_branch = [\"main\", \"next\"]"),
        ];
        lab.restart_with(|config| with_identity(&config, &tables.concat())).await?;
        Ok(own)
    }
}

fn claims(lab: &Lab, issuer: &StandIn, own: Value) -> Value {
    let mut claims =
        json!({ "iss": issuer.url(), "aud": lab.url(), "iat": now(), "nbf": now() - 5, "exp": now() + 300 });
    if let (Value::Object(all), Value::Object(own)) = (&mut claims, own) {
        all.extend(own);
    }
    claims
}

/// As its documentation shows it.
fn github(lab: &Lab, issuer: &StandIn, jti: &str) -> Value {
    claims(
        lab,
        issuer,
        json!({
            "jti": jti, "sub": "repo:octo-org/octo-repo:environment:production", "environment": "production",
            "ref": "refs/heads/main", "sha": "example-sha", "repository": "octo-org/octo-repo", "repository_owner": "octo-org",
            "actor_id": "12", "repository_visibility": "private", "repository_id": "74", "repository_owner_id": "65",
            "run_id": "example-run-id", "run_number": "10", "run_attempt": "2", "runner_environment": "github-hosted",
            "actor": "octocat", "workflow": "example-workflow", "head_ref": "", "base_ref": "",
            "event_name": "workflow_dispatch", "ref_type": "branch", "ref_protected": "true",
            "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
        }),
    )
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims.as_object_mut().map(|claims| claims.insert(name.to_owned(), value));
    claims
}

/// `weir login --ci` with a token in a file, in a home of its own: its exit code and what it says.
fn log_in(lab: &Lab, home: &str, token: &str) -> Result<(Option<i32>, String, Agent)> {
    let mut agent = Agent::new(lab.folder().join("homes").join(home))?;
    let file = agent.home().join("token");
    std::fs::write(&file, token)?;
    agent.environment.push(("WEIR_ID_TOKEN_FILE".into(), file.display().to_string()));
    let done = output(agent.command()?.args(["login", "--ci", "--relay", lab.url(), "--ca"]).arg(lab.ca()), None)?;
    Ok((done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned(), agent))
}

fn come(lab: &Lab, home: &str, token: &str) -> Result<Agent> {
    let (code, said, agent) = log_in(lab, home, token)?;
    ensure!(code == Some(0), "{home}: {said}");
    Ok(agent)
}

fn user(agent: &Agent) -> Result<Value> {
    let who: Value = serde_json::from_str(&agent.weir(&["whoami", "--output", "json"])?)?;
    Ok(who.get("user").cloned().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_platforms_token_is_a_service_identity() -> Result<()> {
    let mut lab = Lab::start().await?;
    let platforms = Platforms::start(&mut lab).await?;
    let tokens = [
        ("github-job", &platforms.github, github(&lab, &platforms.github, "j-1")),
        (
            "github-job",
            &platforms.github,
            with(
                github(&lab, &platforms.github, "j-2"),
                "sub",
                json!("repo:octo-org@65/octo-repo@74:environment:production"),
            ),
        ),
        (
            "gitlab-job",
            &platforms.gitlab,
            claims(
                &lab,
                &platforms.gitlab,
                json!({
                    "namespace_id": "72", "namespace_path": "my-group", "project_id": "28", "project_path": "my-group/app",
                    "job_project_id": "28", "user_id": "1", "user_login": "sample-user", "pipeline_id": "574",
                    "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch",
                    "ref_path": "refs/heads/main", "ref_protected": "true", "runner_id": 1,
                    "runner_environment": "gitlab-hosted", "sha": "714a629c", "project_visibility": "public",
                    "ci_config_ref_uri": "gitlab.example.com/my-group/app//.gitlab-ci.yml@refs/heads/main",
                    "jti": "235b3a54", "sub": "project_path:my-group/app:ref_type:branch:ref:main",
                }),
            ),
        ),
        (
            "kubernetes-job",
            &platforms.kubernetes,
            with(
                claims(
                    &lab,
                    &platforms.kubernetes,
                    json!({
                        "sub": "system:serviceaccount:ci:runner",
                        "kubernetes.io": { "namespace": "ci", "node": { "name": "n", "uid": "n-1" },
                            "pod": { "name": "p", "uid": "p-1" }, "serviceaccount": { "name": "runner", "uid": "u-1" } },
                    }),
                ),
                "aud",
                json!([lab.url()]),
            ),
        ),
        (
            "circleci-job",
            &platforms.circleci,
            claims(
                &lab,
                &platforms.circleci,
                json!({
                    "sub": "org/o-1/project/p-1/user/u-1/vcs-origin/github.com/o/r/vcs-ref/refs/heads/main",
                    "oidc.circleci.com/org-id": "o-1", "oidc.circleci.com/project-id": "p-1",
                    "oidc.circleci.com/context-ids": ["c-1"], "oidc.circleci.com/vcs-ref": "refs/heads/main",
                }),
            ),
        ),
        (
            "buildkite-job",
            &platforms.buildkite,
            claims(
                &lab,
                &platforms.buildkite,
                json!({
                    "sub": "organization:acme:pipeline:app:ref:refs/heads/main:commit:9f3182061f:step:build",
                    "organization_slug": "acme", "pipeline_slug": "app", "build_number": 1, "build_branch": "main",
                    "build_commit": "9f3182061f", "step_key": "build", "job_id": "0184990a", "agent_id": "0184990b",
                    "organization_id": "org-1", "pipeline_id": "pipe-1",
                }),
            ),
        ),
    ];
    for (at, (service, issuer, claims)) in tokens.iter().enumerate() {
        let agent = come(&lab, &format!("{service}-{at}"), &issuer.sign(claims))?;
        ensure!(user(&agent)? == json!(service), "{service}");
        // What follows in the job needs no token any more.
        agent.weir(&["list"])?;
    }
    let job = come(&lab, "session", &platforms.github.sign(&github(&lab, &platforms.github, "j-3")))?;
    let shop = job.connect("shop-dev", Transport::Quic)?;
    ensure!(shop.sql("SELECT count(*) FROM customers")? == "3", "no session");
    let log = audit(&lab)?;
    for evidence in ["login.workload github-job", "example-run-id", "octocat", "\"kubernetes.io\"", "302", "0184990a"] {
        ensure!(log.contains(evidence), "{evidence} is not in {log}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_may_not_come_in_do_not() -> Result<()> {
    let mut lab = Lab::start().await?;
    let platforms = Platforms::start(&mut lab).await?;
    let hub = &platforms.github;
    let good = |jti: &str| github(&lab, hub, jti);
    for (why, token) in [
        ("event_name is pull_request_target", with(good("1"), "event_name", json!("pull_request_target"))),
        ("event_name is pull_request", with(good("2"), "event_name", json!("pull_request"))),
        ("the ref is not protected", with(good("3"), "ref_protected", json!("false"))),
        ("no rule's claims", with(good("4"), "repository_id", json!("75"))),
        ("no rule's claims", with(good("5"), "environment", json!("staging"))),
        ("another audience", with(good("6"), "aud", json!("https://another.example"))),
        ("another audience", with(good("7"), "aud", json!([lab.url(), "https://another.example"]))),
        ("has expired", with(good("8"), "exp", json!(now() - 61))),
        ("is not configured", with(good("9"), "iss", json!("https://token.example"))),
        ("is not valid yet", with(good("10"), "nbf", json!(now() + 600))),
    ] {
        let (code, said, _) = log_in(&lab, "refused", &hub.sign(&token))?;
        ensure!(code == Some(4) && said.contains("the token is not accepted"), "{why}: {code:?} {said}");
        ensure!(!said.contains(why), "too much is said: {said}");
        let log = audit(&lab)?;
        ensure!(
            log.lines().last().is_some_and(|last| last.contains("workload.refused") && last.contains(why)),
            "{why}: {log}"
        );
    }
    // A token of one platform's is nothing with another's name on it.
    let crossed = platforms.gitlab.sign(&good("11"));
    ensure!(log_in(&lab, "refused", &crossed)?.0 == Some(4), "signed by another platform");
    // A disabled service stays out, whatever its token.
    come(&lab, "first", &hub.sign(&good("12")))?;
    lab.admin(&["user", "disable", "github-job"])?;
    ensure!(log_in(&lab, "refused", &hub.sign(&good("13")))?.0 == Some(4), "a disabled service came in");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_good_once_for_the_first_key() -> Result<()> {
    let mut lab = Lab::start().await?;
    let platforms = Platforms::start(&mut lab).await?;
    let with_jti = platforms.github.sign(&github(&lab, &platforms.github, "j-1"));
    // The same jti in another token is the same token; without a jti, what is signed is.
    let renewed = platforms.github.sign(&with(github(&lab, &platforms.github, "j-1"), "run_attempt", json!("3")));
    let without = claims(&lab, &platforms.circleci, json!({ "sub": "s", "oidc.circleci.com/project-id": "p-1" }));
    let without = platforms.circleci.sign(&without);
    for (name, first, second) in [("github", &with_jti, &renewed), ("circleci", &without, &without)] {
        let winner = come(&lab, &format!("{name}-first"), first)?;
        for again in [first, second] {
            let (code, said, _) = log_in(&lab, &format!("{name}-thief"), again)?;
            ensure!(code == Some(4) && said.contains("used before"), "{name}: {code:?} {said}");
        }
        // The first keeps what it has.
        ensure!(user(&winner)? == json!(format!("{name}-job")), "{name}");
    }
    let log = audit(&lab)?;
    ensure!(log.matches("alert.token_replayed").count() == 4 && log.contains("\"first\""), "{log}");

    // Neither a restart nor other spellings of the signature forget it.
    lab.restart_with(|config| config).await?;
    ensure!(log_in(&lab, "late-thief", &with_jti)?.0 == Some(4), "forgotten in a restart");
    let (signed, signature) = without.rsplit_once('.').context("no signature")?;
    let other = format!("{signed}.{}", other_spelling(signature));
    ensure!(log_in(&lab, "late-thief", &other)?.0 == Some(4), "another spelling");

    // A client that asks for no more gets one key's access, and nothing that outlives it.
    let client = Client::new(&lab)?;
    let token = platforms.github.sign(&github(&lab, &platforms.github, "j-9"));
    let answer = client.exchange(&lab, &token, &[]).await?;
    ensure!(answer.get("refresh_token").is_none_or(Value::is_null) && answer.get("access_token").is_some(), "{answer}");
    ensure!(answer.get("expires_in").and_then(Value::as_i64).is_some_and(|seconds| seconds <= 3600), "{answer}");
    let token = platforms.github.sign(&github(&lab, &platforms.github, "j-10"));
    let answer = client.exchange(&lab, &token, &[("actor_token", "x")]).await?;
    ensure!(answer.get("error") == Some(&json!("invalid_request")), "{answer}");
    Ok(())
}

/// The last character of base64 may have bits that mean nothing.
fn other_spelling(signature: &str) -> String {
    let mut text = signature.to_owned();
    let last = text.pop().unwrap_or('A');
    text.push(char::from_u32(u32::from(last) + 1).unwrap_or('B'));
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_change_are_looked_for_but_not_at_every_call() -> Result<()> {
    let mut lab = Lab::start().await?;
    let platforms = Platforms::start(&mut lab).await?;
    let hub = &platforms.github;
    let before = hub.sign(&github(&lab, hub, "1"));
    come(&lab, "before", &before)?;
    let withdrawn = hub.sign(&github(&lab, hub, "2"));
    hub.rotate()?;
    come(&lab, "after", &hub.sign(&github(&lab, hub, "3")))?;
    ensure!(log_in(&lab, "withdrawn", &withdrawn)?.0 == Some(4), "a withdrawn key");
    let fetched = hub.fetched();
    hub.rotate()?;
    for at in 0..5 {
        let token = hub.sign(&github(&lab, hub, &format!("flood-{at}")));
        ensure!(log_in(&lab, "flood", &token)?.0 == Some(4), "known without having been fetched");
    }
    ensure!(hub.fetched() == fetched, "unknown keys had the issuer asked {} times more", hub.fetched() - fetched);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weir_finds_the_platforms_token_by_itself() -> Result<()> {
    let mut lab = Lab::start().await?;
    let platforms = Platforms::start(&mut lab).await?;
    let hub = platforms.github.clone();
    // GitHub gives a token for the audience that is asked for.
    let template = github(&lab, &hub, "asked-for");
    hub.answers(move |own, audience| own.sign(&with(template.clone(), "aud", json!(audience))));
    let login = |name: &str, environment: &[(&str, String)], more: &[&str]| -> Result<String> {
        let mut agent = Agent::new(lab.folder().join("homes").join(name))?;
        agent.environment.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let ca = lab.ca().display().to_string();
        let arguments = [&["login", "--ci", "--relay", lab.url(), "--ca", &ca][..], more].concat();
        let done = output(agent.command()?.args(arguments), None)?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        ensure!(done.status.success(), "{name}: {said}");
        user(&agent)?;
        Ok(said)
    };
    let said = login(
        "github",
        &[
            ("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/github?api-version=2.0", hub.url())),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "right-to-ask".into()),
        ],
        &[],
    )?;
    ensure!(said.contains("a token from GitHub Actions"), "{said}");
    let lab_claims = json!({ "sub": "s", "project_id": "28", "pipeline_source": "push", "ref_protected": "true" });
    let token = platforms.gitlab.sign(&claims(&lab, &platforms.gitlab, lab_claims));
    let said = login("gitlab", &[("MY_TOKEN", token)], &["--id-token-env", "MY_TOKEN"])?;
    ensure!(said.contains("the token in $MY_TOKEN"), "{said}");

    // Buildkite's and CircleCI's programs, of which nothing but their command line is here.
    let programs = lab.folder().join("programs");
    std::fs::create_dir_all(&programs)?;
    let path = format!("{}:{}", programs.display(), std::env::var("PATH")?);
    let kite =
        claims(&lab, &platforms.buildkite, json!({ "sub": "s", "pipeline_id": "pipe-1", "build_branch": "main" }));
    let expected = format!("oidc request-token --audience {} --claim organization_id --claim pipeline_id", lab.url());
    program(&programs, "buildkite-agent", &expected, &platforms.buildkite.sign(&kite))?;
    login("buildkite", &[("BUILDKITE", "true".into()), ("PATH", path.clone())], &[])?;
    let circle = claims(&lab, &platforms.circleci, json!({ "sub": "s", "oidc.circleci.com/project-id": "p-1" }));
    let expected = format!("run oidc get --claims {{\"aud\":\"{}\"}}", lab.url());
    program(&programs, "circleci", &expected, &platforms.circleci.sign(&circle))?;
    login("circleci", &[("CIRCLE_OIDC_TOKEN_V2", "for another audience".into()), ("PATH", path)], &[])?;

    // A job's step alone: `weir run` logs in by itself, and the command does not find the platform's token.
    let mut agent = Agent::new(lab.folder().join("homes/step"))?;
    let lab_claims =
        json!({ "sub": "s", "project_id": "28", "pipeline_source": "push", "ref_protected": "true", "job_id": "2" });
    let token = platforms.gitlab.sign(&claims(&lab, &platforms.gitlab, lab_claims));
    let ca = lab.ca().display().to_string();
    for (name, value) in [("WEIR_RELAY", lab.url()), ("WEIR_CA", &ca), ("WEIR_ID_TOKEN", &token)] {
        agent.environment.push((name.to_owned(), value.to_owned()));
    }
    let step =
        ["run", "--connect", "shop-dev", "--", "sh", "-c", "psql -X -At -c 'SELECT 4711'; echo \"<$WEIR_ID_TOKEN>\""];
    let said = agent.weir(&step)?;
    ensure!(said == "4711\n<>\n", "{said}");
    Ok(())
}

/// A program that prints the token when it is called exactly so.
fn program(folder: &Path, name: &str, arguments: &str, token: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n[ \"$*\" = '{arguments}' ] || exit 9\necho '{token}'\n"))?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

/// An OAuth client that is not weir, with a key of its own.
struct Client(reqwest::Client);

impl Client {
    fn new(lab: &Lab) -> Result<Self> {
        let key = rcgen::KeyPair::generate()?;
        let certificate = rcgen::CertificateParams::new(vec!["client".to_owned()])?.self_signed(&key)?;
        let identity = format!("{}{}", certificate.pem(), key.serialize_pem());
        let ca = reqwest::Certificate::from_pem(&std::fs::read(lab.ca())?)?;
        let identity = reqwest::Identity::from_pem(identity.as_bytes())?;
        Ok(Self(reqwest::Client::builder().tls_certs_only([ca]).identity(identity).build()?))
    }

    async fn exchange(&self, lab: &Lab, token: &str, more: &[(&str, &str)]) -> Result<Value> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("subject_token", token),
            ("client_id", "weir-cli"),
        ];
        let form = [&form[..], more].concat();
        Ok(self.0.post(format!("{}/oauth/token", lab.url())).form(&form).send().await?.json().await?)
    }
}
