--- read functions=-
SELECT '1'::int, CAST('2' AS bigint), int8 '3', 4::numeric(10, 2), '5'::varchar(3)
--- read functions=-
SELECT 'x'::text::"char", 'x'::name, 'x'::bpchar, 'x'::character varying COLLATE "C"
--- read functions=-
SELECT '{1,2}'::int[], ARRAY[]::text[], '{{1}}'::int[][], NULL::text[3]
--- read functions=-
SELECT '{"a": 1}'::json, '{"a": 1}'::jsonb -> 'a', '$.a'::jsonpath, '<a/>'::xml
--- read functions=-
SELECT '\x00'::bytea, B'1'::bit(3), B'101'::bit varying(5)
--- read functions=-
SELECT '10.0.0.1'::inet, '10/8'::cidr, '08:00:2b:01:02:03'::macaddr
--- read functions=-
SELECT '(1,2)'::point, '[1,2)'::int4range, '{[1,2)}'::int4multirange
--- read functions=-
SELECT 'a & b'::tsquery, 'a b'::tsvector, 'english'::regconfig, 'simple'::regdictionary
--- read functions=-
SELECT 'orders'::regclass::oid, 'pg_catalog'::regnamespace, 'postgres'::regrole, 'int4'::regtype
--- read functions=-
SELECT 'pg_read_file'::regproc, 'lower(text)'::regprocedure, '+'::regoper, '+(int,int)'::regoperator
--- read functions=-
SELECT '2026-01-01'::date + '12:00'::time, timestamp '2026-01-01', timestamp(3) with time zone '2026-01-01'
--- read functions=-
SELECT interval '1' YEAR, interval '1-2' YEAR TO MONTH, interval(3) '1.5 s'
--- read functions=-
SELECT CAST(o.total AS double precision), CAST(ROW(1, 2) AS public.pair) FROM orders o
--- read functions=-
SELECT 'a'::public.mood = ANY (ENUM.list) FROM enum
--- read functions=-
SELECT TRUE::boolean, 'yes'::bool, 't'::pg_catalog.bool
--- read functions=-
SELECT x::regclass::text FROM orders
--- read functions=-
SELECT 'pg_authid'::regclass
--- read functions=-
SELECT o.id::public.order_id FROM orders o
--- read functions=-
SELECT (o.total)::money FROM orders o
--- read functions=-
SELECT -1::int, (-1)::int, 2 ^ 3::float8
--- read functions=-
SELECT '1234'::xid, '0/0'::pg_lsn, '(0,1)'::tid, '10:20:'::pg_snapshot
--- read functions=-
SELECT CAST(NULL AS orders), NULL::public.orders
--- read functions=int4
SELECT int4('1')
--- read functions=pg_catalog.text
SELECT pg_catalog.text('x') AS t UNION SELECT 'y'
--- write functions=wipe
SELECT wipe('1'::int)
--- write functions=wipe
SELECT CAST(wipe('1') AS public.order_id)
--- write functions=wipe
SELECT wipe(1)::regclass::text
--- write functions=wipe
SELECT ARRAY[wipe(1)]::int[]
--- write functions=wipe
SELECT CAST(ARRAY(SELECT wipe(id) FROM orders) AS text[])
--- write functions=wipe
SELECT ROW(wipe(1), 2)::public.pair
--- write functions=wipe
SELECT (CASE WHEN wipe(1) THEN 1 END)::text COLLATE "C"
--- write functions=mood
SELECT mood('x')
--- write functions=public.order_id
SELECT public.order_id(1)
--- write functions=regexec
SELECT regexec('pg_read_file'::regproc)
--- ddl
CREATE DOMAIN order_id AS bigint NOT NULL DEFAULT 0 CONSTRAINT positive CHECK (VALUE > 0)
--- ddl
CREATE DOMAIN email AS public.citext COLLATE "C" CHECK (VALUE ~ '^[^@]+@[^@]+$')
--- ddl
CREATE DOMAIN nested AS order_id[]
--- ddl
ALTER DOMAIN order_id ADD CONSTRAINT small CHECK (VALUE < 10) NOT VALID
--- ddl
ALTER DOMAIN order_id VALIDATE CONSTRAINT small
--- ddl
ALTER DOMAIN order_id SET DEFAULT 1
--- ddl
ALTER DOMAIN order_id DROP NOT NULL
--- ddl
ALTER DOMAIN order_id RENAME TO oid8
--- ddl
ALTER DOMAIN order_id RENAME CONSTRAINT a TO b
--- ddl
ALTER DOMAIN order_id SET SCHEMA app
--- admin
CREATE DOMAIN d AS text CHECK (pg_read_file(VALUE) IS NOT NULL)
--- admin
CREATE DOMAIN d AS text DEFAULT pg_read_file('x')
--- admin
ALTER DOMAIN d ADD CHECK ((VALUE).lo_import > 0)
--- ddl
ALTER DOMAIN d SET DEFAULT lo_create(0)
--- admin
CREATE CAST (int AS public.mood) WITH FUNCTION f(int) AS ASSIGNMENT
--- admin
CREATE CAST (int AS public.mood) WITHOUT FUNCTION
--- admin
ALTER DOMAIN d OWNER TO postgres
--- admin destructive
DROP CAST IF EXISTS (int AS public.mood) CASCADE
--- ddl destructive
DROP DOMAIN IF EXISTS app.order_id, email RESTRICT
