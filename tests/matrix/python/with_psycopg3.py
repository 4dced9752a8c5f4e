"""psycopg 3, its synchronous side."""

import datetime
import decimal
import threading
import time
import uuid

import psycopg
from matrix import COPIED, EMAIL, LARGE_CELL, LARGE_CELL_SQL, ROWS_DIGEST, ROWS_SQL, check, digest, same

print("driver psycopg", psycopg.__version__)
# libpq reads the rest from the environment.
connection = psycopg.connect(autocommit=True)
connection.execute("DROP TABLE IF EXISTS matrix_psycopg")
connection.execute("CREATE TABLE matrix_psycopg (id int PRIMARY KEY, word text)")


@check
def connect():
    same(("shop",), connection.execute("SELECT current_database()").fetchone())


@check
def query():
    values = (
        7, 2**40, "grüße, 世界", decimal.Decimal("3.1400"), 2.5, True, None, b"\x00\xff\\'", [1, None, 3],
        datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.timezone.utc), datetime.date(2026, 11, 26),
        uuid.UUID("0190c0de-0000-7000-8000-000000000001"),
    )  # fmt: skip
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            for marker in ("%s", "%b"):
                row = cursor.execute(
                    "SELECT @::int, @::bigint, @::text, @::numeric, @::float8, @::bool, @::text, @::bytea, @::int[],"
                    " @::timestamptz, @::date, @::uuid".replace("@", marker),
                    values,
                ).fetchone()
                same(values, row)
            same(({"a": [1, None]},), cursor.execute("""SELECT '{"a": [1, null]}'::jsonb""").fetchone())


@check
def prepared():
    for n in range(20):
        row = connection.execute("SELECT %s::int + 1, %s::text", (n, f"word {n}"), prepare=True).fetchone()
        same((n + 1, f"word {n}"), row)
    same((1,), connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone())


@check
def batch():
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int * 2", (n,)) for n in range(500)]
        same([n * 2 for n in range(500)], [cursor.fetchone()[0] for cursor in cursors])
    # An error in the middle fails what follows it up to the next synchronisation, and nothing else.
    with connection.pipeline() as pipeline:
        first = connection.execute("SELECT 1")
        pipeline.sync()
        try:
            connection.execute("SELECT 1 / 0").fetchone()
            raise AssertionError("no error")
        except psycopg.errors.DivisionByZero:
            pass
        pipeline.sync()
        same([(1,), (2,)], [first.fetchone(), connection.execute("SELECT 2").fetchone()])
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO matrix_psycopg VALUES (%s, %s) RETURNING id", [(n, "many") for n in range(100)], returning=True)
        returned = [cursor.fetchone()[0]]
        while cursor.nextset():
            returned.append(cursor.fetchone()[0])
        same(list(range(100)), returned)
        cursor.execute("DELETE FROM matrix_psycopg")
        same(100, cursor.rowcount)


@check
def copy():
    with connection.cursor() as cursor:
        for format, oid in (("text", None), ("binary", ["int4", "text"])):
            cursor.execute("TRUNCATE matrix_psycopg")
            with cursor.copy(f"COPY matrix_psycopg FROM STDIN (FORMAT {format})") as copy:
                if oid:
                    copy.set_types(oid)
                for row in COPIED:
                    copy.write_row(row)
            with cursor.copy(f"COPY (SELECT * FROM matrix_psycopg ORDER BY id) TO STDOUT (FORMAT {format})") as copy:
                copy.set_types(["int4", "text"])
                same(COPIED, list(copy.rows()))
        # The client breaks off.
        try:
            with cursor.copy("COPY matrix_psycopg FROM STDIN") as copy:
                copy.write_row((5000, "never"))
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        same((0,), cursor.execute("SELECT count(*) FROM matrix_psycopg WHERE id = 5000").fetchone())
        # The server does.
        try:
            with cursor.copy("COPY matrix_psycopg FROM STDIN") as copy:
                copy.write("no number\tword\n")
            raise AssertionError("no error")
        except psycopg.errors.InvalidTextRepresentation:
            pass


@check
def large():
    # What is sent: a long text, a value longer than that.
    text = "weir " * 200_000
    same((text,), connection.execute(f"SELECT '{text}'").fetchone())
    for binary in ("%s", "%b"):
        same((len(LARGE_CELL),), connection.execute(f"SELECT length({binary}::text)", (LARGE_CELL,)).fetchone())
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            same(ROWS_DIGEST, digest(row[0] for row in cursor.stream(ROWS_SQL)))
            same(LARGE_CELL, cursor.execute(LARGE_CELL_SQL).fetchone()[0])
    with connection.transaction(), connection.cursor(name="portal", scrollable=True) as cursor:
        cursor.itersize = 5000
        cursor.execute(ROWS_SQL)
        same(ROWS_DIGEST, digest(row[0] for row in cursor))
        cursor.scroll(99, mode="absolute")
        same(("row 100",), cursor.fetchone())


@check
def transaction():
    connection.execute("TRUNCATE matrix_psycopg")
    with connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO matrix_psycopg VALUES (1, 'gone')")
    with connection.transaction():
        connection.execute("INSERT INTO matrix_psycopg VALUES (2, 'stays')")
        with connection.transaction(force_rollback=True):
            connection.execute("INSERT INTO matrix_psycopg VALUES (3, 'gone')")
    same([(2, "stays")], connection.execute("SELECT * FROM matrix_psycopg").fetchall())
    with psycopg.connect() as other:
        xid = other.xid(1, "matrix", "branch")
        other.tpc_begin(xid)
        other.execute("INSERT INTO matrix_psycopg VALUES (4, 'gone')")
        other.tpc_rollback()


@check
def error():
    try:
        connection.execute("INSERT INTO orders (id) VALUES (1)")
        raise AssertionError("no error")
    except psycopg.errors.UniqueViolation as problem:
        same(("23505", "orders_pkey", "orders"), (problem.sqlstate, problem.diag.constraint_name, problem.diag.table_name))
    try:
        with connection.transaction():
            connection.execute("SELECT 1 / 0")
    except psycopg.errors.DivisionByZero:
        pass
    same((1,), connection.execute("SELECT 1").fetchone())


@check
def cancel():
    began = time.monotonic()
    threading.Timer(0.5, connection.cancel_safe).start()
    try:
        connection.execute("SELECT pg_sleep(60)")
        raise AssertionError("no error")
    except psycopg.errors.QueryCanceled:
        pass
    assert time.monotonic() - began < 20
    same((1,), connection.execute("SELECT 1").fetchone())


@check
def notify():
    connection.execute("LISTEN matrix")
    with psycopg.connect(autocommit=True) as other:
        other.execute("SELECT pg_notify('matrix', 'hello there')")
        sender = other.info.backend_pid
    heard = next(connection.notifies(timeout=20))
    same(("matrix", "hello there", sender), (heard.channel, heard.payload, heard.pid))
    connection.execute("UNLISTEN *")


@check
def masked():
    for binary in (False, True):
        same((EMAIL,), connection.execute("SELECT email FROM customers WHERE id = %s", (1,), binary=binary).fetchone())


connection.execute("DROP TABLE matrix_psycopg")
