--- ddl writes=customers,x
CREATE TABLE x (id int PRIMARY KEY, c int REFERENCES customers CHECK (c > 0))
--- ddl
CREATE TABLE x (id int GENERATED ALWAYS AS IDENTITY, d timestamptz DEFAULT now())
--- ddl
CREATE TABLE x PARTITION OF y FOR VALUES FROM (1) TO (2)
--- ddl
CREATE TABLE IF NOT EXISTS x (LIKE orders INCLUDING ALL)
--- admin
CREATE TABLE x (a text DEFAULT pg_read_file('/etc/passwd'))
--- admin
CREATE TABLE x (a text GENERATED ALWAYS AS (('/etc/passwd'::text).pg_read_file) STORED)
--- ddl
CREATE TABLE x AS SELECT * FROM orders
--- ddl
CREATE MATERIALIZED VIEW m AS SELECT * FROM orders WITH NO DATA
--- ddl
CREATE OR REPLACE RECURSIVE VIEW v (n) AS SELECT 1
--- ddl
CREATE RULE r AS ON INSERT TO orders DO INSTEAD NOTHING
--- ddl no-where
CREATE RULE r AS ON SELECT TO orders DO INSTEAD (DELETE FROM customers)
--- ddl no-where
CREATE OR REPLACE RULE r AS ON UPDATE TO orders DO ALSO (DELETE FROM a; DELETE FROM b)
--- ddl
CREATE TRIGGER t AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()
--- ddl
CREATE UNIQUE INDEX CONCURRENTLY i ON orders (lower(status)) WHERE id > 0
--- ddl
CREATE INDEX i ON orders (wipe(id))
--- ddl
CREATE SEQUENCE s OWNED BY orders.id
--- ddl
ALTER SEQUENCE s RESTART WITH 1
--- ddl
CREATE TYPE mood AS ENUM ('a', 'b')
--- ddl
CREATE TYPE pair AS (a int, b int)
--- ddl
CREATE DOMAIN d AS int CHECK (wipe(VALUE) > 0)
--- ddl
CREATE STATISTICS s ON a, b FROM orders
--- ddl
CREATE SCHEMA s CREATE TABLE x (a int)
--- admin
CREATE SCHEMA s AUTHORIZATION postgres
--- ddl
ALTER TABLE orders ADD COLUMN x int DEFAULT 1, ALTER COLUMN y SET NOT NULL
--- ddl
ALTER TABLE orders RENAME COLUMN a TO b
--- ddl
ALTER TABLE orders SET SCHEMA other
--- ddl
ALTER TABLE orders ATTACH PARTITION x FOR VALUES IN (1)
--- ddl destructive
ALTER TABLE orders DROP COLUMN status
--- ddl destructive
ALTER TABLE IF EXISTS ONLY orders ADD COLUMN a int, DROP COLUMN IF EXISTS status CASCADE
--- ddl destructive
ALTER TYPE pair DROP ATTRIBUTE a
--- ddl destructive statements=2
ALTER VIEW v ALTER COLUMN a DROP DEFAULT; DROP VIEW v
--- ddl
ALTER TABLE orders DISABLE TRIGGER ALL
--- ddl
COMMENT ON TABLE orders IS 'DROP TABLE orders'
--- ddl
REINDEX (VERBOSE) TABLE CONCURRENTLY orders
--- ddl
CLUSTER orders USING i
--- ddl
REFRESH MATERIALIZED VIEW CONCURRENTLY m
--- ddl
VACUUM (FULL, ANALYZE) orders
--- ddl
VACUUM
--- ddl
ANALYZE orders (id)
--- ddl destructive writes=orders,s.customers
DROP TABLE IF EXISTS orders, s.customers CASCADE
--- ddl destructive
DrOp/**/vIeW v
--- ddl destructive
DROP SCHEMA public CASCADE
--- ddl destructive
DROP INDEX CONCURRENTLY i
--- ddl destructive
DROP SEQUENCE s
--- ddl destructive
DROP TYPE mood
--- ddl destructive
DROP DOMAIN d
--- ddl destructive
DROP MATERIALIZED VIEW m
--- ddl destructive
DROP TRIGGER t ON orders
--- ddl destructive
DROP RULE r ON orders
--- ddl destructive
DROP FUNCTION f(int)
--- ddl destructive
DROP STATISTICS s
--- ddl destructive writes=a,b
TRUNCATE a, b RESTART IDENTITY CASCADE
--- ddl destructive
TRUNCATE ONLY orders
--- ddl destructive statements=2
SELECT 1; TRUNCATE orders
--- write
LOCK TABLE orders IN ACCESS EXCLUSIVE MODE NOWAIT
--- write
NOTIFY channel, 'DROP TABLE orders'
