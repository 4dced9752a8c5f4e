//! Intents: what is about to run, recorded before it does. Secrets in its text and values are masked first.

use super::Gate;
use crate::{
    approval::text::parameters_as_text, mask::Counts, record::RecordError, session::facts, telemetry::session::Judged,
};
use std::sync::Arc;
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
            match self.masker.text(action.text.as_bytes(), &mut counts) {
                Some(masked) => String::from_utf8_lossy(&masked).into(),
                None => Arc::clone(&action.text),
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
