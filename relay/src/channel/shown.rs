//! What of a request leaves the relay: what a reviewer needs, and no more. Secrets and personal data in it are masked, since
//! chats and HTTP logs keep what they get; long texts are cut. Its page has all of it.

use serde::Serialize;
use weir_shared::{
    api::{AgentView, ApprovalRequest, ApprovalView, Needs, RequestKind, RowEstimate},
    detect::{Detect as _, Detector, Span},
    id::{AgentId, ApprovalId, SessionId},
};

/// Bytes of the statement.
const STATEMENT: usize = 16 * 1024;
/// Bytes of any other text.
const TEXT: usize = 1024;
/// Members of a list.
const LIST: usize = 50;

/// One agent of the chain.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Hop {
    /// Which.
    pub(crate) agent: AgentId,
    /// What it says it is.
    pub(crate) claims: String,
}

/// What somebody said.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Said {
    pub(crate) by: String,
    approve: bool,
    reason: String,
    channel: String,
}

/// A request, as others see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shown {
    /// Which.
    pub(crate) id: ApprovalId,
    /// What is asked for.
    pub(crate) kind: RequestKind,
    /// `pending`, `approved`, `denied`, `expired`, `withdrawn`, `consumed`.
    pub(crate) state: String,
    /// Who asks.
    pub(crate) user: String,
    /// The agents from the root to the one that asks.
    pub(crate) chain: Vec<Hop>,
    session: Option<SessionId>,
    /// On what.
    pub(crate) resource: String,
    /// The database.
    pub(crate) database: String,
    /// The role that weir uses there.
    pub(crate) role: String,
    /// The class of the statement.
    pub(crate) class: String,
    /// Written by whoever asks.
    pub(crate) statement: String,
    /// Likewise.
    pub(crate) parameters: Vec<Option<String>>,
    /// Likewise.
    pub(crate) because: String,
    /// Nothing of these three was masked or cut.
    pub(crate) complete: bool,
    /// Why the class is what it is.
    pub(crate) what: String,
    reads: Vec<String>,
    /// Relations written.
    pub(crate) writes: Vec<String>,
    /// What the server's planner expects.
    pub(crate) estimate: Option<RowEstimate>,
    /// Why nobody knows; empty when somebody does, or nobody asked.
    pub(crate) no_estimate: String,
    /// Number of statements.
    pub(crate) statements: usize,
    /// False when an UPDATE or DELETE has none, or one that looks at no column.
    pub(crate) has_where: bool,
    /// True when something is dropped or truncated.
    pub(crate) destructive: bool,
    /// True when a transaction is open already.
    pub(crate) in_transaction: bool,
    /// Bytes of the whole request.
    pub(crate) size: usize,
    policies: Vec<String>,
    /// Seconds that a session or more scope would last; 0 of a statement: it runs once.
    pub(crate) lasts: u64,
    /// What a decision is bound to.
    pub(crate) digest: String,
    /// What a decision needs.
    pub(crate) needs: Needs,
    /// Requests that say the same and wait.
    pub(crate) identical: u32,
    /// Who has said what.
    pub(crate) votes: Vec<Said>,
    /// Who decided.
    pub(crate) decided_by: Option<String>,
    /// Why.
    pub(crate) reason: Option<String>,
    /// `due` when glass was broken.
    pub(crate) review: Option<String>,
    /// Microseconds since 1970.
    requested_at: i64,
    /// Microseconds since 1970.
    pub(crate) expires_at: i64,
    /// Its page.
    pub(crate) url: String,
}

/// Masks and cuts, and remembers whether it had to.
struct Masking<'a> {
    detector: &'a Detector,
    found: Vec<Span>,
    complete: bool,
}

impl Masking<'_> {
    fn text(&mut self, text: &str, most: usize) -> String {
        self.found.clear();
        self.detector.detect(text.as_bytes(), &mut self.found);
        self.complete &= self.found.is_empty();
        let (mut out, mut from) = (String::new(), 0);
        for span in &self.found {
            // A span that does not lie on characters hides all that is left.
            let Some(before) = text.get(from..span.start) else { break };
            out.push_str(before);
            out.push_str("[masked:");
            out.push_str(span.rule);
            out.push(']');
            from = span.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        if out.len() > most {
            self.complete = false;
            let end = (0..=most).rev().find(|end| out.is_char_boundary(*end)).unwrap_or(0);
            out.truncate(end);
            out.push('…');
        }
        out
    }

    /// A bind value. One in binary is shown as digits, which hide from the detector what they say.
    fn value(&mut self, value: &str) -> String {
        let Some(bytes) = value.strip_prefix("\\x").and_then(decoded) else { return self.text(value, TEXT) };
        self.found.clear();
        self.detector.detect(&bytes, &mut self.found);
        if let (true, Some(number)) = (self.found.is_empty() && bytes.len() == 8, bytes.first_chunk()) {
            self.detector.detect(i64::from_be_bytes(*number).to_string().as_bytes(), &mut self.found);
        }
        match self.found.first() {
            None => self.text(value, TEXT),
            Some(span) => {
                self.complete = false;
                format!("[masked:{}]", span.rule)
            }
        }
    }

    fn list<'t>(&mut self, texts: impl IntoIterator<Item = &'t String>) -> Vec<String> {
        texts.into_iter().take(LIST).map(|text| self.text(text, TEXT)).collect()
    }
}

/// The bytes of hexadecimal digits, as far as they come in pairs; none when there is another character among them.
fn decoded(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = digits.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// For how many seconds a decision over a channel grants this: as long as may be. A statement runs once.
pub(crate) fn lasts(request: &ApprovalRequest) -> u64 {
    if request.kind == RequestKind::Statement { 0 } else { request.offers.window }
}

/// What is shown of a request, whose chain is `chain`.
pub(crate) fn shown(detector: &Detector, view: &ApprovalView, chain: &[AgentView]) -> Shown {
    let request = &view.request;
    let mut masking = Masking { detector, found: Vec::new(), complete: request.parameters.len() <= LIST };
    let statement = masking.text(&request.statement, STATEMENT);
    let parameters = request.parameters.iter().take(LIST);
    let parameters = parameters.map(|value| value.as_ref().map(|value| masking.value(value))).collect();
    let because = masking.text(&request.because, TEXT);
    let complete = masking.complete;
    let hop = |agent: &AgentView| {
        let (command, host) = (agent.evidence.command.as_deref(), agent.evidence.host.as_deref());
        let claims = format!("{} on {}", command.unwrap_or("?"), host.unwrap_or("?"));
        Hop { agent: agent.id, claims: crate::approval::text::visible(&claims) }
    };
    let hops: Vec<Hop> = chain.iter().take(LIST).map(hop).collect();
    let facts = &request.facts;
    Shown {
        id: request.id,
        kind: request.kind,
        state: view.state.clone(),
        user: request.user.clone(),
        chain: hops.into_iter().map(|hop| Hop { claims: masking.text(&hop.claims, 200), ..hop }).collect(),
        session: request.session,
        resource: request.resource.to_string(),
        database: facts.database.clone(),
        role: facts.role.clone(),
        class: request.class.clone(),
        statement,
        parameters,
        because,
        complete,
        what: masking.text(&facts.what, TEXT),
        reads: masking.list(&facts.reads),
        writes: masking.list(&facts.writes),
        estimate: facts
            .estimate
            .as_ref()
            .map(|estimate| RowEstimate { rows: estimate.rows, plan: masking.list(&estimate.plan) }),
        no_estimate: masking.text(&facts.no_estimate, TEXT),
        statements: facts.statements,
        has_where: facts.has_where,
        destructive: facts.destructive,
        in_transaction: facts.in_transaction,
        size: facts.size,
        policies: facts.policies.clone(),
        lasts: lasts(request),
        digest: request.digest.clone(),
        needs: request.needs.clone(),
        identical: view.identical,
        votes: view
            .votes
            .iter()
            .map(|vote| Said {
                by: vote.by.clone(),
                approve: vote.approve,
                reason: masking.text(&vote.reason, TEXT),
                channel: vote.channel.clone(),
            })
            .collect(),
        decided_by: view.decided_by.clone(),
        reason: view.reason.as_ref().map(|reason| masking.text(reason, TEXT)),
        review: view.review.as_ref().map(|review| masking.text(review, TEXT)),
        requested_at: request.requested_at,
        expires_at: request.expires_at,
        url: view.url.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_values_hide_nothing() {
        let detector = Detector::standard();
        let mut masking = Masking { detector: &detector, found: Vec::new(), complete: true };
        assert_eq!(masking.value("\\x0000002a"), "\\x0000002a");
        assert_eq!(masking.value("42"), "42");
        assert!(masking.complete);
        let digits = |bytes: &[u8]| bytes.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        assert_eq!(masking.value(&digits(b"ada@example.com")), "[masked:email]");
        assert!(!std::mem::replace(&mut masking.complete, true));
        assert_eq!(masking.value(&digits(&4_111_111_111_111_111_i64.to_be_bytes())), "[masked:card]");
        assert!(!masking.complete);
    }

    #[test]
    fn secrets_are_masked_and_long_texts_cut() {
        let detector = Detector::standard();
        let mut masking = Masking { detector: &detector, found: Vec::new(), complete: true };
        assert_eq!(masking.text("DELETE FROM orders WHERE id = 42", 100), "DELETE FROM orders WHERE id = 42");
        assert!(masking.complete);
        let masked = masking.text("UPDATE c SET mail = 'ada@example.com'", 100);
        assert_eq!(masked, "UPDATE c SET mail = '[masked:email]'");
        assert!(!masking.complete);
        masking.complete = true;
        // Cut after masking, so that half a secret does not get through; on a character.
        let cut = masking.text(&format!("{} ghp_{}", "ä".repeat(20), "a1B2".repeat(9)), 50);
        assert!(cut.starts_with("ää") && !cut.contains("ghp_") && cut.ends_with('…') && cut.len() <= 53, "{cut}");
        assert!(!masking.complete);
    }
}
