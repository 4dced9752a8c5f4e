"""psycopg 3, its asynchronous side."""

import asyncio
import time

import psycopg
from matrix import COPIED, EMAIL, LARGE_CELL, LARGE_CELL_SQL, ROWS_DIGEST, ROWS_SQL, check, digest, loop, same

print("driver psycopg", psycopg.__version__)
connection = loop.run_until_complete(psycopg.AsyncConnection.connect(autocommit=True))
run = connection.execute


async def one(sql, *values, **how):
    return await (await run(sql, values or None, **how)).fetchone()


@check
async def connect():
    same(("shop",), await one("SELECT current_database()"))
    await run("DROP TABLE IF EXISTS matrix_psycopg_async")
    await run("CREATE TABLE matrix_psycopg_async (id int PRIMARY KEY, word text)")


@check
async def query():
    values = (7, 2**40, "grüße, 世界", 2.5, True, None, b"\x00\xff\\'", [1, None, 3])
    sql = "SELECT %s::int, %s::bigint, %s::text, %s::float8, %s::bool, %s::text, %s::bytea, %s::int[]"
    for binary in (False, True):
        same(values, await one(sql, *values, binary=binary))


@check
async def prepared():
    for n in range(20):
        same((n + 1,), await one("SELECT %s::int + 1", n, prepare=True))


@check
async def batch():
    async with connection.pipeline():
        cursors = [await run("SELECT %s::int * 2", (n,)) for n in range(500)]
        same([n * 2 for n in range(500)], [(await cursor.fetchone())[0] for cursor in cursors])
    # Many connections at a time.
    others = await asyncio.gather(*(psycopg.AsyncConnection.connect() for _ in range(20)))
    cursors = await asyncio.gather(*(other.execute("SELECT %s::int", (n,)) for n, other in enumerate(others)))
    same([(n,) for n in range(20)], [await cursor.fetchone() for cursor in cursors])
    await asyncio.gather(*(other.close() for other in others))


@check
async def copy():
    async with connection.cursor() as cursor:
        async with cursor.copy("COPY matrix_psycopg_async FROM STDIN") as copy:
            for row in COPIED:
                await copy.write_row(row)
        async with cursor.copy("COPY (SELECT * FROM matrix_psycopg_async ORDER BY id) TO STDOUT") as copy:
            copy.set_types(["int4", "text"])
            same(COPIED, [row async for row in copy.rows()])


@check
async def large():
    async with connection.cursor() as cursor:
        same(ROWS_DIGEST, digest([row[0] async for row in cursor.stream(ROWS_SQL)]))
    same((LARGE_CELL,), await one(LARGE_CELL_SQL))


@check
async def transaction():
    await run("TRUNCATE matrix_psycopg_async")
    async with connection.transaction(force_rollback=True):
        await run("INSERT INTO matrix_psycopg_async VALUES (1, 'gone')")
    async with connection.transaction():
        await run("INSERT INTO matrix_psycopg_async VALUES (2, 'stays')")
    same([(2, "stays")], await (await run("SELECT * FROM matrix_psycopg_async")).fetchall())


@check
async def error():
    try:
        await run("INSERT INTO orders (id) VALUES (1)")
        raise AssertionError("no error")
    except psycopg.errors.UniqueViolation as problem:
        same("orders_pkey", problem.diag.constraint_name)
    same((1,), await one("SELECT 1"))


@check
async def cancel():
    began = time.monotonic()
    try:
        await asyncio.wait_for(run("SELECT pg_sleep(60)"), 0.5)
        raise AssertionError("no error")
    except asyncio.TimeoutError:
        pass
    assert time.monotonic() - began < 20
    same((1,), await one("SELECT 1"))


@check
async def notify():
    await run("LISTEN matrix")
    async with await psycopg.AsyncConnection.connect(autocommit=True) as other:
        await other.execute("NOTIFY matrix, 'hello there'")
    heard = [(notify.channel, notify.payload) async for notify in connection.notifies(timeout=20, stop_after=1)]
    same([("matrix", "hello there")], heard)


@check
async def masked():
    same((EMAIL,), await one("SELECT email FROM customers WHERE id = %s", 1))


loop.run_until_complete(run("DROP TABLE matrix_psycopg_async"))
