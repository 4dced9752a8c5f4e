//! A decision of policy with everything that led to it, as it is sent and as it is read.

use serde::{Deserialize, Serialize};

/// Most of a near miss's condition that is shown.
const LONGEST: usize = 200;

/// A decision, hop by hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// `allow`, `hold`, `deny`.
    pub outcome: String,
    /// Policies that decided.
    pub policies: Vec<String>,
    /// What an approval must satisfy, as annotations; empty when it is not held.
    pub terms: Vec<String>,
    /// Policies in shadow or warn that matched.
    pub notices: Vec<String>,
    /// From the root to who asks.
    pub hops: Vec<Hop>,
}

/// What was asked about one agent of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hop {
    /// Hops from the root.
    pub depth: u32,
    /// In order; what a denial makes pointless is not asked.
    pub questions: Vec<QuestionAsked>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuestionAsked {
    /// The action: `sql.write`, `unattended`.
    pub action: String,
    /// The answer.
    pub permitted: bool,
    /// A policy failed: that denies.
    pub failed: bool,
    /// The policies that decided, or failed.
    pub policies: Vec<String>,
    /// Policies for this action, subject and target whose condition was not true.
    pub near_misses: Vec<NearMiss>,
}

/// A policy that would have counted, had its condition been true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NearMiss {
    /// Its name.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: String,
    /// Its text.
    pub text: String,
}

impl Explanation {
    /// For people: what was decided, each hop, each question, what decided and what nearly did.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let names = |names: &[String]| if names.is_empty() { "no rule".to_owned() } else { names.join(", ") };
        let mut out = vec![format!("{}: {}", self.outcome, names(&self.policies))];
        out.extend(self.terms.iter().map(|term| format!("  the approval must satisfy {term}")));
        out.extend(self.notices.iter().map(|notice| format!("  not enforced: {notice}")));
        for hop in &self.hops {
            out.push(format!("depth {}", hop.depth));
            for question in &hop.questions {
                let answer = match (question.failed, question.permitted) {
                    (true, _) => "fails",
                    (false, true) => "yes",
                    (false, false) => "no",
                };
                out.push(format!("  {}? {answer}: {}", question.action, names(&question.policies)));
                // What would have turned a no into a yes; the JSON has the others too.
                let near = question.near_misses.iter().filter(|miss| !question.permitted && miss.effect == "permit");
                for miss in near {
                    out.push(format!("    near: {}: {}", miss.id, condition(&miss.text)));
                }
            }
        }
        out
    }
}

/// The conditions of a policy, on one line.
fn condition(text: &str) -> String {
    let starts = ["\nwhen", "\nunless", " when", " unless", ")when", ")unless"];
    let start = starts.iter().filter_map(|word| text.find(word)).min().unwrap_or(0);
    let line = text.get(start..).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > LONGEST { line.chars().take(LONGEST).chain("...".chars()).collect() } else { line }
}
