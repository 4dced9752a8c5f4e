//! What a request waits for beside the session: its facts, its meaning, the planner, a human. Meanwhile answers keep flowing, the
//! clock is looked at, and no other request is sent.

use super::{Drive, Happened, at, ended};
use crate::{
    approval::{
        Held, Outcome,
        wait::{self, Begun},
    },
    session::gate::{Gate, Unknown, Unplanned, Unresolved, Verdict},
    tunnel::Stream,
    upstream::estimate::Question,
};
use futures_util::FutureExt as _;
use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, atomic::Ordering},
};
use weir_protocol::{Action, Engine as _, Refusal, postgres::Postgres};

impl<'g> Drive<'_, 'g> {
    /// Waits for the facts of a text.
    pub(super) async fn parse(&mut self, action: Action, client: &mut Stream) -> Option<Happened> {
        if let Err(over) = self.settle().await {
            return Some(over);
        }
        let relay = self.pump.gate.relay();
        match self.meanwhile(client, relay.facts.parse(Arc::clone(&action.text))).await {
            Ok(facts) => {
                let verdict = self.pump.gate.judge(self.pump.engine, action, facts);
                self.pump.carry_out(verdict)
            }
            Err(over) => Some(over),
        }
    }

    /// Waits for what the names in a request mean.
    pub(super) async fn resolve(&mut self, unresolved: Unresolved, client: &mut Stream) -> Option<Happened> {
        let (relay, resolver) = (self.pump.gate.relay(), Arc::clone(self.pump.gate.resolver()));
        let question = unresolved.question.clone();
        let asked = relay.upstreams.resolve(self.estimator.admitted, &resolver, question);
        self.aside(client, asked, |gate, engine, answer| gate.resolved(engine, unresolved, answer)).await
    }

    /// Waits for the server's word on whether what a request names exists.
    pub(super) async fn exists(&mut self, unknown: Unknown, client: &mut Stream) -> Option<Happened> {
        let (relay, resolver, path) = self.pump.gate.place();
        let text = Arc::clone(unknown.statement());
        let asked = relay.upstreams.does_not_exist(self.estimator.admitted, &resolver, &text, path.as_deref());
        self.aside(client, asked, |gate, engine, answer| gate.missed(engine, unknown, answer)).await
    }

    /// Waits for the planner's word on how much a request changes.
    pub(super) async fn plan(&mut self, unplanned: Unplanned, client: &mut Stream) -> Option<Happened> {
        let (relay, resolver, path) = self.pump.gate.place();
        let (action, facts, admitted) =
            (unplanned.action.clone(), Arc::clone(&unplanned.facts), self.estimator.admitted);
        let asked = async {
            // What the session has set changes an estimate little.
            let question = Question::of(&action, &facts, 0).await?;
            relay.upstreams.share(admitted, &resolver, path.as_deref(), &question, &facts.changes).await
        };
        self.aside(client, asked, |gate, engine, answer| gate.planned(engine, unplanned, answer)).await
    }

    /// Asks something beside the session before a request is judged.
    pub(super) async fn aside<T>(
        &mut self,
        client: &mut Stream,
        asked: impl Future<Output = T>,
        judge: impl FnOnce(&mut Gate<'g>, &mut Postgres, T) -> Verdict,
    ) -> Option<Happened> {
        if let Err(over) = self.settle().await {
            return Some(over);
        }
        match self.meanwhile(client, asked).await {
            Ok(answer) => {
                let verdict = judge(self.pump.gate, self.pump.engine, answer);
                self.pump.carry_out(verdict)
            }
            Err(over) => Some(over),
        }
    }

    /// Waits for something beside the session: answers keep flowing and the clock is looked at, but no request is sent.
    ///
    /// # Errors
    /// What happened that the session cannot go on with before it is dealt with.
    pub(super) async fn meanwhile<T>(
        &mut self,
        client: &mut Stream,
        other: impl Future<Output = T>,
    ) -> Result<T, Happened> {
        let (relay, handle) = (self.pump.gate.relay(), Arc::clone(self.place.handle()));
        let mut other = pin!(other);
        self.pump.held = true;
        let result = loop {
            let happened = tokio::select! {
                biased;
                () = handle.kill.cancelled() => Some(Happened::Fatal(ended(handle.reason()))),
                done = &mut other => break Ok(done),
                happened = poll_fn(|cx| self.pump.poll(cx, client)) => Some(happened),
                () = at(self.clock.next_look()) => self.look(),
            };
            match happened {
                None => {}
                Some(Happened::Stop) => {
                    let handle = Arc::clone(&handle);
                    relay.tasks.spawn(async move { handle.cancel_upstream().await });
                }
                Some(happened) => break Err(happened),
            }
        };
        self.pump.held = false;
        result
    }

    /// Brings the intents of what was permitted to where they must be; while a request waits, no others follow.
    pub(super) async fn settle(&mut self) -> Result<(), Happened> {
        match self.pump.commit() {
            Some(Happened::Sync) => {
                let synced = self.pump.gate.reach_disk().await;
                synced.map_err(|refusal| self.pump.unrecorded(refusal))
            }
            Some(over) => Err(over),
            None => Ok(()),
        }
    }

    /// Waits for a human, while earlier answers keep flowing and the client's cancel and disconnect are seen.
    pub(super) async fn hold(&mut self, held: Box<Held>, client: &mut Stream) -> Option<Happened> {
        if let Err(over) = self.settle().await {
            return Some(over);
        }
        let handle = self.place.handle();
        // A cancel request that came as an earlier hold ended is not meant for this one.
        let _ = handle.withdraw.notified().now_or_never();
        handle.holding.store(true, Ordering::Release);
        let mut held = *held;
        let outcome = self.decided(&mut held, client).await;
        handle.holding.store(false, Ordering::Release);
        let changed = match &outcome {
            Ok(Outcome::Approved { .. }) => self.changed_since(&held, client).await,
            _ => Ok(None),
        };
        match (outcome, changed) {
            (Ok(outcome), Ok(changed)) => self.pump.resume(held, outcome, changed),
            (Err(happened), _) | (_, Err(happened)) => {
                let _ = self.pump.resume(held, Outcome::Withdrawn, None);
                Some(happened)
            }
        }
    }

    /// Why what a human approved may not run: its names mean something else now.
    async fn changed_since(&mut self, held: &Held, client: &mut Stream) -> Result<Option<Refusal>, Happened> {
        let Some((text, question)) = self.pump.gate.ask_anew(self.pump.engine, held) else { return Ok(None) };
        let (relay, resolver) = (self.pump.gate.relay(), Arc::clone(self.pump.gate.resolver()));
        let asked = relay.upstreams.resolve(self.estimator.admitted, &resolver, question);
        let answer = self.meanwhile(client, asked).await?;
        Ok(self.pump.gate.changed_since(held, text, answer))
    }

    /// How a held statement is decided.
    ///
    /// # Errors
    /// What happened that the session cannot go on with; the request is taken back.
    pub(super) async fn decided(&mut self, held: &mut Held, client: &mut Stream) -> Result<Outcome, Happened> {
        let relay = self.pump.gate.relay();
        if relay.config.approvals.estimate
            && let Some(outcome) = self.estimate(held, client).await?
        {
            return Ok(outcome);
        }
        let ticket = match wait::ask(relay, &held.asked).await {
            Begun::Waits(ticket) => ticket,
            Begun::Decided(outcome) => return Ok(outcome),
        };
        let approval = ticket.id();
        let (text, hint) = wait::notice(relay, &ticket);
        self.pump.to_client.reply(self.pump.engine.notice(&text, &hint));
        let outcome = self.unless_withdrawn(client, Box::pin(wait::wait(relay, *ticket))).await;
        if !matches!(outcome, Ok(Some(_))) {
            wait::withdraw(relay, approval).await;
        }
        Ok(outcome?.unwrap_or(Outcome::Withdrawn))
    }

    /// Asks the resource what its planner expects of a statement that a human will be asked about, for them to see; how it
    /// is decided, when it is so without them.
    pub(super) async fn estimate(&mut self, held: &mut Held, client: &mut Stream) -> Result<Option<Outcome>, Happened> {
        let (relay, estimator) = (self.pump.gate.relay(), self.estimator);
        // Who may not ask a human, or need not, causes no login either.
        if let Some(outcome) = wait::decided(relay, &held.asked).await {
            return Ok(Some(outcome));
        }
        let question = Question::of(&held.action, &held.facts, self.pump.gate.changes());
        let Some(question) = self.unless_withdrawn(client, question).await? else {
            return Ok(Some(Outcome::Withdrawn));
        };
        let estimated = match question {
            Ok(question) => {
                if let Err(error) = self.pump.gate.estimates(held.number) {
                    tracing::error!(%error, "an estimate is not asked for: it cannot be recorded");
                    return Ok(None);
                }
                self.settle().await?;
                let asked = Box::pin(relay.upstreams.estimate(estimator, &question));
                match self.unless_withdrawn(client, asked).await? {
                    Some(estimated) => estimated,
                    None => return Ok(Some(Outcome::Withdrawn)),
                }
            }
            Err(why) => Err(why),
        };
        held.asked.estimated(estimated);
        Ok(None)
    }

    /// Waits for something beside the session, until the client takes its request back: then there is none.
    pub(super) async fn unless_withdrawn<T>(
        &mut self,
        client: &mut Stream,
        other: impl Future<Output = T>,
    ) -> Result<Option<T>, Happened> {
        let handle = Arc::clone(self.place.handle());
        let other = async {
            tokio::select! {
                biased;
                () = handle.withdraw.notified() => None,
                done = other => Some(done),
            }
        };
        self.meanwhile(client, other).await
    }
}
