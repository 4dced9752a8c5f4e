--- read functions=-
-- A column of the row, or a function of the row's type: only the schema knows. Its own name is a relation's, so the
-- argument is a whole row of it.
SELECT customers.wipe FROM customers
--- read
-- What a view's query calls runs as part of it. Who may make views is asked for ddl.
SELECT * FROM a_view_over_wipe
--- read
-- A type's own functions, a domain's check, a cast that somebody made. Making those is ddl (domains) or administration.
SELECT 'x'::a_domain_whose_check_calls_wipe
--- read
-- A foreign table's wrapper decides what a read does there. Making one is administration.
SELECT * FROM a_foreign_table
--- write
-- A condition can look at a column and still hold for every row.
DELETE FROM orders WHERE id <> -1
