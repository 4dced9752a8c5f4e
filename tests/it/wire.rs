//! What drivers seldom or never send, by hand: the answers are the server's own, or a native refusal. Which line of the
//! protocol is held by which test stands in the relay's manual (`relay/src/manual/postgres.rs`).

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use weir_tests::{
    agent::Transport,
    lab::Lab,
    raw::{Message, Raw, V3_0, V3_2, bind, execute, frame, named, outline, parse, query, startup, sync},
};

over_both_transports!(starts, the_servers_own_answers, clients_that_end_and_clients_that_are_gone);

const NAMES: [(&str, &str); 2] = [("user", "anyone"), ("database", "shop")];

fn key(raw: &Raw) -> Result<&[u8]> {
    Ok(&raw.greeting.iter().find(|message| message.kind == b'K').context("no key")?.body)
}

/// Who asks for a cancellation is told nothing.
fn silence(mut canceller: Raw) -> Result<()> {
    let said = canceller.rest()?;
    ensure!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    Ok(())
}

async fn starts(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let connect = || Raw::connect(shop.port);

    // 3.0 and 3.2: a cancel key of 8 bytes, and of 36; nothing to negotiate.
    for (version, length) in [(V3_0, 8), (V3_2, 36)] {
        let mut raw = connect()?.begin(&startup(version, &NAMES), "")?;
        ensure!(key(&raw)?.len() == length && raw.greeting.iter().all(|message| message.kind != b'v'));
        raw.send(&query("SELECT pg_sleep(60)"))?;
        let until = Instant::now() + Duration::from_secs(20);
        while lab.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")?.trim() != "1" {
            ensure!(Instant::now() < until, "it does not run");
        }
        // Another key of the same length stops nothing, and is told nothing.
        let mut wrong = raw.cancel_request()?;
        *wrong.last_mut().context("empty")? ^= 1;
        let mut canceller = connect()?;
        canceller.send(&wrong)?;
        silence(canceller)?;
        ensure!(lab.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")?.trim() == "1");
        let mut canceller = connect()?;
        canceller.send(&raw.cancel_request()?)?;
        silence(canceller)?;
        ensure!(outline(&raw.until(b'Z')?).ends_with("E57014 ZI"));
    }

    // A later minor, and an option that nobody knows.
    let later = [NAMES[0], ("_pq_.unheard_of", "x")];
    let raw = connect()?.begin(&startup(3 << 16 | 9, &later), "")?;
    let negotiate = Message { kind: b'v', body: b"\0\x03\0\x02\0\0\0\x01_pq_.unheard_of\0".to_vec() };
    ensure!(raw.greeting.first() == Some(&negotiate) && key(&raw)?.len() == 36, "{:?}", raw.greeting.first());
    ensure!(connect()?.begin(&startup(2 << 16, &NAMES), "").is_err());

    // As long as the server lets it be, and one byte more.
    let fixed = startup(V3_0, &[NAMES[0], ("application_name", "")]).len();
    for (length, passes) in [(10_000, true), (10_001, false)] {
        let packet = startup(V3_0, &[NAMES[0], ("application_name", &"x".repeat(length - fixed))]);
        let begun = connect()?.begin(&packet, "");
        ensure!(packet.len() == length && begun.is_ok() == passes, "{length} bytes: {:?}", begun.err());
    }

    // Encryption: GSS is declined, and TLS begins only where nothing came along.
    let mut raw = connect()?;
    raw.send(&[0, 0, 0, 8, 4, 210, 22, 48])?;
    let mut declined = [0];
    raw.exact(&mut declined)?;
    ensure!(declined == *b"N");
    let mut raw = raw.begin(&startup(V3_0, &NAMES), "")?;
    ensure!(raw.ask(&query("SELECT 1"))? == "T D C ZI");
    let mut raw = connect()?;
    raw.send(&[&[0, 0, 0, 8, 4, 210, 22, 47][..], &startup(V3_0, &NAMES)].concat())?;
    let said = raw.rest().unwrap_or_default();
    ensure!(said.is_empty() || said.first() == Some(&b'E'), "{said:?}");

    // Who ends before it has begun is told nothing, and the connection closes.
    for goodbye in [&b"X\0\0\0\x04"[..], b"X\0\0\0\x04\0\0\0\x08"] {
        let mut raw = connect()?;
        raw.send(goodbye)?;
        let said = raw.rest().or_else(|error| match error.downcast::<std::io::Error>() {
            // Bytes that nobody read are in the way of a quiet end, as at the server.
            Ok(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(Vec::new()),
            other => Err(other.map_or_else(|error| error, Into::into)),
        })?;
        ensure!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    }
    Ok(())
}

/// Sessions of the upstream role, as the server counts them, are so many soon.
async fn backends(lab: &Lab, expected: usize) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        let count = lab.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_agent' AND application_name NOT LIKE '%catalog'")?;
        if count.trim() == expected.to_string() {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{} sessions and not {expected}", count.trim());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Who ends its side is answered, however long that takes; who is gone leaves no session, no lock and nothing that runs.
async fn clients_that_end_and_clients_that_are_gone(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    for (text, last) in [("SELECT 7", "Z"), ("SELECT 8 FROM pg_sleep(6)", "Z"), ("SELECT 1 / 0", "Z")] {
        let mut raw = Raw::through(shop.port)?;
        raw.send(&query(text))?;
        raw.half_close()?;
        let said = outline(&raw.until(b'Z')?);
        ensure!(said.starts_with(['T', 'E']) && said.contains(last), "{text}: {said}");
        ensure!(raw.rest()?.is_empty());
        backends(&lab, 0).await?;
    }
    // A pipeline is answered up to its Sync; what was begun and not ended is not waited for.
    let mut raw = Raw::through(shop.port)?;
    raw.send(&[parse("", "SELECT 9"), bind("", "", &[]), execute("", 0), sync(), parse("", "SELECT 10")].concat())?;
    raw.half_close()?;
    ensure!(outline(&raw.until(b'Z')?) == "1 2 D C ZI");
    ensure!(raw.rest()?.iter().all(|byte| *byte != b'D'));
    let mut raw = Raw::through(shop.port)?;
    raw.send(&query("COPY orders FROM STDIN"))?;
    raw.until(b'G')?;
    raw.half_close()?;
    raw.rest()?;
    backends(&lab, 0).await?;

    let lock = query("BEGIN; LOCK TABLE orders");
    for busy in [false, true] {
        for reset in [false, true] {
            let mut raw = Raw::through(shop.port)?;
            raw.ask(&lock)?;
            if busy {
                raw.send(&query("SELECT pg_sleep(60)"))?;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            if reset {
                raw.reset()?
            } else {
                drop(raw)
            }
            backends(&lab, 0).await.with_context(|| format!("busy {busy}, reset {reset}"))?;
        }
    }
    // One that is gone only after it has ended its side.
    let mut raw = Raw::through(shop.port)?;
    raw.send(&query("SELECT pg_sleep(60)"))?;
    raw.half_close()?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    backends(&lab, 1).await?;
    drop(raw);
    backends(&lab, 0).await
}

/// All answers, and whether the session goes on.
fn answers(raw: &mut Raw, bytes: &[u8]) -> Result<String> {
    const END: &str = "here ends the case";
    raw.send(bytes)?;
    // Who was told that the session is over does not read this.
    let _ = raw.send(&query(&format!("SELECT '{END}'")));
    let mut messages = Vec::new();
    while let Ok(message) = raw.read() {
        let last = message.kind == b'D' && message.body.ends_with(END.as_bytes());
        messages.push(message);
        if last {
            return Ok(outline(&messages));
        }
    }
    Ok(format!("{} and no more", outline(&messages)))
}

async fn the_servers_own_answers(transport: Transport) -> Result<()> {
    let lab = Lab::start().await?;
    lab.sql(
        "CREATE TABLE ledger (id int PRIMARY KEY, text text); ALTER TABLE ledger OWNER TO shop_agent;
         CREATE TABLE guarded (id int); ALTER TABLE guarded OWNER TO shop_agent;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'guarded'; END $$;
         CREATE TRIGGER guard BEFORE INSERT ON guarded EXECUTE FUNCTION refuse()",
    )?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", transport)?;
    let rows = "SELECT n FROM generate_series(1, 5) n";
    let run = |name: &str, text: &str| [parse(name, text), bind("", name, &[]), execute("", 0)].concat();
    let parse_bind = |count: usize, place: &str| {
        let types = [&u16::MAX.to_be_bytes()[..], &23_u32.to_be_bytes().repeat(usize::from(u16::MAX))].concat();
        let text = format!("SELECT {place}::int\0");
        let parse = frame(b'P', &[&b"\0"[..], text.as_bytes(), &types].concat());
        [parse, bind("", "", &vec!["1"; count]), execute("", 0), sync()].concat()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an empty text", [query(""), parse("", ""), bind("", "", &[]), execute("", 0), sync()].concat()),
        ("suspended", {
            let [two, rest] = [execute("p", 2), execute("p", 0)];
            let open = [query("BEGIN"), parse("s", rows), bind("p", "s", &[]), two.clone()].concat();
            [open, sync(), two, sync(), rest.clone(), rest, named(b'C', b'P', "p"), sync(), query("COMMIT")].concat()
        }),
        (
            "a portal after its transaction",
            [parse("s", rows), bind("p", "s", &[]), sync(), named(b'D', b'P', "p"), sync()].concat(),
        ),
        ("the same statement name twice", [parse("s", rows), sync(), parse("s", "SELECT 2"), sync()].concat()),
        (
            "the same portal name twice",
            [query("BEGIN"), parse("s", rows), bind("p", "s", &[]), bind("p", "s", &[]), sync(), query("ROLLBACK")]
                .concat(),
        ),
        ("closed and made anew", [parse("s", rows), named(b'C', b'S', "s"), run("s", "SELECT 2"), sync()].concat()),
        ("closing what is not there", [named(b'C', b'S', "x"), named(b'C', b'P', "x"), sync()].concat()),
        ("describing what is not there", [named(b'D', b'S', "x"), sync(), named(b'D', b'P', "x"), sync()].concat()),
        (
            "DEALLOCATE",
            [parse("s", rows), sync(), query("DEALLOCATE s"), bind("", "s", &[]), sync(), run("s", "SELECT 2"), sync()]
                .concat(),
        ),
        (
            "DISCARD ALL",
            [parse("s", rows), sync(), query("DISCARD ALL"), bind("", "s", &[]), sync(), run("s", "SELECT 2"), sync()]
                .concat(),
        ),
        (
            "a query ends the unnamed statement",
            [parse("", rows), sync(), query("SELECT 1"), bind("", "", &[]), sync()].concat(),
        ),
        (
            "an error skips to the Sync",
            [run("", "SELECT 1 / 0"), query("SELECT 2"), run("", "SELECT 3"), sync()].concat(),
        ),
        ("several statements, one fails", query("SELECT 1; SELECT 1 / 0; SELECT 3")),
        ("a text of almost a mebibyte", query(&format!("SELECT length('{}')", "x".repeat(1_040_000)))),
        ("the same, prepared", [run("", &format!("SELECT length('{}')", "x".repeat(1_040_000))), sync()].concat()),
        ("as many values as can be said", parse_bind(65_535, "$1")),
        ("a place beyond them", parse_bind(65_535, "$65536")),
        ("too few values", [parse("", "SELECT $1::int"), bind("", "", &[]), execute("", 0), sync()].concat()),
        (
            "COPY in, given up",
            [query("COPY ledger FROM STDIN"), frame(b'd', b"1\tone\n"), frame(b'f', b"no\0")].concat(),
        ),
        ("COPY in, with Flush and Sync inside", {
            let begin = [run("", "COPY ledger FROM STDIN"), sync(), frame(b'd', b"2\tt")].concat();
            [begin, frame(b'H', &[]), frame(b'd', b"wo\n"), frame(b'c', &[]), sync()].concat()
        }),
        ("COPY in that fails, with Sync inside", {
            let begin = [run("", "COPY ledger FROM STDIN"), sync(), frame(b'd', b"2\ttwo\n"), sync()].concat();
            let fails = [frame(b'd', b"two\n"), sync(), sync(), frame(b'd', b"3\tthree\n"), frame(b'c', &[])].concat();
            let after = [sync(), query("SELECT 1"), run("", "SELECT 2"), sync()].concat();
            [begin, fails, after].concat()
        }),
        ("the same, and the client goes on at once", {
            let fails = [query("COPY ledger FROM STDIN"), frame(b'd', b"two\n"), sync(), frame(b'f', b"\0")].concat();
            [fails, query("SELECT 1"), query("SELECT 1 / 0"), query("SELECT 2; SELECT 3")].concat()
        }),
        (
            "COPY in that fails before its data is read",
            [run("", "COPY guarded FROM STDIN"), sync(), frame(b'c', &[]), sync(), run("", "SELECT 1"), sync()]
                .concat(),
        ),
        (
            "COPY data that nobody asked for",
            [frame(b'd', b"x"), frame(b'c', &[]), frame(b'f', b"\0"), query("SELECT 1")].concat(),
        ),
        ("a query inside COPY", [query("COPY ledger FROM STDIN"), query("SELECT 1")].concat()),
        ("4,000 constants", query(&format!("SELECT 1 WHERE 1 IN ({})", vec!["'x'::text::int"; 4_000].join(",")))),
        ("a type that there is none of", frame(b'z', b"")),
    ];
    for (what, bytes) in &cases {
        // Both runs meet the same table.
        lab.sql("TRUNCATE ledger")?;
        let weir = answers(&mut Raw::through(shop.port)?, bytes)?;
        lab.sql("TRUNCATE ledger")?;
        let direct = answers(&mut Raw::direct(&lab)?, bytes)?;
        ensure!(weir == direct, "{what}:\nweir   {weir}\ndirect {direct}");
    }
    // Whether the server runs or skips what follows cannot be told in time, unless it has answered before all was sent.
    let fails = [run("", "COPY ledger FROM STDIN"), frame(b'd', b"two\n"), sync(), frame(b'c', &[])].concat();
    let weir = answers(&mut Raw::through(shop.port)?, &[fails, run("", "SELECT 1"), sync()].concat())?;
    ensure!(["1 2 G E22P02 E08P01 and no more", "1 2 G E22P02 ZI 1 2 D C ZI T D"].contains(&weir.as_str()), "{weir}");
    // Here the server closes without a word; weir says why.
    for bytes in [b"Q\0\0\0\x03", b"Q\x7f\xff\xff\xff"] {
        let weir = answers(&mut Raw::through(shop.port)?, bytes)?;
        ensure!(weir == "E08P01 and no more", "{bytes:?}: {weir}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_and_what_comes_unasked() -> Result<()> {
    let lab = Lab::start().await?;
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    let mut raw = Raw::through(shop.port)?;

    // A function call names its function by number: pg_sleep, say. Replication needs another kind of session.
    let call = frame(b'F', &[&2626_u32.to_be_bytes()[..], &[0; 6]].concat());
    ensure!(raw.ask(&call)? == "E42501 ZI");
    ensure!(raw.ask(&query("BEGIN"))? == "C ZT" && raw.ask(&call)? == "E42501 ZE");
    ensure!(raw.ask(&query("ROLLBACK"))? == "C ZI");
    ensure!(raw.ask(&query("START_REPLICATION 0/0"))? == "E42501 ZI");
    // A portal that was never bound here cannot be judged.
    ensure!(raw.ask(&[execute("x", 0), sync()].concat())? == "E42501 ZI");

    // Flush alone brings the answers, a refusal's too.
    raw.send(&[parse("", "SELECT 1"), bind("", "", &[]), execute("", 0), frame(b'H', &[])].concat())?;
    ensure!(outline(&raw.until(b'C')?) == "1 2 D C");
    raw.send(&[parse("", "DROP TABLE orders"), frame(b'H', &[])].concat())?;
    ensure!(outline(&raw.until(b'E')?) == "E42501");
    ensure!(raw.ask(&sync())? == "ZI");

    // While nothing runs: a notification, and a parameter with the next answer.
    ensure!(raw.ask(&query("LISTEN bell"))? == "C ZI");
    lab.sql("NOTIFY bell, 'rang'")?;
    ensure!(raw.read()?.kind == b'A');
    lab.sql("ALTER ROLE shop_agent SET application_name = 'x'")?;
    lab.sql("ALTER SYSTEM SET DateStyle = 'SQL, DMY'")?;
    lab.sql("SELECT pg_reload_conf()")?;
    let until = Instant::now() + Duration::from_secs(20);
    while !raw.ask(&query("SELECT 1"))?.contains('S') {
        ensure!(Instant::now() < until, "the parameter is not reported");
    }

    // A cancel request that comes as its statement ends stops one statement at most, and the answers stay in order.
    for round in 0..30_u64 {
        raw.send(&query(&format!("SELECT {round} FROM pg_sleep(0.005)")))?;
        std::thread::sleep(Duration::from_millis(round / 3));
        let mut canceller = Raw::connect(shop.port)?;
        canceller.send(&raw.cancel_request()?)?;
        let answer = outline(&raw.until(b'Z')?);
        ensure!(["T D C ZI", "T D E57014 ZI", "T E57014 ZI", "E57014 ZI"].contains(&answer.as_str()), "{answer}");
        canceller.rest()?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let _ = raw.ask(&query("SELECT 1"))?;
    ensure!(raw.ask(&query("SELECT 1"))? == "T D C ZI");

    // The server ends the session: it says so itself.
    lab.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_agent'")?;
    let last = raw.read()?;
    ensure!((last.field(b'S').as_str(), last.field(b'C').as_str()) == ("FATAL", "57P01"), "{last:?}");
    ensure!(raw.rest()?.is_empty());
    Ok(())
}
