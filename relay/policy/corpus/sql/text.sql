--- read functions=-
SELECT 'DROP TABLE orders'
--- read functions=-
SELECT 'it''s; DELETE FROM orders; --'
--- read functions=-
SELECT $$DROP TABLE orders; DELETE FROM orders$$
--- read functions=-
SELECT $a$ $b$ TRUNCATE orders $b$ $a$
--- read functions=-
SELECT $ä$ DROP TABLE orders $ä$
--- read functions=-
SELECT $a$ $A$ DELETE FROM orders; $a$
--- write no-where statements=2
SELECT $a$ x $a$; DELETE FROM orders
--- write no-where statements=2
SELECT $$ $a$ $$; DELETE FROM orders -- $a$
--- write no-where statements=2
SELECT $_$ $_$; DELETE FROM orders; /* $_$ */
--- admin
SELECT $1a$ DELETE FROM orders $1a$
--- read functions=-
SELECT E'\'; DROP TABLE orders; --'
--- read functions=-
SELECT E'\\\'; DROP TABLE orders; --'
--- ddl destructive statements=2
SELECT E'\\'; DROP TABLE orders; --'
--- ddl destructive statements=2
SELECT '\'; DROP TABLE orders; --'
--- read functions=-
SELECT e'\x44\x52\x4f\x50', E'\u0044ROP', E'\104ROP'
--- read functions=-
SELECT U&'\0044ROP TABLE orders'
--- read functions=-
SELECT U&'d!0061t!+000061' UESCAPE '!'
--- admin functions=pg_read_file
SELECT U&"\0070g_read_file"('/etc/passwd')
--- admin functions=pg_read_file
SELECT U&"!0070g_read!+00005ffile" UESCAPE '!' ('/etc/passwd')
--- admin
SELECT U&"p\0067_cat\0061log".U&"pg_read_f\0069le"('/etc/passwd')
--- admin reads=pg_authid
SELECT * FROM U&"pg_auth\0069d"
--- read functions=-
SELECT B'1010', X'1F', N'DROP TABLE orders'
--- read functions=-
SELECT 'a'
'; DROP TABLE orders'
--- read functions=-
SELECT 'a' -- '
'; DROP TABLE orders'
--- admin
SELECT 'a' '; DROP TABLE orders'
--- ddl destructive statements=2
SELECT 1; DROP/* */TABLE orders
--- write no-where statements=1
/* SELECT */ DELETE /* 1 */ FROM orders
--- write no-where
/* /* nested */ SELECT 1; */ DELETE FROM orders
--- write no-where statements=2
/* a */ SELECT 1 /* /* b */ ; */ ; DELETE FROM orders
--- read functions=-
SELECT 1 /* ; DELETE FROM orders /* */ */
--- read functions=-
SELECT 1 -- ; DELETE FROM orders
--- read functions=-
SELECT '/*', 1 AS "*/ ; DELETE FROM orders"
--- write no-where statements=2
SELECT '/*'; DELETE FROM orders --*/'
--- write no-where statements=2
SELECT '--'; DELETE FROM orders
--- admin
SELECT 1 /* ; DELETE FROM orders
--- admin
SELECT 1 */ ; DELETE FROM orders
--- admin
SELECT 'open ; DELETE FROM orders
--- admin
SELECT "open ; DELETE FROM orders
--- admin
SELECT $$open ; DELETE FROM orders
--- write no-where escaped statements=2
SELECT 1; -- \u{d}DELETE FROM orders
--- write no-where escaped statements=1
DELETE\u{d}FROM\u{c}orders
--- write no-where escaped
DELETE\u{9}FROM\u{9}orders
--- admin escaped
\u{feff}SELECT 1
--- admin escaped
SELECT\u{200b}1
--- admin escaped
SEL\u{200b}ECT 1
--- admin escaped
DELETE\u{a0}FROM orders
--- admin escaped
SELECT\u{3000}1
--- admin escaped
\u{ff33}ELECT 1
--- admin escaped
SELECT 1\u{0}; DELETE FROM orders
--- admin escaped
SELECT 'a\u{0}b'
--- write escaped
SELECT \u{202e}lower('x')
--- write escaped
SELECT low\u{435}r('x')
--- read escaped functions=-
SELECT '\u{202e}; DELETE FROM orders'
--- read escaped functions=-
SELECT 1 AS "a\u{200b}b"
--- read functions=-
SELECT "DROP TABLE orders" FROM orders
--- read functions=-
SELECT """; DELETE FROM orders; --" FROM orders
--- write functions=LOWER
SELECT "LOWER"('x')
--- write functions=PG_CATALOG.lower
SELECT "PG_CATALOG".lower('x')
--- read functions=pg_catalog.lower
SELECT Pg_CaTaLoG.LoWeR('x')
--- read functions=shop.pg_catalog.lower
SELECT shop.pg_catalog.lower('x')
--- read functions=lower
SELECT/**/lower/**/(/**/'x'/**/)
--- read functions=-
SELECT-1, +-1, - -1
--- write no-where statements=2
SELECT-1;DELETE FROM orders
--- read functions=-
SELECT 1.5e3, .5, 0x1F, 0b11, 1_000
--- read functions=-
SELECT $1, $2::int
--- write no-where statements=3
;;SELECT 1;;;DELETE FROM orders;;SELECT 2;;
--- session statements=0
;;;
--- session statements=0
-- DROP TABLE orders
--- session statements=0
/* DROP TABLE orders; */
--- admin
\! rm -rf /
--- admin
\copy orders TO PROGRAM 'sh'
--- admin
SELECT 1 \gexec
--- admin
DELETE FROM orders WHERE id = :id
--- admin
SELECT * FROM orders LIMIT 1, 2
--- admin
SELECT `id` FROM orders
--- read
SELECT 1 # DELETE FROM orders
--- admin
DROP TABLE
--- admin
DELETE orders
