--- ddl destructive
DROP TABLE orders
--- ddl destructive
DROP TABLE app.orders, "customers" RESTRICT
--- ddl destructive
DROP TABLE IF EXISTS pg_temp.x
--- ddl destructive
DROP VIEW IF EXISTS v, w CASCADE
--- ddl destructive
DROP MATERIALIZED VIEW IF EXISTS app.m
--- ddl destructive
DROP INDEX IF EXISTS app.i, j
--- ddl destructive
DROP SEQUENCE IF EXISTS s CASCADE
--- ddl destructive
DROP TYPE IF EXISTS app.mood, pair CASCADE
--- ddl destructive
DROP SCHEMA IF EXISTS app, audit RESTRICT
--- ddl destructive
DROP TRIGGER IF EXISTS t ON app.orders CASCADE
--- ddl destructive
DROP RULE IF EXISTS r ON v
--- ddl destructive
DROP FUNCTION IF EXISTS app.f(int, text), g
--- ddl destructive
DROP PROCEDURE p(int)
--- ddl destructive
DROP ROUTINE r
--- ddl destructive
DROP AGGREGATE a(int), b(*)
--- ddl destructive
DROP COLLATION IF EXISTS c
--- ddl destructive
DROP STATISTICS IF EXISTS app.s
--- ddl destructive
DROP FOREIGN TABLE IF EXISTS f
--- ddl destructive
TRUNCATE TABLE orders
--- ddl destructive
TRUNCATE orders, ONLY app.customers CONTINUE IDENTITY
--- ddl destructive
TRUNCATE TABLE orders * RESTRICT
--- ddl destructive
ALTER TABLE orders DROP a
--- ddl destructive
ALTER TABLE orders ADD COLUMN b int, DROP COLUMN a RESTRICT
--- ddl destructive
ALTER TABLE ONLY app.orders DROP COLUMN IF EXISTS a CASCADE
--- ddl destructive
ALTER TYPE pair DROP ATTRIBUTE IF EXISTS a CASCADE
--- admin destructive
DROP OPERATOR IF EXISTS app.=== (int, int) CASCADE
--- admin destructive
DROP OPERATOR CLASS c USING btree
--- admin destructive
DROP OPERATOR FAMILY f USING hash
--- admin destructive
DROP ACCESS METHOD m
--- admin destructive
DROP CONVERSION c
--- admin destructive
DROP TRANSFORM FOR int LANGUAGE sql
--- admin destructive
DROP EXTENSION IF EXISTS a, b CASCADE
--- admin destructive
DROP EVENT TRIGGER e
--- admin destructive
DROP FOREIGN DATA WRAPPER IF EXISTS w CASCADE
--- admin destructive
DROP SERVER s
--- admin destructive
DROP PUBLICATION p
--- admin destructive
DROP POLICY IF EXISTS p ON app.orders
--- admin destructive
DROP TEXT SEARCH CONFIGURATION c
--- admin destructive
DROP TEXT SEARCH DICTIONARY IF EXISTS d
--- admin destructive
DROP TEXT SEARCH PARSER p
--- admin destructive
DROP USER IF EXISTS a, b
--- admin destructive
DROP GROUP g
--- admin destructive
DROP OWNED BY CURRENT_USER CASCADE
--- admin destructive
DROP DATABASE IF EXISTS shop
--- admin destructive
DROP SUBSCRIPTION IF EXISTS s
--- admin destructive
DROP TABLESPACE IF EXISTS t
--- admin destructive
DROP USER MAPPING IF EXISTS FOR PUBLIC SERVER s
--- admin destructive
DROP PROCEDURAL LANGUAGE IF EXISTS plperl
--- ddl destructive statements=2
CREATE TABLE x (a int); DROP TABLE x
--- ddl destructive statements=2
SELECT 'x'; TRUNCATE TABLE orders CASCADE
--- ddl destructive statements=2
COMMIT; DROP SCHEMA app CASCADE
--- read
SELECT "drop", "truncate" FROM "table"
--- read
SELECT 'a' AS "DROP TABLE orders"
--- read
SELECT * FROM dropped WHERE dropped.truncate = 'DROP'
--- admin
DROP orders
--- admin
TRUNCATE
--- admin
DROP TABLE orders WHERE id = 1
--- admin
DROP COLUMN a
