"""SQLAlchemy on the driver that is named as argument: psycopg or asyncpg."""

import asyncio
import decimal
import ssl
import sys
import time
from importlib.metadata import version

import sqlalchemy as sa
from matrix import CA, DATABASE, EMAIL, HOST, LARGE_CELL, LARGE_CELL_SQL, PASSWORD, PORT, ROWS_DIGEST, ROWS_SQL, USER
from matrix import NotAvailable, check, digest, loop, same
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine

driver = sys.argv[1]
print("driver SQLAlchemy", version("SQLAlchemy"))
url = sa.URL.create(f"postgresql+{driver}", USER, PASSWORD, HOST, PORT, DATABASE)
# psycopg takes TLS from libpq's environment.
tls = {} if driver == "psycopg" else {"ssl": ssl.create_default_context(cafile=CA) if CA else False}
engine = create_async_engine(url, connect_args=tls)
metadata = sa.MetaData()
table = sa.Table(
    f"matrix_sa_{driver}", metadata,
    sa.Column("id", sa.Integer, primary_key=True), sa.Column("word", sa.Text), sa.Column("amount", sa.Numeric(10, 2)),
    sa.Column("data", postgresql.JSONB), sa.Column("numbers", postgresql.ARRAY(sa.Integer)), sa.Column("bytes", sa.LargeBinary),
)  # fmt: skip
row = dict(word="grüße, 世界", amount=decimal.Decimal("3.14"), data={"a": [1, None]}, numbers=[1, None, 3], bytes=b"\x00\xff")


@check
async def connect():
    async with engine.connect() as connection:
        same("shop", await connection.scalar(sa.text("SELECT current_database()")))


@check
async def query():
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        same((1,), tuple((await connection.execute(table.insert().values(**row))).inserted_primary_key))
        same({"id": 1, **row}, dict((await connection.execute(sa.select(table).where(table.c.data["a"][0].as_integer() == 1))).mappings().one()))
        # What it reads from the catalogue.
        columns = await connection.run_sync(lambda sync: sa.inspect(sync).get_columns(table.name))
        same(["id", "word", "amount", "data", "numbers", "bytes"], [column["name"] for column in columns])
        keys = await connection.run_sync(lambda sync: sa.inspect(sync).get_foreign_keys("orders"))
        same(["customers"], [key["referred_table"] for key in keys])


@check
async def prepared():
    async with engine.connect() as connection:
        for n in range(20):
            same(n + 1, await connection.scalar(sa.select(sa.bindparam("n", type_=sa.Integer) + 1), {"n": n}))


@check
async def batch():
    async with engine.begin() as connection:
        await connection.execute(table.insert(), [dict(row, id=n) for n in range(10_000, 11_500)])
        ids = (await connection.execute(table.insert().returning(table.c.id, sort_by_parameter_order=True), [row] * 1500)).scalars().all()
        same(1500, len(set(ids)))
        same(3001, await connection.scalar(sa.select(sa.func.count()).select_from(table)))
        same(1500, (await connection.execute(table.delete().where(table.c.id.in_(ids)))).rowcount)


@check
def copy():
    raise NotAvailable("the drivers' own is used")


@check
async def large():
    async with engine.connect() as connection:
        rows = await connection.stream(sa.text(ROWS_SQL))
        same(ROWS_DIGEST, digest([row[0] async for row in rows]))
        same(LARGE_CELL, await connection.scalar(sa.text(LARGE_CELL_SQL)))


@check
async def transaction():
    count = sa.select(sa.func.count()).select_from(table)
    async with engine.connect() as connection:
        await connection.execute(table.delete().where(table.c.id > 0))
        await connection.commit()
        await connection.execute(table.insert().values(**row))
        await connection.rollback()
        same(0, await connection.scalar(count))
        await connection.execute(table.insert().values(**row))
        nested = await connection.begin_nested()
        await connection.execute(table.insert().values(**row))
        await nested.rollback()
        await connection.commit()
        same(1, await connection.scalar(count))


@check
async def error():
    async with engine.connect() as connection:
        try:
            await connection.execute(sa.text("INSERT INTO orders (id) VALUES (1)"))
            raise AssertionError("no error")
        except sa.exc.IntegrityError as problem:
            same("23505", problem.orig.sqlstate)
        await connection.rollback()
        same(1, await connection.scalar(sa.text("SELECT 1")))


@check
async def cancel():
    began = time.monotonic()
    async with engine.connect() as connection:
        try:
            await asyncio.wait_for(connection.execute(sa.text("SELECT pg_sleep(60)")), 0.5)
            raise AssertionError("no error")
        except asyncio.TimeoutError:
            pass
    assert time.monotonic() - began < 20
    async with engine.connect() as connection:
        same(1, await connection.scalar(sa.text("SELECT 1")))


@check
def notify():
    raise NotAvailable("the drivers' own is used")


@check
async def masked():
    customers = sa.table("customers", sa.column("id"), sa.column("email"))
    async with engine.connect() as connection:
        same(EMAIL, await connection.scalar(sa.select(customers.c.email).where(customers.c.id == 1)))


async def clean():
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
    await engine.dispose()


loop.run_until_complete(clean())
