//! The PostgreSQL engine, both directions at once: no bytes panic, and what goes on to either side stays framed.
//!
//! The input is a list of records: a byte that says what follows, two bytes of length, that many bytes.
//! 0 and 1 are raw bytes of the client and of the server; 2 and 3 are a payload whose first byte becomes the type of a
//! well-framed message of the client and of the server; 4 makes weir refuse the client's next request.
#![no_main]

use bytes::{BufMut, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use weir_protocol::{
    Chunk, Engine as _, Refusal, Step,
    postgres::{Postgres, call, rows},
};

/// Follows a stream of messages: panics when a header cannot be one.
#[derive(Default)]
struct Framing {
    head: Vec<u8>,
    left: usize,
}

impl Framing {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let some = self.left.min(bytes.len());
                self.left -= some;
                bytes = &bytes[some..];
                continue;
            }
            let some = (5 - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..some]);
            bytes = &bytes[some..];
            if let [_, a, b, c, d] = *self.head {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                assert!((4..0x4000_0000).contains(&length), "an invalid message goes on: {:?}", self.head);
                self.left = length - 4;
                self.head.clear();
            }
        }
    }
}

#[derive(Default)]
struct Session {
    from_client: BytesMut,
    from_server: BytesMut,
    to_server: Framing,
    to_client: Framing,
    refuse: bool,
    number: u64,
}

impl Session {
    /// False when the session is over.
    fn client(&mut self, engine: &mut Postgres) -> bool {
        loop {
            match engine.client_bytes(&mut self.from_client) {
                Step::NeedMore | Step::Wait => return true,
                Step::Act(action) => {
                    self.number += 1;
                    let bytes = if std::mem::take(&mut self.refuse) {
                        engine.refuse(action, self.number, &refusal())
                    } else {
                        engine.admit(action, self.number)
                    };
                    self.to_server.follow(&bytes);
                }
                Step::Control(control) => self.to_server.follow(&control.into_bytes()),
                Step::Reply(reply) => self.to_client.follow(&reply.into_bytes()),
                Step::Event(_) => {}
                Step::Data(_) => panic!("rows from the client"),
                Step::Broken(_) | Step::Terminate(_) => return false,
                Step::Return(_) | Step::Exceeded(..) => panic!("an answer from the client"),
            }
        }
    }

    fn server(&mut self, engine: &mut Postgres) -> bool {
        loop {
            match engine.upstream_bytes(&mut self.from_server) {
                Step::NeedMore => return true,
                Step::Data(chunk) => self.to_client.follow(&chunk_bytes(chunk)),
                Step::Control(control) => self.to_client.follow(&control.into_bytes()),
                Step::Reply(reply) => self.to_client.follow(&reply.into_bytes()),
                Step::Event(_) => {}
                Step::Return(control) => self.to_server.follow(&control.into_bytes()),
                Step::Exceeded(..) => engine.cut(&refusal()),
                Step::Broken(_) => return false,
                Step::Act(_) | Step::Wait | Step::Terminate(_) => panic!("a request from the server"),
            }
        }
    }
}

fn chunk_bytes(chunk: Chunk) -> Bytes {
    match chunk {
        Chunk::Rows { bytes, .. } => {
            for message in rows::messages(&bytes) {
                rows::cells(message.bytes).into_iter().flatten().for_each(drop);
            }
            bytes
        }
        Chunk::Result { bytes, .. } => {
            let (head, value) = call::answer(&bytes).expect("it is whole");
            [head, value].concat().into()
        }
        Chunk::Text { bytes, .. } => rows::edit_text(&bytes, |_, text| Some(text.to_ascii_uppercase())).unwrap_or(bytes),
        Chunk::Copy { bytes, .. } | Chunk::Part { bytes, .. } | Chunk::Frame { bytes, .. } => bytes,
    }
}

fn refusal() -> Refusal {
    Refusal { code: "42501", message: "no".into(), detail: "d".into(), hint: "h".into() }
}

fuzz_target!(|data: &[u8]| {
    let (mut engine, mut session) = (Postgres::new(1000).with_answers_of(5, 4000), Session::default());
    let mut rest = data;
    while let [what, high, low, tail @ ..] = rest {
        let length = (usize::from(*high) << 8 | usize::from(*low)).min(tail.len());
        let (payload, next) = tail.split_at(length);
        rest = next;
        let (client, framed) = (what & 1 == 0, what & 2 != 0);
        let input = if client { &mut session.from_client } else { &mut session.from_server };
        match (what & 7, payload) {
            (4.., _) => session.refuse = true,
            (_, [kind, body @ ..]) if framed => {
                input.put_u8(*kind);
                input.put_u32(body.len() as u32 + 4);
                input.put_slice(body);
            }
            _ => input.extend_from_slice(payload),
        }
        if !session.client(&mut engine) || !session.server(&mut engine) {
            return;
        }
    }
});
