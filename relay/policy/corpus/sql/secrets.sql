--- read
SELECT count(*) FROM pg_authid
--- read
SELECT count(*) FROM pg_catalog.pg_shadow
--- read
SELECT count(*) FROM pg_subscription
--- read
SELECT count(*) FROM pg_user_mappings
--- read
SELECT count(*) AS n, max(oid) FROM pg_user_mapping
--- read
SELECT 1 FROM pg_authid LIMIT 1
--- read
SELECT EXISTS (SELECT 1 FROM pg_authid WHERE rolname = 'x')
--- read
SELECT oid, rolname, rolsuper, rolcanlogin FROM pg_authid WHERE NOT rolsuper
--- read
SELECT a.rolname, m.admin_option FROM pg_auth_members m JOIN pg_authid a ON a.oid = m.member
--- read
SELECT usename, usesuper, valuntil FROM pg_shadow
--- read
SELECT subname, subenabled, subslotname, subpublications FROM pg_subscription
--- read
SELECT umid, srvname, usename FROM pg_user_mappings
--- read
SELECT umuser, umserver FROM pg_user_mapping
--- read
SELECT rolname FROM pg_roles WHERE rolsuper
--- read
SELECT usename FROM pg_user
--- read
SELECT groname, grolist FROM pg_group
--- read
SELECT tablename, attname, null_frac, n_distinct, correlation FROM pg_stats
--- read
SELECT staattnum, stadistinct FROM pg_statistic WHERE starelid = 1
--- read
SELECT DISTINCT loid FROM pg_largeobject
--- read
SELECT stxoid FROM pg_statistic_ext_data
--- read
SELECT sourcefile, sourceline, seqno, name, applied FROM pg_file_settings
--- read
SELECT line_number, type, database, user_name, address, auth_method FROM pg_hba_file_rules
--- read
SELECT authorization_identifier, foreign_server_name FROM information_schema.user_mappings
--- read
SELECT foreign_server_name, option_name FROM information_schema.user_mapping_options
--- read
SELECT foreign_server_name FROM information_schema.foreign_servers
--- read
SELECT rolpassword FROM app.pg_authid
--- read
SELECT umoptions FROM audit.pg_user_mappings
--- read
SELECT rolpassword FROM orders
--- read
SELECT 'rolpassword' FROM pg_authid
--- read
SELECT rolname AS rolpassword FROM pg_authid
--- read
SELECT password_hash, subconninfo FROM users
--- read
SELECT o.passwd FROM orders o, pg_namespace n
--- read
SELECT slot_name, active FROM pg_replication_slots
--- read
SELECT pid, query, state FROM pg_stat_activity
--- admin
SELECT rolname, rolpassword FROM pg_catalog.pg_authid
--- admin
SELECT a.rolpassword FROM pg_authid AS a
--- admin
SELECT * FROM pg_authid
--- admin
SELECT a.* FROM pg_authid a JOIN orders o ON o.id = a.oid
--- admin
SELECT a FROM pg_authid a
--- admin
SELECT pg_authid FROM pg_authid
--- admin
SELECT (a).rolpassword FROM pg_authid a
--- admin
SELECT (a).* FROM pg_authid a
--- admin
SELECT a::text FROM pg_authid a
--- admin
SELECT row_to_json(a) FROM pg_authid a
--- admin
SELECT to_jsonb(a) - 'oid' FROM pg_authid a
--- admin
SELECT a.row_to_json FROM pg_authid a
--- admin
SELECT max(rolpassword) FROM pg_authid
--- admin
SELECT count(rolpassword) FROM pg_authid
--- admin
SELECT length(rolpassword) FROM pg_authid
--- admin
SELECT string_agg(rolpassword, ',') FROM pg_authid
--- admin
SELECT md5(a::text) FROM pg_authid a
--- admin
SELECT 1 FROM pg_authid WHERE rolpassword LIKE 'md5%'
--- admin
SELECT rolname FROM pg_authid ORDER BY rolpassword
--- admin
SELECT count(*) FROM pg_authid GROUP BY rolpassword
--- admin
SELECT count(*) FILTER (WHERE rolpassword IS NULL) FROM pg_authid
--- admin
SELECT q.b FROM (SELECT rolname, rolpassword FROM pg_authid) AS q(a, b)
--- admin
SELECT q.h FROM pg_authid AS q(a, b, c, d, e, f, g, h, i, j, k)
--- admin
SELECT x FROM (TABLE pg_authid) q(x)
--- admin
WITH q AS (SELECT rolpassword AS p FROM pg_authid) SELECT p FROM q
--- admin
SELECT 1 UNION ALL SELECT 2 FROM pg_authid WHERE rolpassword > 'a'
--- admin
SELECT * FROM orders NATURAL JOIN pg_authid
--- admin
SELECT * FROM orders JOIN pg_shadow USING (passwd)
--- admin
SELECT passwd FROM pg_shadow
--- admin
SELECT s.passwd IS NULL FROM pg_catalog.pg_shadow s
--- admin
SELECT subname, subconninfo FROM pg_subscription
--- admin
SELECT s FROM pg_subscription s
--- admin
SELECT regexp_replace(subconninfo, 'password=\S+', '') FROM pg_subscription
--- admin
SELECT umoptions FROM pg_user_mappings
--- admin
SELECT unnest(umoptions) FROM pg_catalog.pg_user_mappings
--- admin
SELECT * FROM pg_user_mapping
--- admin
SELECT (pg_options_to_table(umoptions)).option_value FROM pg_user_mapping
--- admin
SELECT option_name, option_value FROM information_schema.user_mapping_options
--- admin
SELECT * FROM information_schema._pg_user_mappings
--- admin
SELECT attname, most_common_vals FROM pg_stats
--- admin
SELECT histogram_bounds FROM pg_catalog.pg_stats WHERE tablename = 'customers'
--- admin
SELECT stavalues1 FROM pg_statistic
--- admin
SELECT most_common_vals FROM pg_stats_ext
--- admin
SELECT stxdmcv FROM pg_statistic_ext_data
--- admin
SELECT histogram_bounds, most_common_elems FROM pg_stats_ext_exprs
--- admin
SELECT loid, data FROM pg_largeobject
--- admin
SELECT encode(data, 'hex') FROM pg_largeobject WHERE pageno = 0
--- admin
SELECT name, setting FROM pg_file_settings
--- admin
SELECT options FROM pg_hba_file_rules
--- admin
SELECT * FROM pg_ident_file_mappings
--- admin
SELECT U&"rolp\0061ssword" FROM pg_authid
--- admin
SELECT "rolpassword" FROM "pg_catalog"."pg_authid"
--- admin
SELECT RolPassword FROM PG_AuthID
--- admin
SELECT rolname, (SELECT rolpassword FROM pg_authid b WHERE b.oid = a.oid) FROM pg_roles a
--- admin
INSERT INTO orders (note) SELECT rolpassword FROM pg_authid
--- admin
CREATE TABLE x AS SELECT rolname, rolpassword FROM pg_authid
--- admin
CREATE VIEW v AS TABLE pg_authid
--- admin
CREATE MATERIALIZED VIEW m AS SELECT umoptions FROM pg_user_mapping
--- admin
SELECT rolpassword INTO x FROM pg_authid
--- admin
UPDATE orders SET note = a.rolpassword FROM pg_authid a WHERE orders.id = 1
--- admin
DELETE FROM orders USING pg_authid a WHERE orders.note = a.rolpassword
--- admin
SELECT * FROM orders o LEFT JOIN LATERAL (SELECT * FROM pg_authid a WHERE a.oid = o.id) x ON true
