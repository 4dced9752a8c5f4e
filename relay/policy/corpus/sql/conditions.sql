--- write no-where writes=orders reads=-
DELETE FROM orders
--- write no-where
UPDATE orders SET status = 'x'
--- write no-where
DELETE FROM orders WHERE true
--- write no-where
DELETE FROM orders WHERE 1 = 1
--- write no-where
DELETE FROM orders WHERE 'a' = 'a' AND NOT false
--- write no-where
UPDATE orders SET status = 'x' WHERE now() > '2020-01-01'
--- write no-where
DELETE FROM orders WHERE id = id
--- write no-where
DELETE FROM orders WHERE orders.id = id
--- write no-where
DELETE FROM orders o WHERE o.id >= o.id
--- write no-where
DELETE FROM orders WHERE id IS NOT DISTINCT FROM id
--- write no-where
DELETE FROM orders WHERE id = 1 OR true
--- write no-where
DELETE FROM orders WHERE id = 1 OR 1 = 1
--- write no-where
DELETE FROM orders WHERE id = 1 OR id = id
--- write no-where
DELETE FROM orders WHERE id = 1 OR NOT id = 1
--- write no-where
DELETE FROM orders WHERE id IS NULL OR id IS NOT NULL
--- write no-where
DELETE FROM orders WHERE (id = id) IS TRUE
--- write no-where
DELETE FROM orders WHERE (SELECT true)
--- write no-where
DELETE FROM orders WHERE $1
--- write no-where
DELETE FROM orders USING customers WHERE customers.id = 1
--- write no-where
UPDATE orders SET status = 'x' FROM customers c WHERE c.id = 1
--- write no-where
DELETE FROM orders WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = 1)
--- write no-where
DELETE FROM orders WHERE coalesce(true, id = 1)
--- write no-where
MERGE INTO orders o USING customers c ON true WHEN MATCHED THEN DELETE
--- write no-where
MERGE INTO orders o USING customers c ON o.id = o.id WHEN MATCHED THEN UPDATE SET status = 'x'
--- write no-where
MERGE INTO orders o USING customers c ON o.id = c.id WHEN NOT MATCHED BY SOURCE THEN DELETE
--- write
MERGE INTO orders o USING customers c ON o.id = c.id WHEN NOT MATCHED BY SOURCE AND o.id = 7 THEN DELETE
--- write
MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)
--- write
MERGE INTO orders o USING customers c ON false WHEN NOT MATCHED THEN INSERT VALUES (1)
--- write statements=2 no-where
DELETE FROM orders WHERE id = 1; DELETE FROM orders
--- write
DELETE FROM orders WHERE id = 1
--- write
DELETE FROM orders WHERE id = $1
--- write
DELETE FROM orders WHERE id = 1 OR id = 2
--- write
DELETE FROM orders WHERE id = 1 AND true
--- write
DELETE FROM orders WHERE NOT paid
--- write
DELETE FROM orders WHERE paid
--- write
DELETE FROM orders WHERE CURRENT OF c
--- write
DELETE FROM orders WHERE id IN (SELECT id FROM customers)
--- write
DELETE FROM orders o USING customers c WHERE o.customer_id = c.id
--- write
DELETE FROM orders USING customers WHERE customer_id = customers.id
--- write
UPDATE orders SET status = 'x' WHERE lower(status) = 'y'
--- write
UPDATE orders SET status = 'x' WHERE id <> id + 1
--- write
DELETE FROM orders WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = orders.customer_id)
--- write
INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET status = 'x'
--- write
INSERT INTO orders VALUES (1) ON CONFLICT DO NOTHING
--- write
INSERT INTO orders SELECT * FROM orders
--- write no-where
DELETE FROM orders WHERE id + 1 = id + 1
--- write
DELETE FROM orders WHERE id + 1 = id + 2
--- write no-where
DELETE FROM orders WHERE id = 1 OR id <> 1
--- write
DELETE FROM orders WHERE id = 1 OR status <> 'x'
--- write no-where writes=orders
DELETE FROM orders WHERE NOT (id = 1 AND false)
--- write no-where writes=orders
DELETE FROM orders WHERE id = 1 OR 1 = 1
--- write no-where writes=orders
DELETE FROM orders WHERE id = 1 OR 2 > 1
--- write no-where writes=orders
DELETE FROM orders WHERE 'a' = 'a'
--- write no-where writes=orders
DELETE FROM orders WHERE NOT false
--- write no-where writes=orders
DELETE FROM orders WHERE 't'::bool
--- write no-where writes=orders
DELETE FROM orders WHERE NULL IS NULL
--- write no-where writes=orders
DELETE FROM orders WHERE true IS NOT NULL AND 1 < 2
--- write no-where writes=orders
DELETE FROM orders WHERE orders.id = id
--- write no-where writes=orders
UPDATE orders SET note = 'x' WHERE coalesce(true, id = 1)
--- write no-where writes=orders reads=orders,customers
DELETE FROM orders WHERE 1 IN (SELECT id FROM customers)
--- write no-where writes=orders reads=orders,customers
DELETE FROM orders WHERE EXISTS (SELECT id FROM customers)
--- write no-where writes=orders
DELETE FROM orders WHERE (1 = 2) IS NOT TRUE
--- write writes=orders
DELETE FROM orders WHERE false
--- write writes=orders
DELETE FROM orders WHERE 1 = 0
--- write writes=orders
DELETE FROM orders WHERE NULL
--- write writes=orders
DELETE FROM orders WHERE id = 1 OR 1 = 2
--- write writes=orders
DELETE FROM orders WHERE id = 1 AND true
--- write writes=orders
DELETE FROM orders WHERE id = 1 OR id <> 2
--- write writes=orders
DELETE FROM orders WHERE NOT (id = 1 OR false)
--- write writes=orders reads=orders,customers
DELETE FROM orders WHERE id IN (SELECT id FROM customers WHERE gone)
--- write writes=orders reads=orders,customers
DELETE FROM orders WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = orders.customer_id)
--- write writes=orders reads=orders,customers
DELETE FROM orders WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = customer_id)
