// postgres.js: pipelines by itself, prepares by itself.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import postgres from "postgres";
import { check, copied, Digest, driver, email, largeCell, largeCellSql, rowsDigest, rowsSql, sleep, where } from "./check.mjs";

driver("postgres");
const { host, port, user, password, database, ssl } = where;
// It takes `password: undefined` for an empty one, and 127.0.0.1 as it is.
const how = { host, port, user, ...(password && { password }), database, ssl, onnotice: () => {} };
const sql = postgres({ ...how, max: 4 });
await sql`DROP TABLE IF EXISTS matrix_postgres`;
await sql`CREATE TABLE matrix_postgres (id int PRIMARY KEY, word text)`;

await check("connect", async () => assert.deepEqual([...(await sql`SELECT current_database()`)], [{ current_database: "shop" }]));

await check("query", async () => {
  const bytes = Buffer.from("00ff5c27", "hex");
  const [row] = await sql`SELECT ${7}::int, ${"1099511627776"}::bigint, ${"grüße, 世界"}::text, ${"3.1400"}::numeric, ${true}::bool,
    ${null}::text AS nothing, ${bytes}::bytea, ${sql.array([1, 3])}::int[] AS numbers, ${sql.json({ a: [1, null] })}::jsonb`;
  assert.deepEqual({ ...row }, {
    int4: 7, int8: "1099511627776", text: "grüße, 世界", numeric: "3.1400", bool: true, nothing: null, bytea: bytes, numbers: [1, 3],
    jsonb: { a: [1, null] },
  });
  const both = await sql`SELECT 1 AS a; SELECT 2 AS b`.simple();
  assert.deepEqual(both.map((result) => [...result]), [[{ a: 1 }], [{ b: 2 }]]);
  const { columns } = await sql`SELECT * FROM matrix_postgres WHERE id = ${1}`.describe();
  assert.deepEqual(columns.map(({ name }) => name), ["id", "word"]);
});

await check("prepared", async () => {
  for (let n = 0; n < 20; n++) assert.equal((await sql`SELECT ${n}::int + 1 AS sum`)[0].sum, n + 1);
});

await check("batch", async () => {
  const answers = await Promise.all(Array.from({ length: 500 }, (_, n) => sql`SELECT ${n}::int * 2 AS double`));
  assert.deepEqual(answers.map(([{ double }]) => double), Array.from({ length: 500 }, (_, n) => n * 2));
  const [first, failed, last] = await sql.begin(async (sql) => {
    await sql`SELECT 1`;
    return Promise.allSettled([sql`SELECT 1 AS n`, sql`SELECT 1 / ${0}::int`, sql`SELECT 2 AS n`]);
  }).catch((error) => [null, { reason: error }, null]);
  assert.equal(failed.reason.code, "22012");
  assert.ok(first === null || last.status === "rejected");
});

await check("copy", async () => {
  await pipeline(Readable.from([copied.slice(0, 7001), copied.slice(7001)]), await sql`COPY matrix_postgres FROM STDIN`.writable());
  // Without TLS, at the server itself too, the driver may leave the connection paused on which a COPY out has ended.
  const apart = postgres({ ...how, max: 1 });
  const out = await apart`COPY (SELECT * FROM matrix_postgres ORDER BY id) TO STDOUT`.readable();
  const parts = [];
  for await (const part of out) parts.push(part);
  await apart.end({ timeout: 0 });
  assert.equal(Buffer.concat(parts).toString(), copied);
});

await check("large", async () => {
  const streamed = new Digest();
  await sql.unsafe(rowsSql).cursor(5000, (rows) => rows.forEach(({ word }) => streamed.add(word)));
  assert.equal(String(streamed), rowsDigest);
  assert.ok((await sql.unsafe(largeCellSql))[0].cell === largeCell, "the cell differs");
});

await check("transaction", async () => {
  await sql`TRUNCATE matrix_postgres`;
  await assert.rejects(sql.begin(async (sql) => {
    await sql`INSERT INTO matrix_postgres VALUES (1, 'gone')`;
    throw new Error("back");
  }), { message: "back" });
  await sql.begin("isolation level serializable", async (sql) => {
    await sql`INSERT INTO matrix_postgres ${sql([{ id: 2, word: "stays" }])}`;
    await sql.savepoint(async (sql) => {
      await sql`INSERT INTO matrix_postgres VALUES (3, 'gone')`;
      throw new Error("back");
    }).catch(() => {});
  });
  assert.deepEqual([...(await sql`TABLE matrix_postgres`)], [{ id: 2, word: "stays" }]);
});

await check("error", async () => {
  await assert.rejects(sql`INSERT INTO orders (id) VALUES (${1})`, (error) => error.code === "23505" && error.constraint_name === "orders_pkey");
  await assert.rejects(sql`SELECT * FROM nowhere`, (error) => error.code === "42P01");
  assert.equal((await sql`SELECT 1 AS one`)[0].one, 1);
});

await check("cancel", async () => {
  const sleeping = sql`SELECT pg_sleep(60)`;
  const slept = assert.rejects(sleeping, (error) => error.code === "57014");
  await sleep(500);
  sleeping.cancel();
  await slept;
  assert.equal((await sql`SELECT 1 AS one`)[0].one, 1);
});

await check("notify", async () => {
  let hear;
  const heard = new Promise((resolve) => (hear = resolve));
  await sql.listen("matrix", hear);
  await sql.notify("matrix", "hello there");
  assert.equal(await heard, "hello there");
});

await check("masked", async () => assert.equal((await sql`SELECT email FROM customers WHERE id = ${1}`)[0].email, email));

await sql`DROP TABLE matrix_postgres`;
await sql.end();
