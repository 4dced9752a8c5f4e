//! The engine against hand-made messages of both sides.

use super::message::{message, put_cstr};
use super::*;
use crate::{Chunk, Event};
use proptest::prelude::*;

mod cut;

fn q(text: &str) -> Bytes {
    message(b'Q', |out| put_cstr(out, text))
}

fn parse(name: &str, text: &str) -> Bytes {
    message(b'P', |out| {
        put_cstr(out, name);
        put_cstr(out, text);
        out.put_u16(0);
    })
}

fn bind(portal: &str, name: &str) -> Bytes {
    message(b'B', |out| {
        put_cstr(out, portal);
        put_cstr(out, name);
        out.put_slice(&[0; 6]);
    })
}

fn execute(portal: &str) -> Bytes {
    message(b'E', |out| {
        put_cstr(out, portal);
        out.put_u32(0);
    })
}

fn simple(kind: u8) -> Bytes {
    message(kind, |_| {})
}

fn ready(status: u8) -> Bytes {
    message(b'Z', |out| out.put_u8(status))
}

fn server_error() -> Bytes {
    message(b'E', |out| out.put_slice(b"SERROR\0C42601\0Mbad\0\0"))
}

/// Feeds the client's bytes; admits all but those whose text contains `no`. Returns what goes upstream and the texts
/// of what was judged.
fn client(engine: &mut Postgres, messages: &[Bytes]) -> (Vec<u8>, Vec<String>) {
    let mut input = BytesMut::from(&messages.concat()[..]);
    let (mut up, mut judged) = (Vec::new(), Vec::new());
    loop {
        match engine.client_bytes(&mut input) {
            Step::Act(action) => {
                judged.push(action.text.to_string());
                let number = judged.len() as u64;
                up.extend_from_slice(&if action.text.contains("no") {
                    engine.refuse(action, number, &refusal())
                } else {
                    engine.admit(action, number)
                });
            }
            Step::Control(control) => up.extend_from_slice(&control.into_bytes()),
            Step::Event(_) => {}
            Step::Wait => {
                judged.push("WAIT".into());
                break;
            }
            Step::NeedMore => break,
            other => panic!("{other:?}"),
        }
    }
    (up, judged)
}

fn refusal() -> Refusal {
    Refusal { code: "42501", message: "refused".into(), detail: String::new(), hint: String::new() }
}

/// Feeds the server's bytes; returns what the client gets, and the events.
fn server(engine: &mut Postgres, messages: &[Bytes]) -> (Vec<u8>, Vec<String>) {
    let mut input = BytesMut::from(&messages.concat()[..]);
    let (mut down, mut events) = (Vec::new(), Vec::new());
    loop {
        match engine.upstream_bytes(&mut input) {
            Step::Control(control) => down.extend_from_slice(&control.into_bytes()),
            Step::Reply(reply) => down.extend_from_slice(&reply.into_bytes()),
            Step::Data(
                Chunk::Rows { bytes, .. }
                | Chunk::Result { bytes, .. }
                | Chunk::Copy { bytes, .. }
                | Chunk::Text { bytes, .. }
                | Chunk::Part { bytes, .. }
                | Chunk::Frame { bytes, .. },
            ) => down.extend_from_slice(&bytes),
            Step::Event(event) => events.push(match event {
                Event::Complete(number, tag) => format!("{number} {tag}"),
                Event::Failed(number, error) => format!("{number} failed {}", rows::error_summary(&error)),
                Event::Skipped(number) => format!("{number} skipped"),
                other => format!("{other:?}"),
            }),
            Step::Exceeded(number, excess) => {
                events.push(format!("{number} exceeds {excess:?}"));
                engine.cut(&Refusal { code: "54000", message: "cut".into(), ..refusal() });
            }
            Step::Return(control) => events.push(format!("returns {}", control.into_bytes().escape_ascii())),
            Step::Broken(refusal) => {
                events.push(format!("fatal {} {}", refusal.code, refusal.message));
                return (down, events);
            }
            Step::NeedMore => return (down, events),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refused_query_fails_at_the_server_and_the_client_sees_the_refusal() {
    let mut engine = Postgres::new(1000);
    let (up, _) = client(&mut engine, &[q("no")]);
    assert!(up.starts_with(b"Q") && !up.windows(3).any(|w| w == b"no\0"));
    let (down, events) = server(&mut engine, &[server_error(), ready(b'E')]);
    assert!(String::from_utf8_lossy(&down).contains("C42501\0Mrefused"));
    assert!(down.ends_with(b"Z\0\0\0\x05E") && events.is_empty());
}

#[test]
fn after_a_fatal_error_nothing_more_is_due() {
    let mut engine = Postgres::new(1000);
    client(&mut engine, &[q("select")]);
    assert!(engine.busy());
    server(&mut engine, &[message(b'E', |out| out.put_slice(b"SFATAL\0VFATAL\0C57P01\0Mterminating\0\0"))]);
    assert!(!engine.busy());
}

#[test]
fn a_refusal_inside_a_pipeline_skips_to_the_sync() {
    let mut engine = Postgres::new(1000);
    let messages = [
        parse("", "insert"),
        bind("", ""),
        execute(""),
        parse("", "no"),
        bind("", ""),
        execute(""),
        simple(b'S'),
        q("after"),
    ];
    let (_, judged) = client(&mut engine, &messages);
    // After the refusal the server skips all; what the last Execute is taken for does not matter.
    assert_eq!(judged, ["insert", "insert", "no", "insert", "after"]);
    let ok = message(b'C', |out| put_cstr(out, "INSERT 0 1"));
    let no_data = simple(b'n');
    let (down, events) = server(&mut engine, &[simple(b'1'), simple(b'2'), no_data, ok, server_error(), ready(b'I')]);
    assert_eq!(down.iter().filter(|b| **b == b'n').count(), 0, "the injected Describe's answer is kept");
    assert!(String::from_utf8_lossy(&down).contains("Mrefused"));
    assert_eq!(events, ["2 INSERT 0 1", "4 skipped"]);
    assert!(engine.busy());
    let (_, events) = server(&mut engine, &[message(b'C', |out| put_cstr(out, "SELECT 0")), ready(b'I')]);
    assert_eq!(events, ["5 SELECT 0"]);
    assert!(!engine.busy());
}

#[test]
fn a_refused_parse_fails_at_the_server_under_its_own_name() {
    // A server forgets the unnamed statement when a Parse of it fails.
    for name in ["", "x"] {
        let (up, judged) = client(&mut Postgres::new(1000), &[parse(name, "no")]);
        assert_eq!((up, judged), (parse(name, NONSENSE).to_vec(), vec!["no".to_owned()]));
    }
}

#[test]
fn a_name_is_judged_by_what_the_server_runs() {
    // A close that the server skips and a definition that then fails must not make weir judge the wrong text.
    let mut engine = Postgres::new(1000);
    client(&mut engine, &[parse("x", "dangerous"), simple(b'S')]);
    server(&mut engine, &[simple(b'1'), ready(b'I')]);
    let close = message(b'C', |out| out.put_slice(b"Sx\0"));
    let attack = [
        bind("", "missing"),
        close,
        simple(b'S'),
        parse("x", "harmless"),
        simple(b'S'),
        bind("", "x"),
        execute(""),
        simple(b'S'),
    ];
    let mut input = BytesMut::from(&attack.concat()[..]);
    let mut waited = false;
    let mut judged = Vec::new();
    for number in 10..40 {
        match engine.client_bytes(&mut input) {
            Step::Act(action) => {
                judged.push(action.text.to_string());
                engine.admit(action, number);
            }
            Step::Wait if !waited => {
                waited = true;
                server(&mut engine, &[server_error(), ready(b'I'), server_error(), ready(b'I')]);
            }
            Step::Control(_) | Step::NeedMore => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(waited);
    assert_eq!(judged, ["harmless", "dangerous"]);
}

#[test]
fn an_unknown_portal_cannot_be_judged() {
    let mut engine = Postgres::new(1000);
    let mut input = BytesMut::from(&execute("c")[..]);
    assert!(matches!(engine.client_bytes(&mut input), Step::Act(Action { kind: ActionKind::Unknown, .. })));
}

#[test]
fn copy_in_with_a_sync_that_the_server_ignores() {
    let mut engine = Postgres::new(1000);
    client(&mut engine, &[parse("", "copy"), bind("", ""), execute(""), simple(b'S')]);
    let start = message(b'G', |out| out.put_slice(&[0, 0, 0]));
    server(&mut engine, &[simple(b'1'), simple(b'2'), simple(b'n'), start]);
    let data = message(b'd', |out| out.put_slice(b"1\n"));
    client(&mut engine, &[data, simple(b'c'), simple(b'S')]);
    let done = message(b'C', |out| put_cstr(out, "COPY 1"));
    let (_, events) = server(&mut engine, &[done, ready(b'I')]);
    assert_eq!(events, ["2 COPY 1"]);
    assert!(!engine.busy());
}

#[test]
fn a_sync_inside_a_copy_that_failed_is_answered_or_not() {
    let begin = |early: &[Bytes]| {
        let mut engine = Postgres::new(1000);
        client(&mut engine, &[&[parse("", "copy"), bind("", ""), execute("")], early].concat());
        let start = message(b'G', |out| out.put_slice(&[0, 0, 0]));
        server(&mut engine, &[simple(b'1'), simple(b'2'), simple(b'n'), start]);
        client(&mut engine, &[message(b'd', |out| out.put_slice(b"x\n")), simple(b'S'), simple(b'S')]);
        engine
    };
    let done = |tag| message(b'C', |out| put_cstr(out, tag));
    for early in [&[][..], &[simple(b'S')]] {
        for answered in 0..=early.len() + 2 {
            // What comes behind the client's own end of the COPY is paired as it is without.
            let mut engine = begin(early);
            client(&mut engine, &[simple(b'c'), simple(b'S'), q("one"), q("two")]);
            let failed = [&[server_error()][..], &vec![ready(b'I'); answered + 1]].concat();
            let (down, _) = server(&mut engine, &failed);
            assert_eq!(down, failed.concat());
            let (_, events) = server(&mut engine, &[done("ONE"), ready(b'I'), done("TWO"), ready(b'I')]);
            assert_eq!(events, ["1 ONE", "2 TWO"]);
            // Now each answer would be out of step.
            let (_, events) = server(&mut engine, &[ready(b'I')]);
            assert!(events.concat().starts_with("fatal"), "{events:?}");
        }
        // Who has not ended it and knows that it has failed may go on once it is answered, and not before.
        let mut engine = begin(early);
        server(&mut engine, &[server_error()]);
        let mut input = BytesMut::from(&q("SELECT 1")[..]);
        assert!(matches!(engine.client_bytes(&mut input), Step::Broken(_)));
        let mut engine = begin(early);
        server(&mut engine, &[server_error(), ready(b'I')]);
        client(&mut engine, &[q("SELECT 1")]);
        assert_eq!(server(&mut engine, &[ready(b'I'), done("ONE"), ready(b'I')]).1, ["1 ONE"]);
    }
    // What was sent behind such a Sync has run or was skipped.
    let mut engine = begin(&[]);
    client(&mut engine, &[simple(b'c'), q("SELECT 1"), simple(b'S')]);
    let (_, events) = server(&mut engine, &[server_error()]);
    assert!(events.concat().contains("fatal 08P01"), "{events:?}");
}

#[test]
fn a_statement_that_is_too_large_is_dropped_unread() {
    let mut engine = Postgres::new(10);
    let (up, judged) = client(&mut engine, &[q(&"x".repeat(5000)), q("SELECT 1")]);
    assert_eq!(judged, ["statement of 5006 bytes", "SELECT 1"]);
    assert!(up.len() < 200);
}

#[test]
fn a_large_row_comes_in_parts_and_unchanged() {
    let mut engine = Postgres::new(1000);
    client(&mut engine, &[q("select")]);
    let big = vec![b'x'; 300_000];
    let mut row = BytesMut::new();
    rows::put_row(&mut row, [Some(&b"a"[..]), None, Some(&big[..]), Some(&b""[..])].into_iter());
    let row = row.freeze();
    let mut input = BytesMut::new();
    let mut down = Vec::new();
    for piece in row.chunks(1000) {
        input.extend_from_slice(piece);
        loop {
            match engine.upstream_bytes(&mut input) {
                Step::NeedMore => break,
                Step::Data(Chunk::Part { bytes, .. } | Chunk::Frame { bytes, .. }) => down.extend_from_slice(&bytes),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(down, row);
}

#[test]
fn nothing_is_said_inside_a_large_message() {
    let mut engine = Postgres::new(1000);
    client(&mut engine, &[q("select")]);
    let mut row = BytesMut::new();
    rows::put_row(&mut row, [Some(&vec![b'x'; 300_000][..])].into_iter());
    let (begun, rest) = row.split_at(1000);
    server(&mut engine, &[Bytes::copy_from_slice(begun)]);
    assert!(engine.notice("held", "").into_bytes().is_empty());
    assert!(engine.fatal(&refusal()).into_bytes().is_empty());
    let (down, _) = server(&mut engine, &[Bytes::copy_from_slice(rest)]);
    assert!(down.starts_with(rest) && down.get(rest.len()) == Some(&b'N'), "the notice follows the row");
    assert!(engine.notice("held", "").into_bytes().starts_with(b"N"));
    assert!(engine.fatal(&refusal()).into_bytes().starts_with(b"E"));
}

#[test]
fn who_asks_for_too_much_at_once_waits() {
    let mut engine = Postgres::new(1000);
    let queries = vec![q("SELECT 1"); MOST_IN_FLIGHT + 10];
    let mut input = BytesMut::from(&queries.concat()[..]);
    let mut judged = 0;
    let mut go_on = |engine: &mut Postgres| loop {
        match engine.client_bytes(&mut input) {
            Step::Act(action) => {
                judged += 1;
                engine.admit(action, judged);
            }
            Step::Wait | Step::NeedMore => return judged,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(go_on(&mut engine), MOST_IN_FLIGHT as u64);
    server(&mut engine, &[message(b'C', |out| put_cstr(out, "SELECT 1")), ready(b'I')]);
    assert_eq!(go_on(&mut engine), MOST_IN_FLIGHT as u64 + 1);
}

#[test]
fn what_weir_does_not_follow_ends_the_session() {
    let mut engine = Postgres::new(1000);
    for bytes in [
        message(b'S', |out| out.put_slice(b"client_encoding\0GBK\0")),
        message(b'W', |out| out.put_slice(&[0, 0, 0])),
        Bytes::from_static(b"T\xff\xff\xff\xff"),
        ready(b'I'),
    ] {
        assert!(matches!(engine.upstream_bytes(&mut BytesMut::from(&bytes[..])), Step::Broken(_)));
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(client in proptest::collection::vec(any::<u8>(), 0..300),
                      server in proptest::collection::vec(any::<u8>(), 0..300),
                      kinds in "[QPBDECSHdcf]{0,6}") {
        let mut engine = Postgres::new(1000).with_answers_of(3, 60);
        let mut up = BytesMut::new();
        for kind in kinds.bytes() {
            up.extend_from_slice(&message(kind, |out| out.put_slice(client.get(..20).unwrap_or_default())));
        }
        up.extend_from_slice(&client);
        let mut down = BytesMut::from(&server[..]);
        for number in 1..200 {
            match engine.client_bytes(&mut up) {
                Step::Act(action) => drop(engine.admit(action, number)),
                Step::NeedMore | Step::Broken(_) | Step::Wait => break,
                _ => {}
            }
            if let Step::Broken(_) = engine.upstream_bytes(&mut down) {
                break;
            }
        }
    }
}
