--- write no-where writes=orders reads=orders
WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
--- write writes=orders
WITH i AS (INSERT INTO orders VALUES (1)) SELECT 1
--- write writes=orders no-where
WITH u AS (UPDATE orders SET a = 1) SELECT 1
--- write writes=orders
WITH m AS (MERGE INTO orders o USING x ON o.id = x.id WHEN MATCHED THEN DELETE RETURNING *) SELECT * FROM m
--- write writes=a,b no-where
WITH d AS (DELETE FROM a RETURNING *), i AS (INSERT INTO b SELECT * FROM d RETURNING *) SELECT * FROM i
--- write writes=orders no-where
WITH x AS (WITH y AS (DELETE FROM orders RETURNING *) SELECT * FROM y) SELECT * FROM x
--- write writes=orders no-where
SELECT * FROM (WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d) s
--- write writes=orders no-where
SELECT 1 WHERE EXISTS (WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d)
--- write writes=orders no-where
WITH x AS MATERIALIZED (SELECT 1), d AS NOT MATERIALIZED (DELETE FROM orders) TABLE x
--- write writes=orders no-where
WITH d AS (DELETE FROM orders RETURNING *) VALUES (1)
--- write writes=orders,log no-where
WITH d AS (DELETE FROM orders RETURNING *) INSERT INTO log SELECT * FROM d
--- write writes=orders no-where
EXPLAIN ANALYZE WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
--- read writes=-
EXPLAIN WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
--- write writes=orders no-where
COPY (WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d) TO STDOUT
--- write writes=orders no-where
COPY (DELETE FROM orders RETURNING *) TO STDOUT
--- write writes=orders
COPY (INSERT INTO orders VALUES (1) RETURNING *) TO STDOUT WITH (FORMAT csv)
--- write writes=orders no-where
COPY (UPDATE orders SET a = 1 RETURNING *) TO STDOUT
--- write no-where prepares=p:write
PREPARE p AS DELETE FROM orders
--- write prepares=p:write
PREPARE p (int) AS INSERT INTO orders VALUES ($1)
--- read prepares=p:read
PREPARE p AS SELECT * FROM orders
--- write no-where prepares=p:read,p:write statements=3
PREPARE p AS SELECT 1; DEALLOCATE p; PREPARE p AS DELETE FROM orders
--- session executes=p
EXECUTE p
--- session executes=p
EXECUTE p (1, 'DELETE FROM orders')
--- write executes=p
EXECUTE p (wipe(1))
--- ddl executes=p
CREATE TABLE x AS EXECUTE p
--- ddl executes=p
CREATE TEMP TABLE x AS EXECUTE p (1)
--- ddl executes=p
EXPLAIN ANALYZE CREATE TABLE x AS EXECUTE p
--- read executes=p
EXPLAIN ANALYZE EXECUTE p
--- read executes=p
EXPLAIN EXECUTE p
--- read
DECLARE c CURSOR FOR SELECT * FROM orders
--- write
DECLARE c CURSOR WITH HOLD FOR SELECT wipe(id) FROM orders
--- write
DECLARE c SCROLL CURSOR FOR SELECT * FROM orders FOR UPDATE
--- write
EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT wipe(1)
--- ddl
SELECT * INTO x FROM orders
--- ddl
SELECT * INTO TEMP x FROM orders
--- ddl
WITH a AS (SELECT 1) SELECT * INTO UNLOGGED x FROM a
--- ddl
EXPLAIN ANALYZE SELECT * INTO x FROM orders
--- read writes=-
EXPLAIN SELECT * INTO x FROM orders
--- write
SELECT * FROM orders FOR UPDATE
--- write
SELECT * FROM orders FOR KEY SHARE NOWAIT
--- write
SELECT * FROM (SELECT * FROM orders FOR SHARE) s
--- write
SELECT 1 WHERE EXISTS (SELECT 1 FROM orders FOR NO KEY UPDATE SKIP LOCKED)
--- write no-where
EXPLAIN (ANALYZE) DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE TRUE) DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE 1) DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE on, COSTS off) DELETE FROM orders
--- write no-where
EXPLAIN (VERBOSE, BUFFERS off, ANALYZE 'on') DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE "true") DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE tRuE) DELETE FROM orders
--- write no-where
EXPLAIN ("analyze") DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE off, ANALYZE on) DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE yes) DELETE FROM orders
--- write no-where
EXPLAIN (ANALYZE 2) DELETE FROM orders
--- write no-where
EXPLAIN ANALYZE VERBOSE DELETE FROM orders
--- write no-where
EXPLAIN ANALYSE DELETE FROM orders
--- read
EXPLAIN (ANALYZE off) DELETE FROM orders
--- read
EXPLAIN (ANALYZE 0) DELETE FROM orders
--- read
EXPLAIN (ANALYZE 'OFF') DELETE FROM orders
--- read
EXPLAIN (ANALYZE false, FORMAT json) DELETE FROM orders
--- read
EXPLAIN VERBOSE DELETE FROM orders
--- write
EXPLAIN SELECT wipe(1)
--- write statements=3
BEGIN; INSERT INTO orders VALUES (1); COMMIT
--- admin statements=2
SELECT 1; SET ROLE postgres
--- admin statements=1
SELECT 1; SELEC 2
--- admin
BEGIN ATOMIC SELECT 1; END
