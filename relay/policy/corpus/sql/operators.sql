--- read functions=-
SELECT 1 + 2 - 3 * 4 / 5 % 6 ^ 7
--- read functions=-
SELECT a & b | c # d << 1 >> 2 FROM t
--- read functions=-
SELECT ~ a, - a, + a, @ a, |/ a, ||/ a FROM t
--- read functions=-
SELECT a OPERATOR(pg_catalog.=) b FROM t
--- read functions=-
SELECT a OPERATOR("pg_catalog".+) b FROM t
--- read functions=-
SELECT OPERATOR(pg_catalog.-) a FROM t
--- read functions=-
SELECT a OPERATOR(pg_catalog.||) b OPERATOR(pg_catalog.||) c FROM t
--- read functions=-
SELECT a = ANY (ARRAY[1]), a <> ALL ('{2}'), a < SOME (SELECT 1) FROM t
--- read functions=-
SELECT a OPERATOR(pg_catalog.=) ANY (b) FROM t
--- read functions=-
SELECT a OPERATOR(pg_catalog.~~) 'x%' FROM t
--- read functions=-
SELECT ROW(a, b) OPERATOR(pg_catalog.<) ROW(1, 2) FROM t
--- read functions=-
SELECT (a, b) = (SELECT 1, 2) FROM t
--- read functions=-
SELECT a << b, a >> b, a &< b, a &> b, a -|- b, a && b FROM t
--- read functions=-
SELECT a <<| b, a |>> b, a &<| b, a |&> b, a ?# b, a ?|| b, a ?-| b FROM t
--- read functions=-
SELECT a ~= b, a ## b, a @-@ b, # a FROM t
--- read functions=-
SELECT a #>> '{x}', a - 'x', a #- '{x}', a @? '$.x', a @@ '$.x' FROM t
--- read functions=-
SELECT a ~ 'x', a !~ 'x', a ~* 'x', a !~* 'x', a ^@ 'x' FROM t
--- read functions=-
SELECT a ~<~ b, a ~>=~ b, a ~>~ b, a ~<=~ b FROM t
--- read functions=-
SELECT a <<= '10/8', a >>= '10/8' FROM t
--- read functions=-
SELECT a *= b, a *<> b, a *< b FROM t
--- read functions=-
SELECT * FROM t ORDER BY a USING OPERATOR(pg_catalog.>)
--- read functions=-
SELECT * FROM t ORDER BY a USING ~<~, b USING <
--- read functions=-
SELECT a ISNULL, b NOTNULL, c IS UNKNOWN, d IS NOT TRUE FROM t
--- read functions=-
SELECT 2 != 3, 2 <> 3, 1 <= 2, 2 >= 1
--- write functions=-
SELECT a OPERATOR(public.=) b FROM t
--- write functions=-
SELECT a OPERATOR(pg_temp.=) b FROM t
--- write functions=-
SELECT a OPERATOR(information_schema.=) b FROM t
--- write functions=-
SELECT a OPERATOR(shop.evil.=) b FROM t
--- write functions=-
SELECT a OPERATOR("PG_CATALOG".=) b FROM t
--- write functions=-
SELECT a OPERATOR(public.~~) 'x' FROM t
--- write functions=-
SELECT OPERATOR(public.@) a FROM t
--- write functions=-
SELECT a OPERATOR(public.||) b OPERATOR(pg_catalog.||) c FROM t
--- write functions=-
SELECT a OPERATOR(pg_catalog.||) (b OPERATOR(public.||) c) FROM t
--- write functions=-
SELECT 1 WHERE (1, 2) OPERATOR(public.<) (3, 4)
--- write functions=-
SELECT 1 WHERE 1 OPERATOR(public.=) ANY (VALUES (1), (2))
--- write functions=-
SELECT 1 WHERE 'x' OPERATOR(public.~~) ALL (ARRAY['x'])
--- write functions=-
SELECT * FROM t ORDER BY a USING <, b USING OPERATOR(public.<)
--- write functions=-
SELECT a <=> b FROM t
--- write functions=-
SELECT a ==> b FROM t
--- write functions=-
SELECT a <<->> b FROM t
--- write functions=-
SELECT a |> b FROM t
--- write functions=-
SELECT @@@@ a FROM t
--- write
SELECT array_agg(a ORDER BY a USING OPERATOR(public.<)) FROM t
--- write
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a USING OPERATOR(public.<)) FROM t
--- write
SELECT * FROM a JOIN b ON a.id OPERATOR(public.=) b.id
--- write
SELECT a FROM t GROUP BY a HAVING max(a) OPERATOR(public.>) 1
--- write
SELECT CASE WHEN a OPERATOR(public.=) 1 THEN 2 END FROM t
--- write
SELECT * FROM t LIMIT 1 OPERATOR(public.+) 1
--- write
SELECT a[1 OPERATOR(public.+) 1] FROM t
--- write
SELECT nullif(a OPERATOR(public.+) 1, 2) FROM t
--- write
VALUES (1 OPERATOR(public.*) 2)
--- write
SELECT * FROM generate_series(1, 2 OPERATOR(public.+) 1)
--- write
WITH x AS (SELECT 1 OPERATOR(public.+) 1) SELECT * FROM x
--- write
DELETE FROM t WHERE a OPERATOR(public.=) 1
--- write
UPDATE t SET a = a OPERATOR(public.+) 1 WHERE b = 2
--- write
INSERT INTO t VALUES (1 OPERATOR(public.+) 1)
--- read
SELECT a LIKE 'x' ESCAPE '!', b SIMILAR TO 'y' ESCAPE '#' FROM t
