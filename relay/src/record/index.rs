//! The index of recordings in the store: who had which session, when, and what it added up to.
//!
//! The recording is the record, and has its first frame in the file before the session begins; its line in the index
//! follows within 20 ms, with those of other sessions in one transaction. A session that cannot be indexed is ended.
//! Should the relay die in between, it finds the recording when it starts again ([`missing`]).

use super::RecordError;
use std::{collections::HashSet, path::Path, time::Duration};
use tokio::sync::{mpsc, oneshot};
use weir_shared::{id::SessionId, recording::Payload, secret::Secret};
use weir_store::{Store, sessions::SessionRow};

/// How long lines are gathered for one transaction.
const GATHER: Duration = Duration::from_millis(20);
/// Lines of one transaction; a session that finds as many waiting waits too.
const BATCH: usize = 256;

/// A session may have been made so many microseconds before another's line was written.
pub const SLACK: i64 = 60_000_000;

enum Line {
    Session(Box<SessionRow>),
    /// Somebody wants to read what was written before.
    Settle(oneshot::Sender<()>),
}

/// Takes lines for the index.
#[derive(Clone)]
pub struct Index(mpsc::Sender<Line>);

impl Index {
    /// An index, and the work that writes it, to be run until the index is dropped. It says which sessions it could not
    /// write.
    pub fn new(store: Store, failed: impl Fn(SessionId)) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(BATCH);
        (Self(sender), write(store, failed, receiver))
    }

    /// A session begins, or has ended.
    pub async fn session(&self, row: SessionRow) {
        if self.0.send(Line::Session(Box::new(row))).await.is_err() {
            tracing::error!("the index of sessions is gone");
        }
    }

    /// Returns once everything that was said before is in the store.
    pub async fn settled(&self) {
        let (done, settled) = oneshot::channel();
        if self.0.send(Line::Settle(done)).await.is_ok() {
            let _ = settled.await;
        }
    }
}

async fn write(store: Store, failed: impl Fn(SessionId), mut lines: mpsc::Receiver<Line>) {
    while let Some(first) = lines.recv().await {
        let (mut rows, mut waits) = (Vec::new(), None);
        let gather = tokio::time::sleep(GATHER);
        tokio::pin!(gather);
        let mut next = Some(first);
        while let Some(line) = next.take() {
            match line {
                Line::Session(row) => rows.push(*row),
                Line::Settle(done) => {
                    waits = Some(done);
                    break;
                }
            }
            if rows.len() < BATCH {
                next = tokio::select! {
                    biased;
                    line = lines.recv() => line,
                    () = &mut gather => None,
                };
            }
        }
        write_rows(&store, &failed, rows).await;
        waits.map(|done| done.send(()));
    }
}

async fn write_rows(store: &Store, failed: &impl Fn(SessionId), rows: Vec<SessionRow>) {
    if rows.is_empty() || store.sessions_record(&rows).await.is_ok() {
        return;
    }
    // One of them may be what the store does not take.
    for row in rows {
        let session = row.view.id;
        if let Err(error) = store.sessions_record(&[row]).await {
            tracing::error!(%session, %error, "a session cannot be indexed: it ends");
            failed(session);
        }
    }
}

/// Recordings in the folder, begun since `newest` or shortly before, that the index does not know: a relay died before
/// it wrote their lines. Blocking.
///
/// # Errors
/// When the folder cannot be read.
pub fn missing(
    folder: &Path,
    relay_key: &Secret<[u8; 32]>,
    newest: i64,
    known: &HashSet<SessionId>,
) -> Result<Vec<SessionRow>, RecordError> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<SessionId>().ok());
        let Some(id) = id.filter(|id| id.created_at() >= newest - SLACK && !known.contains(id)) else { continue };
        match super::read::first(folder, id, relay_key) {
            Ok(Some(Payload::Open { session, agent, user, resource, database, role, started_at, .. })) => {
                found.push(SessionRow::begun(session, agent, user, resource, database, role, started_at));
            }
            // Died before its first frame was whole: nothing had been done in it.
            Ok(_) | Err(RecordError::Tampered { .. }) => {
                tracing::warn!(session = %id, "a recording without a beginning");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Recorder, Syncer};
    use weir_shared::{
        config::checked::Durability,
        id::{AgentId, ResourceName},
    };

    #[test]
    fn a_recording_whose_line_was_never_written_is_found() {
        let (folder, key) = (tempfile::tempdir().unwrap(), Secret::new([7; 32]));
        let (session, syncer) =
            (SessionId::generate(), Syncer::start(crate::telemetry::Recordings::default()).unwrap());
        let mut recorder = Recorder::create(folder.path(), session, &key, Durability::Strict, &syncer).unwrap();
        let find = |newest, known: &HashSet<SessionId>| missing(folder.path(), &key, newest, known).unwrap();
        assert!(find(0, &HashSet::new()).is_empty(), "nothing was done in it");
        let open = Payload::Open {
            session,
            agent: AgentId::generate(),
            user: "alice".into(),
            resource: ResourceName::new("shop").unwrap(),
            database: "shop".into(),
            role: "weir".into(),
            started_at: 5,
            bundle: String::new(),
        };
        recorder.intent(open).unwrap();
        assert!(recorder.commit().unwrap());
        let found = find(session.created_at(), &HashSet::new());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].view.id, found[0].view.user.as_str(), found[0].role.as_str()), (session, "alice", "weir"));
        assert!(find(session.created_at(), &HashSet::from([session])).is_empty());
        assert!(find(session.created_at() + 2 * SLACK, &HashSet::new()).is_empty(), "long before the newest line");
    }

    #[tokio::test]
    async fn lines_are_there_once_settled_and_what_cannot_be_written_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("weir.db")).await.unwrap();
        let failed = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let says = std::sync::Arc::clone(&failed);
        let (index, work) = Index::new(store.clone(), move |session| says.lock().unwrap().push(session));
        let (agent, resource) = (AgentId::generate(), ResourceName::new("shop").unwrap());
        let row = || {
            let (id, resource) = (SessionId::generate(), resource.clone());
            SessionRow::begun(id, agent, "alice".into(), resource, "shop".into(), "weir".into(), 5)
        };
        // A database is never NULL in the index: this line cannot be written.
        let (good, mut bad) = (row(), row());
        bad.view.database = None;
        let talk = async {
            index.session(good.clone()).await;
            index.session(bad.clone()).await;
            index.settled().await;
            assert!(store.session(good.view.id).await.unwrap().is_some());
            assert_eq!(*failed.lock().unwrap(), [bad.view.id]);
        };
        tokio::select! {
            () = talk => {}
            () = work => {}
        }
    }
}
