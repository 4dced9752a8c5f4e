--- session
SET work_mem = '64MB'
--- session
SET SESSION work_mem TO 65536
--- session
SET LOCAL work_mem TO DEFAULT
--- session
SET lock_timeout = 0
--- session
SET LOCAL statement_timeout TO 5000
--- session
SET enable_seqscan = off
--- session
SET LOCAL enable_hashjoin TO false
--- session
SET jit TO off
--- session
SET random_page_cost = 1.1
--- session
SET DateStyle = 'ISO, DMY'
--- session
SET IntervalStyle TO iso_8601
--- session
SET bytea_output = 'hex'
--- session
SET xmloption TO content
--- session
SET XML OPTION DOCUMENT
--- session
SET TIME ZONE 'UTC'
--- session
SET TIME ZONE LOCAL
--- session
SET TIME ZONE DEFAULT
--- session
SET TIME ZONE -3
--- session
SET LOCAL TimeZone TO 'Europe/Berlin'
--- session
SET SEED TO 0.5
--- session
SET "Application_Name" = 'psql'
--- session
SET client_min_messages TO warning
--- session
SET NAMES DEFAULT
--- session
SET client_encoding = utf8
--- session
SET client_encoding TO DEFAULT
--- session
SET standard_conforming_strings TO DEFAULT
--- session
SET default_transaction_read_only = on
--- session
SET default_transaction_isolation TO 'repeatable read'
--- session
SET transaction_read_only = off
--- session
SET synchronous_commit TO local
--- session
SET idle_in_transaction_session_timeout = '1min'
--- session
SET plan_cache_mode = force_generic_plan
--- session
SET lc_messages TO 'C'
--- session
SET geqo = on
--- session
SET default_text_search_config = 'pg_catalog.english'
--- session
SET min_parallel_table_scan_size TO 0
--- session
SET search_path TO app, public, pg_temp
--- session
SET LOCAL search_path = "App", 'public'
--- session
RESET search_path
--- session
RESET work_mem
--- session
RESET TIME ZONE
--- session
RESET client_encoding
--- session
RESET standard_conforming_strings
--- session
RESET TRANSACTION ISOLATION LEVEL
--- session
SET pg_trgm.similarity_threshold = 0.3
--- session
SET hnsw.ef_search = 100
--- session
SHOW work_mem
--- session
SHOW TIME ZONE
--- session
SHOW TRANSACTION ISOLATION LEVEL
--- session
SHOW SESSION AUTHORIZATION
--- session
SHOW "role"
--- session
SHOW app.tenant
--- session
SHOW log_statement
--- admin
SHOW archive_command
--- admin
SHOW primary_conninfo
--- admin
SHOW app.jwt_secret
--- admin
SET LOCAL SESSION AUTHORIZATION 'postgres'
--- admin
SET SESSION SESSION AUTHORIZATION postgres
--- admin
RESET SESSION AUTHORIZATION
--- admin
SET SESSION ROLE postgres
--- admin
SET role TO DEFAULT
--- admin
SET LOCAL role = 'postgres'
--- admin
RESET "role"
--- admin
RESET session_authorization
--- admin
SET LOCAL standard_conforming_strings TO false
--- admin
SET "Standard_Conforming_Strings" = no
--- admin
SET backslash_quote = on
--- admin
SET client_encoding TO SQL_ASCII
--- admin
SET LOCAL client_encoding = 'GBK'
--- admin
SET session_preload_libraries TO 'x'
--- admin
SET session_replication_role TO local
--- admin
RESET session_replication_role
--- admin
SET LOCAL log_min_duration_statement = -1
--- admin
SET log_error_verbosity TO terse
--- admin
SET log_min_messages = panic
--- admin
SET default_tablespace = 'x'
--- admin
SET temp_tablespaces TO a, b
--- admin
SET allow_system_table_mods = on
--- admin
SET ignore_system_indexes TO true
--- admin
SET ignore_checksum_failure = on
--- admin
SET ignore_invalid_pages = on
--- admin
SET array_nulls = off
--- admin
SET transform_null_equals = on
--- admin
SET default_with_oids = off
--- admin
SET default_table_access_method = evil
--- admin
SET operator_precedence_warning = on
--- admin
SET createrole_self_grant = 'set, inherit'
--- admin
SET event_triggers = off
--- admin
SET plpgsql.variable_conflict = use_column
--- admin
SET plperl.on_init = 'system("id")'
--- admin
SET auto_explain.log_min_duration = 0
--- admin
SET pgaudit.log = none
--- admin
SET app.tenant = 7
--- admin
SET LOCAL "app.user" TO 'x'
--- admin
RESET app.tenant
--- admin
SET work_mem FROM CURRENT
--- admin
ALTER SYSTEM SET ssl_passphrase_command TO 'sh -c id'
--- admin
ALTER SYSTEM RESET shared_preload_libraries
--- admin
ALTER DATABASE shop RESET ALL
--- admin
ALTER DATABASE shop SET log_statement FROM CURRENT
--- admin
ALTER ROLE agent RESET search_path
--- admin
ALTER ROLE CURRENT_USER SET statement_timeout TO DEFAULT
--- admin
ALTER ROLE agent IN DATABASE shop SET work_mem = '1GB'
--- admin
ALTER FUNCTION f(int) SET search_path = evil
--- read functions=set_config
SELECT set_config('TimeZone', 'UTC', true)
--- read functions=set_config
SELECT set_config('work_mem', $1, false)
--- read functions=set_config
SELECT set_config('application_name', 'a' || 'b', false)
--- read functions=set_config
SELECT * FROM set_config('statement_timeout', '1s', false) AS s(v)
--- read functions=set_config
SELECT set_config('statement_timeout', '1s', false), set_config('lock_timeout', '2s', false)
--- read functions=set_config
SELECT set_config('jit', 'off', false) FROM orders WHERE id = 1
--- read functions=pg_catalog.set_config
SELECT pg_catalog.set_config('search_path', '', false)
--- read
SELECT set_config('statement_timeout', current_setting('statement_timeout'), false)
--- admin
SELECT set_config($1, 'x', false)
--- read
SELECT set_config(name, setting, false) FROM pg_settings WHERE name = 'jit'
--- admin
SELECT set_config(lower('ROLE'), 'postgres', false)
--- admin
SELECT set_config(CASE WHEN true THEN 'role' END, 'postgres', false)
--- admin
SELECT set_config((SELECT 'role'), 'postgres', false)
--- admin
SELECT set_config('search_path', $1, false)
--- admin
SELECT set_config('search_path', current_setting('search_path') || ', evil', false)
--- admin
SELECT set_config('standard_conforming_strings', $1, true)
--- admin
SELECT set_config('client_encoding', 'SJIS', false) FROM orders
--- admin
SELECT pg_catalog.set_config('ROLE', 'postgres', true)
--- admin
SELECT "set_config"('role', 'none', false)
--- admin
SELECT * FROM set_config('session_authorization', 'postgres', false)
--- admin
SELECT 1 WHERE set_config('role', 'postgres', false) IS NOT NULL
--- admin
SELECT set_config('role'::text, 'postgres', false)
--- admin
SELECT set_config(E'r\x6fle', 'postgres', false)
--- admin
SELECT set_config(U&'r\006fle', 'postgres', false)
--- admin
SELECT set_config($$role$$, $$postgres$$, false)
--- admin
SELECT set_config('app.tenant', '7', false)
--- admin
VALUES (set_config('role', 'postgres', true))
--- admin
INSERT INTO orders VALUES (set_config('role', 'postgres', false))
--- admin
COPY (SELECT set_config('log_statement', 'none', false)) TO STDOUT
--- read
SELECT set_config(setting_name => 'lock_timeout', new_value => '1s', is_local => false)
--- read
SELECT set_config('lock_timeout', is_local => false, new_value => '1s')
--- admin
SELECT set_config(is_local => false, new_value => 'x', setting_name => 'log_statement')
--- admin
SELECT set_config('lock_timeout', '1s', false, setting_name => 'role')
