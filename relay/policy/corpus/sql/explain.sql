--- read writes=-
EXPLAIN DELETE FROM orders
--- read writes=-
EXPLAIN UPDATE orders SET status = 'x' WHERE id = 1
--- read writes=-
EXPLAIN INSERT INTO orders SELECT * FROM customers
--- read writes=-
EXPLAIN MERGE INTO orders o USING customers c ON true WHEN MATCHED THEN DELETE
--- read writes=-
EXPLAIN (COSTS) DELETE FROM orders WHERE id = 1
--- read writes=-
EXPLAIN (FORMAT text, VERBOSE, SETTINGS) UPDATE orders SET status = 'x'
--- read writes=-
EXPLAIN (FORMAT yaml, GENERIC_PLAN) DELETE FROM orders WHERE id = $1
--- read writes=-
EXPLAIN (ANALYZE FALSE) INSERT INTO orders VALUES (1)
--- read writes=-
EXPLAIN (ANALYZE 'false', SUMMARY) DELETE FROM orders WHERE id > 1
--- read writes=-
EXPLAIN (ANALYZE Off, BUFFERS) INSERT INTO orders DEFAULT VALUES
--- read writes=-
EXPLAIN VERBOSE WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
--- read writes=-
EXPLAIN CREATE TABLE x AS SELECT * FROM orders
--- read writes=-
EXPLAIN CREATE MATERIALIZED VIEW m AS SELECT * FROM orders
--- read writes=-
EXPLAIN REFRESH MATERIALIZED VIEW m
--- read writes=-
EXPLAIN DECLARE c CURSOR FOR SELECT * FROM orders
--- read writes=-
EXPLAIN SELECT * FROM orders WHERE status = 'ANALYZE'
--- read writes=-
EXPLAIN SELECT "analyze" FROM explain
--- read
EXPLAIN ANALYZE SELECT * FROM orders
--- read
EXPLAIN (ANALYZE, VERBOSE, COSTS, SETTINGS, BUFFERS, WAL, TIMING, SUMMARY, FORMAT xml) SELECT 1
--- read
EXPLAIN (ANALYZE, SERIALIZE text, MEMORY) SELECT 1 FROM orders
--- read
EXPLAIN ANALYZE VALUES (1)
--- read
EXPLAIN ANALYZE VERBOSE TABLE orders
--- read
EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT 1
--- read
EXPLAIN (FORMAT json) SELECT max(total) OVER () FROM orders
--- write no-where
EXPLAIN (ANALYZE no) UPDATE orders SET status = 'x'
--- write no-where
EXPLAIN ANALYZE DELETE FROM orders
--- write no-where
EXPLAIN ANALYZE UPDATE orders SET status = 'x'
--- write no-where
EXPLAIN ANALYSE VERBOSE UPDATE orders SET status = 'x'
--- write no-where
EXPLAIN (ANALYSE) UPDATE orders SET status = 'x'
--- write no-where
EXPLAIN (FORMAT json, ANALYSE true) DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE 'TRUE') UPDATE orders SET total = 1
--- write no-where
EXPLAIN (analyze ON, timing OFF) UPDATE orders SET total = 2
--- write no-where
EXPLAIN (ANALYZE off, FORMAT text, ANALYZE) DELETE FROM orders
--- write no-where
EXPLAIN (ANALYSE off, ANALYZE on) UPDATE orders SET total = 3
--- write no-where
EXPLAIN /* not */ ANALYZE /* ( */ DELETE FROM orders WHERE true
--- write no-where
EXPLAIN ANALYZE MERGE INTO orders o USING customers c ON true WHEN MATCHED THEN UPDATE SET total = 1
--- write no-where
EXPLAIN (ANALYZE) WITH u AS (UPDATE orders SET total = 4) SELECT 1
--- write no-where
EXPLAIN (ANALYZE) INSERT INTO log WITH d AS (DELETE FROM orders RETURNING id) SELECT id FROM d
--- write
EXPLAIN ANALYZE INSERT INTO orders VALUES (1)
--- write
EXPLAIN (ANALYZE, WAL) INSERT INTO orders SELECT * FROM customers
--- write
EXPLAIN ANALYZE DELETE FROM orders WHERE id = 1
--- write
EXPLAIN (ANALYZE on) UPDATE orders SET status = 'x' WHERE id = 2
--- write
EXPLAIN ANALYZE SELECT wipe(1)
--- write
EXPLAIN ANALYZE SELECT (1).wipe
--- write
EXPLAIN ANALYZE SELECT nextval('s')
--- write
EXPLAIN ANALYZE SELECT 1 OPERATOR(public.+) 1
--- write
EXPLAIN ANALYZE SELECT * FROM orders FOR UPDATE
--- write
EXPLAIN ANALYZE INSERT INTO orders VALUES (2) ON CONFLICT (id) DO UPDATE SET total = 1 WHERE orders.total = 0
--- ddl
EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1
--- ddl
EXPLAIN (ANALYZE) CREATE TABLE IF NOT EXISTS x AS TABLE orders
--- ddl
EXPLAIN ANALYZE CREATE MATERIALIZED VIEW m AS SELECT 1
--- ddl
EXPLAIN ANALYZE REFRESH MATERIALIZED VIEW m
--- admin
EXPLAIN ANALYZE SELECT pg_read_file('x')
--- admin
EXPLAIN ANALYZE SELECT pg_terminate_backend(pid) FROM pg_stat_activity
--- admin
EXPLAIN (ANALYZE) SELECT ('x'::text).pg_read_file
--- admin
EXPLAIN ANALYZE VERBOSE SELECT rolpassword FROM pg_authid
--- admin
EXPLAIN ANALYZE CREATE TABLE x AS SELECT pg_read_file('x')
--- admin
EXPLAIN SELECT pg_read_file('x')
--- admin
EXPLAIN DROP TABLE orders
--- admin
EXPLAIN TRUNCATE orders
--- admin
EXPLAIN ANALYZE COPY orders TO STDOUT
--- admin
EXPLAIN (ANALYZE SELECT 1
--- admin
EXPLAIN ANALYZE (VERBOSE) DELETE FROM orders
--- write no-where statements=2
EXPLAIN SELECT 1; DELETE FROM orders
--- read
EXPLAIN (ANALYZE on, ANALYZE off) DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE off, ANALYZE on) DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE off, VERBOSE, ANALYZE) DELETE FROM orders
