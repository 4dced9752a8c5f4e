--- write writes=orders
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED THEN DO NOTHING
--- write writes=orders
MERGE INTO orders USING customers ON orders.customer_id = customers.id WHEN MATCHED THEN DELETE
--- write writes=orders
MERGE INTO ONLY orders o USING customers c ON o.customer_id = c.id WHEN MATCHED AND c.vip THEN UPDATE SET status = 'x'
--- write writes=orders
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED AND o.total = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET total = 0
--- write writes=orders
MERGE INTO orders o USING (SELECT 1 AS id, 'x' AS s) c ON o.id = c.id WHEN MATCHED THEN UPDATE SET status = c.s WHEN NOT MATCHED THEN INSERT (id, status) VALUES (c.id, c.s)
--- write writes=orders
MERGE INTO orders o USING (VALUES (1)) AS c(id) ON o.id = c.id WHEN NOT MATCHED THEN INSERT DEFAULT VALUES
--- write writes=orders
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN NOT MATCHED BY TARGET THEN INSERT (id) OVERRIDING USER VALUE VALUES (c.id)
--- write writes=orders
MERGE INTO orders o USING customers c ON true WHEN MATCHED AND o.id = 1 THEN DELETE
--- write writes=orders
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN NOT MATCHED BY SOURCE THEN DO NOTHING
--- write writes=orders
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN NOT MATCHED BY SOURCE AND o.status = 'x' THEN UPDATE SET status = 'gone'
--- write writes=orders
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED THEN UPDATE SET total = 1 RETURNING merge_action(), o.id
--- write writes=orders
MERGE INTO orders o USING customers c ON true WHEN NOT MATCHED THEN INSERT VALUES (c.id)
--- write writes=orders
MERGE INTO orders o USING customers c ON c.id = 1 AND o.id = 2 WHEN MATCHED THEN UPDATE SET (status, total) = ('x', 1)
--- write writes=orders
WITH c AS (SELECT 1 AS id) MERGE INTO orders o USING c ON o.id = c.id WHEN MATCHED THEN DELETE
--- write no-where writes=orders
MERGE INTO orders o USING customers c ON 1 = 1 WHEN MATCHED THEN DELETE
--- write no-where writes=orders
MERGE INTO orders o USING customers c ON c.id = c.id WHEN MATCHED THEN UPDATE SET total = 0
--- write no-where writes=orders
MERGE INTO orders o USING customers c ON c.vip WHEN MATCHED THEN UPDATE SET total = 0
--- write no-where writes=orders
MERGE INTO orders o USING (SELECT 1) x ON true WHEN MATCHED AND true THEN DELETE
--- write no-where writes=orders
MERGE INTO orders o USING customers c ON o.total = o.total WHEN MATCHED AND c.vip THEN DELETE
--- write no-where writes=orders
MERGE INTO orders o USING customers c ON o.customer_id = c.id OR true WHEN MATCHED THEN DELETE
--- write no-where writes=orders
MERGE INTO orders o USING customers c ON false WHEN NOT MATCHED BY SOURCE THEN UPDATE SET status = 'x'
--- write no-where writes=orders
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN NOT MATCHED BY SOURCE AND true THEN DELETE
--- write no-where writes=orders
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE THEN DELETE
--- write no-where writes=orders
MERGE INTO orders USING customers ON (SELECT true) WHEN MATCHED THEN DELETE
--- write no-where writes=orders
WITH c AS (SELECT 1) MERGE INTO orders o USING c ON true WHEN MATCHED THEN UPDATE SET total = 9
--- write
MERGE INTO orders o USING customers c ON wipe(o.id) = c.id WHEN NOT MATCHED THEN INSERT VALUES (1)
--- write
MERGE INTO orders o USING wipe(1) AS w(id) ON o.id = w.id WHEN NOT MATCHED THEN DO NOTHING
--- admin
MERGE INTO orders o USING pg_ls_dir('.') AS f(n) ON o.status = f.n WHEN NOT MATCHED THEN INSERT (status) VALUES (f.n)
--- admin
MERGE INTO orders o USING pg_authid a ON o.id = a.oid WHEN MATCHED THEN UPDATE SET status = a.rolpassword
--- admin
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED THEN UPDATE SET note = pg_read_file('x')
--- admin
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN NOT MATCHED THEN INSERT (note) VALUES (('x'::text).pg_read_file)
--- admin
MERGE INTO pg_authid a USING orders o ON a.oid = o.id WHEN MATCHED THEN DELETE
--- admin
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED AND pg_cancel_backend(c.id) THEN DO NOTHING
--- admin
MERGE INTO orders o USING customers c ON true
