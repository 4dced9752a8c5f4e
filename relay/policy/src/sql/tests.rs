//! What statements need and touch, both ways: what must not be taken for harmless, and what must not be taken for harm.

use super::{Class, Class::*, Facts, facts};

#[track_caller]
fn classes(class: Class, texts: &[&str]) {
    for text in texts {
        let facts = facts(text);
        assert_eq!(facts.class, class, "{text}\n{facts:?}");
    }
}

#[test]
fn reads() {
    classes(
        Read,
        &[
            "SELECT 1",
            "select 'DROP TABLE x'",
            "SELECT $$DROP TABLE x; DELETE FROM y$$",
            "SELECT $tag$ TRUNCATE t $tag$ /* DELETE FROM y */ -- DROP",
            r"SELECT E'\'; DROP TABLE x; --'",
            "SELECT U&'\\0044ROP'",
            "SELECT \"DROP TABLE x\" FROM t",
            "SELECT * FROM customers WHERE id = $1",
            "TABLE customers",
            "VALUES (1), (2)",
            "SELECT count(*), sum(a), coalesce(max(b), 0) FROM t GROUP BY c HAVING count(*) > 1",
            "SELECT lower(name), pg_catalog.upper(name) FROM t",
            "SELECT now(), current_date, localtimestamp, extract(year FROM now())",
            "WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b",
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
            "SELECT (SELECT max(x) FROM t), ARRAY(SELECT y FROM u)",
            "SELECT row_number() OVER (PARTITION BY a ORDER BY b), lag(c) OVER w FROM t WINDOW w AS (ORDER BY d)",
            "SELECT a::text, CAST(b AS int), a || b, a -> 'x' ->> 'y' FROM t",
            "SELECT * FROM generate_series(1, 10) g JOIN LATERAL unnest(ARRAY[1]) u ON true",
            "SELECT * FROM t TABLESAMPLE bernoulli (10)",
            "SELECT * FROM a UNION SELECT * FROM b EXCEPT SELECT * FROM c",
            "SELECT pg_sleep(1)",
            "SELECT version(), current_database(), pg_backend_pid(), current_setting('work_mem')",
            "SELECT substring('abc' FROM 2), position('a' IN 'b'), trim(both ' ' FROM 'x'), overlay('a' PLACING 'b' FROM 1)",
            "SELECT now() AT TIME ZONE 'UTC'",
            "SELECT json_build_object('a', 1), jsonb_agg(x), string_agg(y, ',') FROM t",
            "SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','') AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2",
            "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d), a.attnotnull FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16384'",
            "SELECT pg_catalog.pg_get_indexdef(i.indexrelid, 0, true), pg_catalog.pg_get_constraintdef(con.oid, true), obj_description(1) FROM pg_index i, pg_constraint con",
            "SELECT d.datname, pg_catalog.array_to_string(d.datacl, E'\\n') FROM pg_catalog.pg_database d",
            "SELECT has_table_privilege('t', 'select'), pg_size_pretty(pg_total_relation_size('t'))",
            "EXPLAIN SELECT * FROM t",
            "EXPLAIN DELETE FROM t",
            "EXPLAIN (ANALYZE false) DELETE FROM t",
            "EXPLAIN (ANALYZE off, VERBOSE) INSERT INTO t VALUES (1)",
            "EXPLAIN ANALYZE SELECT 1",
            "EXPLAIN CREATE TABLE x AS SELECT 1",
            "COPY t TO STDOUT",
            "COPY t (a, b) TO STDOUT WITH (FORMAT csv)",
            "COPY (SELECT * FROM t) TO STDOUT",
            "PREPARE p AS SELECT 1",
            "DECLARE c CURSOR FOR SELECT * FROM t",
            "SELECT set_config('TimeZone', 'UTC', false)",
            "SELECT set_config('TimeZone', $1, false)",
            "SELECT set_config('jit', $1, false)",
            "SELECT set_config('search_path', 'evil,pg_catalog', false)",
            "SELECT set_config('search_path', '', false)",
            "SELECT xmlelement(name a), xmlforest(1 AS b), json_object('a': 1), greatest(1, 2), nullif(1, 2)",
            "BEGIN; SELECT 1; COMMIT",
            "SELECT * FROM json_table('[]', '$[*]' COLUMNS (a int PATH '$.a'))",
        ],
    );
}

#[test]
fn writes() {
    classes(
        Write,
        &[
            "INSERT INTO t VALUES (1)",
            "INSERT INTO t SELECT * FROM u ON CONFLICT (id) DO UPDATE SET a = excluded.a RETURNING *",
            "UPDATE t SET a = 1 WHERE id = 2",
            "UPDATE t SET a = 1",
            "DELETE FROM t WHERE id = 1",
            "de/**/lete FROM t".replace("/**/", "").as_str(),
            "DELETE/* SELECT */FROM t",
            "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE",
            "COPY t FROM STDIN",
            "COPY t (a) FROM STDIN WITH (FORMAT binary)",
            "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
            "SELECT * FROM (WITH d AS (SELECT 1) SELECT * FROM d) x, t FOR UPDATE",
            "SELECT * FROM t WHERE a IN (WITH i AS (INSERT INTO u VALUES (1) RETURNING a) SELECT a FROM i)",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t FOR SHARE SKIP LOCKED",
            "SELECT * FROM (SELECT * FROM t FOR NO KEY UPDATE) s",
            "SELECT wipe_customers()",
            "SELECT public.lower('x')",
            "SELECT \"Lower\"('x')",
            "SELECT nextval('s')",
            "SELECT setval('s', 1), currval('s')",
            "SELECT pg_notify('a', 'b')",
            "SELECT pg_advisory_lock(1)",
            "SELECT 1 ORDER BY wipe()",
            "SELECT 1 LIMIT wipe()",
            "SELECT 1 OFFSET wipe()",
            "SELECT count(*) FILTER (WHERE wipe()) FROM t",
            "SELECT sum(a) OVER (ORDER BY wipe()) FROM t",
            "SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY wipe())",
            "SELECT array_agg(a ORDER BY wipe()) FROM t",
            "SELECT CASE WHEN true THEN wipe() END",
            "SELECT coalesce(NULL, wipe())",
            "SELECT ARRAY[wipe()]",
            "SELECT (ARRAY[1])[wipe()]",
            "SELECT ROW(wipe())",
            "SELECT wipe()::text",
            "SELECT wipe() COLLATE \"C\"",
            "SELECT NOT wipe()",
            "SELECT wipe() IS NULL",
            "SELECT 1 WHERE EXISTS (SELECT wipe())",
            "SELECT * FROM wipe()",
            "SELECT * FROM ROWS FROM (generate_series(1, 2), wipe())",
            "SELECT * FROM a JOIN b ON wipe()",
            "SELECT * FROM t TABLESAMPLE bernoulli (wipe())",
            "SELECT * FROM t TABLESAMPLE evil (1)",
            "SELECT * FROM a, LATERAL wipe(a.x)",
            "SELECT DISTINCT ON (wipe()) a FROM t",
            "SELECT a FROM t GROUP BY ROLLUP (wipe())",
            "VALUES (wipe())",
            "SELECT 1 UNION (SELECT 2 UNION SELECT wipe())",
            "SELECT xmlelement(name a, wipe())",
            "SELECT json_object('a': wipe())",
            "SELECT greatest(1, wipe())",
            "SELECT lower(x => wipe())",
            "WITH a AS MATERIALIZED (SELECT wipe()) SELECT 1",
            "SELECT * FROM json_table(wipe(), '$[*]' COLUMNS (a int PATH '$.a'))",
            "EXPLAIN ANALYZE DELETE FROM t",
            "EXPLAIN (ANALYZE) INSERT INTO t VALUES (1)",
            "EXPLAIN (ANALYZE 1) DELETE FROM t",
            "EXPLAIN (ANALYZE on, COSTS off) UPDATE t SET a = 1",
            "EXPLAIN (COSTS off, ANALYZE 'true') DELETE FROM t",
            "EXPLAIN (ANALYZE false, ANALYZE true) DELETE FROM t",
            "EXPLAIN SELECT wipe()",
            "PREPARE p AS DELETE FROM t",
            "COPY (DELETE FROM t RETURNING *) TO STDOUT",
            "SELECT 1; DELETE FROM t",
            "NOTIFY a, 'b'",
            "LOCK TABLE t IN ACCESS EXCLUSIVE MODE",
            "BEGIN; UPDATE t SET a = 1 WHERE id = 1; COMMIT",
            "DECLARE c CURSOR FOR SELECT wipe()",
            "EXECUTE p(wipe())",
            "INSERT INTO t DEFAULT VALUES",
        ],
    );
}

#[test]
fn definitions() {
    classes(
        Ddl,
        &[
            "CREATE TABLE t (a int)",
            "CREATE TABLE t AS SELECT 1",
            "SELECT * INTO x FROM t",
            "WITH a AS (SELECT 1) SELECT * INTO x FROM a",
            "CREATE TEMP TABLE t (a int DEFAULT now())",
            "ALTER TABLE t ADD COLUMN b int",
            "DROP TABLE t",
            "DROP/**/TABLE/**/t",
            "dRoP tAbLe IF EXISTS a, b CASCADE",
            "TRUNCATE t",
            "COMMENT ON TABLE t IS 'x'",
            "REINDEX TABLE t",
            "REFRESH MATERIALIZED VIEW m",
            "CREATE VIEW v AS SELECT * FROM t",
            "CREATE INDEX CONCURRENTLY i ON t (lower(a))",
            "CREATE SCHEMA s",
            "CREATE TYPE e AS ENUM ('a')",
            "VACUUM t",
            "ANALYZE t",
            "DROP SCHEMA s CASCADE",
            "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1",
            "SELECT 1; DROP TABLE t; SELECT 2",
            "CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM u",
            "ALTER TABLE t RENAME TO u",
        ],
    );
}

#[test]
fn administration() {
    classes(
        Admin,
        &[
            "DO $$ BEGIN DELETE FROM t; END $$",
            "CALL p()",
            "COPY t FROM PROGRAM 'id'",
            "COPY (SELECT 1) TO PROGRAM 'sh'",
            "COPY t TO '/tmp/x'",
            "COPY t FROM '/etc/passwd'",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT pg_catalog.pg_read_binary_file('x')",
            "SELECT lo_import('/etc/passwd'), lo_export(1, '/tmp/x')",
            "SELECT pg_terminate_backend(1)",
            "SELECT pg_cancel_backend(pg_backend_pid())",
            "SELECT pg_reload_conf()",
            "SELECT * FROM dblink('host=x', 'SELECT 1') AS t(a int)",
            "SELECT ext.dblink_exec('DROP TABLE x')",
            "SELECT query_to_xml('DELETE FROM t', true, false, '')",
            "SELECT table_to_xml('customers', true, false, '')",
            "SELECT * FROM ts_stat('SELECT 1')",
            "SELECT pg_logical_emit_message(true, 'a', 'b')",
            "SELECT pg_create_logical_replication_slot('a', 'b')",
            "SELECT set_config('role', 'postgres', false)",
            "SELECT set_config(lower('ROLE'), 'postgres', false)",
            "SELECT 1 ORDER BY pg_read_file('/etc/passwd')",
            "EXPLAIN SELECT pg_read_file('/etc/passwd')",
            "CREATE TABLE t AS SELECT pg_read_file('/etc/passwd')",
            "CREATE TABLE t (a text DEFAULT pg_read_file('/etc/passwd'))",
            "ALTER TABLE t ADD COLUMN a text DEFAULT pg_read_file('/etc/passwd')",
            "ALTER TABLE t ALTER a TYPE text USING pg_read_file(a)",
            "CREATE INDEX i ON t (pg_read_file(a))",
            "COPY t FROM STDIN WHERE pg_read_file(a) = ''",
            "SELECT * FROM pg_authid",
            "SELECT * FROM pg_catalog.pg_shadow",
            "SELECT most_common_vals FROM pg_stats",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE EXTENSION dblink",
            "CREATE LANGUAGE plperlu",
            "GRANT ALL ON t TO PUBLIC",
            "REVOKE SELECT ON t FROM a",
            "GRANT admin TO me",
            "CREATE ROLE r",
            "ALTER ROLE r SUPERUSER",
            "DROP ROLE r",
            "ALTER SYSTEM SET a = 1",
            "LOAD 'x'",
            "SECURITY LABEL ON TABLE t IS 'x'",
            "SET ROLE postgres",
            "SET SESSION AUTHORIZATION postgres",
            "RESET ROLE",
            "RESET SESSION AUTHORIZATION",
            "SET LOCAL ROLE postgres",
            "SET \"role\" = postgres",
            "CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p",
            "CREATE SERVER s FOREIGN DATA WRAPPER f",
            "CREATE FOREIGN DATA WRAPPER f",
            "CREATE USER MAPPING FOR u SERVER s OPTIONS (password 'x')",
            "CREATE DATABASE d",
            "DROP DATABASE d",
            "ALTER TABLE t OWNER TO x",
            "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
            "CREATE POLICY p ON t USING (true)",
            "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
            "CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)",
            "ALTER FUNCTION f() RENAME TO lower",
            "SET standard_conforming_strings = off",
            "SET client_encoding = 'SJIS'",
            "SET session_replication_role = replica",
            "CREATE SCHEMA s GRANT ALL ON t TO PUBLIC",
            "PREPARE TRANSACTION 'x'",
            "CHECKPOINT",
            "SELEC 1",
            "SELECT 'unclosed",
            "DELETE FROM t WHERE",
            "/* unclosed",
        ],
    );
}

#[test]
fn session_statements() {
    classes(
        Session,
        &[
            "",
            "   ",
            ";",
            "-- only a comment",
            "BEGIN",
            "START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY",
            "COMMIT",
            "ROLLBACK TO SAVEPOINT a",
            "SAVEPOINT a",
            "SHOW work_mem",
            "SHOW ALL",
            "LISTEN a",
            "UNLISTEN *",
            "DISCARD ALL",
            "FETCH 10 FROM c",
            "CLOSE c",
            "DEALLOCATE ALL",
            "EXECUTE p(1)",
            "SET application_name = 'psql'",
            "SET client_encoding TO 'UTF8'",
            "SET NAMES 'UTF8'",
            "SET DateStyle = ISO",
            "SET TIME ZONE 'UTC'",
            "SET extra_float_digits = 3",
            "SET statement_timeout = 0",
            "SET search_path TO a, public",
            "SET search_path = evil, pg_catalog",
            "SET row_security = off",
            "SET check_function_bodies = off",
            "SET synchronous_commit = off",
            "SET lc_messages = 'C'",
            "SET LOCAL work_mem = '64MB'",
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET standard_conforming_strings = on",
            "SET enable_seqscan = off",
            "SET CONSTRAINTS ALL DEFERRED",
            "RESET ALL",
            "RESET search_path",
        ],
    );
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn relations() {
    for (text, reads, writes) in [
        ("SELECT * FROM a JOIN s.b USING (id)", &["a", "s.b"][..], &[][..]),
        ("INSERT INTO a SELECT * FROM b", &["b"], &["a"]),
        ("UPDATE a SET x = 1 FROM b WHERE a.id = b.id", &["a", "b"], &["a"]),
        ("DELETE FROM a", &[], &["a"]),
        ("DELETE FROM a RETURNING *", &["a"], &["a"]),
        ("WITH c AS (SELECT * FROM a) SELECT * FROM c", &["a"], &[]),
        ("WITH a AS (SELECT * FROM a) SELECT * FROM a", &["a"], &[]),
        ("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a", &["a"], &[]),
        ("WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d", &["a"], &["a", "b"]),
        ("DROP TABLE a, s.b", &[], &["a", "s.b"]),
        ("TRUNCATE a, b", &[], &["a", "b"]),
        ("CREATE VIEW v AS SELECT * FROM a", &["a"], &["v"]),
        ("CREATE TABLE n AS SELECT * FROM a", &["a"], &["n"]),
        ("SELECT * INTO n FROM a", &["a"], &["n"]),
        ("COPY a TO STDOUT", &["a"], &[]),
        ("COPY a FROM STDIN", &[], &["a"]),
        ("COPY (SELECT * FROM a) TO STDOUT", &["a"], &[]),
        ("EXPLAIN DELETE FROM a WHERE x = 1", &["a"], &[]),
        ("SELECT (SELECT x FROM b LIMIT 1) FROM a", &["a", "b"], &[]),
        ("PREPARE p AS SELECT * FROM a", &["a"], &[]),
    ] {
        let mut facts = facts(text);
        facts.reads.sort();
        facts.writes.sort();
        assert_eq!((facts.reads, facts.writes), (list(reads), list(writes)), "{text}");
    }
}

#[test]
fn columns() {
    for (text, columns) in [
        ("SELECT a, t.b FROM t WHERE c = 1 ORDER BY d", &["a", "b", "c", "d"][..]),
        ("SELECT * FROM t", &["*"]),
        ("SELECT t.* FROM t", &["*"]),
        ("SELECT u FROM users u", &["*", "u"]),
        ("SELECT to_jsonb(users) FROM users", &["*", "users"]),
        ("SELECT ssn(c) FROM customers c", &["*", "c"]),
        ("SELECT (c).ssn FROM customers c", &["*", "c", "ssn"]),
        ("SELECT x.q FROM customers AS x(p, q)", &["*", "q"]),
        ("SELECT a.id FROM a JOIN b USING (ssn)", &["id", "ssn"]),
        ("SELECT 1 FROM a NATURAL JOIN b", &["*"]),
        ("SELECT s.to_jsonb FROM secrets s", &["*", "to_jsonb"]),
        ("SELECT to_jsonb FROM t", &["to_jsonb"]),
        ("INSERT INTO t (a, b) VALUES (1, 2)", &["a", "b"]),
        ("INSERT INTO t VALUES (1, 2)", &["*"]),
        ("INSERT INTO t SELECT a FROM u", &["*", "a"]),
        ("MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT VALUES (u.b)", &["*", "a", "b"]),
        ("MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT (c) VALUES (u.b)", &["a", "b", "c"]),
        ("UPDATE t SET a = b WHERE c", &["a", "b", "c"]),
        ("COPY t (a) TO STDOUT", &["a"]),
        ("COPY t TO STDOUT", &["*"]),
        ("SELECT a AS alias FROM t", &["a"]),
    ] {
        let mut found = facts(text).columns;
        found.sort();
        assert_eq!(found, list(columns), "{text}");
    }
}

#[test]
fn conditions() {
    for (text, has_where) in [
        ("DELETE FROM t", false),
        ("DELETE FROM t WHERE true", false),
        ("UPDATE t SET a = 1 WHERE 1 = 1", false),
        ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d WHERE a = 1", false),
        ("DELETE FROM t WHERE id = 1", true),
        ("DELETE FROM t WHERE CURRENT OF c", true),
        ("SELECT 1", true),
        ("UPDATE t SET a = 1 WHERE id = 1; UPDATE t SET a = 2", false),
    ] {
        assert_eq!(facts(text).has_where, has_where, "{text}");
    }
}

#[test]
fn prepared_names_copies_and_passwords() {
    let facts_of = facts;
    let facts: Facts = facts_of("PREPARE a AS DELETE FROM t; PREPARE b AS SELECT 1; EXECUTE a; EXECUTE c(1)");
    let prepares: Vec<_> = facts.prepares.iter().map(|made| (made.name.as_str(), made.facts.class)).collect();
    assert_eq!(prepares, [("a", Write), ("b", Read)]);
    assert_eq!(facts.executes, ["a", "c"]);
    assert_eq!((facts.class, facts.statements), (Write, 4));

    assert_eq!(facts_of("COPY s.t (a, b) TO STDOUT").copy_out, Some(("s.t".into(), vec!["a".into(), "b".into()])));
    assert_eq!(facts_of("COPY (SELECT 1) TO STDOUT").copy_out, None);
    assert!(facts_of("COPY (SELECT 1) TO STDOUT; SELECT 1").is_copy_out);
    assert_eq!(facts_of("COPY t FROM STDIN").copy_out, None);

    assert!(facts_of("CREATE ROLE r LOGIN PASSWORD 'x'").has_password);
    assert!(facts_of("ALTER USER r ENCRYPTED PASSWORD 'x'").has_password);
    assert!(!facts_of("ALTER ROLE r PASSWORD NULL").has_password);
    assert!(!facts_of("SELECT 'password'").has_password);
    assert!(facts_of("ALTER ROLE r PASWORD 'x' PASSWORD").has_password);
}

#[test]
fn reasons_name_the_worst() {
    for (text, reason) in [
        ("SELECT 1", "SELECT"),
        ("DROP TABLE t", "DROP TABLE"),
        ("DROP MATERIALIZED VIEW m", "DROP MATERIALIZED VIEW"),
        ("DELETE FROM t", "DELETE without WHERE"),
        ("COPY t FROM PROGRAM 'id'", "COPY ... PROGRAM runs a program on the server"),
        ("SELECT a, lower(b), pg_read_file('x') FROM t", "calls pg_read_file"),
        ("SELECT s.f()", "calls s.f, which is not known to be harmless"),
        ("SET role = x", "SET role"),
        ("CREATE EXTENSION x", "CREATE EXTENSION"),
        ("SELEC", "unparseable: syntax error at or near \"SELEC\""),
    ] {
        assert_eq!(facts(text).reason, reason, "{text}");
    }
}

#[test]
fn destruction() {
    for (text, destructive) in [
        ("DROP TABLE t", true),
        ("TRUNCATE t", true),
        ("CREATE TABLE t (a int); DROP TABLE u", true),
        ("ALTER TABLE t DROP COLUMN a", true),
        ("ALTER TABLE t ADD COLUMN a int", false),
        ("SELECT 'DROP TABLE t'", false),
    ] {
        assert_eq!(facts(text).destructive, destructive, "{text}");
    }
}

#[test]
fn what_may_change_what_a_name_stands_for() {
    for text in [
        "CREATE VIEW v AS SELECT 1",
        "ALTER TABLE t RENAME TO u",
        "SELECT 1 INTO t",
        "DROP TABLE t",
        "DO $$ BEGIN END $$",
        "CALL p()",
        "SELECT dblink_exec('x', 'y')",
        "SET row_security = off; CREATE TABLE t (a int)",
        "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
        "nonsense",
    ] {
        assert!(facts(text).redefines, "{text}");
    }
    for text in [
        "SELECT 1",
        "DELETE FROM t",
        "SET row_security = off",
        "SELECT set_config('role', 'x', false)",
        "SELECT * FROM pg_authid",
        "VACUUM ANALYZE t",
        "EXPLAIN CREATE TABLE t AS SELECT 1",
    ] {
        assert!(!facts(text).redefines, "{text}");
    }
}

#[test]
fn only_the_servers_own_set_config_is_known() {
    assert_eq!(facts("SELECT pg_catalog.set_config('jit', 'off', true)").class, Read);
    assert!(facts("SELECT evil.set_config('jit', 'off', true)").class > Read);
}
