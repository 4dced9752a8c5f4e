//! Answers that are larger than allowed.

use super::*;

/// Three rows, and a hundred bytes of them.
fn engine() -> Postgres {
    Postgres::new(1000).with_answers_of(3, 100)
}

fn row(text: &str) -> Bytes {
    let mut out = BytesMut::new();
    rows::put_row(&mut out, [Some(text.as_bytes())].into_iter());
    out.freeze()
}

fn description() -> Bytes {
    message(b'T', |out| {
        out.put_u16(1);
        put_cstr(out, "n");
        out.put_slice(&[0; 18]);
    })
}

fn complete(tag: &str) -> Bytes {
    message(b'C', |out| put_cstr(out, tag))
}

fn canceled() -> Bytes {
    message(b'E', |out| out.put_slice(b"SERROR\0C57014\0Mcanceling statement due to user request\0\0"))
}

/// The types of the messages, with the SQLSTATE of an error and the state of the transaction.
fn kinds(mut bytes: &[u8]) -> String {
    let mut kinds = String::new();
    while let [kind, a, b, c, d, ..] = *bytes {
        let (message, rest) = bytes.split_at(u32::from_be_bytes([a, b, c, d]) as usize + 1);
        kinds.push(char::from(kind));
        match kind {
            b'E' => kinds.push_str(&rows::error_summary(message).replace(' ', ":")),
            b'Z' => kinds.push(char::from(message[5])),
            _ => {}
        }
        bytes = rest;
    }
    kinds
}

/// As [`super::client`]; what is admitted outlasts an error where its text says so.
fn sends(engine: &mut Postgres, messages: &[Bytes]) {
    let mut input = BytesMut::from(&messages.concat()[..]);
    let mut number = engine.client.last_number;
    loop {
        match engine.client_bytes(&mut input) {
            Step::Act(mut action) => {
                number += 1;
                action.lasting = !action.text.starts_with("SELECT");
                engine.admit(action, number);
            }
            Step::NeedMore => return,
            _ => {}
        }
    }
}

fn gets(engine: &mut Postgres, messages: &[Bytes]) -> (String, Vec<String>) {
    let (down, events) = server(engine, messages);
    (kinds(&down), events.into_iter().filter(|event| !event.starts_with("Columns")).collect())
}

#[test]
fn what_fits_passes() {
    let mut engine = engine();
    sends(&mut engine, &[q("SELECT 1; SELECT 2")]);
    let three = [row("a"), row("b"), row("c"), complete("SELECT 3")];
    let (down, _) = gets(&mut engine, &[&three[..], &three[..], &[ready(b'I')]].concat());
    assert_eq!(down, "DDDCDDDCZI");
    assert!(!engine.busy());
}

#[test]
fn the_servers_cancellation_becomes_the_limits_error() {
    for (rows, excess) in [(vec!["a"; 5], "1 exceeds Rows"), (vec!["a", &"x".repeat(90)], "1 exceeds Bytes")] {
        let mut engine = engine();
        sends(&mut engine, &[q("SELECT"), q("SELECT after")]);
        let rows: Vec<Bytes> = rows.into_iter().map(row).collect();
        let (down, events) = gets(&mut engine, &[&[description()], &rows[..]].concat());
        assert!(matches!(down.as_str(), "TDDD" | "TD"), "{down}");
        assert_eq!(events, [excess]);
        assert!(engine.busy());
        assert_eq!(gets(&mut engine, &[row("more"), canceled(), ready(b'E')]).0, "E54000:cutZE");
        let (down, events) = gets(&mut engine, &[row("a"), complete("SELECT 1"), ready(b'I')]);
        assert_eq!((down.as_str(), events), ("DCZI", vec!["2 SELECT 1".to_owned()]));
    }
}

#[test]
fn a_cut_shows_at_any_split_of_the_bytes() {
    let server = [description(), row("a"), row("b"), row("c"), row("d"), row("e"), canceled(), ready(b'T')].concat();
    for size in 1..server.len() {
        let mut engine = engine();
        sends(&mut engine, &[q("SELECT")]);
        let (mut down, mut input) = (Vec::new(), BytesMut::new());
        for piece in server.chunks(size) {
            input.extend_from_slice(piece);
            loop {
                match engine.upstream_bytes(&mut input) {
                    Step::NeedMore => break,
                    Step::Control(control) => down.extend_from_slice(&control.into_bytes()),
                    Step::Reply(reply) => down.extend_from_slice(&reply.into_bytes()),
                    Step::Data(Chunk::Rows { bytes, .. }) => down.extend_from_slice(&bytes),
                    _ => {}
                }
            }
        }
        assert_eq!(kinds(&down), "TDDDE54000:the:answer:is:larger:than:allowedZT", "{size}");
    }
}

#[test]
fn a_completed_read_is_an_error_in_the_servers_own_state() {
    for state in [b'I', b'T'] {
        let mut engine = engine();
        sends(&mut engine, &[q("SELECT")]);
        let rows = [row("a"), row("b"), row("c"), row("d")];
        let (down, events) = gets(&mut engine, &[&rows[..], &[complete("SELECT 4"), ready(state)]].concat());
        assert_eq!(down, format!("DDDE54000:cutZ{}", char::from(state)));
        assert_eq!(events, ["1 exceeds Rows"]);
        assert!(!engine.busy());
    }
}

#[test]
fn a_completed_write_ends_the_session() {
    let mut engine = engine();
    sends(&mut engine, &[q("INSERT RETURNING")]);
    let rows = [row("a"), row("b"), row("c"), row("d")];
    let (down, events) = gets(&mut engine, &[&rows[..], &[complete("INSERT 0 4"), ready(b'I')]].concat());
    assert_eq!(down, "DDD");
    assert_eq!(events, ["1 exceeds Rows", "fatal 54000 cut; it had completed by then, so what it did may stand"]);
    // Cancelled in time, it is undone, and the session goes on.
    let mut engine = self::engine();
    sends(&mut engine, &[q("INSERT RETURNING")]);
    let (down, _) = gets(&mut engine, &[&rows[..], &[canceled(), ready(b'I')]].concat());
    assert_eq!(down, "DDDE54000:cutZI");
}

#[test]
fn several_statements_of_one_query() {
    let mut engine = engine();
    sends(&mut engine, &[q("SELECT 1; INSERT; COPY FROM STDIN")]);
    let rows = [row("a"), row("b"), row("c"), row("d")];
    let copy = message(b'G', |out| out.put_slice(&[0, 0, 0]));
    let (down, events) =
        gets(&mut engine, &[&rows[..], &[complete("SELECT 4"), complete("INSERT 0 1"), copy]].concat());
    assert_eq!((down.as_str(), events.len()), ("DDD", 2), "{events:?}");
    assert!(events[1].starts_with("returns f"), "{events:?}");
    assert_eq!(gets(&mut engine, &[canceled(), ready(b'I')]).0, "E54000:cutZI");
}

#[test]
fn an_extended_statement_is_canceled_up_to_its_sync() {
    let mut engine = engine();
    let segment = [parse("", "SELECT"), bind("", ""), execute("")];
    sends(&mut engine, &[&segment[..], &segment[..], &[simple(b'S'), q("SELECT after")]].concat());
    let rows = [simple(b'1'), simple(b'2'), simple(b'n'), row("a"), row("b"), row("c"), row("d")];
    let (down, events) = gets(&mut engine, &[&rows[..], &[canceled(), ready(b'I')]].concat());
    assert_eq!(down, "12DDDE54000:cutZI");
    assert_eq!(events, ["2 exceeds Rows", "4 skipped"]);
    assert_eq!(gets(&mut engine, &[complete("SELECT 1"), ready(b'I')]).0, "CZI");
}

#[test]
fn completed_before_its_sync_came_the_transaction_is_made_to_fail() {
    let mut engine = engine();
    sends(&mut engine, &[parse("", "INSERT"), bind("", ""), execute(""), simple(b'H')]);
    let rows =
        [simple(b'1'), simple(b'2'), simple(b'n'), row("a"), row("b"), row("c"), row("d"), complete("INSERT 0 4")];
    let (down, events) = gets(&mut engine, &rows);
    assert_eq!(down, "12DDD");
    assert_eq!(events.len(), 2);
    assert!(events[1].starts_with("returns E") && events[1].contains(NOWHERE), "{events:?}");
    // What the client sends meanwhile, the server skips.
    sends(&mut engine, &[parse("", "SELECT"), bind("", ""), execute(""), simple(b'S')]);
    let (down, events) = gets(&mut engine, &[server_error(), ready(b'E')]);
    assert_eq!(down, "E54000:cutZE");
    assert_eq!(events, ["4 skipped"]);
    assert!(!engine.busy());
}

#[test]
fn completed_after_its_sync_came_it_depends_on_what_ran() {
    let answers =
        [simple(b'1'), simple(b'2'), simple(b'n'), row("a"), row("b"), row("c"), row("d"), complete("SELECT 4")];
    let second = [simple(b'1'), simple(b'2'), simple(b'n'), complete("OTHER 1"), ready(b'I')];
    for (other, ends) in [("SELECT other", "12DDDE54000:cutZI"), ("INSERT", "12DDD")] {
        let mut engine = engine();
        let both = [parse("", "SELECT"), bind("", ""), execute(""), parse("", other), bind("", ""), execute("")];
        sends(&mut engine, &[&both[..], &[simple(b'S')]].concat());
        let (down, events) = gets(&mut engine, &[&answers[..], &second[..]].concat());
        assert_eq!(down, ends, "{events:?}");
        assert_eq!(events.iter().any(|event| event.starts_with("fatal")), other == "INSERT", "{events:?}");
    }
}

#[test]
fn each_fetch_of_a_portal_counts_for_itself() {
    let mut engine = engine();
    sends(&mut engine, &[parse("", "SELECT"), bind("p", ""), execute("p"), execute("p"), simple(b'S')]);
    let rows = [row("a"), row("b"), row("c"), simple(b's')];
    let begin = [simple(b'1'), simple(b'2'), simple(b'n')];
    let (down, _) = gets(&mut engine, &[&begin[..], &rows[..], &rows[..], &[ready(b'I')]].concat());
    assert_eq!(down, "12DDDsDDDsZI");
}

#[test]
fn bulk_data_and_large_rows_are_cut_too() {
    let mut engine = engine();
    sends(&mut engine, &[q("SELECT copy")]);
    let begin = message(b'H', |out| out.put_slice(&[0, 0, 0]));
    let line = message(b'd', |out| out.put_slice(b"line\n"));
    let copy =
        [begin, line.clone(), line.clone(), line.clone(), line.clone(), simple(b'c'), complete("COPY 4"), ready(b'I')];
    assert_eq!(gets(&mut engine, &copy).0, "HdddE54000:cutZI");

    let mut engine = Postgres::new(1000).with_answers_of(10, 1_000_000);
    sends(&mut engine, &[q("SELECT large")]);
    let large = row(&"x".repeat(600_000));
    let (down, events) = gets(&mut engine, &[large.clone(), large, canceled(), ready(b'I')]);
    assert_eq!(down, "DE54000:cutZI");
    assert_eq!(events, ["1 exceeds Bytes"]);
}

/// Rows that are left, and how often they were asked for.
#[derive(Debug)]
struct Left(AtomicU64, AtomicU64);

impl RowBudget for Left {
    fn take(&self, rows: u64) -> u64 {
        self.1.fetch_add(1, Ordering::Relaxed);
        let got = rows.min(self.0.load(Ordering::Relaxed));
        self.0.fetch_sub(got, Ordering::Relaxed);
        got
    }
}

#[test]
fn a_budget_is_for_all_statements_together_and_asked_once_for_what_came_together() {
    let left = Arc::new(Left(5.into(), 0.into()));
    let budget: Arc<dyn RowBudget> = Arc::<Left>::clone(&left);
    let mut engine = Postgres::new(1000).with_budget(Arc::clone(&budget));
    sends(&mut engine, &[q("SELECT"), q("SELECT again"), q("SELECT large"), q("SELECT copy")]);
    let three = [row("a"), row("b"), row("c")];
    let (down, events) = gets(&mut engine, &[&three[..], &[complete("SELECT 3"), ready(b'I')]].concat());
    assert_eq!((down.as_str(), events.len(), left.1.load(Ordering::Relaxed)), ("DDDCZI", 1, 1));
    // What fits of the next three is given, what does not is cut off; what is dropped takes nothing.
    let (down, events) = gets(&mut engine, &[&three[..], &three[..], &[canceled(), ready(b'I')]].concat());
    assert_eq!((down.as_str(), events), ("DDE54000:cutZI", vec!["2 exceeds Budget".to_owned()]));
    assert_eq!(left.0.load(Ordering::Relaxed), 0);
    let large = row(&"x".repeat(600_000));
    assert_eq!(gets(&mut engine, &[large, canceled(), ready(b'I')]).0, "E54000:cutZI");
    let begin = message(b'H', |out| out.put_slice(&[0, 0, 0]));
    let line = message(b'd', |out| out.put_slice(&[b'x'; 600_000]));
    assert_eq!(gets(&mut engine, &[begin, line, canceled(), ready(b'I')]).0, "HE54000:cutZI");

    // An incomplete row is not taken twice.
    left.0.store(1, Ordering::Relaxed);
    let mut engine = Postgres::new(1000).with_budget(budget);
    sends(&mut engine, &[q("SELECT")]);
    let mut input = BytesMut::new();
    for byte in row("a") {
        assert!(matches!(engine.upstream_bytes(&mut input), Step::NeedMore));
        input.put_u8(byte);
    }
    assert!(matches!(engine.upstream_bytes(&mut input), Step::Data(_)) && left.0.load(Ordering::Relaxed) == 0);
}

#[test]
fn notices_and_parameters_pass_while_an_answer_is_dropped() {
    let mut engine = engine();
    sends(&mut engine, &[q("SELECT")]);
    let notice = message(b'N', |out| out.put_slice(b"SNOTICE\0C00000\0Mhello\0\0"));
    let parameter = message(b'S', |out| out.put_slice(b"TimeZone\0UTC\0"));
    let rows = [row("a"), row("b"), row("c"), row("d"), notice, row("e"), parameter, canceled(), ready(b'I')];
    assert_eq!(gets(&mut engine, &rows).0, "DDDNSE54000:cutZI");
}

#[test]
fn who_is_canceled_for_taking_long_is_told_so() {
    let late = Refusal { code: "57014", message: "late".into(), ..refusal() };
    for (answer, told) in
        [(canceled(), "E57014:lateZI"), (server_error(), "E42601:badZI"), (complete("SELECT 1"), "CZI")]
    {
        let mut engine = engine();
        sends(&mut engine, &[q("SELECT"), q("SELECT after")]);
        assert_eq!(engine.running(), Some(1));
        engine.overdue(&late);
        assert_eq!(gets(&mut engine, &[answer, ready(b'I')]).0, told);
        // The next one's cancellation is its own.
        assert_eq!(engine.running(), Some(2));
        assert!(gets(&mut engine, &[canceled(), ready(b'I')]).0.starts_with("E57014:canceling"));
        assert_eq!(engine.running(), None);
    }
}
