--- read writes=- reads=orders
COPY orders TO STDOUT WITH CSV HEADER
--- read writes=- reads=orders
COPY orders TO STDOUT CSV HEADER QUOTE '"' ESCAPE '\' FORCE QUOTE *
--- read writes=- reads=orders
COPY orders TO STDOUT BINARY
--- read writes=- reads=orders
COPY BINARY orders TO STDOUT
--- read writes=- reads=orders
COPY orders TO STDOUT DELIMITER '|' NULL AS 'x'
--- read writes=- reads=orders
COPY orders TO STDOUT USING DELIMITERS ';'
--- read writes=- reads=orders
COPY orders TO STDOUT WITH DELIMITER AS E'\t' ENCODING 'UTF8'
--- read writes=- reads=orders
COPY orders (id, status) TO STDOUT (FORMAT csv, HEADER true, DELIMITER ';', QUOTE '''', ESCAPE '!', FORCE_QUOTE (id, status))
--- read writes=- reads=orders
COPY orders TO STDOUT (FORMAT text, NULL 'none', ENCODING 'utf-8')
--- read writes=- reads=orders
COPY orders TO STDOUT (FORMAT 'csv', HEADER)
--- read writes=- reads=orders
COPY orders TO STDOUT (FORMAT csv, FORCE_QUOTE *)
--- read writes=- reads=orders
COPY orders TO STDOUT (HEADER off)
--- read reads=app.orders
COPY app.orders TO STDOUT
--- read reads=Orders
COPY "Orders" TO STDOUT
--- read
COPY (SELECT id, total FROM orders WHERE status = 'DELETE') TO STDOUT WITH (FORMAT csv)
--- read
COPY (VALUES (1, 'a')) TO STDOUT
--- read
COPY (TABLE orders) TO STDOUT CSV
--- read
COPY (WITH x AS (SELECT 1) SELECT * FROM x) TO STDOUT
--- read
COPY (SELECT 'FROM PROGRAM ''sh''') TO STDOUT
--- read
COPY (SELECT 1 UNION SELECT 2) TO STDOUT WITH BINARY
--- read statements=2
COPY orders TO STDOUT; SELECT 1
--- write
COPY (SELECT wipe(id) FROM orders) TO STDOUT
--- write
COPY (SELECT (id).wipe FROM orders) TO STDOUT
--- write
COPY (SELECT * FROM orders FOR UPDATE) TO STDOUT
--- write
COPY (SELECT nextval('s')) TO STDOUT (FORMAT csv)
--- write
COPY (DELETE FROM orders WHERE id = 1 RETURNING id) TO STDOUT
--- write
COPY (UPDATE orders SET status = 'x' WHERE id = 1 RETURNING *) TO STDOUT CSV
--- write
COPY (INSERT INTO orders SELECT * FROM customers RETURNING id) TO STDOUT
--- write
COPY (MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED THEN DO NOTHING RETURNING o.id) TO STDOUT
--- write writes=orders
COPY orders FROM STDIN WITH CSV HEADER
--- write writes=orders
COPY orders FROM STDIN CSV QUOTE '"' FORCE NOT NULL status
--- write writes=orders
COPY orders FROM STDIN BINARY
--- write writes=orders
COPY BINARY orders FROM STDIN
--- write writes=orders
COPY orders FROM STDIN DELIMITER ',' NULL ''
--- write writes=orders
COPY orders FROM STDIN USING DELIMITERS '|'
--- write writes=orders
COPY orders FROM STDIN FREEZE
--- write writes=orders
COPY orders (id, status) FROM STDIN (FORMAT csv, HEADER match, NULL 'x', FORCE_NOT_NULL (id), FORCE_NULL (status))
--- write writes=orders
COPY orders FROM STDIN (FORMAT text, FREEZE, ENCODING 'LATIN1')
--- write writes=orders
COPY orders FROM STDIN (FORMAT binary, ON_ERROR ignore, LOG_VERBOSITY verbose)
--- write writes=orders
COPY orders FROM STDIN (DEFAULT '\D')
--- write writes=orders
COPY orders FROM STDIN WHERE id > 10
--- write writes=orders
COPY orders FROM STDIN (FORMAT csv) WHERE status IN ('a', 'b') AND total IS NOT NULL
--- write writes=orders
COPY orders FROM STDOUT
--- read
COPY orders TO STDIN
--- write writes=app.orders
COPY app.orders (id) FROM STDIN
--- write
COPY orders FROM STDIN WHERE wipe(id) > 0
--- write
COPY orders FROM STDIN WHERE (id).wipe
--- admin
COPY orders FROM STDIN WHERE pg_read_file(status) = 'x'
--- admin
COPY orders FROM 'orders.csv' CSV
--- admin
COPY orders (id) FROM E'/etc/pass\x77d'
--- admin
COPY orders FROM $$/etc/passwd$$ (FORMAT text)
--- admin
COPY orders FROM PROGRAM $$id$$ WITH (FORMAT csv)
--- admin
COPY orders (id, status) FROM PROGRAM 'cat' DELIMITER ','
--- admin
COPY orders TO PROGRAM 'gzip > /tmp/x' WITH CSV
--- admin
COPY (SELECT 2) TO '/tmp/y'
--- admin
COPY (DELETE FROM orders WHERE id = 1 RETURNING *) TO PROGRAM 'cat'
--- admin
COPY (VALUES ('x')) TO PROGRAM 'sh' (FORMAT text)
--- admin
COPY BINARY orders TO '/tmp/z'
--- admin
COPY BINARY orders FROM '/tmp/z'
--- admin
COPY orders TO 'STDOUT'
--- admin
COPY orders TO '/dev/stdout' (HEADER)
--- admin
COPY (SELECT pg_read_file('x')) TO STDOUT
--- admin
COPY (SELECT lo_import('x')) TO STDOUT CSV
--- admin
COPY (SELECT rolpassword FROM pg_authid) TO STDOUT
--- admin
COPY (SELECT usename, passwd FROM pg_shadow) TO STDOUT BINARY
--- admin
COPY pg_user_mapping TO STDOUT
--- admin
COPY pg_subscription (subname, subconninfo) TO STDOUT
--- admin
COPY pg_proc (proname) FROM STDIN
--- admin
COPY orders TO
--- admin
COPY (SELECT 1) FROM STDIN
--- admin
COPY orders FROM STDIN; ; COPY
--- admin statements=2
COPY orders TO STDOUT; COPY orders TO PROGRAM 'id'
