"""psycopg2: libpq, values put into the text by the driver."""

import datetime
import decimal
import io
import select
import threading
import time

import psycopg2
import psycopg2.extras
from matrix import COPIED, EMAIL, LARGE_CELL, LARGE_CELL_SQL, ROWS_DIGEST, ROWS_SQL, check, digest, same

print("driver psycopg2", psycopg2.__version__.split()[0])
connection = psycopg2.connect("")
connection.autocommit = True
cursor = connection.cursor()


def ask(sql, values=None):
    cursor.execute(sql, values)
    return cursor.fetchall()


@check
def connect():
    same([("shop",)], ask("SELECT current_database()"))
    cursor.execute("DROP TABLE IF EXISTS matrix_psycopg2; CREATE TABLE matrix_psycopg2 (id int PRIMARY KEY, word text)")


@check
def query():
    values = (7, 2**40, "grüße, 世界", decimal.Decimal("3.1400"), 2.5, True, None, [1, None, 3], datetime.date(2026, 11, 26))
    same([values], ask("SELECT %s, %s, %s, %s, %s::float8, %s, %s, %s, %s", values))
    same(b"\x00\xff\\'", bytes(ask("SELECT %s::bytea", (psycopg2.Binary(b"\x00\xff\\'"),))[0][0]))
    same([({"a": [1, None]},)], ask("SELECT %s::jsonb", (psycopg2.extras.Json({"a": [1, None]}),)))


@check
def prepared():
    cursor.execute("PREPARE add AS SELECT $1::int + 1")
    for n in range(20):
        same([(n + 1,)], ask("EXECUTE add (%s)", (n,)))
    cursor.execute("DEALLOCATE add")


@check
def batch():
    psycopg2.extras.execute_values(cursor, "INSERT INTO matrix_psycopg2 VALUES %s", [(n, f"word {n}") for n in range(500)])
    psycopg2.extras.execute_batch(cursor, "UPDATE matrix_psycopg2 SET word = word || %s WHERE id = %s", [("!", n) for n in range(500)])
    same([(f"word {n}!",) for n in range(500)], ask("SELECT word FROM matrix_psycopg2 ORDER BY id"))


@check
def copy():
    cursor.execute("TRUNCATE matrix_psycopg2")
    escape = lambda word: word.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    text = "".join(f"{n}\t{chr(92) + 'N' if word is None else escape(word)}\n" for n, word in COPIED)
    cursor.copy_expert("COPY matrix_psycopg2 FROM STDIN", io.StringIO(text))
    same(COPIED, ask("SELECT * FROM matrix_psycopg2 ORDER BY id"))
    out = io.StringIO()
    cursor.copy_expert("COPY (SELECT * FROM matrix_psycopg2 ORDER BY id) TO STDOUT", out)
    same(text, out.getvalue())


@check
def large():
    with psycopg2.connect("") as other, other.cursor("portal") as portal:
        portal.itersize = 5000
        portal.execute(ROWS_SQL)
        same(ROWS_DIGEST, digest(row[0] for row in portal))
    same([(LARGE_CELL,)], ask(LARGE_CELL_SQL))
    same(ROWS_DIGEST, digest(row[0] for row in ask(ROWS_SQL)))


@check
def transaction():
    cursor.execute("TRUNCATE matrix_psycopg2")
    connection.autocommit = False
    cursor.execute("INSERT INTO matrix_psycopg2 VALUES (1, 'gone')")
    connection.rollback()
    cursor.execute("INSERT INTO matrix_psycopg2 VALUES (2, 'stays')")
    connection.commit()
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True)
    same([(2, "stays")], ask("SELECT * FROM matrix_psycopg2"))
    same([("serializable",)], ask("SHOW transaction_isolation"))
    connection.rollback()
    connection.set_session(isolation_level="DEFAULT", readonly=False, autocommit=True)


@check
def error():
    try:
        cursor.execute("INSERT INTO orders (id) VALUES (1)")
        raise AssertionError("no error")
    except psycopg2.errors.UniqueViolation as problem:
        same(("23505", "orders_pkey"), (problem.pgcode, problem.diag.constraint_name))
    same([(1,)], ask("SELECT 1"))


@check
def cancel():
    began = time.monotonic()
    threading.Timer(0.5, connection.cancel).start()
    try:
        cursor.execute("SELECT pg_sleep(60)")
        raise AssertionError("no error")
    except psycopg2.errors.QueryCanceled:
        pass
    assert time.monotonic() - began < 20
    same([(1,)], ask("SELECT 1"))


@check
def notify():
    cursor.execute("LISTEN matrix")
    with psycopg2.connect("") as other:
        other.cursor().execute("NOTIFY matrix, 'hello there'")
    select.select([connection], [], [], 20)
    connection.poll()
    same([("matrix", "hello there")], [(notify.channel, notify.payload) for notify in connection.notifies])


@check
def masked():
    same([(EMAIL,)], ask("SELECT email FROM customers WHERE id = %s", (1,)))


cursor.execute("DROP TABLE matrix_psycopg2")
