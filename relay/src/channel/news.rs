//! What happens to requests, for those who are told: each thing once, in order, while the relay runs.
//!
//! Events come as they happen; now and then, at the start, and when events were missed, the store is asked, so that nothing is left
//! out. A relay that starts tells of what waits, and of what was decided, or withdrawn with its session, while it might still have
//! waited: again, perhaps, but in a message of the same id.

use crate::{approval::wait, relay::Relay};
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{broadcast::error::RecvError, mpsc};
use weir_shared::{
    api::{AgentView, ApprovalView},
    config::checked::WebhookEvent,
    id::ApprovalId,
};
use weir_store::StoreError;

/// News that a channel may be behind.
const BEHIND: usize = 256;
/// How often the store is asked.
const SWEEP: Duration = Duration::from_secs(5);
/// Requests that are remembered as over.
const OVER: usize = 1024;

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// What webhooks are told of too.
    Told(WebhookEvent),
    /// One more has decided, or somebody has looked at a broken glass.
    Changed,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) event: Event,
    pub(super) view: Arc<ApprovalView>,
    /// Its agents, from the root on.
    pub(super) chain: Arc<[AgentView]>,
}

/// A channel's queue.
pub(super) struct Queue {
    channel: &'static str,
    sender: mpsc::Sender<News>,
}

/// A queue of a channel, and its other end.
pub(super) fn queue(channel: &'static str) -> (Queue, mpsc::Receiver<News>) {
    let (sender, receiver) = mpsc::channel(BEHIND);
    (Queue { channel, sender }, receiver)
}

/// What is known of requests.
#[derive(Default)]
struct Known {
    waiting: HashSet<ApprovalId>,
    over: VecDeque<ApprovalId>,
}

impl Known {
    /// What is to be told when a request is seen so. `begins`: an event says that it begins to wait.
    fn events(&mut self, view: &ApprovalView, begins: bool) -> Vec<Event> {
        let (id, waits) = (view.request.id, view.state == "pending");
        let is_over = self.over.contains(&id);
        let mut events = Vec::new();
        if is_over {
            return vec![Event::Changed];
        }
        if self.waiting.contains(&id) {
            if waits {
                return vec![Event::Changed];
            }
        } else if waits || begins {
            events.push(Event::Told(WebhookEvent::Requested));
            self.waiting.insert(id);
        }
        if !waits {
            self.waiting.remove(&id);
            self.over.push_back(id);
            if self.over.len() > OVER {
                self.over.pop_front();
            }
            let broken = view.review.as_deref() == Some("due");
            events.push(Event::Told(if broken { WebhookEvent::BrokenGlass } else { WebhookEvent::Decided }));
        }
        events
    }
}

/// Follows what happens, until it is dropped.
pub(super) async fn follow(relay: &Relay, queues: &[Queue]) {
    let (mut events, mut known) = (relay.approvals.listen(), Known::default());
    if let Err(error) = begin(relay, &mut known, queues).await {
        tracing::error!(%error, "what an earlier relay has left cannot be told");
    }
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Both are cancel-safe.
        let seen = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => look(relay, &mut known, queues, event.id, event.state == "pending").await,
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "events of approvals were missed: the store is asked");
                    swept(relay, &mut known, queues).await
                }
                Err(RecvError::Closed) => return,
            },
            _ = sweep.tick() => swept(relay, &mut known, queues).await,
        };
        if let Err(error) = seen {
            tracing::error!(%error, "what happened to an approval cannot be told");
        }
    }
}

/// Tells of what an earlier relay may not have told of any more.
async fn begin(relay: &Relay, known: &mut Known, queues: &[Queue]) -> Result<(), StoreError> {
    let now = relay.now();
    let mut lately = relay.store.approvals(None, None).await?;
    lately.retain(|view| view.request.expires_at > now && view.state != "pending");
    for view in lately.into_iter().rev() {
        tell(relay, known, queues, view, false).await?;
    }
    Ok(())
}

async fn look(
    relay: &Relay,
    known: &mut Known,
    queues: &[Queue],
    id: ApprovalId,
    begins: bool,
) -> Result<(), StoreError> {
    let Some(view) = relay.store.approval(id).await? else { return Ok(()) };
    tell(relay, known, queues, view, begins).await
}

/// Compares what waits with what is known.
async fn swept(relay: &Relay, known: &mut Known, queues: &[Queue]) -> Result<(), StoreError> {
    let waiting = relay.store.approvals(Some("pending"), None).await?;
    let now: HashSet<ApprovalId> = waiting.iter().map(|view| view.request.id).collect();
    let gone: Vec<ApprovalId> = known.waiting.difference(&now).copied().collect();
    for view in waiting.into_iter().filter(|view| !known.waiting.contains(&view.request.id)).collect::<Vec<_>>() {
        tell(relay, known, queues, view, true).await?;
    }
    for id in gone {
        let view = relay.store.approval(id).await?;
        // Of very many that wait the store lists the newest.
        if let Some(view) = view.filter(|view| view.state != "pending") {
            tell(relay, known, queues, view, false).await?;
        }
    }
    Ok(())
}

async fn tell(
    relay: &Relay,
    known: &mut Known,
    queues: &[Queue],
    view: ApprovalView,
    begins: bool,
) -> Result<(), StoreError> {
    let chain: Arc<[AgentView]> = relay.store.agent_views(&view.request.chain, relay.now()).await?.into();
    let view = Arc::new(wait::with_page(relay, view));
    for event in known.events(&view, begins) {
        for Queue { channel, sender } in queues {
            let news = News { event, view: Arc::clone(&view), chain: Arc::clone(&chain) };
            if sender.try_send(news).is_err() {
                count(relay, channel, "dropped");
                tracing::warn!(channel, approval = %view.request.id, "the queue is full: a message is lost");
            }
        }
    }
    Ok(())
}

/// Counts what came of a message.
pub(super) fn count(relay: &Relay, channel: &'static str, outcome: &'static str) {
    relay.telemetry.notifications.with([channel.into(), outcome.into()]).inc();
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Changed, Told};
    use WebhookEvent::{BrokenGlass, Decided, Requested};

    fn view(state: &str, review: Option<&str>) -> ApprovalView {
        let view = serde_json::json!({
            "id": ApprovalId::generate(), "session": null, "user": "alice", "agent": weir_shared::id::AgentId::generate(),
            "resource": "shop", "class": "sql.write", "statement": "", "digest": "", "requested_at": 0, "expires_at": 0,
            "state": state, "review": review, "decided_by": null, "reason": null,
        });
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn each_thing_is_told_once() {
        let mut known = Known::default();
        let mut one = view("pending", None);
        assert_eq!(known.events(&one, true), [Told(Requested)]);
        assert_eq!(known.events(&one, true), [Changed], "a vote");
        one.state = "approved".to_owned();
        assert_eq!(known.events(&one, false), [Told(Decided)]);
        one.state = "consumed".to_owned();
        assert_eq!(known.events(&one, false), [Changed]);
        // Decided before anybody has looked.
        assert_eq!(known.events(&view("consumed", None), true), [Told(Requested), Told(Decided)]);
        let mut glass = view("pending", None);
        known.events(&glass, true);
        (glass.state, glass.review) = ("approved".to_owned(), Some("due".to_owned()));
        assert_eq!(known.events(&glass, false), [Told(BrokenGlass)]);
        glass.review = Some("rita: fine".to_owned());
        assert_eq!(known.events(&glass, false), [Changed]);
        // What an earlier relay had told.
        assert_eq!(known.events(&view("withdrawn", None), false), [Told(Decided)]);
        (0..2 * OVER).for_each(|_| drop(known.events(&view("denied", None), true)));
        assert!(known.over.len() == OVER && known.waiting.is_empty());
    }
}
