//! Whom the relay lets in beside its local users: people of an OpenID Connect provider, workloads of a platform.

use super::CredentialSource;
use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

/// `[identity]`
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Local users may not log in with their passwords.
    pub no_local_users: bool,
    /// The provider of people.
    pub oidc: Option<Oidc>,
    /// The platforms of workloads; each issuer once.
    pub workload: Vec<Workload>,
}

/// Who signs tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The `iss` of its tokens, exactly; its discovery document lies below it.
    pub url: String,
    /// CA of its certificates (PEM); the platform's roots when none.
    pub ca: Option<PathBuf>,
    /// Its addresses may be `http` on loopback.
    pub http: bool,
}

/// `[identity.oidc]`: the provider by which people log in.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// The provider.
    pub issuer: Issuer,
    /// Its name on the login page.
    pub name: String,
    /// Which client of the provider the relay is.
    pub client_id: String,
    /// The client's secret; none for a public client.
    pub client_secret: CredentialSource,
    /// What is asked for; `openid` among it.
    pub scopes: Vec<String>,
    /// The claim that a user is named by.
    pub name_claim: String,
    /// The claim that holds the groups.
    pub groups_claim: String,
    /// Roles of everyone.
    pub roles: Vec<String>,
    /// Roles of the members of a group.
    pub groups: BTreeMap<String, Vec<String>>,
    /// One of these must be among a user's groups; none is no condition.
    pub required_groups: Vec<String>,
    /// A user's verified address must be of one of these; none is no condition.
    pub domains: Vec<String>,
}

/// `[[identity.workload]]`: a platform whose workloads may come.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Who signs the platform's tokens.
    pub issuer: Issuer,
    /// What its claims mean.
    pub kind: Platform,
    /// The one `aud` of its tokens: the relay's URL, unless the platform cannot.
    pub audience: String,
    /// How long a workload's login lasts.
    pub lifetime: Duration,
    /// The first that fits says who it is.
    pub rules: Vec<WorkloadRule>,
}

/// Whom a workload with these claims is taken for.
#[derive(Clone, Debug)]
pub struct WorkloadRule {
    /// The name of the service identity.
    pub service: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// What its token must say; never empty.
    pub claims: BTreeMap<String, Claim>,
    /// What is refused otherwise.
    pub allow: Vec<Exception>,
}

/// What a claim must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// One of these texts; of a list, one of its items.
    OneOf(Vec<String>),
    /// An object with these.
    Within(BTreeMap<String, Self>),
}

/// A platform that signs tokens for its workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Service accounts of a Kubernetes cluster.
    Kubernetes,
    /// CircleCI.
    CircleCi,
    /// Buildkite.
    Buildkite,
    /// Any other.
    Oidc,
}

impl Platform {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::GitHub, Self::GitLab, Self::Kubernetes, Self::CircleCi, Self::Buildkite, Self::Oidc];

    /// As typed in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Kubernetes => "kubernetes",
            Self::CircleCi => "circleci",
            Self::Buildkite => "buildkite",
            Self::Oidc => "oidc",
        }
    }

    /// The issuer of those that have but one.
    #[must_use]
    pub fn issuer(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("https://token.actions.githubusercontent.com"),
            Self::GitLab => Some("https://gitlab.com"),
            Self::Buildkite => Some("https://agent.buildkite.com"),
            Self::Kubernetes | Self::CircleCi | Self::Oidc => None,
        }
    }

    /// Claims of which a rule must name one: they are never given to another, as names are. Empty where the issuer is the
    /// owner's own, and anything it says is.
    #[must_use]
    pub fn immutable(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["repository_id", "repository_owner_id", "enterprise_id"],
            Self::GitLab => &["project_id", "namespace_id"],
            Self::CircleCi => &["oidc.circleci.com/project-id", "oidc.circleci.com/org-id"],
            Self::Buildkite => &["pipeline_id", "organization_id"],
            Self::Kubernetes | Self::Oidc => &[],
        }
    }

    /// What its rules may allow.
    #[must_use]
    pub fn exceptions(self) -> &'static [Exception] {
        match self {
            Self::GitHub => &[Exception::PullRequest, Exception::PullRequestTarget, Exception::UnprotectedRef],
            Self::GitLab => &[Exception::ForkMergeRequest, Exception::UnprotectedRef],
            Self::Kubernetes | Self::CircleCi | Self::Buildkite | Self::Oidc => &[],
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a workload is refused for, unless its rule allows it: others than those who may push to a protected branch chose
/// what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// GitHub: runs on a pull request, also on one of a fork, which the token does not tell.
    PullRequest,
    /// GitHub: runs with the repository's rights for whoever opens a pull request.
    PullRequestTarget,
    /// GitLab: runs on a fork's merge request.
    ForkMergeRequest,
    /// Runs on a branch or tag that is not protected.
    UnprotectedRef,
}

impl Exception {
    /// As typed in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PullRequest => "pull_request",
            Self::PullRequestTarget => "pull_request_target",
            Self::ForkMergeRequest => "fork_merge_request",
            Self::UnprotectedRef => "unprotected_ref",
        }
    }
}
