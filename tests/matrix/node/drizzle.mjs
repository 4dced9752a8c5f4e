// Drizzle ORM on node-postgres.
import assert from "node:assert/strict";
import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { integer, jsonb, numeric, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import pg from "pg";
import { check, Digest, driver, email, largeCell, largeCellSql, notAvailable, rowsDigest, rowsSql, where } from "./check.mjs";

driver("drizzle-orm");
const pool = new pg.Pool({ ...where, max: 4 });
const db = drizzle(pool);
const table = pgTable("matrix_drizzle", {
  id: integer().primaryKey(), word: text(), amount: numeric({ precision: 10, scale: 2 }), data: jsonb(), at: timestamp({ withTimezone: true }),
  numbers: integer().array(),
});
const customers = pgTable("customers", { id: integer().primaryKey(), email: text() });
const row = { id: 1, word: "grüße, 世界", amount: "3.14", data: { a: [1, null] }, at: new Date("2026-11-26T12:00:00Z"), numbers: [1, 2] };
await db.execute(sql`DROP TABLE IF EXISTS matrix_drizzle`);
await db.execute(sql`CREATE TABLE matrix_drizzle (id int PRIMARY KEY, word text, amount numeric(10, 2), data jsonb, at timestamptz, numbers int[])`);

await check("connect", async () => assert.equal((await db.execute(sql`SELECT current_database()`)).rows[0].current_database, "shop"));

await check("query", async () => {
  assert.deepEqual(await db.insert(table).values(row).returning(), [row]);
  assert.deepEqual(await db.select().from(table).where(eq(table.id, 1)), [row]);
});

await check("prepared", async () => {
  const find = db.select({ sum: sql`${table.id} + ${sql.placeholder("n")}::int` }).from(table).prepare("find");
  for (let n = 0; n < 20; n++) assert.deepEqual(await find.execute({ n }), [{ sum: n + 1 }]);
});

await check("batch", async () => {
  await db.insert(table).values(Array.from({ length: 1000 }, (_, n) => ({ ...row, id: n + 10 })));
  const found = await Promise.all(Array.from({ length: 100 }, (_, n) => db.select({ id: table.id }).from(table).where(eq(table.id, n + 10))));
  assert.deepEqual(found.flat().map(({ id }) => id), Array.from({ length: 100 }, (_, n) => n + 10));
});

notAvailable("copy", "the driver's own is used");

await check("large", async () => {
  const words = new Digest();
  (await db.execute(sql.raw(rowsSql))).rows.forEach(({ word }) => words.add(word));
  assert.equal(String(words), rowsDigest);
  assert.ok((await db.execute(sql.raw(largeCellSql))).rows[0].cell === largeCell, "the cell differs");
});

await check("transaction", async () => {
  await db.delete(table);
  await assert.rejects(db.transaction(async (tx) => {
    await tx.insert(table).values(row);
    tx.rollback();
  }));
  await db.transaction(async (tx) => {
    await tx.insert(table).values({ ...row, id: 2 });
    await tx.transaction(async (inner) => {
      await inner.insert(table).values({ ...row, id: 3 });
      inner.rollback();
    }).catch(() => {});
  }, { isolationLevel: "serializable" });
  assert.deepEqual(await db.select({ id: table.id }).from(table), [{ id: 2 }]);
});

await check("error", async () => {
  await assert.rejects(db.insert(table).values({ ...row, id: 2 }), (error) => error.cause.code === "23505");
  assert.deepEqual(await db.select({ id: table.id }).from(table), [{ id: 2 }]);
});

notAvailable("cancel", "the driver's own is used");
notAvailable("notify", "the driver's own is used");

await check("masked", async () => assert.deepEqual(await db.select().from(customers).where(eq(customers.id, 1)), [{ id: 1, email }]));

await db.execute(sql`DROP TABLE matrix_drizzle`);
await pool.end();
