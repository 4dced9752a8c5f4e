--- session
BEGIN
--- session
START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE
--- session
COMMIT AND CHAIN
--- session
END
--- session
ABORT
--- session
ROLLBACK TO SAVEPOINT a
--- session
SAVEPOINT "DROP TABLE orders"
--- session
RELEASE a
--- session
SHOW ALL
--- session
SHOW search_path
--- session
LISTEN channel
--- session
UNLISTEN *
--- session
DISCARD ALL
--- session
DISCARD TEMP
--- session
FETCH ALL FROM c
--- session
MOVE FORWARD 10 IN c
--- session
CLOSE ALL
--- session
DEALLOCATE PREPARE p
--- session
SET application_name = 'DROP TABLE orders'
--- session
SET statement_timeout = '5s'
--- session
SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE
--- session
SET datestyle TO ISO, MDY
--- session
SET client_encoding TO 'UTF8'
--- session
SET NAMES 'utf-8'
--- session
SET standard_conforming_strings TO on
--- session
SET TRANSACTION READ ONLY
--- session
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED
--- session
SET CONSTRAINTS ALL IMMEDIATE
--- session
RESET ALL
--- session
RESET statement_timeout
--- session
SET extra_float_digits = 3
