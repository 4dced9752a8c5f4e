"""What psycopg 3 does through weir: run with the local port as argument; the last line is `ok`."""

import sys

import psycopg
from psycopg import sql

port = sys.argv[1]
where = f"host=127.0.0.1 port={port} dbname=shop user=anyone sslmode=disable"

with psycopg.connect(where) as connection:
    assert connection.execute("SELECT 1").fetchone() == (1,)
    # Bound parameters, text and binary.
    for binary in (False, True):
        row = connection.execute("SELECT id, total, placed_at FROM orders WHERE id = %s", (7,), binary=binary).fetchone()
        assert row[0] == 7 and str(row[1]) == "69.65" and row[2].year == 2026, row
    # Who the server's process is, as the driver heard at the start: it is compared with the sender of a notification.
    assert connection.execute("SELECT pg_backend_pid()").fetchone() == (connection.info.backend_pid,)
    # Prepared by the driver after some repetitions.
    for number in range(20):
        assert connection.execute("SELECT %s::int + 1", (number,)).fetchone() == (number + 1,)
    # Masked.
    mail, ssn = connection.execute("SELECT email, ssn FROM customers WHERE id = 1").fetchone()
    assert mail != "ada@example.com" and ssn != "536-90-4399", (mail, ssn)
    # A cursor of the server.
    with connection.cursor(name="c") as cursor:
        cursor.execute("SELECT n FROM generate_series(1, 1000) n")
        assert sum(row[0] for row in cursor) == 500500
    # The transaction goes on behind a savepoint after an error.
    try:
        with connection.transaction():
            connection.execute("SELECT 1 / 0")
    except psycopg.errors.DivisionByZero:
        pass
    # weir's refusal is a permission error as the server would give it.
    try:
        with connection.transaction():
            connection.execute("CREATE ROLE mallory SUPERUSER")
        raise SystemExit("CREATE ROLE was not refused")
    except psycopg.errors.InsufficientPrivilege as error:
        assert error.diag.message_primary, error
    assert connection.execute("SELECT 2").fetchone() == (2,)

with psycopg.connect(where, autocommit=True) as connection:
    # A pipeline.
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (number,)) for number in range(50)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(50))
    # What one Sync ends is one transaction: a refusal inside it undoes what went before, as any error does.
    try:
        with connection.pipeline():
            connection.execute("UPDATE orders SET status = 'half-done' WHERE id = 3")
            connection.execute("CREATE ROLE mallory SUPERUSER")
            connection.execute("UPDATE orders SET status = 'half-done' WHERE id = 4")
        raise SystemExit("CREATE ROLE in a pipeline was not refused")
    except psycopg.errors.InsufficientPrivilege:
        pass
    assert connection.execute("SELECT count(*) FROM orders WHERE status = 'half-done'").fetchone() == (0,)
    # COPY both ways.
    with connection.cursor() as cursor:
        connection.execute("UPDATE orders SET status = 'checked' WHERE id = 1")
        with cursor.copy("COPY orders (id, total, status) FROM STDIN") as copy:
            for number in range(1000, 1100):
                copy.write_row((number, number / 4, "copied"))
        with cursor.copy("COPY (SELECT id FROM orders WHERE status = 'copied' ORDER BY id) TO STDOUT") as copy:
            assert [int(row[0]) for row in copy.rows()] == list(range(1000, 1100))
    assert connection.execute("DELETE FROM orders WHERE status = 'copied'").rowcount == 100
    name = sql.Identifier("orders")
    assert connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone() == (100,)

print("ok")
