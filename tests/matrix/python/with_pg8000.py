"""pg8000: all Python, all extended protocol in text."""

import datetime
import decimal
import io
import ssl
import uuid
from importlib.metadata import version

import pg8000.native
from matrix import CA, COPIED, DATABASE, EMAIL, HOST, LARGE_CELL, LARGE_CELL_SQL, PASSWORD, PORT, ROWS_DIGEST, ROWS_SQL, USER
from matrix import NotAvailable, check, digest, same

print("driver pg8000", version("pg8000"))


def open_connection():
    context = ssl.create_default_context(cafile=CA) if CA else False
    return pg8000.native.Connection(USER, host=HOST, port=PORT, password=PASSWORD, database=DATABASE, ssl_context=context)


connection = open_connection()
run = connection.run


@check
def connect():
    same([["shop"]], run("SELECT current_database()"))
    run("DROP TABLE IF EXISTS matrix_pg8000")
    run("CREATE TABLE matrix_pg8000 (id int PRIMARY KEY, word text)")


@check
def query():
    values = dict(
        a=7, b=2**40, c="grüße, 世界", d=decimal.Decimal("3.1400"), e=2.5, f=True, g=None, h=b"\x00\xff\\'", i=[1, None, 3],
        j=datetime.date(2026, 11, 26), k=uuid.UUID("0190c0de-0000-7000-8000-000000000001"),
    )  # fmt: skip
    sql = "SELECT :a ::int, :b ::bigint, :c ::text, :d ::numeric, :e ::float8, :f ::bool, :g ::text, :h ::bytea, :i ::int[], :j ::date, :k ::uuid"
    same([list(values.values())], run(sql, **values))
    same([[{"a": [1, None]}]], run("""SELECT '{"a": [1, null]}'::jsonb"""))


@check
def prepared():
    add = connection.prepare("SELECT :n ::int + 1")
    for n in range(20):
        same([[n + 1]], add.run(n=n))
    add.close()


@check
def batch():
    raise NotAvailable("one statement at a time")


@check
def copy():
    escape = lambda word: word.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    text = "".join(f"{n}\t{chr(92) + 'N' if word is None else escape(word)}\n" for n, word in COPIED)
    run("COPY matrix_pg8000 FROM STDIN", stream=io.StringIO(text))
    same([list(row) for row in COPIED], run("SELECT * FROM matrix_pg8000 ORDER BY id"))
    out = io.BytesIO()
    run("COPY (SELECT * FROM matrix_pg8000 ORDER BY id) TO STDOUT", stream=out)
    same(text, out.getvalue().decode())


@check
def large():
    same(ROWS_DIGEST, digest(row[0] for row in run(ROWS_SQL)))
    same([[LARGE_CELL]], run(LARGE_CELL_SQL))


@check
def transaction():
    run("TRUNCATE matrix_pg8000")
    run("START TRANSACTION")
    run("INSERT INTO matrix_pg8000 VALUES (1, 'gone')")
    run("ROLLBACK")
    run("START TRANSACTION")
    run("INSERT INTO matrix_pg8000 VALUES (2, 'stays')")
    run("COMMIT")
    same([[2, "stays"]], run("TABLE matrix_pg8000"))


@check
def error():
    for sql, code in (("INSERT INTO orders (id) VALUES (1)", "23505"), ("SELECT 1 / 0", "22012"), ("SELECT * FROM nowhere", "42P01")):
        try:
            run(sql)
            raise AssertionError("no error")
        except pg8000.native.DatabaseError as problem:
            same(code, problem.args[0]["C"])
    same([[1]], run("SELECT 1"))


@check
def cancel():
    raise NotAvailable("the driver sends no cancel request")


@check
def notify():
    run("LISTEN matrix")
    other = open_connection()
    other.run("SELECT pg_notify('matrix', 'hello there')")
    other.close()
    run("SELECT 1")
    same([("matrix", "hello there")], [notification[1:] for notification in connection.notifications])


@check
def masked():
    same([[EMAIL]], run("SELECT email FROM customers WHERE id = :id", id=1))


run("DROP TABLE matrix_pg8000")
