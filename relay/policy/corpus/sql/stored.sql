--- read prepares=q:read
PREPARE q (int, text) AS SELECT * FROM orders WHERE id = $1 AND status = $2
--- read prepares=q:read
PREPARE q AS VALUES (1), (2)
--- read prepares=q:read
PREPARE q AS TABLE orders
--- read prepares=q:read
PREPARE q AS WITH x AS (SELECT 1) SELECT * FROM x
--- read prepares=q:read
PREPARE q AS SELECT ($1).lower
--- read prepares=Q:read
PREPARE "Q" AS SELECT 1
--- write prepares=q:write
PREPARE q AS SELECT wipe($1)
--- write prepares=q:write
PREPARE q AS SELECT ($1).wipe
--- write prepares=q:write
PREPARE q AS SELECT * FROM orders FOR SHARE
--- write prepares=q:write
PREPARE q AS SELECT nextval('s')
--- write prepares=q:write
PREPARE q AS UPDATE orders SET status = $2 WHERE id = $1
--- write prepares=q:write
PREPARE q AS DELETE FROM orders WHERE id = ANY ($1) RETURNING *
--- write prepares=q:write
PREPARE q (public.mood) AS INSERT INTO orders (status) VALUES ($1) ON CONFLICT DO NOTHING
--- write prepares=q:write
PREPARE q AS MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED THEN UPDATE SET name = c.name
--- write no-where prepares=q:write
PREPARE q AS UPDATE orders SET status = $1
--- write no-where prepares=q:write
PREPARE q AS WITH d AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM d
--- write no-where prepares=q:write
PREPARE q AS DELETE FROM orders WHERE $1 = $1
--- write no-where prepares=q:write
PREPARE q (bool) AS DELETE FROM orders WHERE $1 OR id = 3
--- admin prepares=q:admin
PREPARE q AS SELECT pg_read_file($1)
--- admin prepares=q:admin
PREPARE q AS SELECT ($1::text).pg_read_file
--- admin prepares=q:admin
PREPARE q AS SELECT set_config($1, $2, false)
--- admin prepares=q:admin
PREPARE q AS SELECT passwd FROM pg_shadow
--- session executes=q
EXECUTE q (NULL, DEFAULT_VALUE)
--- session executes=q
EXECUTE q ('a'::text, 1 + 2)
--- read executes=q
EXECUTE q ((SELECT 1))
--- session executes=Q
EXECUTE "Q"
--- session executes=delete_all
EXECUTE delete_all
--- write executes=q
EXECUTE q ((SELECT wipe(2)))
--- write executes=q
EXECUTE q (1 OPERATOR(public.+) 1)
--- write executes=q
EXECUTE q ((1).wipe)
--- write executes=q
EXECUTE q (nextval('s'))
--- write executes=q
EXECUTE q (ARRAY[wipe(1)], 2)
--- admin executes=q
EXECUTE q (pg_read_file('x'))
--- admin executes=q
EXECUTE q (('x'::text).lo_import)
--- ddl executes=q
CREATE TABLE IF NOT EXISTS x AS EXECUTE q WITH NO DATA
--- ddl executes=q
CREATE UNLOGGED TABLE x (a, b) AS EXECUTE q (1)
--- ddl executes=q
EXPLAIN (ANALYZE, TIMING off) CREATE TEMP TABLE x AS EXECUTE q
--- read executes=q
EXPLAIN (GENERIC_PLAN) EXECUTE q
--- read executes=q
EXPLAIN (ANALYZE, WAL) EXECUTE q (1)
--- write executes=q
EXPLAIN ANALYZE EXECUTE q (wipe(1))
--- session executes=a,b statements=2
EXECUTE a; EXECUTE b (1)
--- session executes=a statements=3
BEGIN; EXECUTE a; COMMIT
--- session
DEALLOCATE q
--- session
DEALLOCATE ALL
--- session
DEALLOCATE PREPARE ALL
--- session
DEALLOCATE "select"
--- read
DECLARE c CURSOR FOR VALUES (1), (2)
--- read
DECLARE c BINARY CURSOR FOR SELECT 1
--- read
DECLARE c INSENSITIVE SCROLL CURSOR WITH HOLD FOR SELECT id FROM orders ORDER BY id
--- read
DECLARE c ASENSITIVE NO SCROLL CURSOR WITHOUT HOLD FOR TABLE orders
--- read
DECLARE "DELETE" CURSOR FOR WITH x AS (SELECT 1) SELECT * FROM x
--- read
DECLARE c CURSOR FOR SELECT 1 UNION ALL SELECT 2
--- write
DECLARE c CURSOR FOR SELECT * FROM orders FOR NO KEY UPDATE OF orders
--- write
DECLARE c CURSOR FOR SELECT (id).wipe FROM orders
--- write
DECLARE c CURSOR FOR SELECT nextval('s')
--- write
DECLARE c CURSOR FOR VALUES (wipe(1))
--- write no-where
DECLARE c CURSOR FOR WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
--- admin
DECLARE c CURSOR FOR SELECT pg_read_file('x')
--- admin
DECLARE c CURSOR FOR SELECT rolpassword FROM pg_authid
--- admin
DECLARE c CURSOR FOR SELECT ('.'::text).pg_ls_dir
--- session
FETCH c
--- session
FETCH FROM c
--- session
FETCH NEXT FROM c
--- session
FETCH PRIOR IN c
--- session
FETCH FIRST FROM c
--- session
FETCH LAST FROM c
--- session
FETCH ABSOLUTE 5 FROM c
--- session
FETCH RELATIVE -1 FROM c
--- session
FETCH 100 FROM c
--- session
FETCH -100 IN c
--- session
FETCH FORWARD FROM c
--- session
FETCH FORWARD ALL FROM c
--- session
FETCH BACKWARD 3 FROM c
--- session
FETCH BACKWARD ALL IN c
--- session
FETCH NEXT FROM "DROP TABLE orders"
--- session
MOVE c
--- session
MOVE ALL IN c
--- session
MOVE LAST FROM c
--- session
MOVE ABSOLUTE 0 FROM c
--- session
MOVE BACKWARD ALL FROM c
--- session
MOVE RELATIVE 2 IN c
--- session
CLOSE c
--- session
CLOSE "DROP TABLE"
--- session statements=2
FETCH 1 FROM c; CLOSE c
--- write no-where statements=2
CLOSE c; DELETE FROM orders
--- write
DELETE FROM orders WHERE CURRENT OF "C"
--- write
UPDATE orders SET status = 'x' WHERE CURRENT OF c
--- write
UPDATE orders SET status = 'x' WHERE CURRENT OF c RETURNING id
