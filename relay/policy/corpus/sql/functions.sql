--- read functions=lower
SELECT lower('x')
--- read functions=-
SELECT 1 AS nextval WHERE 'nextval(''s'')' = ''
--- write functions=nextval
SELECT nextval('s')
--- write functions=setval
SELECT setval('s', 1)
--- write functions=pg_catalog.setval
SELECT pg_catalog.setval('s'::regclass, 1, false)
--- read functions=currval,lastval
SELECT currval('s'), lastval()
--- write
SELECT pg_notify('a', 'b')
--- write
SELECT pg_advisory_lock(1)
--- write
SELECT pg_try_advisory_xact_lock(1)
--- write functions=wipe
SELECT wipe(42)
--- write functions=wipe
SELECT (42).wipe
--- write functions=wipe
SELECT (orders.id).wipe FROM orders
--- write functions=wipe
SELECT (SELECT 42).wipe
--- write functions=wipe
SELECT (ARRAY[1])[1].wipe
--- write functions=wipe
SELECT ('x'::text).wipe
--- write functions=wipe
SELECT ($1).wipe
--- write functions=nextval
SELECT ('s'::regclass).nextval
--- admin functions=pg_read_file
SELECT ('/etc/passwd'::text).pg_read_file
--- admin functions=pg_read_file
SELECT ('/etc/passwd'::text)."pg_read_file"
--- admin functions=lower,pg_read_file
SELECT (lower('/ETC/PASSWD')).pg_read_file
--- admin functions=pg_ls_dir
SELECT * FROM orders WHERE ('.'::text).pg_ls_dir = 'x'
--- admin functions=pg_terminate_backend
SELECT (1234).pg_terminate_backend
--- read functions=json_typeof,lo_get
SELECT (((1).lo_get)).json_typeof
--- read functions=upper
SELECT ('x'::text).upper
--- read functions=-
SELECT (c).* FROM customers c
--- read functions=information_schema._pg_expandarray,n
SELECT (information_schema._pg_expandarray(i.indkey)).n FROM pg_catalog.pg_index i
--- read functions=aclexplode,grantee
SELECT (aclexplode(relacl)).grantee FROM pg_class
--- admin
SELECT lo_import('/etc/passwd')
--- admin
SELECT lo_export(1, '/tmp/x')
--- write destructive
SELECT lo_create(0), lo_unlink(1)
--- write
SELECT lo_put(1, 0, 'x')
--- write
SELECT lo_from_bytea(0, 'x')
--- read
SELECT loread(lo_open(1, 262144), 100)
--- write
SELECT lowrite(0, 'x')
--- admin
SELECT pg_read_file('/etc/passwd')
--- admin
SELECT pg_read_binary_file('/etc/passwd', 0, 10)
--- admin
SELECT * FROM pg_ls_dir('.')
--- admin
SELECT * FROM pg_ls_waldir()
--- admin
SELECT pg_stat_file('x')
--- admin
SELECT pg_file_write('x', 'y', true)
--- admin
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
--- admin
SELECT pg_cancel_backend(1)
--- admin
SELECT pg_reload_conf()
--- admin
SELECT pg_rotate_logfile()
--- admin
SELECT pg_promote()
--- admin
SELECT pg_switch_wal()
--- admin
SELECT pg_create_restore_point('x')
--- admin
SELECT pg_backup_start('x')
--- admin
SELECT pg_start_backup('x')
--- admin
SELECT pg_wal_replay_pause()
--- admin
SELECT pg_create_physical_replication_slot('x')
--- admin
SELECT * FROM pg_logical_slot_get_changes('x', NULL, NULL)
--- admin
SELECT pg_drop_replication_slot('x')
--- admin
SELECT pg_replication_origin_create('x')
--- admin
SELECT pg_sync_replication_slots()
--- admin
SELECT pg_log_standby_snapshot()
--- admin
SELECT pg_stat_reset()
--- admin
SELECT pg_stat_reset_shared('bgwriter')
--- admin
SELECT pg_stat_statements_reset()
--- admin
SELECT pg_logical_emit_message(false, 'a', 'b')
--- admin
SELECT pg_import_system_collations('public')
--- read
SELECT pg_export_snapshot()
--- admin
SELECT pg_clear_relation_stats('public', 'orders')
--- admin
SELECT pg_restore_relation_stats('relname', 'orders')
--- admin
SELECT pg_truncate_visibility_map('orders')
--- admin
SELECT heap_force_kill('orders', ARRAY['(0,1)'::tid])
--- admin
SELECT pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')
--- admin redefines
SELECT query_to_xml('DELETE FROM orders', true, false, '')
--- admin redefines
SELECT query_to_xml_and_xmlschema('DELETE FROM orders', true, false, '')
--- admin redefines
SELECT query_to_xmlschema('SELECT 1', true, false, '')
--- admin redefines
SELECT cursor_to_xml('c', 10, true, false, '')
--- admin redefines
SELECT table_to_xml('customers', true, false, '')
--- admin redefines
SELECT schema_to_xml('public', true, false, '')
--- admin redefines
SELECT database_to_xml(true, false, '')
--- admin redefines
SELECT * FROM ts_stat('SELECT wipe(1)::text::tsvector')
--- admin redefines
SELECT ts_rewrite('a'::tsquery, 'SELECT wipe(1)')
--- admin redefines
SELECT * FROM dblink('dbname=shop', 'DELETE FROM orders') AS t(a text)
--- admin redefines
SELECT dblink_exec('dbname=shop', 'DELETE FROM orders')
--- admin redefines
SELECT x.dblink_send_query('c', 'DELETE FROM orders')
--- admin redefines
SELECT * FROM crosstab('SELECT 1, 2, 3') AS t(a int)
--- admin redefines
SELECT * FROM connectby('orders', 'a', 'b', '1', 0) AS t(a text)
--- admin redefines
SELECT * FROM xpath_table('a', 'b', 'orders', 'c', 'd') AS t(a int)
--- admin redefines
SELECT cron.schedule('0 3 * * *', 'DELETE FROM orders')
--- admin redefines
SELECT cron.schedule_in_database('a', '* * * * *', 'DELETE FROM orders', 'shop')
--- admin redefines
SELECT pg_background_launch('DELETE FROM orders')
--- admin redefines
SELECT * FROM aws_s3.query_export_to_s3('SELECT * FROM customers', 'b', 'k')
--- admin redefines
SELECT binary_upgrade_set_next_pg_type_oid(1)
--- admin
SELECT set_config('role', 'postgres', false)
--- admin
SELECT set_config('standard_conforming_strings', 'off', false)
--- admin
SELECT set_config('search' || '_path', 'evil', false)
--- read
SELECT set_config('search_path', 'evil, pg_catalog', false)
--- read
SELECT set_config('statement_timeout', '5s', true)
--- read
SELECT set_config('search_path', 'pg_catalog, public', false)
--- admin functions=set_config
SELECT set_config(is_local => false, setting_name => 'role', new_value => 'postgres')
--- read
SELECT current_setting('search_path'), version(), now()
--- write functions=public.lower
SELECT public.lower('x')
--- write functions=pg_temp.lower
SELECT pg_temp.lower('x')
--- write functions=pg_toast.lower
SELECT pg_toast.lower('x')
--- write functions=information_schema.lower
SELECT information_schema.lower('x')
--- read
SELECT lower(VARIADIC ARRAY['x'])
--- write
SELECT lower(x => wipe(1))
--- write
SELECT * FROM orders ORDER BY wipe(id)
--- write
SELECT * FROM orders LIMIT (SELECT wipe(1))
--- write
SELECT * FROM orders ORDER BY id FETCH FIRST (wipe(1)) ROWS WITH TIES
--- write
SELECT * FROM ROWS FROM (generate_series(1, 2), wipe(1)) WITH ORDINALITY
--- write
SELECT rank() OVER (ORDER BY wipe(id) ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM orders
--- write
SELECT sum(id) OVER (ROWS wipe(1) PRECEDING) FROM orders
--- write
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY wipe(id)) FROM orders
--- write
SELECT count(*) FILTER (WHERE wipe(id) > 0) FROM orders
--- write
SELECT * FROM orders GROUP BY GROUPING SETS ((wipe(id)), ())
--- write
SELECT * FROM orders TABLESAMPLE system (wipe(1))
--- write
SELECT * FROM orders TABLESAMPLE evil (10)
--- write
SELECT * FROM orders TABLESAMPLE system (10) REPEATABLE (wipe(1))
--- write
SELECT * FROM XMLTABLE('/a' PASSING (wipe(1)::xml) COLUMNS b int PATH 'b')
--- write
SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b int PATH 'b' DEFAULT wipe(1))
--- read
SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b int PATH 'b', c FOR ORDINALITY)
--- write
SELECT * FROM JSON_TABLE(wipe(1)::jsonb, '$[*]' COLUMNS (a int PATH '$.a'))
--- write
SELECT * FROM JSON_TABLE('[]'::jsonb, '$[*]' PASSING wipe(1) AS x COLUMNS (a int PATH '$.a'))
--- write
SELECT * FROM JSON_TABLE('[]'::jsonb, '$[*]' COLUMNS (NESTED PATH '$' COLUMNS (a int PATH '$.a' DEFAULT wipe(1) ON EMPTY)))
--- read
SELECT * FROM JSON_TABLE('[]'::jsonb, '$[*]' COLUMNS (id FOR ORDINALITY, NESTED PATH '$.b[*]' COLUMNS (a int PATH '$.a')))
--- read
SELECT JSON_VALUE('{}', '$.a'), JSON_QUERY('{}', '$'), JSON_EXISTS('{}', '$.a'), JSON_OBJECT('a' VALUE 1), JSON_ARRAY(1, 2)
--- write
SELECT JSON_VALUE('{}', '$.a' DEFAULT wipe(1) ON ERROR)
--- write
SELECT XMLELEMENT(NAME a, XMLATTRIBUTES(wipe(1) AS b))
--- read
SELECT XMLPARSE(DOCUMENT '<a/>'), XMLSERIALIZE(CONTENT '<a/>' AS text), '<a/>' IS DOCUMENT
--- read
SELECT EXTRACT(epoch FROM now()), POSITION('a' IN 'b'), SUBSTRING('a' FROM 1), TRIM(LEADING 'x' FROM 'y'), OVERLAY('a' PLACING 'b' FROM 1), 'a' SIMILAR TO 'b', now() AT TIME ZONE 'UTC', NORMALIZE('a'), 'a' IS NORMALIZED
--- read
SELECT (now(), now()) OVERLAPS (now(), now()), COLLATION FOR ('a'), CURRENT_USER, SESSION_USER, CURRENT_CATALOG, LOCALTIME
--- read
SELECT COALESCE(a, 1), NULLIF(a, 1), GREATEST(a, 1), LEAST(a, 1), a IS DISTINCT FROM b, a BETWEEN SYMMETRIC 1 AND 2 FROM t
--- write
SELECT a.b.c.wipe(1)
--- write functions=evil.wipe
SELECT evil.wipe()
--- write
SELECT 1 WHERE 1 = ANY (ARRAY(SELECT wipe(1)))
--- write
SELECT 1 WHERE (1, 2) IN (SELECT wipe(1), 2)
--- write
SELECT (SELECT (SELECT (SELECT wipe(1))))
--- write
SELECT ROW(1, wipe(1))::text
--- write
SELECT CAST(wipe(1) AS int)
--- write
SELECT a[wipe(1):2] FROM t
--- write
VALUES (1), (wipe(1))
--- write
SELECT 1 UNION ALL (SELECT 2 INTERSECT SELECT wipe(1))
--- write
SELECT DISTINCT ON (wipe(id)) * FROM orders
--- write
SELECT * FROM a JOIN b ON wipe(a.id) > 0
--- write
SELECT * FROM a NATURAL JOIN LATERAL wipe(a.id) AS b(id)
--- write
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT wipe(n) FROM r) SELECT * FROM r
--- write
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r) SEARCH DEPTH FIRST BY n SET o CYCLE n SET c TO 1 DEFAULT 0 USING p SELECT wipe(n) FROM r
--- write functions=greatest
SELECT "greatest"(1, 2)
--- write functions=json_scalar
SELECT "json_scalar"('x')
--- write functions=trim
SELECT "trim"('x')
--- read
SELECT (x).key, (x).value FROM json_each('{}') AS x
