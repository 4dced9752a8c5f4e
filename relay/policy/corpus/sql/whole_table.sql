--- write no-where
DELETE FROM ONLY orders
--- write no-where
DELETE FROM orders AS o
--- write no-where
DELETE FROM public.orders *
--- write no-where
DELETE FROM orders RETURNING *
--- write no-where
DELETE FROM orders WHERE NOT false
--- write no-where
DELETE FROM orders WHERE NULL IS NULL
--- write no-where
DELETE FROM orders WHERE 1 < 2 AND 'x' <> 'y'
--- write no-where
DELETE FROM orders WHERE 1 BETWEEN 0 AND 2
--- write no-where
DELETE FROM orders WHERE 1 IN (1, 2)
--- write no-where
DELETE FROM orders WHERE 1 = ANY (ARRAY[1, 2])
--- write no-where
DELETE FROM orders WHERE 'abc' LIKE '%'
--- write no-where
DELETE FROM orders WHERE true AND true
--- write no-where
DELETE FROM orders WHERE false OR true
--- write no-where
DELETE FROM orders WHERE NOT (NOT true)
--- write no-where
DELETE FROM orders WHERE CASE WHEN true THEN true ELSE false END
--- write no-where
DELETE FROM orders WHERE current_date > '2020-01-01'
--- write no-where
DELETE FROM orders WHERE current_user = 'agent'
--- write no-where
DELETE FROM orders WHERE random() >= 0
--- write no-where
DELETE FROM orders WHERE EXISTS (SELECT 1)
--- write no-where
DELETE FROM orders WHERE EXISTS (SELECT FROM customers)
--- write no-where
DELETE FROM orders WHERE (SELECT count(*) FROM customers) > 0
--- write no-where
DELETE FROM orders WHERE 1 IN (SELECT c.id FROM customers c)
--- write no-where
DELETE FROM orders WHERE (1, 2) = (1, 2)
--- write no-where
DELETE FROM orders WHERE $1::bool
--- write no-where
DELETE FROM orders WHERE $1 = $2
--- write no-where
DELETE FROM orders WHERE true::bool
--- write no-where
DELETE FROM orders WHERE 't'::boolean
--- write no-where
DELETE FROM orders o WHERE o.id = id
--- write no-where
DELETE FROM orders o WHERE o.id <= o.id
--- write no-where
DELETE FROM orders WHERE status = status AND total = total
--- write no-where
DELETE FROM orders WHERE status LIKE status
--- write no-where
DELETE FROM orders WHERE total = 1 OR NOT (total = 1)
--- write no-where
DELETE FROM orders WHERE total > 1 OR total <= 1 OR true
--- write no-where
DELETE FROM orders WHERE status IS NOT NULL OR status IS NULL
--- write no-where
DELETE FROM orders WHERE ((((true))))
--- write no-where
DELETE FROM orders USING customers c
--- write no-where
DELETE FROM orders USING customers c WHERE true
--- write no-where
DELETE FROM orders USING customers c, regions r WHERE c.region = r.id
--- write no-where
DELETE FROM orders o USING customers orders WHERE orders.id = 1
--- write no-where
DELETE FROM orders USING (SELECT 1 AS id) x WHERE x.id = 1
--- write no-where
UPDATE orders SET total = total + 1
--- write no-where
UPDATE ONLY orders SET status = DEFAULT
--- write no-where
UPDATE orders AS o SET (status, total) = ('x', 1)
--- write no-where
UPDATE orders SET (status, total) = (SELECT 'x', 1)
--- write no-where
UPDATE orders SET items[1] = 2
--- write no-where
UPDATE orders SET address.street = 'x' WHERE 2 > 1
--- write no-where
UPDATE orders SET status = 'x' RETURNING id
--- write no-where
UPDATE orders SET status = c.name FROM customers c
--- write no-where
UPDATE orders SET status = c.name FROM customers c WHERE c.vip
--- write no-where
UPDATE orders SET status = CASE WHEN id = 1 THEN 'x' ELSE status END
--- write no-where
UPDATE orders SET status = 'x' WHERE true OR id = 1
--- write no-where
UPDATE orders SET status = 'x' WHERE id = id OR id = 1
--- write no-where
UPDATE orders SET status = 'x' FROM (VALUES (1)) AS v(id) WHERE v.id = 1
--- write no-where
WITH x AS (SELECT 1 AS id) DELETE FROM orders USING x WHERE x.id = 1
--- write no-where
WITH x AS (SELECT 1) UPDATE orders SET status = 'x'
--- write
DELETE FROM ONLY orders WHERE id = 1
--- write
DELETE FROM orders AS o WHERE o.id = 1
--- write
DELETE FROM orders WHERE id BETWEEN 1 AND 5
--- write
DELETE FROM orders WHERE id IN (1, 2, 3)
--- write
DELETE FROM orders WHERE id = ANY (ARRAY[1, 2])
--- write
DELETE FROM orders WHERE id NOT IN (SELECT order_id FROM items)
--- write
DELETE FROM orders WHERE status LIKE 'x%'
--- write
DELETE FROM orders WHERE status ~ '^x'
--- write
DELETE FROM orders WHERE status IS NULL
--- write
DELETE FROM orders WHERE deleted_at IS NOT NULL
--- write
DELETE FROM orders WHERE placed_at < now() - interval '1 year'
--- write
DELETE FROM orders WHERE (id, status) = (1, 'x')
--- write
DELETE FROM orders WHERE (id, status) IN (VALUES (1, 'x'))
--- write
DELETE FROM orders WHERE id = (SELECT max(id) FROM orders)
--- write
DELETE FROM orders WHERE ctid = '(0,1)'
--- write
DELETE FROM orders WHERE note @> '{"a": 1}'
--- write
DELETE FROM orders WHERE CASE WHEN id = 1 THEN true ELSE false END
--- write
DELETE FROM orders WHERE coalesce(paid, false)
--- write
DELETE FROM orders WHERE paid IS TRUE
--- write
DELETE FROM orders WHERE NOT (id = 1)
--- write
DELETE FROM orders WHERE id = 1 AND 1 = 1
--- write
DELETE FROM orders WHERE (id = 1 OR true) AND status = 'x'
--- write
DELETE FROM orders USING customers c WHERE c.id = orders.customer_id AND c.name = 'x'
--- write
DELETE FROM orders o USING customers c LEFT JOIN regions r ON r.id = c.region WHERE o.customer_id = c.id
--- write
DELETE FROM orders WHERE EXISTS (SELECT FROM items i WHERE i.order_id = orders.id)
--- write
DELETE FROM app.orders WHERE app.orders.id = 1
--- write
UPDATE orders SET status = 'x' WHERE id = $1 AND version = $2
--- write
UPDATE orders SET total = c.credit FROM customers c WHERE c.id = orders.customer_id
--- write
UPDATE orders o SET (status, total) = (SELECT name, credit FROM customers c WHERE c.id = o.customer_id) WHERE o.id = 1
--- write
UPDATE orders SET status = 'x' FROM (VALUES (1, 'a'), (2, 'b')) AS v(id, s) WHERE v.id = orders.id
--- write
UPDATE ONLY orders SET status = DEFAULT WHERE id = 3
--- write
WITH x AS (SELECT id FROM customers) DELETE FROM orders USING x WHERE x.id = orders.customer_id
--- write
WITH x AS (SELECT id FROM orders LIMIT 10 FOR UPDATE SKIP LOCKED) UPDATE orders SET status = 'x' WHERE id IN (SELECT id FROM x) RETURNING *
--- write
INSERT INTO orders DEFAULT VALUES
--- write
INSERT INTO orders (id, status) VALUES (1, 'a'), (2, DEFAULT)
--- write
INSERT INTO orders OVERRIDING SYSTEM VALUE VALUES (1)
--- write
INSERT INTO orders AS o VALUES (1) ON CONFLICT (id) DO UPDATE SET total = o.total + EXCLUDED.total
--- write
INSERT INTO orders VALUES (1) ON CONFLICT ON CONSTRAINT orders_pkey DO NOTHING RETURNING id
--- write
INSERT INTO orders VALUES (1) ON CONFLICT (lower(status)) WHERE paid DO UPDATE SET status = EXCLUDED.status WHERE orders.total > 1
--- write
INSERT INTO orders TABLE customers
--- write
INSERT INTO orders SELECT * FROM customers ON CONFLICT DO NOTHING
--- write
WITH x AS (SELECT 1) INSERT INTO orders SELECT * FROM x RETURNING *
