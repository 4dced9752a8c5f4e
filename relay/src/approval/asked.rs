//! What is asked for, and the digests that a decision is bound to.

use super::text::{parameters_as_text, visible};
use crate::{
    identity::Principal,
    session::{authorize::Grant, facts},
};
use std::{sync::Arc, time::Duration};
use weir_policy::{
    bundle::{Decision, Terms},
    sql::Facts,
};
use weir_protocol::Action;
use weir_shared::{
    api::{ApprovalRequest, Needs, Offers, RequestFacts, RequestKind, RowEstimate},
    config::checked::ApprovalLimits,
    id::{ApprovalId, ResourceName},
};

/// A request, with what its like are known by.
#[derive(Clone, Debug)]
pub struct Asked {
    /// As it is stored and shown. Its times are set when it is asked.
    pub request: ApprovalRequest,
    /// The same for requests of the same chain that say the same, whichever session they come from.
    pub likeness: String,
    /// The same for requests that differ in constants only; empty when there is no such thing.
    pub pattern: String,
    /// How long it may wait; none: as long as any.
    pub time: Option<Duration>,
}

/// A statement that is held, with everything that it was judged by.
#[derive(Debug)]
pub struct Held {
    pub(crate) action: Action,
    pub(crate) number: u64,
    pub(crate) facts: Arc<Facts>,
    /// Those that its text alone tells.
    pub(crate) text: Arc<Facts>,
    /// What a human is asked.
    pub asked: Asked,
}

/// What a session did before that may change what a statement means.
#[derive(Clone, Debug, Default)]
pub struct SessionState {
    /// The database.
    pub database: String,
    /// How often settings, roles or names were changed.
    pub changes: u64,
    /// It runs inside a transaction that is open already.
    pub in_transaction: bool,
}

/// Each part with its length, so that no two lists of parts give the same input.
fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    hasher.finalize().to_hex().to_string()
}

impl Held {
    /// Holds an action of this grant's session.
    #[must_use]
    pub fn new(
        grant: &Grant,
        action: Action,
        number: u64,
        (facts, alone): (Arc<Facts>, Arc<Facts>),
        decision: &Decision,
        state: &SessionState,
        limits: &ApprovalLimits,
    ) -> Self {
        let class = facts::name(facts.class);
        let session = grant.session();
        let changes = state.changes.to_be_bytes();
        let in_transaction = [u8::from(state.in_transaction)];
        let values = action.parameters.digest.as_ref().map_or(&[][..], |digest| digest.as_slice());
        let of = bound(grant, &state.database);
        // What its names stand for runs, so that is what is approved.
        let whole = whole(&action.text, &facts);
        let text = whole.as_bytes();
        let meaning = facts.meaning();
        let meaning = meaning.as_bytes();
        let exact =
            of("statement", &[session.as_bytes(), &changes, &in_transaction, meaning, text, values, action.bytes()]);
        let template = facts.template(&action.text).filter(|_| action.parameters.omitted.is_none());
        let pattern = template.as_ref().map(|template| of("pattern", &[template.as_bytes()])).unwrap_or_default();
        let template_digest = template.as_ref().map(|template| {
            of("template", &[session.as_bytes(), &changes, &in_transaction, meaning, template.as_bytes()])
        });
        let terms = &decision.terms;
        let offers = Offers {
            uses: terms.uses.unwrap_or(limits.uses).min(limits.uses).max(1),
            window: window(terms, limits),
            template: template.as_deref().map(visible),
            template_digest: template_digest.unwrap_or_default(),
            window_digest: of("window", &[session.as_bytes(), class.as_bytes()]),
        };
        let request = ApprovalRequest {
            class: class.to_owned(),
            statement: visible(&whole),
            parameters: parameters_as_text(&action)
                .into_iter()
                .map(|value| value.map(|value| visible(&value)))
                .collect(),
            facts: RequestFacts {
                what: visible(&facts.reason),
                reads: facts.reads.iter().map(|name| visible(name)).collect(),
                writes: facts.writes.iter().map(|name| visible(name)).collect(),
                functions: facts.functions.iter().map(|name| visible(name)).collect(),
                statements: facts.statements,
                has_where: facts.has_where,
                destructive: facts.destructive,
                in_transaction: state.in_transaction,
                size: action.bytes().len(),
                ..about(grant, &state.database, decision)
            },
            digest: exact,
            offers,
            needs: needs(terms),
            ..request(grant, RequestKind::Statement)
        };
        let likeness = of("likeness", &[text, values, class.as_bytes()]);
        Self {
            action,
            number,
            facts,
            text: alone,
            asked: Asked { request, likeness, pattern, time: decision.terms.ttl },
        }
    }
}

/// The statement's text, and below it those that names in it stand for.
#[must_use]
pub fn whole<'t>(text: &'t str, facts: &Facts) -> std::borrow::Cow<'t, str> {
    if facts.stands_for.is_empty() {
        return text.into();
    }
    let stood_for = facts.stands_for.iter().map(|text| format!("\n-- which runs: {text}"));
    std::iter::once(text.to_owned()).chain(stood_for).collect::<String>().into()
}

impl Asked {
    /// A session that may begin only when a human agrees.
    #[must_use]
    pub fn connect(grant: &Grant, database: &str, decision: &Decision, limits: &ApprovalLimits) -> Self {
        let (resource, session) = (grant.resource(), grant.session());
        let of = bound(grant, database);
        let terms = &decision.terms;
        let request = ApprovalRequest {
            class: "connect".to_owned(),
            statement: format!(
                "a session with {}, database {}, as role {}",
                resource.name,
                visible(database),
                resource.role
            ),
            facts: about(grant, database, decision),
            digest: of("connect", &[session.as_bytes()]),
            offers: Offers { window: window(terms, limits), ..Offers::default() },
            needs: needs(terms),
            ..request(grant, RequestKind::Connect)
        };
        Self { request, likeness: of("connect likeness", &[]), pattern: String::new(), time: terms.ttl }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ApprovalId {
        self.request.id
    }

    /// What the planner expects of it, or why nobody knows. Nothing is bound to that.
    pub fn estimated(&mut self, estimated: Result<RowEstimate, String>) {
        let facts = &mut self.request.facts;
        match estimated {
            Ok(estimate) => facts.estimate = Some(estimate),
            Err(why) => facts.no_estimate = visible(&why),
        }
    }

    /// What an approval may be bound to for this to run.
    #[must_use]
    pub fn bindings(&self) -> Vec<&str> {
        let offers = &self.request.offers;
        let all = [&self.request.digest, &offers.template_digest, &offers.window_digest];
        all.into_iter().map(String::as_str).filter(|binding| !binding.is_empty()).collect()
    }
}

/// More scope for an agent, for so many seconds.
#[must_use]
pub(super) fn scope(
    principal: &Principal,
    resource: &ResourceName,
    actions: &str,
    scope: &str,
    window: u64,
    because: String,
    bundle: &str,
) -> Asked {
    let chain = principal.chain_ids();
    let path: Vec<u8> = chain.iter().flat_map(|id| id.as_bytes().to_vec()).collect();
    let seconds = window.to_be_bytes();
    let of = |kind: &str| digest(&[kind.as_bytes(), &path, scope.as_bytes(), &seconds, because.as_bytes()]);
    let (digest, likeness) = (of("scope"), of("scope likeness"));
    let request = ApprovalRequest {
        id: ApprovalId::generate(),
        kind: RequestKind::Scope,
        session: None,
        user: principal.user().to_owned(),
        agent: principal.agent(),
        chain,
        resource: resource.clone(),
        class: actions.to_owned(),
        statement: scope.to_owned(),
        parameters: Vec::new(),
        digest,
        because,
        facts: RequestFacts::default(),
        bundle: bundle.to_owned(),
        needs: Needs::default(),
        offers: Offers { window, ..Offers::default() },
        requested_at: 0,
        expires_at: 0,
    };
    Asked { likeness, request, pattern: String::new(), time: None }
}

/// Digests of what this grant's sessions with a database ask for: each is bound to who asks, on what, and under which rules.
fn bound(grant: &Grant, database: &str) -> impl Fn(&str, &[&[u8]]) -> String {
    let resource = grant.resource();
    let place = [
        grant.chain().iter().flat_map(|link| link.id.as_bytes().to_vec()).collect(),
        resource.version().to_vec(),
        database.as_bytes().to_vec(),
        grant.bundle().into_bytes(),
    ];
    move |kind, parts| {
        let place = place.iter().map(Vec::as_slice);
        let all: Vec<&[u8]> = [kind.as_bytes()].into_iter().chain(place).chain(parts.iter().copied()).collect();
        digest(&all)
    }
}

/// The longest time that may be granted, in seconds.
fn window(terms: &Terms, limits: &ApprovalLimits) -> u64 {
    terms.window.unwrap_or(limits.window).min(limits.window).as_secs()
}

fn about(grant: &Grant, database: &str, decision: &Decision) -> RequestFacts {
    RequestFacts {
        database: visible(database),
        role: grant.resource().role.clone(),
        policies: decision.policies.to_vec(),
        ..RequestFacts::default()
    }
}

fn needs(terms: &Terms) -> Needs {
    Needs {
        quorum: terms.quorum.into(),
        groups: terms.approvers.iter().cloned().collect(),
        passkey: terms.passkey,
        reason: terms.reason_required,
    }
}

fn request(grant: &Grant, kind: RequestKind) -> ApprovalRequest {
    ApprovalRequest {
        id: ApprovalId::generate(),
        kind,
        session: Some(grant.session()),
        user: grant.user().to_owned(),
        agent: grant.agent(),
        chain: grant.chain().iter().map(|link| link.id).collect(),
        resource: grant.resource().name.clone(),
        class: String::new(),
        statement: String::new(),
        parameters: Vec::new(),
        because: String::new(),
        facts: RequestFacts::default(),
        digest: String::new(),
        bundle: grant.bundle().to_owned(),
        needs: Needs::default(),
        offers: Offers::default(),
        requested_at: 0,
        expires_at: 0,
    }
}
