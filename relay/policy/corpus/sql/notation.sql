--- write functions=wipe
SELECT o.id, (o).wipe FROM orders o
--- write functions=wipe
SELECT (o.total + 1).wipe FROM orders o
--- write functions=wipe
SELECT (CASE WHEN o.paid THEN 1 ELSE 2 END).wipe FROM orders o
--- write functions=wipe
SELECT (coalesce(o.id, 0)).wipe FROM orders o
--- write functions=wipe
SELECT (ROW(1, 2)).wipe
--- write functions=wipe
SELECT (NULL::orders).wipe
--- write functions=wipe
SELECT (CAST(1 AS int)).wipe
--- write functions=wipe
SELECT (o.items[1]).wipe FROM orders o
--- write functions=wipe
SELECT (o.items[1:2]).wipe FROM orders o
--- write functions=wipe
SELECT (SELECT id FROM orders LIMIT 1).wipe AS harmless
--- write functions=wipe
SELECT 1 FROM orders o WHERE (o.id).wipe
--- write functions=wipe
SELECT 1 FROM orders o WHERE NOT ((o.id).wipe) IS NULL
--- write functions=wipe
SELECT 1 FROM orders o ORDER BY (o.id).wipe DESC NULLS LAST
--- write functions=wipe
SELECT 1 FROM orders o JOIN customers c ON (o.id).wipe = c.id
--- write functions=wipe
SELECT (o.id).wipe::text::int FROM orders o
--- write functions=wipe
SELECT ((o.id).wipe) IS DISTINCT FROM 1 FROM orders o
--- write functions=wipe
SELECT ARRAY[(o.id).wipe] FROM orders o
--- write functions=wipe
SELECT (current_date).wipe
--- write functions=wipe
SELECT ('a' || 'b').wipe
--- write functions=wipe
SELECT (1 IN (1, 2)).wipe
--- write functions=wipe
SELECT (EXISTS (SELECT 1)).wipe
--- write functions=wipe
SELECT (NOT true).wipe
--- write functions=wipe
SELECT (DEFAULT_VALUE.id).wipe FROM orders AS default_value
--- write functions=wipe,wipe_all
SELECT (o).wipe, (o).wipe_all FROM orders o
--- write functions=now,wipe
SELECT (now()).wipe
--- write functions=lower,wipe
SELECT lower((o.note).wipe) FROM orders o
--- admin functions=pg_ls_dir
SELECT ('.'::pg_catalog.text).pg_ls_dir
--- admin functions=pg_ls_dir
SELECT (CAST('.' AS text)).pg_ls_dir
--- admin functions=pg_ls_dir
SELECT (CASE WHEN true THEN '.' END).pg_ls_dir
--- admin functions=pg_ls_dir
SELECT ($1::text).pg_ls_dir
--- admin functions=pg_cancel_backend
SELECT (a.pid).pg_cancel_backend FROM pg_stat_activity a
--- admin functions=pg_cancel_backend
SELECT 1 FROM pg_stat_activity a WHERE (a.pid).pg_cancel_backend
--- write destructive functions=lo_unlink
SELECT (m.oid).lo_unlink FROM pg_largeobject_metadata m
--- admin
INSERT INTO orders SELECT ('/etc/hostname'::text).pg_read_binary_file
--- admin
UPDATE orders SET note = (note).pg_read_file WHERE id = 1
--- admin
DELETE FROM orders WHERE (note).pg_read_file IS NOT NULL
--- admin
INSERT INTO orders VALUES (1) RETURNING (note).pg_read_file
--- admin
CREATE VIEW v AS SELECT ('x'::text).lo_import
--- write
INSERT INTO orders (id) VALUES ((1).abs)
--- write
UPDATE orders SET total = (total).round WHERE (id).abs = 1
--- read functions=abs
SELECT (o.id).abs FROM orders o
--- read functions=length
SELECT (o.note).length FROM orders o WHERE o.id = 2
--- read functions=reverse,upper
SELECT ((o.note).upper).reverse FROM orders o
--- read functions=to_jsonb
SELECT (o).to_jsonb FROM orders o
--- read functions=row_to_json
SELECT (ROW(1, 'a')).row_to_json
--- read functions=md5
SELECT md5 FROM (SELECT ('x'::text).md5) AS hashes
--- read functions=-
SELECT o.status AS wipe FROM orders AS o
--- read functions=-
SELECT wipe FROM orders
--- read functions=-
SELECT "wipe(1)" FROM orders
--- read functions=-
SELECT (o).* FROM orders AS o WHERE o.wipe = 3
--- read functions=-
SELECT o.* FROM public.orders o
--- read functions=unnest
SELECT u.unnest FROM unnest(ARRAY[1, 2]) u
--- write functions=street,wipe
SELECT ((o.address).street).wipe FROM orders o
--- write functions=street,wipe
SELECT (o.address).wipe.street FROM orders o
--- write functions=count,wipe
SELECT count(*) FROM orders o GROUP BY (o.id).wipe
--- write functions=count,wipe
SELECT count(*) FROM orders o GROUP BY o.id HAVING (o.id).wipe > 0
--- write functions=sum,wipe
SELECT sum((o.id).wipe) OVER (PARTITION BY o.status) FROM orders o
--- write functions=generate_series,wipe
SELECT x.wipe FROM generate_series(1, 2) WITH ORDINALITY AS x(a, b), LATERAL (SELECT (x.a).wipe) y
