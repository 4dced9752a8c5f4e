"""asyncpg: its own protocol in C, everything binary, everything prepared."""

import asyncio
import datetime
import decimal
import io
import ssl
import time
import uuid

import asyncpg
from matrix import CA, COPIED, DATABASE, EMAIL, HOST, LARGE_CELL, LARGE_CELL_SQL, PASSWORD, PORT, ROWS_DIGEST, ROWS_SQL, USER
from matrix import check, digest, loop, same

print("driver asyncpg", asyncpg.__version__)
how = dict(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, ssl=ssl.create_default_context(cafile=CA) if CA else False)
connection = loop.run_until_complete(asyncpg.connect(**how))


@check
async def connect():
    same("shop", await connection.fetchval("SELECT current_database()"))
    await connection.execute("DROP TABLE IF EXISTS matrix_asyncpg; CREATE TABLE matrix_asyncpg (id int PRIMARY KEY, word text)")


@check
async def query():
    values = (
        7, 2**40, "grüße, 世界", decimal.Decimal("3.1400"), 2.5, True, None, b"\x00\xff\\'", [1, None, 3],
        datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.timezone.utc), datetime.date(2026, 11, 26),
        uuid.UUID("0190c0de-0000-7000-8000-000000000001"), '{"a": [1, null]}',
    )  # fmt: skip
    types = "int bigint text numeric float8 bool text bytea int[] timestamptz date uuid jsonb".split()
    markers = ", ".join(f"${n}::{type}" for n, type in enumerate(types, 1))
    same(values, tuple(await connection.fetchrow(f"SELECT {markers}", *values)))
    # A type that the driver asks the catalogue about.
    await connection.execute("DROP TYPE IF EXISTS matrix_mood; CREATE TYPE matrix_mood AS ENUM ('good', 'bad')")
    same(["bad", "good"], await connection.fetchval("SELECT $1::matrix_mood[]", ["bad", "good"]))
    same((1, "bad"), tuple(await connection.fetchval("SELECT ROW(1, 'bad'::matrix_mood)")))
    await connection.execute("DROP TYPE matrix_mood")


@check
async def prepared():
    add = await connection.prepare("SELECT $1::int + 1")
    for n in range(20):
        same(n + 1, await add.fetchval(n))
    same(["int4"], [parameter.name for parameter in add.get_parameters()])


@check
async def batch():
    await connection.executemany("INSERT INTO matrix_asyncpg VALUES ($1, $2)", [(n, f"word {n}") for n in range(500)])
    same([n for n in range(500)], [row["id"] for row in await connection.fetch("SELECT id FROM matrix_asyncpg ORDER BY id")])
    pool = await asyncpg.create_pool(**how, min_size=5, max_size=10)
    same([n * 2 for n in range(100)], await asyncio.gather(*(pool.fetchval("SELECT $1::int * 2", n) for n in range(100))))
    await pool.close()


@check
async def copy():
    await connection.execute("TRUNCATE matrix_asyncpg")
    await connection.copy_records_to_table("matrix_asyncpg", records=COPIED)
    same(COPIED, [tuple(row) for row in await connection.fetch("SELECT * FROM matrix_asyncpg ORDER BY id")])
    text = io.BytesIO()
    await connection.copy_from_query("SELECT * FROM matrix_asyncpg ORDER BY id", output=text)
    await connection.execute("TRUNCATE matrix_asyncpg")
    text.seek(0)
    same("COPY 1000", await connection.copy_to_table("matrix_asyncpg", source=text))
    again = io.BytesIO()
    await connection.copy_from_table("matrix_asyncpg", output=again, format="csv")
    same(1000, again.getvalue().count("grüße".encode()) + sum(word is None for _, word in COPIED))


@check
async def large():
    async with connection.transaction():
        same(ROWS_DIGEST, digest([row[0] async for row in connection.cursor(ROWS_SQL, prefetch=5000)]))
    same(ROWS_DIGEST, digest(row[0] for row in await connection.fetch(ROWS_SQL)))
    same(LARGE_CELL, await connection.fetchval(LARGE_CELL_SQL))


@check
async def transaction():
    await connection.execute("TRUNCATE matrix_asyncpg")
    try:
        async with connection.transaction():
            await connection.execute("INSERT INTO matrix_asyncpg VALUES (1, 'gone')")
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    async with connection.transaction(isolation="serializable"):
        await connection.execute("INSERT INTO matrix_asyncpg VALUES (2, 'stays')")
        try:
            async with connection.transaction():
                await connection.execute("INSERT INTO matrix_asyncpg VALUES (3, 'gone')")
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    same([(2, "stays")], [tuple(row) for row in await connection.fetch("TABLE matrix_asyncpg")])


@check
async def error():
    try:
        await connection.execute("INSERT INTO orders (id) VALUES ($1)", 1)
        raise AssertionError("no error")
    except asyncpg.UniqueViolationError as problem:
        same(("23505", "orders_pkey"), (problem.sqlstate, problem.constraint_name))
    same(1, await connection.fetchval("SELECT 1"))


@check
async def cancel():
    began = time.monotonic()
    try:
        await connection.execute("SELECT pg_sleep(60)", timeout=0.5)
        raise AssertionError("no error")
    except asyncio.TimeoutError:
        pass
    assert time.monotonic() - began < 20
    same(1, await connection.fetchval("SELECT 1"))


@check
async def notify():
    heard = loop.create_future()
    await connection.add_listener("matrix", lambda _, sender, channel, payload: heard.set_result((channel, payload)))
    other = await asyncpg.connect(**how)
    await other.execute("SELECT pg_notify('matrix', 'hello there')")
    await other.close()
    same(("matrix", "hello there"), await asyncio.wait_for(heard, 20))
    await connection.reset()


@check
async def masked():
    same(EMAIL, await connection.fetchval("SELECT email FROM customers WHERE id = $1", 1))


loop.run_until_complete(connection.execute("DROP TABLE matrix_asyncpg"))
