--- write writes=orders
WITH d AS (DELETE FROM orders WHERE id = 1 RETURNING *) SELECT * FROM d
--- write writes=orders
WITH u AS (UPDATE orders SET status = 'x' WHERE id = 1 RETURNING id) TABLE u
--- write writes=orders
WITH i AS (INSERT INTO orders VALUES (1) RETURNING id) VALUES (1)
--- write writes=orders
WITH i (a) AS (INSERT INTO orders DEFAULT VALUES RETURNING id) SELECT a FROM i
--- write writes=orders
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3), i AS (INSERT INTO orders SELECT n FROM r) SELECT 1
--- write writes=orders
WITH a AS (SELECT 1), b AS (SELECT * FROM a), c AS (INSERT INTO orders SELECT * FROM b RETURNING 1) SELECT count(*) FROM c
--- write writes=orders
(WITH i AS (INSERT INTO orders VALUES (1) RETURNING id) SELECT id FROM i) UNION SELECT 2
--- write writes=log,orders
WITH d AS (DELETE FROM orders WHERE id = 1 RETURNING *) INSERT INTO log SELECT * FROM d RETURNING *
--- write writes=log,orders
WITH i AS (INSERT INTO log VALUES (1)) UPDATE orders SET status = 'x' WHERE id = 1
--- write writes=log,orders
WITH i AS (INSERT INTO log VALUES (1) RETURNING id) DELETE FROM orders USING i WHERE i.id = orders.id
--- write writes=log,orders
WITH u AS (UPDATE orders SET status = 'x' WHERE id = 1 RETURNING id) MERGE INTO log l USING u ON l.id = u.id WHEN MATCHED THEN DELETE
--- write no-where writes=orders
WITH d AS (DELETE FROM orders) SELECT 1
--- write no-where writes=orders
WITH d AS (DELETE FROM orders WHERE true RETURNING id) SELECT count(*) FROM d
--- write no-where writes=orders
WITH u AS (UPDATE orders SET total = 0 RETURNING *) SELECT sum(total) FROM u GROUP BY status
--- write no-where writes=orders
WITH a AS (SELECT 1), d AS (DELETE FROM orders USING a) SELECT * FROM a
--- write no-where writes=orders
WITH m AS (MERGE INTO orders o USING customers c ON true WHEN MATCHED THEN DELETE RETURNING o.id) SELECT * FROM m
--- write no-where writes=orders
SELECT 1 FROM (SELECT 1) x, LATERAL (WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d) y
--- write no-where writes=orders
SELECT ARRAY(WITH d AS (DELETE FROM orders RETURNING id) SELECT id FROM d)
--- write no-where writes=orders
SELECT 1 WHERE 1 IN (WITH d AS (DELETE FROM orders RETURNING id) SELECT id FROM d)
--- write no-where writes=orders
SELECT (WITH u AS (UPDATE orders SET total = 0 RETURNING 1) SELECT 1 FROM u)
--- write no-where writes=orders
VALUES ((WITH d AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM d))
--- write no-where writes=log,orders
INSERT INTO log (WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d)
--- write no-where writes=log,orders
WITH d AS (DELETE FROM orders RETURNING *) UPDATE log SET a = 1 WHERE id = 2
--- write
INSERT INTO orders VALUES (1) RETURNING *
--- write
INSERT INTO orders VALUES (1) RETURNING id AS "DROP TABLE", now()
--- write
UPDATE orders SET status = 'x' WHERE id = 1 RETURNING old.status, new.status
--- write
UPDATE orders SET status = 'x' WHERE id = 1 RETURNING orders.*
--- write
DELETE FROM orders o WHERE id = 1 RETURNING o
--- write
DELETE FROM orders WHERE id = 1 RETURNING (SELECT name FROM customers c WHERE c.id = customer_id)
--- write
DELETE FROM orders WHERE id = 1 RETURNING wipe(id)
--- write
DELETE FROM orders WHERE id = 1 RETURNING (id).wipe
--- admin
INSERT INTO orders VALUES (1) RETURNING pg_read_file('x')
--- admin
UPDATE orders SET status = 'x' WHERE id = 1 RETURNING (SELECT rolpassword FROM pg_authid LIMIT 1)
--- admin
DELETE FROM orders WHERE id = 1 RETURNING pg_terminate_backend(id)
--- admin
WITH d AS (DELETE FROM orders WHERE id = 1 RETURNING set_config('role', status, false)) SELECT * FROM d
--- admin
WITH x AS (SELECT pg_read_file('x') AS t) INSERT INTO orders SELECT t FROM x
--- admin
WITH x AS (SELECT 1), y AS (SELECT lo_import('x')) SELECT * FROM x
--- admin
WITH x AS (DELETE FROM pg_authid WHERE rolname = 'x') SELECT 1
--- read writes=-
WITH "delete" AS (SELECT 1) SELECT * FROM "delete"
--- read writes=-
WITH d AS (SELECT 'DELETE FROM orders') SELECT * FROM d
--- read writes=-
WITH a AS MATERIALIZED (SELECT * FROM orders), b AS NOT MATERIALIZED (SELECT * FROM a) SELECT * FROM b
--- read writes=-
WITH RECURSIVE t(n) AS (VALUES (1) UNION SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t
--- read writes=-
WITH a AS (WITH b AS (WITH c AS (SELECT 1) TABLE c) TABLE b) TABLE a
--- read reads=-
WITH pg_authid AS (SELECT 1) SELECT * FROM pg_authid
--- admin
WITH pg_authid AS (SELECT 1) SELECT rolpassword FROM pg_catalog.pg_authid
--- admin
WITH x AS (WITH pg_authid AS (SELECT 1) TABLE pg_authid) SELECT rolpassword FROM pg_authid
