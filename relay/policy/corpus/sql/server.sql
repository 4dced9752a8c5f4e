--- admin
SELECT pg_read_file('a', 0, 10, true)
--- admin
SELECT pg_catalog.pg_read_file('/etc/passwd')
--- admin
SELECT * FROM pg_read_file('x') AS t(line)
--- admin
SELECT regexp_split_to_table(pg_read_file('x'), E'\n')
--- admin
SELECT convert_from(pg_read_binary_file('x'), 'UTF8')
--- admin
SELECT length(pg_read_file('x'))
--- admin
SELECT "pg_read_file"('x')
--- admin
SELECT PG_READ_FILE('x')
--- admin
SELECT pg_read_file(filename => 'x')
--- admin
SELECT n FROM pg_ls_dir('/etc') AS n WHERE n LIKE '%key%'
--- admin
SELECT pg_ls_dir('.', true, false)
--- admin
SELECT * FROM pg_ls_logdir()
--- admin
SELECT * FROM pg_ls_tmpdir()
--- admin
SELECT * FROM pg_ls_archive_statusdir()
--- admin
SELECT (pg_stat_file('postgresql.conf')).size
--- admin
SELECT size FROM pg_stat_file('x', true)
--- admin
SELECT pg_current_logfile()
--- admin
SELECT pg_file_unlink('x')
--- admin
SELECT pg_file_rename('a', 'b', 'c')
--- admin
SELECT pg_file_sync('x')
--- admin
SELECT lo_import('/etc/passwd', 42)
--- admin
SELECT lo_export(o.id, '/tmp/' || o.id) FROM orders o
--- write
SELECT lo_open(1, 131072)
--- write destructive
SELECT lo_truncate(0, 1)
--- read
SELECT lo_get(1, 0, 10)
--- read
SELECT loread(lo_open(1, 262144), 100), lo_lseek64(0, 1, 0), lo_tell(0), lo_close(0)
--- write
SELECT lo_open(1, 393216)
--- read
SELECT lo_open(1, '262144')
--- write
SELECT lo_open(1, 262144 + 131072)
--- write destructive
SELECT pg_catalog.lo_unlink(oid) FROM pg_largeobject_metadata
--- write
SELECT lo_creat(-1)
--- admin
SELECT pg_control_system()
--- admin
SELECT * FROM pg_control_checkpoint()
--- admin
SELECT pg_terminate_backend(pg_backend_pid())
--- admin
SELECT pg_terminate_backend(1, 1000)
--- admin
SELECT pg_log_backend_memory_contexts(1)
--- admin
SELECT pg_backup_stop(true)
--- admin
SELECT pg_stop_backup()
--- admin
SELECT pg_wal_replay_resume()
--- admin
SELECT pg_create_logical_replication_slot('a', 'test_decoding')
--- admin
SELECT pg_copy_physical_replication_slot('a', 'b')
--- admin
SELECT pg_replication_slot_advance('a', '0/0')
--- admin
SELECT * FROM pg_logical_slot_peek_binary_changes('a', NULL, NULL)
--- admin
SELECT pg_replication_origin_session_setup('x')
--- admin
SELECT pg_stat_reset_single_table_counters(1)
--- admin
SELECT pg_stat_reset_slru(NULL)
--- admin
SELECT pg_stat_reset_replication_slot('a')
--- admin
SELECT brin_summarize_new_values('i')
--- admin
SELECT gin_clean_pending_list('i'::regclass)
--- admin
SELECT pg_extension_config_dump('orders', '')
--- admin
SELECT pg_get_wal_resource_managers()
--- admin
SELECT pg_show_all_file_settings()
--- admin
SELECT heap_force_freeze('orders', ARRAY['(0,1)'::tid])
--- admin
SELECT x.pg_read_file('y')
--- admin
SELECT public.pg_ls_dir('.')
--- admin
SELECT 1 FROM orders WHERE id IN (SELECT length(pg_read_file('x')))
--- admin
SELECT 1 FROM orders ORDER BY pg_read_file('x')
--- admin
SELECT 1 FROM orders GROUP BY pg_read_file('x')
--- admin
SELECT 1 LIMIT length(pg_read_file('x'))
--- admin
SELECT CASE WHEN false THEN pg_read_file('x') END
--- admin
SELECT count(*) FILTER (WHERE pg_cancel_backend(id)) FROM orders
--- admin
SELECT * FROM ROWS FROM (pg_ls_dir('.'), generate_series(1, 3))
--- admin
SELECT * FROM orders TABLESAMPLE system (length(pg_read_file('x')))
--- admin
SELECT XMLELEMENT(NAME a, pg_read_file('x'))
--- admin
SELECT JSON_OBJECT('a' VALUE pg_read_file('x'))
--- admin
SELECT a[length(pg_read_file('x'))] FROM t
--- admin
INSERT INTO orders (note) VALUES (pg_read_file('x'))
--- admin
INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET note = pg_read_file('x')
--- admin
UPDATE orders SET note = pg_read_file('x') WHERE id = 1
--- admin
DELETE FROM orders WHERE note = pg_read_file('x')
--- admin
ALTER TABLE orders ALTER COLUMN note SET DEFAULT pg_read_file('x')
--- admin
ALTER TABLE orders ALTER COLUMN note TYPE text USING pg_read_file(note)
--- admin
ALTER TABLE orders ADD CHECK (pg_read_file(note) IS NOT NULL)
--- admin
CREATE INDEX i ON orders (pg_read_file(note))
--- admin
CREATE INDEX i ON orders (id) WHERE pg_read_file(note) = 'x'
--- admin
CREATE TRIGGER t BEFORE UPDATE ON orders FOR EACH ROW WHEN (pg_cancel_backend(new.id)) EXECUTE FUNCTION f()
--- admin
CREATE RULE r AS ON INSERT TO orders DO ALSO SELECT pg_read_file('x')
--- admin
CREATE TABLE x AS SELECT pg_read_file('x')
--- admin
CREATE TABLE x (a int CHECK (pg_cancel_backend(a)))
--- admin
CREATE TABLE x PARTITION OF y FOR VALUES FROM (length(pg_read_file('x'))) TO (9)
--- admin
CREATE STATISTICS s ON (pg_read_file(note)), id FROM orders
--- admin
CREATE MATERIALIZED VIEW m AS SELECT * FROM pg_ls_dir('.')
--- admin
DO 'BEGIN PERFORM 1; END' LANGUAGE plpgsql
--- admin
DO LANGUAGE plpython3u $x$ import os $x$
--- admin
CALL app.p(a => 1)
--- admin
CALL public.p('x', NULL)
--- admin
CREATE FUNCTION f(text) RETURNS text LANGUAGE c STRICT AS '/tmp/evil.so', 'run'
--- admin
CREATE FUNCTION f(text) RETURNS text LANGUAGE internal AS 'pg_read_file_all'
--- admin
CREATE OR REPLACE FUNCTION pg_temp.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$
--- admin
CREATE FUNCTION f() RETURNS trigger LANGUAGE plperlu AS $$ system('id') $$
--- admin
CREATE FUNCTION f() RETURNS SETOF orders LANGUAGE sql SECURITY DEFINER AS 'TABLE orders'
--- admin redefines
SELECT dblink_connect('host=/tmp')
--- admin redefines
SELECT dblink_open('c', 'DELETE FROM orders')
--- admin redefines
SELECT * FROM public.dblink($1, $2) AS t(a int)
--- admin redefines
SELECT ('DELETE FROM orders'::text).dblink_exec
--- admin redefines
SELECT * FROM crosstab2('SELECT 1')
--- admin redefines
SELECT tablefunc.crosstab('SELECT wipe(1)', 'SELECT 2')
--- admin redefines
SELECT pg_catalog.query_to_xml($1, true, true, '')
--- admin redefines
SELECT xmlparse(DOCUMENT query_to_xml('DELETE FROM orders', true, false, '')::text)
--- admin redefines
SELECT table_to_xml_and_xmlschema('orders', true, true, '')
--- admin redefines
SELECT schema_to_xmlschema('public', true, false, '')
--- admin redefines
SELECT word, ndoc FROM ts_stat($1, 'a')
--- read
SELECT pg_read_file FROM orders
--- read
SELECT 1 AS pg_ls_dir
--- read
SELECT pg_relation_filepath('orders'), pg_relation_size('orders', 'fsm')
--- read
SELECT pg_database_size(current_database()), pg_size_bytes('1 GB')
--- read
SELECT pg_postmaster_start_time(), pg_conf_load_time(), pg_is_in_recovery()
--- read
SELECT pg_backend_pid(), pg_blocking_pids(1), pg_my_temp_schema()
--- read
SELECT pg_stat_get_live_tuples('orders'::regclass), pg_stat_get_numscans(1)
--- read
SELECT has_table_privilege('agent', 'pg_authid', 'SELECT')
--- read
SELECT proname FROM pg_proc WHERE proname = 'lo_import'
--- read
SELECT relname FROM pg_stat_user_tables ORDER BY n_dead_tup
--- read
SELECT locktype, granted FROM pg_locks
--- read
SELECT oid FROM pg_largeobject_metadata
