//! Principal and resource become a `Grant`, here and nowhere else.
//!
//! A grant cannot be made elsewhere:
//! ```compile_fail
//! let grant = weir_relay::session::authorize::Grant { expires_at: 0 };
//! ```

use crate::{
    approval::{self, elevations::Elevations},
    identity::Principal,
    policy::Policies,
    relay::Relay,
    tunnel::Transport,
};
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use weir_policy::bundle::{Action, Decision, Judge, Moment, Outcome, Subject, Target};
use weir_protocol::Refusal;
use weir_shared::{
    config::checked::{Resource, Scope, is_database_pattern},
    id::{AgentId, ResourceName, SessionId},
    scope,
};
use weir_store::agents::Link;

/// The right to one session with one resource: who dials, injects or gates must hold it.
#[derive(Debug)]
pub struct Grant {
    session: SessionId,
    chain: Vec<Link>,
    agent: AgentId,
    subject: Subject,
    target: Target,
    resource: Arc<Resource>,
    policies: Arc<Policies>,
    elevations: Arc<Elevations>,
    /// The generation of `ruled`, to be looked at for each statement.
    generation: AtomicU64,
    ruled: RwLock<Ruled>,
    expires_at: i64,
    /// A human must let it begin.
    held: Option<Decision>,
    span: tracing::Span,
}

/// The right to begin the session of a grant: policy lets it begin unattended, or a human did. Who dials must hold it.
///
/// It cannot be made elsewhere:
/// ```compile_fail
/// fn forge(grant: &weir_relay::session::authorize::Grant) -> weir_relay::session::authorize::Admitted<'_> {
///     weir_relay::session::authorize::Admitted { grant, within: None }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Admitted<'g> {
    grant: &'g Grant,
    within: Option<Duration>,
}

impl<'g> Admitted<'g> {
    /// Whose.
    #[must_use]
    pub fn grant(self) -> &'g Grant {
        self.grant
    }

    /// How long the session may last, where a human said so.
    #[must_use]
    pub fn within(self) -> Option<Duration> {
        self.within
    }
}

/// What rules a session now.
#[derive(Debug)]
struct Ruled {
    judge: Arc<Judge>,
    /// Policies that came into force later no longer permit the connection: then they permit nothing in it.
    barred: Option<Decision>,
}

impl Grant {
    /// The session it is for.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// What is logged about the session is logged inside this. It is not entered while bytes move: each of a
    /// statement's polls would pay for it, and nothing is logged then.
    #[must_use]
    pub fn span(&self) -> &tracing::Span {
        &self.span
    }

    /// The agent it was given to.
    #[must_use]
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    /// The agents from the root to this one.
    #[must_use]
    pub fn chain(&self) -> &[Link] {
        &self.chain
    }

    /// The user behind the agent.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.subject.user
    }

    /// The resource.
    #[must_use]
    pub fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }

    /// Whether the session may begin as it is.
    ///
    /// # Errors
    /// Why a human must let it.
    pub fn admission(&self) -> Result<Admitted<'_>, &Decision> {
        match &self.held {
            None => Ok(Admitted { grant: self, within: None }),
            Some(held) => Err(held),
        }
    }

    /// Whether it may begin by what a human said; none also when policy permits it no longer.
    #[must_use]
    pub fn admitted_by(&self, outcome: &approval::Outcome, within: Option<Duration>) -> Option<Admitted<'_>> {
        let approved = matches!(outcome, approval::Outcome::Approved { .. }) && self.barred().is_none();
        approved.then_some(Admitted { grant: self, within })
    }

    /// When it ends, microseconds since 1970.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.expires_at
    }

    /// The hash of the policies that rule it now.
    #[must_use]
    pub fn bundle(&self) -> String {
        self.judge().hash().to_owned()
    }

    /// Whoever decides about it now. It stays the same until [`Grant::follow`] says true.
    #[must_use]
    pub fn judge(&self) -> Arc<Judge> {
        Arc::clone(&self.ruled.read().unwrap_or_else(PoisonError::into_inner).judge)
    }

    /// Takes the policies that have come into force since. True when there are others: what was decided before counts no
    /// more. Costs a load when there are none.
    pub fn follow(&self) -> bool {
        if self.policies.generation() == self.generation.load(Ordering::Acquire) {
            return false;
        }
        let mut ruled = self.ruled.write().unwrap_or_else(PoisonError::into_inner);
        let (generation, judge) = self.policies.judge(&self.subject, &self.target);
        self.generation.store(generation, Ordering::Release);
        if judge.hash() == ruled.judge.hash() {
            return false;
        }
        // One that a human let in is still let in.
        let connect = judge.decide(Action::Connect, None, now());
        let barred = (connect.outcome == Outcome::Deny).then_some(connect);
        *ruled = Ruled { judge, barred };
        true
    }

    /// True when what policy says may be another thing in another minute.
    #[must_use]
    pub fn tells_time(&self) -> bool {
        self.ruled.read().unwrap_or_else(PoisonError::into_inner).judge.tells_time()
    }

    /// True when what policy says may hang on what the server's planner expects.
    #[must_use]
    pub fn estimates(&self) -> bool {
        self.ruled.read().unwrap_or_else(PoisonError::into_inner).judge.estimates()
    }

    /// Why nothing more is permitted in this session; none when that is not so.
    #[must_use]
    pub fn barred(&self) -> Option<Decision> {
        self.ruled.read().unwrap_or_else(PoisonError::into_inner).barred.clone()
    }

    /// Asks the scopes of the chain, and policy, about one request of this session.
    #[must_use]
    pub fn decide(&self, action: Action, facts: &weir_policy::sql::Facts) -> Decision {
        let mut elevated = None;
        if let Some(link) = self.narrowed_by(action) {
            let now = jiff::Timestamp::now().as_microsecond();
            elevated = self.elevations.permits(self.agent, &self.target.resource, action.as_str(), now);
            if elevated.is_none() {
                return Decision { policies: [format!("scope:{}", link.id)].into(), ..Decision::default() };
            }
        }
        let ruled = self.ruled.read().unwrap_or_else(PoisonError::into_inner);
        let mut decision = match &ruled.barred {
            Some(barred) => barred.clone(),
            None => ruled.judge.decide(action, Some(facts), now()),
        };
        if let Some(approval) = elevated {
            decision.policies = decision.policies.iter().cloned().chain([format!("approval:{approval}")]).collect();
        }
        decision
    }

    /// The hop whose scope leaves this out. Then what is decided holds only for now: a human may have granted more, for a
    /// while.
    #[must_use]
    pub fn narrowed_by(&self, action: Action) -> Option<&Link> {
        self.chain.iter().find(|link| !link.scope.permits(&self.target.resource, action.as_str()))
    }

    /// The database to log in to.
    ///
    /// # Errors
    /// 28000 when the resource does not offer the one asked for.
    pub fn database(&self, asked: &str) -> Result<String, Refusal> {
        let offered = &self.resource.databases;
        // A client that names no database sends none, or (libpq) its user name or the resource's.
        let default = asked.is_empty() || asked == self.user() || asked == self.resource.name.as_str();
        let named = offered.iter().find(|database| *database == asked);
        match named.or_else(|| offered.first().filter(|_| default)) {
            // A pattern that is asked for by itself names no database.
            Some(database) if !is_database_pattern(database) => Ok(database.clone()),
            None if offered.iter().any(|pattern| is_database_pattern(pattern) && scope::fits(pattern, asked)) => {
                Ok(asked.to_owned())
            }
            _ => Err(Refusal {
                code: "28000",
                message: format!("database {asked:?} is not offered by {}", self.resource.name),
                detail: String::new(),
                hint: format!("use one of: {}", offered.join(", ")),
            }),
        }
    }
}

fn now() -> Moment {
    Moment::of(jiff::Timestamp::now().as_microsecond())
}

/// As policy knows them.
#[must_use]
pub fn subject(principal: &Principal) -> Subject {
    Subject {
        user: principal.user().to_owned(),
        roles: principal.roles().to_vec(),
        depth: principal.depth(),
        ci: principal.is_workload(),
    }
}

/// May this principal open a session with this resource?
///
/// # Errors
/// 28000; an unknown resource and one that policy hides look the same.
pub fn authorize(
    relay: &Relay,
    principal: &Principal,
    name: &ResourceName,
    session: SessionId,
    transport: Transport,
) -> Result<Grant, Refusal> {
    let denied = || Refusal {
        code: "28000",
        message: format!("no access to {name}"),
        detail: format!("session {session}"),
        hint: "run `weir list` for what you may reach".to_owned(),
    };
    let resource = relay.resources.get(name).ok_or_else(denied)?;
    let connect = Action::Connect.as_str();
    let elevated = || relay.approvals.elevations.permits(principal.agent(), name.as_str(), connect, relay.now());
    if !principal.access().has(Scope::Connect) || !(principal.reaches(name) || elevated().is_some()) {
        return Err(denied());
    }
    let subject = subject(principal);
    let target = Target { resource: name.to_string(), labels: resource.labels.clone() };
    let (generation, judge) = relay.policy.judge(&subject, &target);
    let decision = judge.decide(Action::Connect, None, now());
    let held = match decision.outcome {
        Outcome::Allow => None,
        Outcome::Hold => Some(decision),
        Outcome::Deny => return Err(denied()),
    };
    let span = tracing::info_span!(
        "session",
        id = %session,
        user = principal.user(),
        agent = %principal.agent(),
        resource = %name,
        protocol = resource.kind.as_str(),
        transport = transport.as_str(),
    );
    Ok(Grant {
        span,
        session,
        agent: principal.agent(),
        chain: principal.chain().to_vec(),
        subject,
        target,
        resource,
        policies: Arc::clone(&relay.policy),
        elevations: Arc::clone(&relay.approvals.elevations),
        generation: AtomicU64::new(generation),
        ruled: RwLock::new(Ruled { judge, barred: None }),
        expires_at: principal.expires_at(),
        held,
    })
}

/// Leaves a trace of a refused connection.
pub async fn audit_refusal(relay: &Relay, principal: &Principal, name: &ResourceName, refusal: &Refusal) {
    let body = serde_json::json!({ "resource": name.as_str(), "code": refusal.code });
    relay.audit_of(principal, "connect.denied", body).await;
}
