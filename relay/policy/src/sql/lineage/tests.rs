//! Lineage of texts, in short words.

use super::{super::facts, *};

fn words(sources: &Sources) -> String {
    let word = |source: &Source| match &source.relation {
        Some(relation) => format!("{relation}.{}", source.column),
        None => source.column.clone(),
    };
    let mut words: Vec<String> = sources.columns.iter().map(word).collect();
    words.extend(sources.anything.then(|| "?".to_owned()));
    words.sort();
    words.join(" ")
}

/// Positions are divided by commas; `=` means that they are not known.
fn outputs(text: &str) -> String {
    let lineage = facts(text).lineage;
    match &lineage.outputs {
        Some(outputs) => outputs.iter().map(words).collect::<Vec<_>>().join(", "),
        None => format!("= {}", words(&lineage.all)),
    }
}

#[test]
fn what_outputs_are_made_of() {
    for (text, expected) in [
        ("SELECT id, upper(ssn) FROM c", "c.id, c.ssn"),
        ("SELECT sum(balance), count(*), count(ssn), now() FROM c", "c.balance, , , "),
        ("SELECT ssn IS NULL, EXISTS (SELECT ssn FROM c), 1 FROM c WHERE ssn = 'x' ORDER BY ssn", ", , "),
        ("SELECT replace(ssn, '-', '')::bigint FROM c", "c.ssn"),
        ("SELECT o.total * 2, c.name || o.note FROM c JOIN s.o ON o.c = c.id", "s.o.total, c.name s.o.note"),
        ("SELECT upper(name), note FROM c, o", "name, note"),
        ("SELECT x.n FROM (SELECT upper(ssn) AS n, id FROM c) x", "c.ssn"),
        ("SELECT x.upper FROM (SELECT upper(ssn), id FROM c) x", "c.ssn"),
        ("SELECT x.id + 1, n FROM (SELECT count(*) AS n, id FROM c) x", "c.id, "),
        ("SELECT upper(b) FROM (SELECT id, ssn FROM c) x(a, b)", "c.ssn"),
        ("SELECT upper(a) FROM (SELECT * FROM c) x(a, b)", "c.*"),
        ("SELECT upper(x.name) FROM (SELECT * FROM c) x", "c.name"),
        ("SELECT upper(x.p) FROM c AS x(p)", "c.*"),
        ("WITH w AS (SELECT ssn AS n FROM c), v AS (SELECT n || '' AS m FROM w) SELECT m, 1 FROM v", "c.ssn, "),
        ("WITH w(a, b) AS (SELECT id, ssn FROM c) SELECT a + 1, b || '' FROM w", "c.id, c.ssn"),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r", "n"),
        ("SELECT (SELECT max(total) FROM o WHERE o.c = c.id) FROM c", "total"),
        ("SELECT (SELECT c.ssn) FROM c", "c.ssn"),
        ("SELECT ARRAY(SELECT ssn FROM c)", "c.ssn"),
        ("SELECT l.u FROM c, LATERAL (SELECT upper(c.ssn) AS u) l", "c.ssn"),
        ("SELECT u FROM c, unnest(string_to_array(c.ssn, '')) u", "c.ssn u"),
        ("SELECT g FROM generate_series(1, 3) g", ""),
        ("SELECT id FROM c UNION SELECT ssn FROM d", "c.id d.ssn"),
        ("SELECT * FROM c UNION SELECT * FROM d", "= c.* d.*"),
        ("SELECT *, upper(ssn) FROM c", "= c.* c.ssn"),
        ("SELECT * FROM (SELECT id, ssn FROM c) x", "c.id, c.ssn"),
        ("SELECT c FROM c", "c.* c.c"),
        ("SELECT to_jsonb(x) FROM c x", "c.* c.x"),
        ("SELECT x.to_jsonb FROM c x", "c.to_jsonb"),
        ("SELECT q.to_jsonb FROM (SELECT id, ssn FROM c) q", "c.id c.ssn"),
        ("SELECT (x).ssn, (x).* FROM c x", "= ? c.* c.ssn c.x"),
        ("SELECT j.ssn || '' FROM (c JOIN d USING (id)) j", "ssn"),
        ("SELECT lag(name) OVER (ORDER BY ssn) FROM c", "c.name"),
        ("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn) FROM c", "c.ssn"),
        ("SELECT count(*) FILTER (WHERE ssn > '5') FROM c", ""),
        ("SELECT CASE WHEN ssn > '5' THEN 1 END FROM c", "c.ssn"),
        ("VALUES (1, (SELECT ssn FROM c)), ((SELECT id FROM c), 2)", "c.id, c.ssn"),
        ("UPDATE c SET name = 'x' RETURNING id, upper(ssn)", "c.id, c.ssn"),
        ("DELETE FROM c USING d WHERE d.id = c.id RETURNING d.note || ''", "d.note"),
        ("INSERT INTO c VALUES (1) RETURNING *", "= c.*"),
        ("MERGE INTO c USING d ON c.id = d.id WHEN MATCHED THEN DELETE RETURNING old.ssn || ''", "c.ssn"),
        ("WITH d AS (DELETE FROM c RETURNING ssn AS n) SELECT n || '' FROM d", "c.ssn"),
        ("COPY (SELECT id, ssn FROM c) TO STDOUT", "c.id, c.ssn"),
        ("DECLARE x CURSOR FOR SELECT upper(ssn) FROM c", "c.ssn"),
        ("FETCH ALL x", "= ?"),
        ("EXECUTE p(1)", "= ?"),
        ("SELECT upper(ssn) FROM c; SELECT 1", "= c.ssn"),
        ("EXPLAIN SELECT * FROM c WHERE id = 1", "= id"),
        ("EXPLAIN SELECT id FROM c WHERE ssn > '5'", "= id ssn"),
        ("EXPLAIN SELECT 1 FROM (SELECT * FROM c) x(a, b) WHERE b > '5'", "= * b"),
        ("SELECT xmlelement(name a, ssn), json_object('a': ssn) FROM c", "c.ssn, c.ssn"),
        ("nonsense", "= ?"),
    ] {
        assert_eq!(outputs(text), expected, "{text}");
    }
}

#[test]
fn what_is_kept_and_sent_on() {
    for (text, expected) in [
        ("INSERT INTO t (a, b) SELECT id, ssn FROM c", "t.a < c.id; t.b < c.ssn"),
        ("INSERT INTO t SELECT * FROM c", "t.? < c.* (c)"),
        ("INSERT INTO t (a, b) SELECT * FROM c", "t.? < c.*"),
        ("INSERT INTO t VALUES (1, 'x')", ""),
        ("INSERT INTO t (a) VALUES ((SELECT ssn FROM c))", "t.a < c.ssn"),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = excluded.a, b = t.c", "t.b < t.c"),
        ("UPDATE o SET note = v FROM secrets s WHERE s.id = o.id RETURNING note", "o.note < v"),
        ("UPDATE c SET (a, b) = (SELECT ssn, 1 FROM c)", "c.a < c.ssn; c.b < c.ssn"),
        ("UPDATE c SET a = 1 WHERE ssn = 'x'", ""),
        ("MERGE INTO t USING c ON t.id = c.id WHEN NOT MATCHED THEN INSERT (a) VALUES (c.ssn)", "t.a < c.ssn"),
        ("CREATE TEMP TABLE n AS SELECT ssn FROM c", ".? < c.ssn"),
        ("CREATE TABLE n AS EXECUTE p", ".? < ?"),
        ("SELECT ssn INTO n FROM c", ".? < c.ssn"),
        ("SELECT 1 INTO n UNION SELECT ssn FROM c", ".? < c.ssn"),
        ("CREATE MATERIALIZED VIEW n AS SELECT ssn FROM c", ""),
        ("CREATE VIEW n AS SELECT ssn FROM c", ""),
        ("CREATE VIEW n AS SELECT pg_notify('a', ssn) FROM c", ".? < c.ssn"),
        ("CREATE RULE r AS ON UPDATE TO c DO ALSO INSERT INTO t VALUES (new.ssn)", "t.0 < c.ssn"),
        ("SELECT pg_notify('a', ssn) FROM c", ".? < c.ssn"),
        ("SELECT 1 FROM c WHERE pg_catalog.pg_notify('a', ssn) IS NULL", ".? < c.ssn"),
        ("SELECT pg_notify('a', 'b')", ""),
        ("ALTER TABLE c ADD COLUMN n text GENERATED ALWAYS AS (upper(ssn)) STORED", "c.n < c.ssn"),
        ("ALTER TABLE c ALTER note TYPE text USING ssn", "c.note < c.ssn"),
        ("ALTER TABLE c ADD COLUMN n int CHECK (ssn <> '')", ""),
        ("WITH i AS (INSERT INTO t SELECT ssn FROM c) SELECT 1", "t.0 < c.ssn"),
        ("EXPLAIN INSERT INTO t SELECT ssn FROM c", ""),
        ("EXPLAIN ANALYZE INSERT INTO t SELECT ssn FROM c", "t.0 < c.ssn"),
        ("PREPARE p AS INSERT INTO t SELECT ssn FROM c", "t.0 < c.ssn"),
    ] {
        let word = |store: &Store| {
            let column =
                store.column.clone().or(store.place.map(|place| place.to_string())).unwrap_or_else(|| "?".to_owned());
            let copy = store.copy_of.iter().map(|relation| format!(" ({relation})")).collect::<String>();
            format!("{}.{column} < {}{copy}", store.relation, words(&store.sources))
        };
        let stores = facts(text).lineage.stores.iter().map(word).collect::<Vec<_>>().join("; ");
        assert_eq!(stores, expected, "{text}");
    }
}

#[test]
fn hostile_texts_are_followed_in_time() {
    let list = |word: &str, times: usize| vec![word; times].join(",");
    for text in [
        format!("SELECT {} FROM {}", list("a", 3_000), list("t", 3_000)),
        format!("SELECT concat({}) FROM t", (0..8_000).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",")),
        format!("WITH RECURSIVE {} SELECT 1", list("a AS (SELECT a FROM a)", 2_000)),
        (0..60)
            .fold("SELECT 1 AS a".to_owned(), |inner, _| format!("WITH RECURSIVE r AS ({inner}) SELECT * FROM r, r s")),
    ] {
        let begun = std::time::Instant::now();
        let _ = facts(&text);
        assert!(begun.elapsed().as_secs() < 20, "{}", &text[..60]);
    }
}
