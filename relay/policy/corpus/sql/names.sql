--- session
SET search_path = public
--- session
SET search_path = "$user", public
--- session
SET search_path = pg_catalog, evil
--- session
SET LOCAL search_path TO DEFAULT
--- session
SET search_path = ''
--- session
SET search_path = evil, pg_catalog
--- session
SET search_path = evil, "pg_catalog"
--- session
SET search_path = 'evil, pg_catalog'
--- session
SET search_path = public, U&"pg\005fcatalog"
--- session
SET SESSION search_path = 'public', 'pg_catalog'
--- session
SET SCHEMA 'public'
--- admin
SET search_path FROM CURRENT
--- write
SELECT 1 OPERATOR(evil.+) 2
--- read
SELECT 1 OPERATOR(pg_catalog.+) 2
--- write
SELECT * FROM orders ORDER BY id USING OPERATOR(evil.<)
--- read
SELECT * FROM orders ORDER BY id USING >
--- write
SELECT 1 WHERE 1 OPERATOR(evil.=) ANY (SELECT id FROM orders)
--- write
SELECT 1 WHERE 1 OPERATOR(evil.=) ALL (ARRAY[1])
--- write
SELECT (1, 2) OPERATOR(evil.=) (SELECT 1, 2)
--- write
SELECT OPERATOR(evil.-) 1
--- write
SELECT 1 ### 2
--- read
SELECT +++ 1
--- write
SELECT ~~~ 1
--- write
SELECT sum(1) OVER (ORDER BY id USING OPERATOR(evil.<)) FROM orders
--- read
SELECT a || b, a -> 'x', a ->> 'y', a #> '{}', a @> b, a <@ b, a ? 'x', a ?| b, a ?& b, a @@ b, a ~* 'x', a !~~ 'x', a <-> b, |/ 4, @ -1, ~ 1 FROM t
--- read
SELECT a LIKE 'x', a NOT ILIKE 'y', a NOT SIMILAR TO 'z', a IN (1, 2), a NOT IN (3), a BETWEEN 1 AND 2, a NOT BETWEEN SYMMETRIC 2 AND 1, a IS NOT DISTINCT FROM b FROM t
--- read
SELECT 'x'::regclass, 'x'::regproc, 1::oid::regtype
--- admin reads=pg_authid
SELECT rolpassword FROM pg_authid
--- admin reads=pg_catalog.pg_authid
TABLE pg_catalog.pg_authid
--- admin reads=shop.pg_catalog.pg_authid
SELECT * FROM shop.pg_catalog.pg_authid
--- admin
SELECT (SELECT passwd FROM pg_shadow LIMIT 1)
--- admin
COPY pg_authid TO STDOUT
--- admin
COPY (SELECT * FROM pg_shadow) TO STDOUT
--- admin
CREATE VIEW v AS SELECT * FROM pg_authid
--- admin
EXPLAIN ANALYZE SELECT * FROM pg_authid
--- admin
INSERT INTO orders SELECT 1 FROM pg_statistic
--- admin
SELECT * FROM pg_stats
--- admin
SELECT * FROM pg_largeobject
--- admin
SELECT subconninfo FROM pg_subscription
--- admin
SELECT umoptions FROM pg_user_mapping
--- admin
SELECT * FROM information_schema.user_mapping_options
--- admin
SELECT * FROM pg_hba_file_rules
--- read reads=other.pg_authid
SELECT * FROM other.pg_authid
--- read reads=-
WITH x AS (SELECT 'pg_authid') SELECT * FROM x
--- read
SELECT 'pg_authid', "pg_authid" FROM orders
--- admin
UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'
--- admin
UPDATE pg_catalog.pg_class SET relacl = NULL WHERE oid = 1
--- admin
DELETE FROM pg_catalog.pg_depend WHERE objid = 1
--- admin
INSERT INTO pg_proc SELECT * FROM pg_proc
--- admin
MERGE INTO pg_class c USING orders o ON c.oid = o.id WHEN MATCHED THEN UPDATE SET relname = 'x'
--- admin
COPY pg_class FROM STDIN
--- admin
WITH u AS (UPDATE pg_settings SET setting = 'x' WHERE name = 'role' RETURNING *) SELECT * FROM u
--- admin
UPDATE information_schema.sql_features SET comments = 'x' WHERE feature_id = 'y'
--- read
EXPLAIN UPDATE pg_settings SET setting = 'off' WHERE name = 'jit'
--- ddl writes=pg_catalog.pg_class
VACUUM pg_catalog.pg_class
--- ddl
ANALYZE pg_class
--- read reads=pg_class,pg_namespace
SELECT * FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
--- read
SELECT * FROM information_schema.columns
--- read
SELECT * FROM pg_stat_activity
--- read
SELECT * FROM pg_settings
--- write writes=pg_temp.x
INSERT INTO pg_temp.x VALUES (1)
