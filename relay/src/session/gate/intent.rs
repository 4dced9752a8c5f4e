//! Intents: what is about to run, recorded before it does. Secrets in its text and values are masked first.

use super::Gate;
use crate::{
    approval::{asked::whole, text::parameters_as_text},
    mask::Counts,
    record::RecordError,
    session::facts,
    telemetry::session::Judged,
};
use std::{borrow::Cow, sync::Arc};
use weir_policy::{bundle, sql::Facts};
use weir_protocol::{Action, ActionKind};
use weir_shared::recording::Payload;

impl Gate<'_> {
    pub(super) fn record_intent(
        &mut self,
        action: &Action,
        number: u64,
        facts: &Facts,
        decision: &bundle::Decision,
        judged: Judged,
    ) -> Result<(), RecordError> {
        if action.kind == ActionKind::Prepare && judged == Judged::Allow {
            return Ok(());
        }
        self.metrics.statement(facts.class, judged);
        let mut counts = Counts::new();
        let text = if facts.has_password {
            format!("[{}: the text holds a password]", facts.reason).into()
        } else {
            let whole = whole(&action.text, facts);
            match (self.masker.text(whole.as_bytes(), &mut counts), whole) {
                (Some(masked), _) => String::from_utf8_lossy(&masked).into(),
                (None, Cow::Borrowed(_)) => Arc::clone(&action.text),
                (None, Cow::Owned(whole)) => whole.into(),
            }
        };
        let parameters = self.parameters(action);
        self.recorder.intent(Payload::Statement {
            number,
            text,
            parameters,
            class: facts::name(facts.class).into(),
            outcome: judged.as_str().into(),
            policies: Arc::clone(&decision.policies),
        })
    }

    fn parameters(&mut self, action: &Action) -> Vec<Option<String>> {
        let mut counts = Counts::new();
        parameters_as_text(action)
            .into_iter()
            .map(|value| {
                value.map(|value| match self.masker.text(value.as_bytes(), &mut counts) {
                    Some(masked) => String::from_utf8_lossy(&masked).into_owned(),
                    None => value,
                })
            })
            .collect()
    }
}
