//! Rows are forwarded without an allocation for each: what a chunk costs does not grow with its rows.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, and what helps it")]

use bytes::{BufMut, BytesMut};
use std::sync::Arc;
use weir_protocol::{Chunk, Engine as _, Step, postgres::Postgres, postgres::rows};
use weir_relay::{
    mask::{About, Counts, Masker},
    record::{Recorder, Syncer},
    telemetry::Recordings,
    upstream::{Catalog, Labels, catalog::Place},
};
use weir_shared::{
    config::checked::Durability,
    detect::{Detector, KnownValues},
    id::SessionId,
    recording::Payload,
    secret::Secret,
};

/// Text and int4.
const TYPES: [(&str, u32); 3] = [("id", 23), ("name", 25), ("note", 25)];
/// What one chunk may cost, however many rows it has: its output, and buffers that grow with the bytes.
const A_CHUNK: u64 = 32;

fn message(kind: u8, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(kind);
    out.put_u32(u32::try_from(body.len()).unwrap() + 4);
    out.put_slice(body);
    out
}

fn description() -> BytesMut {
    let mut body = BytesMut::new();
    body.put_u16(u16::try_from(TYPES.len()).unwrap());
    for (name, oid) in TYPES {
        body.put_slice(name.as_bytes());
        body.put_slice(&[0; 7]);
        body.put_u32(oid);
        body.put_slice(&[0; 8]);
    }
    message(b'T', &body)
}

/// A session in the middle of a query's rows.
struct Session {
    engine: Postgres,
    masker: Masker,
    counts: Counts,
    recorder: Recorder,
    _syncer: Syncer,
    _folder: tempfile::TempDir,
}

impl Session {
    fn new() -> Self {
        let mut engine = Postgres::new(1000);
        let mut query = message(b'Q', b"SELECT\0");
        let Step::Act(action) = engine.client_bytes(&mut query) else { panic!("no action") };
        engine.admit(action, 1);
        let mut input = description();
        while !matches!(engine.upstream_bytes(&mut input), Step::NeedMore) {}
        let known = Arc::new(KnownValues::new(&[b"upstream-password"]));
        let catalog = Arc::new(Catalog::new(Labels::default(), Place::default()));
        let masker = Masker::new(Arc::new(Detector::standard()), Some(known), catalog);
        let (folder, key) = (tempfile::tempdir().unwrap(), Secret::new([7; 32]));
        let syncer = Syncer::start(Recordings::default()).unwrap();
        let recorder =
            Recorder::create(folder.path(), SessionId::generate(), &key, Durability::Strict, &syncer).unwrap();
        Self { engine, masker, counts: Counts::new(), recorder, _syncer: syncer, _folder: folder }
    }

    /// One read of so many rows goes through engine, masker and recorder: what was allocated, and what came out.
    fn forward(&mut self, count: usize, note: &str) -> (u64, usize) {
        let mut input = BytesMut::new();
        for id in 0..count {
            let id = id.to_string();
            rows::put_row(&mut input, [Some(id.as_bytes()), Some(b"Ada Lovelace"), Some(note.as_bytes())].into_iter());
        }
        let mut delivered = 0;
        let about = About::default();
        let cost = allocation_counter::measure(|| {
            loop {
                match self.engine.upstream_bytes(&mut input) {
                    Step::Data(Chunk::Rows { bytes, shape, .. }) => {
                        let (bytes, count) = self.masker.rows(bytes, &shape, &about, &mut self.counts).unwrap();
                        assert!(count > 0);
                        delivered += bytes.len();
                        self.recorder.note(Payload::Rows { number: 1, bytes });
                    }
                    Step::NeedMore => return,
                    other => panic!("{other:?}"),
                }
            }
        });
        (cost.count_total, delivered)
    }
}

#[test]
fn what_a_chunk_costs_does_not_grow_with_its_rows() {
    for note in ["nothing to hide", "write to ada@example.com", "card 4111 1111 1111 1111, call +44 20 7946 0958"] {
        let mut session = Session::new();
        // What is kept for the session is made once.
        session.forward(10, note);
        let (few, _) = session.forward(10, note);
        let (many, delivered) = session.forward(10_000, note);
        assert!(delivered > 10_000 * 30);
        assert!(many <= few.max(A_CHUNK), "{note:?}: {many} allocations for 10,000 rows, {few} for 10");
    }
}
