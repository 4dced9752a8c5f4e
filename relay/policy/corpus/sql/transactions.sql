--- session
BEGIN WORK
--- session
BEGIN TRANSACTION
--- session
BEGIN ISOLATION LEVEL READ COMMITTED
--- session
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ WRITE
--- session
BEGIN READ ONLY
--- session
BEGIN NOT DEFERRABLE
--- session
BEGIN ISOLATION LEVEL READ UNCOMMITTED, READ WRITE, NOT DEFERRABLE
--- session
START TRANSACTION
--- session
START TRANSACTION READ WRITE
--- session
COMMIT
--- session
COMMIT WORK
--- session
COMMIT TRANSACTION AND NO CHAIN
--- session
END TRANSACTION
--- session
END WORK AND CHAIN
--- session
ABORT WORK
--- session
ABORT AND NO CHAIN
--- session
ROLLBACK
--- session
ROLLBACK WORK
--- session
ROLLBACK TRANSACTION AND CHAIN
--- session
SAVEPOINT s
--- session
SAVEPOINT "COMMIT"
--- session
RELEASE SAVEPOINT s
--- session
ROLLBACK TO s
--- session
ROLLBACK WORK TO SAVEPOINT s
--- session
ROLLBACK TRANSACTION TO "S"
--- session
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
--- session
SET LOCAL TRANSACTION READ WRITE
--- session
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE
--- session
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
--- session
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE, NOT DEFERRABLE
--- session
SET CONSTRAINTS ALL DEFERRED
--- session
SET CONSTRAINTS a, app.b IMMEDIATE
--- session
BeGiN /* DROP TABLE orders */ WoRk
--- session statements=2
BEGIN; COMMIT
--- session statements=2
COMMIT; BEGIN
--- session statements=2
ROLLBACK; BEGIN READ WRITE
--- session statements=4
BEGIN; SAVEPOINT a; ROLLBACK TO a; COMMIT
--- read statements=3
BEGIN; SELECT 1; ROLLBACK
--- read statements=3
BEGIN READ ONLY; TABLE orders; END
--- write statements=3
BEGIN READ ONLY; INSERT INTO orders VALUES (2); COMMIT
--- write statements=3
SAVEPOINT a; UPDATE orders SET status = 'x' WHERE id = 1; RELEASE a
--- write no-where statements=4
BEGIN; DELETE FROM orders; ROLLBACK; SELECT 1
--- write no-where statements=4
COMMIT; BEGIN; UPDATE orders SET status = 'x'; COMMIT
--- write no-where statements=2
COMMIT; DELETE FROM orders
--- ddl destructive statements=3
BEGIN; DROP TABLE orders; ROLLBACK
--- ddl destructive statements=3
BEGIN; TRUNCATE orders; COMMIT
--- admin statements=3
BEGIN; SET LOCAL ROLE postgres; COMMIT
--- admin statements=3
BEGIN; SELECT pg_read_file('x'); ROLLBACK
--- admin statements=2
BEGIN; PREPARE TRANSACTION 'a'
--- admin
BEGIN; SELECT 1; COMMIT; SELEC
--- admin
BEGIN ISOLATION LEVEL SNAPSHOT
--- admin
SAVEPOINT
--- admin
ROLLBACK TO
--- admin
COMMIT TO a
--- admin
BEGIN ATOMIC
--- write
LOCK orders
--- write
LOCK TABLE ONLY orders, customers IN SHARE MODE
--- write
LOCK TABLE public.orders * IN ROW EXCLUSIVE MODE NOWAIT
