--- read
SELECT * FROM orders WHERE status = 'DELETE' AND note LIKE '%; DROP TABLE%'
--- read
SELECT deleted, updated, "drop", truncate FROM orders
--- read
SELECT o.id AS delete_me FROM orders AS o
--- read reads=updates
SELECT * FROM updates
--- read
SELECT id FROM orders WHERE action IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
--- read
SELECT count(*) AS "count; DROP" FROM orders
--- read
SELECT date_trunc('day', placed_at) AS day, count(*), sum(total), avg(total)::numeric(10, 2) FROM orders GROUP BY 1 ORDER BY 1 DESC LIMIT 30
--- read
SELECT customer_id, total, rank() OVER (PARTITION BY customer_id ORDER BY total DESC) FROM orders
--- read reads=customers,orders
SELECT c.name, o.total FROM customers c LEFT JOIN LATERAL (SELECT total FROM orders o WHERE o.customer_id = c.id ORDER BY total DESC LIMIT 1) o ON true
--- read reads=orders
WITH RECURSIVE tree AS (SELECT id, 1 AS depth FROM orders UNION ALL SELECT id, depth + 1 FROM tree WHERE depth < 3) SELECT * FROM tree
--- read
SELECT jsonb_path_query(data, '$.a'), data #>> '{a,b}', data @? '$.a' FROM events
--- read
SELECT to_tsvector('english', note) @@ websearch_to_tsquery('english', 'drop table') FROM orders
--- read
SELECT * FROM orders WHERE id = ANY ($1::int[]) AND (total, id) < ($2, $3)
--- read
SELECT array_agg(DISTINCT status ORDER BY status) FILTER (WHERE status IS NOT NULL) FROM orders
--- read
SELECT string_agg(name, ', ' ORDER BY name) FROM customers
--- read
SELECT CASE WHEN total > 100 THEN 'large' ELSE 'small' END, total::text || ' EUR' FROM orders
--- read
SELECT * FROM generate_series('2026-01-01'::date, '2026-02-01', '1 day') AS day
--- read
SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b']) WITH ORDINALITY AS t(a, b, n)
--- read
SELECT gen_random_uuid(), random(), clock_timestamp(), txid_current()
--- read
SELECT * FROM orders TABLESAMPLE bernoulli (1) REPEATABLE (42)
--- read
SELECT grouping(a), a, b FROM t GROUP BY CUBE (a, b)
--- read
SELECT a FROM t EXCEPT ALL SELECT b FROM u INTERSECT SELECT c FROM v
--- read
TABLE orders
--- read
VALUES (1, 'DELETE'), (2, 'DROP')
--- read
SELECT FROM orders
--- read
SELECT pg_size_pretty(pg_total_relation_size('orders')), pg_get_viewdef('customer_mail'::regclass), obj_description('orders'::regclass)
--- read
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid)
--- read
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.col_description(a.attrelid, a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped
--- read
SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(orders)$' COLLATE pg_catalog.default
--- read
SELECT datname FROM pg_database WHERE has_database_privilege(datname, 'CONNECT')
--- read
EXPLAIN (COSTS off, FORMAT json) SELECT * FROM orders
--- read
EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM orders
--- read statements=2
SHOW search_path; SELECT 1
--- read
SELECT '2026-01-01'::timestamptz AT TIME ZONE 'Europe/Berlin', interval '1 day' * 3, date '2026-01-01' + 1
--- read
SELECT 'open'::order_status, CAST('a' AS public.mood), $1::myschema.mytype[]
--- read
SELECT substring(note FROM '[0-9]+'), regexp_replace(note, '\d', 'x', 'g'), split_part(note, ',', 2) FROM orders
--- read
SELECT xpath('/a/b', '<a><b/></a>'::xml), xmlforest(1 AS a), xmlagg(x) FROM t
--- read
SELECT inet_client_addr(), '10.0.0.1'::inet << '10.0.0.0/8', host('10.0.0.1'::inet)
--- read
SELECT int4range(1, 10) && int4range(5, 20), lower(int4range(1, 2)), point(1, 2) <-> point(3, 4)
