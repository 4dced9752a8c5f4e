//! Whatever a client sends, weir's answers are the server's own: random sequences of messages go to both, and both the
//! answers and what became of the tables are compared. Where policy refuses, the direct run sends what fails there.

use anyhow::{Context as _, Result, bail, ensure};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::time::{Duration, Instant};
use weir_tests::{
    agent::Transport,
    lab::Lab,
    raw::{Message, Raw, bind, execute, frame, named, outline, parse, query, sync},
};

const SEQUENCES: u8 = 64;
const LONGEST: usize = 30;
/// The last row of a sequence.
const END: &str = "here ends the sequence";

#[derive(Clone, Debug)]
enum Part {
    Query(String),
    /// A text that policy refuses.
    RefusedQuery(&'static str),
    Parse(&'static str, String),
    RefusedParse(&'static str, &'static str),
    Bind(&'static str, &'static str, Vec<&'static str>),
    Describe(u8, &'static str),
    Execute(&'static str, u32),
    Close(u8, &'static str),
    Flush,
    Sync,
    /// COPY from the client: by the extended protocol perhaps, with a Sync before the data perhaps, and others, which are
    /// empty lines, between: the server ignores them, or has failed and answers.
    Copy {
        extended: bool,
        early: bool,
        text: &'static str,
        lines: Vec<&'static str>,
        done: bool,
    },
    /// A statement that is cancelled while it runs.
    Cancelled {
        extended: bool,
    },
}

impl Part {
    /// What is sent; to the server itself when `direct`.
    fn bytes(&self, direct: bool) -> Vec<u8> {
        match self {
            Self::RefusedQuery(_) if direct => query("fails"),
            Self::RefusedParse(name, _) if direct => parse(name, "fails"),
            Self::RefusedQuery(text) => query(text),
            Self::Query(text) => query(text),
            Self::RefusedParse(name, text) => parse(name, text),
            Self::Parse(name, text) => parse(name, text),
            Self::Bind(portal, statement, values) => bind(portal, statement, values),
            Self::Describe(what, name) => named(b'D', *what, name),
            Self::Execute(portal, rows) => execute(portal, *rows),
            Self::Close(what, name) => named(b'C', *what, name),
            Self::Flush => frame(b'H', &[]),
            Self::Sync => sync(),
            Self::Copy { extended, early, text, lines, done } => {
                let mut bytes = match extended {
                    true => [parse("", text), bind("", "", &[]), execute("", 0)].concat(),
                    false => query(text),
                };
                if *extended && *early {
                    bytes.extend(sync());
                }
                let line = |line: &&str| if line.is_empty() { sync() } else { frame(b'd', line.as_bytes()) };
                bytes.extend(lines.iter().flat_map(line));
                bytes.extend(if *done { frame(b'c', &[]) } else { frame(b'f', b"given up\0") });
                if *extended {
                    bytes.extend(sync());
                }
                bytes
            }
            // Whatever went before, this runs.
            Self::Cancelled { extended: false } => [sync(), query("ROLLBACK"), query("SELECT pg_sleep(30)")].concat(),
            Self::Cancelled { extended: true } => {
                let sleep = [parse("sleeper", "SELECT pg_sleep(30)"), bind("", "sleeper", &[]), execute("", 0), sync()];
                [sync(), query("ROLLBACK"), sleep.concat()].concat()
            }
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    let one = prop::sample::select(vec![
        "SELECT id, text FROM ledger ORDER BY id",
        "SELECT n, repeat('x', n) FROM generate_series(1, 7) n",
        "SELECT 1 / 0",
        "SELECT n, 10 / (3 - n) FROM generate_series(1, 7) n",
        "SELECT 'to ada@example.com'",
        "SELECT",
        "",
        "SELECT nothing FROM nowhere",
        "SELEKT",
        "INSERT INTO ledger VALUES (1, 'one')",
        "INSERT INTO ledger VALUES (2, 'two') RETURNING id, text",
        "INSERT INTO ledger SELECT n, 'many' FROM generate_series(10, 15) n ON CONFLICT DO NOTHING",
        "UPDATE ledger SET text = text || '!' WHERE id < 12 RETURNING id",
        "DELETE FROM ledger WHERE id = 2",
        "INSERT INTO ledger VALUES ($1, 'first value')",
        "SELECT id FROM ledger WHERE id > $1 ORDER BY id",
        "SELECT $1::int, $2::text",
        "BEGIN",
        "BEGIN",
        "COMMIT",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT here",
        "ROLLBACK TO here",
        "RELEASE here",
        "SET LOCAL statement_timeout = '1min'",
        "SET timezone = 'UTC'",
        "SHOW timezone",
        "DEALLOCATE a",
        "DEALLOCATE ALL",
        "DISCARD ALL",
        "COPY ledger TO STDOUT",
        "COPY (SELECT n, 10 / (3 - n) FROM generate_series(1, 7) n) TO STDOUT",
        "LISTEN bell",
        "NOTIFY bell, 'rang'",
    ]);
    one.prop_map(str::to_owned)
}

fn query_text() -> impl Strategy<Value = String> {
    let long = Just(format!("SELECT length('{}')", "x".repeat(50_000)));
    prop_oneof![
        8 => text(),
        4 => prop::collection::vec(text(), 2..5).prop_map(|texts| texts.join("; ")),
        1 => long,
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let refused = || {
        prop::sample::select(vec![
            "GRANT ALL ON ledger TO PUBLIC",
            "DROP TABLE ledger",
            "CREATE TABLE more (id int)",
            "SELECT 1; DO $$ BEGIN END $$",
        ])
    };
    let name = || prop::sample::select(vec!["", "", "a", "b"]);
    let value = prop::sample::select(vec!["1", "3", "11", "word"]);
    let what = || prop::sample::select(vec![b'S', b'P']);
    let lines = prop::sample::select(vec![
        "20\ttwenty\n",
        "21\tca",
        "rd\n",
        "1\tone\n",
        "word\n",
        "22\t4111111111111111\n",
        "",
        "",
    ]);
    let copy = prop::sample::select(vec![
        "COPY ledger FROM STDIN",
        "COPY nowhere FROM STDIN",
        "COPY ledger (id, text) FROM STDIN",
        "COPY guarded FROM STDIN",
    ]);
    let copy = (any::<bool>(), any::<bool>(), copy, prop::collection::vec(lines, 0..6), prop::bool::weighted(0.8));
    prop_oneof![
        6 => query_text().prop_map(Part::Query),
        1 => refused().prop_map(Part::RefusedQuery),
        5 => (name(), text()).prop_map(|(name, text)| Part::Parse(name, text)),
        1 => (name(), refused()).prop_map(|(name, text)| Part::RefusedParse(name, text)),
        6 => (name(), name(), prop::collection::vec(value, 0..2)).prop_map(|(p, s, v)| Part::Bind(p, s, v)),
        2 => (what(), name()).prop_map(|(what, name)| Part::Describe(what, name)),
        7 => (name(), prop::sample::select(vec![0, 0, 1, 3])).prop_map(|(name, rows)| Part::Execute(name, rows)),
        1 => (what(), name()).prop_map(|(what, name)| Part::Close(what, name)),
        1 => Just(Part::Flush),
        5 => Just(Part::Sync),
        2 => copy.prop_map(|(extended, early, text, lines, done)| Part::Copy { extended, early, text, lines, done }),
    ]
}

/// Statements that are prepared, bound and run as drivers do, between parts of any kind.
fn sequence() -> impl Strategy<Value = Vec<Part>> {
    let name = || prop::sample::select(vec!["", "", "a", "b"]);
    let driver = (name(), name(), text(), prop::sample::select(vec![0, 0, 2]), any::<bool>());
    let driver = driver.prop_map(|(statement, portal, text, rows, sync)| {
        let values = if text.contains("$2") { vec!["5", "five"] } else { vec!["5"; text.matches("$1").count()] };
        let mut parts = vec![
            Part::Parse(statement, text),
            Part::Bind(portal, statement, values),
            Part::Describe(b'P', portal),
            Part::Execute(portal, rows),
            Part::Execute(portal, 0),
        ];
        if rows == 0 {
            parts.pop();
        }
        if sync {
            parts.push(Part::Sync);
        }
        parts
    });
    let parts = prop_oneof![3 => part().prop_map(|part| vec![part]), 2 => driver];
    let cancelled = prop::option::weighted(0.15, any::<bool>());
    (prop::collection::vec(parts, 1..LONGEST), cancelled, any::<prop::sample::Index>()).prop_map(
        |(parts, cancelled, at)| {
            let mut parts = parts.concat();
            parts.truncate(LONGEST);
            if let Some(extended) = cancelled {
                parts.insert(at.index(parts.len()), Part::Cancelled { extended });
            }
            parts
        },
    )
}

/// Sends the whole sequence in pieces, and reads all answers.
fn run(lab: &Lab, port: Option<u16>, parts: &[Part], pieces: &[(u16, bool)]) -> Result<Vec<Message>> {
    let connect = || port.map_or_else(|| Raw::server(lab), Raw::connect);
    let mut raw = port.map_or_else(|| Raw::direct(lab), Raw::through)?;
    let mut bytes = Vec::new();
    let mut pieces = pieces.iter().cycle();
    for part in parts {
        bytes.extend(part.bytes(port.is_none()));
        if let Part::Cancelled { .. } = part {
            raw.send(&std::mem::take(&mut bytes))?;
            let until = Instant::now() + Duration::from_secs(20);
            let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            while lab.sql(sleeping)?.trim() == "0" {
                ensure!(Instant::now() < until, "it does not run");
            }
            connect()?.send(&raw.cancel_request()?)?;
            // A cancel request that is on its way stops whatever runs when it arrives.
            while lab.sql(sleeping)?.trim() != "0" {
                ensure!(Instant::now() < until, "it is not cancelled");
            }
        }
    }
    // Whatever it was in the middle of ends here.
    bytes.extend([frame(b'f', b"\0"), sync(), query("ROLLBACK"), query(&format!("SELECT '{END}'"))].concat());
    while !bytes.is_empty() {
        let (size, pause) = pieces.next().copied().unwrap_or((u16::MAX, false));
        let rest = bytes.split_off(usize::from(size).min(bytes.len()));
        raw.send(&std::mem::replace(&mut bytes, rest))?;
        if pause {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let mut answers = Vec::new();
    loop {
        let message = raw.read().with_context(|| format!("after {}", outline(&answers)))?;
        let last = message.kind == b'D' && message.body.ends_with(END.as_bytes());
        answers.push(message);
        if last {
            return Ok(answers);
        }
    }
}

/// The same, or refused in the place of what fails for certain.
fn same(weir: &Message, direct: &Message) -> bool {
    let refused = || {
        (weir.kind, direct.kind) == (b'E', b'E')
            && weir.field(b'C') == "42501"
            && matches!(direct.field(b'C').as_str(), "34000" | "42601")
            && weir.field(b'S') == direct.field(b'S')
    };
    // Who notified is another backend in each run.
    let rang = || weir.kind == b'A' && direct.kind == b'A' && weir.body.get(4..) == direct.body.get(4..);
    // Weir may have asked for a portal's columns first, which fails as its execution would, elsewhere in the server.
    let said = |message: &Message| b"SVCMDHPWstcn".map(|name| message.field(name));
    let elsewhere = || (weir.kind, direct.kind) == (b'E', b'E') && said(weir) == said(direct);
    weir == direct || refused() || rang() || elsewhere() || masked(weir).as_ref() == Some(direct)
}

/// What would have been there without a mask, of the values that the sequences show.
fn masked(message: &Message) -> Option<Message> {
    let text = String::from_utf8_lossy(&message.body);
    let (before, after) = text.split_once("[masked:")?;
    let (rule, after) = after.split_once(']')?;
    let value = if rule == "email" { "ada@example.com" } else { "4111111111111111" };
    let mut body = format!("{before}{value}{after}").into_bytes();
    if message.kind == b'D' {
        // The cell's length stands before its text.
        let grown = i64::try_from(value.len()).ok()? - i64::try_from("[masked:]".len() + rule.len()).ok()?;
        let at = before.rfind('\0')? + 1;
        let length = body.get_mut(at)?;
        *length = u8::try_from(i64::from(*length) + grown).ok()?;
    }
    Some(Message { kind: message.kind, body })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_the_servers_own() -> Result<()> {
    let mut lab = Lab::start().await?;
    // Without labelled columns errors keep their words, so that they can be compared.
    lab.restart_with(|config| config.replace("columns = [\"customers.ssn\"]\n", "mask = { notices = false }\n"))
        .await?;
    // A COPY into the second fails after the server has asked for the data, and before it reads any.
    lab.sql(
        "CREATE TABLE ledger (id int PRIMARY KEY, text text); ALTER TABLE ledger OWNER TO shop_agent;
         CREATE TABLE guarded (id int); ALTER TABLE guarded OWNER TO shop_agent;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'guarded'; END $$;
         CREATE TRIGGER guard BEFORE INSERT ON guarded EXECUTE FUNCTION refuse()",
    )?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let mut judge = Raw::direct(&lab)?;
    let mut outcome = |parts: &[Part], port: Option<u16>, pieces: &[(u16, bool)]| -> Result<_> {
        judge.ask(&query("TRUNCATE ledger"))?;
        let answers = run(&lab, port, parts, pieces)?;
        judge.send(&query("SELECT id, text FROM ledger ORDER BY id"))?;
        Ok((answers, judge.until(b'Z')?))
    };
    // Others are looked for with WEIR_TEST_SEED=7.
    let first = std::env::var("WEIR_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    for case in 0..SEQUENCES {
        let mut seed = [first; 32];
        seed[0] = case;
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
        let pieces = prop::collection::vec((1..400_u16, prop::bool::weighted(0.1)), 1..20);
        let made = (sequence(), pieces).new_tree(&mut runner);
        let (parts, pieces) = made.map_err(|why| anyhow::anyhow!("{why}"))?.current();
        let about = || format!("sequence {case} of WEIR_TEST_SEED={first}: {parts:#?}\nin pieces of {pieces:?}");
        let weir = outcome(&parts, Some(shop.port), &pieces).with_context(about)?;
        let direct = outcome(&parts, None, &pieces).with_context(about)?;
        let differs = weir.0.iter().zip(&direct.0).find(|(weir, direct)| !same(weir, direct));
        if differs.is_some() || weir.0.len() != direct.0.len() || weir.1.len() != direct.1.len() {
            let (through, directly) = (outline(&weir.0), outline(&direct.0));
            bail!("{}\nweir   {through}\ndirect {directly}\n{differs:?}", about());
        }
        ensure!(weir.1 == direct.1, "{}\nleaves other rows: {:?}\n{:?}", about(), weir.1, direct.1);
    }
    Ok(())
}
