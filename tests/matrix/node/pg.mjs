// node-postgres, with its packages for cursors, streams and COPY.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import copyStreams from "pg-copy-streams";
import Cursor from "pg-cursor";
import QueryStream from "pg-query-stream";
import { check, copied, Digest, driver, email, largeCell, largeCellSql, rowsDigest, rowsSql, sleep, where } from "./check.mjs";

driver("pg");
const client = new pg.Client(where);
await client.connect();
await client.query("DROP TABLE IF EXISTS matrix_pg; CREATE TABLE matrix_pg (id int PRIMARY KEY, word text)");
const rows = async (sql, values) => (await client.query({ text: sql, values, rowMode: "array" })).rows;

await check("connect", async () => assert.deepEqual(await rows("SELECT current_database()"), [["shop"]]));

await check("query", async () => {
  const values = [7, "1099511627776", "grüße, 世界", "3.1400", 2.5, true, null, Buffer.from("00ff5c27", "hex"), [1, null, 3]];
  const types = ["int", "bigint", "text", "numeric", "float8", "bool", "text", "bytea", "int[]"];
  const markers = types.map((type, n) => `$${n + 1}::${type}`).join(", ");
  assert.deepEqual(await rows(`SELECT ${markers}`, values), [values]);
  const [[at, json]] = await rows("SELECT timestamptz '2026-11-26 12:00Z', '{\"a\": [1, null]}'::jsonb");
  assert.deepEqual([at, json], [new Date("2026-11-26T12:00:00Z"), { a: [1, null] }]);
  const binary = await client.query({ text: "SELECT $1::int AS n, 'word' AS word", values: [7], binary: true });
  assert.deepEqual(binary.rows, [{ n: 7, word: "word" }]);
  const both = await client.query("SELECT 1 AS a; SELECT 2 AS b");
  assert.deepEqual(both.map((result) => result.rows), [[{ a: 1 }], [{ b: 2 }]]);
});

await check("prepared", async () => {
  for (let n = 0; n < 20; n++) {
    const answer = await client.query({ name: "add", text: "SELECT $1::int + 1 AS sum", values: [n] });
    assert.deepEqual(answer.rows, [{ sum: n + 1 }]);
  }
});

// The driver's pipeline sends queries before their predecessors are answered; the pool has many connections.
await check("batch", async () => {
  const piped = new pg.Client({ ...where, pipeline: true });
  await piped.connect();
  const doubles = (asker) => Promise.all(Array.from({ length: 200 }, (_, n) => asker.query("SELECT $1::int * 2 AS double", [n])));
  const expected = Array.from({ length: 200 }, (_, n) => n * 2);
  assert.deepEqual((await doubles(piped)).map((result) => result.rows[0].double), expected);
  const [first, failed, last] = await Promise.allSettled(["SELECT 1 AS n", "SELECT 1 / 0", "SELECT 2 AS n"].map((sql) => piped.query(sql)));
  assert.deepEqual([first.value.rows, failed.reason.code, last.value.rows], [[{ n: 1 }], "22012", [{ n: 2 }]]);
  await piped.end();
  const pool = new pg.Pool({ ...where, max: 8 });
  assert.deepEqual((await doubles(pool)).map((result) => result.rows[0].double), expected);
  await pool.end();
});

await check("copy", async () => {
  await pipeline(Readable.from([copied.slice(0, 7001), copied.slice(7001)]), client.query(copyStreams.from("COPY matrix_pg FROM STDIN")));
  let text = "";
  const out = client.query(copyStreams.to("COPY (SELECT * FROM matrix_pg ORDER BY id) TO STDOUT"));
  out.setEncoding("utf8");
  for await (const part of out) text += part;
  assert.equal(text, copied);
  // Broken off by the client, and by the server.
  const broken = client.query(copyStreams.from("COPY matrix_pg FROM STDIN"));
  const failure = once(broken, "error");
  broken.write("5000\tnever\n");
  await sleep(100);
  broken.destroy(new Error("enough"));
  await failure.catch(() => {});
  await assert.rejects(
    pipeline(Readable.from(["no number\tword\n"]), client.query(copyStreams.from("COPY matrix_pg FROM STDIN"))),
    (error) => error.code === "22P02",
  );
  assert.deepEqual(await rows("SELECT count(*) FROM matrix_pg WHERE id >= 5000"), [["0"]]);
});

await check("large", async () => {
  const streamed = new Digest();
  for await (const { word } of client.query(new QueryStream(rowsSql, [], { batchSize: 2000 }))) streamed.add(word);
  assert.equal(String(streamed), rowsDigest);
  const fetched = new Digest();
  const cursor = client.query(new Cursor(rowsSql));
  for (let some = await cursor.read(5000); some.length > 0; some = await cursor.read(5000)) some.forEach(({ word }) => fetched.add(word));
  await cursor.close();
  assert.equal(String(fetched), rowsDigest);
  assert.ok((await rows(largeCellSql))[0][0] === largeCell, "the cell differs");
});

await check("transaction", async () => {
  await client.query("TRUNCATE matrix_pg");
  for (const sql of ["BEGIN", "INSERT INTO matrix_pg VALUES (1, 'gone')", "ROLLBACK", "BEGIN"]) await client.query(sql);
  await client.query("INSERT INTO matrix_pg VALUES ($1, $2)", [2, "stays"]);
  await client.query("COMMIT");
  assert.deepEqual(await rows("TABLE matrix_pg"), [[2, "stays"]]);
});

await check("error", async () => {
  await assert.rejects(rows("INSERT INTO orders (id) VALUES ($1)", [1]), (error) => error.code === "23505" && error.constraint === "orders_pkey");
  await client.query("BEGIN");
  await assert.rejects(rows("SELECT 1 / 0"), (error) => error.code === "22012");
  await assert.rejects(rows("SELECT 1"), (error) => error.code === "25P02");
  await client.query("ROLLBACK");
  assert.deepEqual(await rows("SELECT 1"), [[1]]);
});

// The driver has no call for it, but knows the message.
await check("cancel", async () => {
  const slept = assert.rejects(client.query("SELECT pg_sleep(60)"), (error) => error.code === "57014");
  await sleep(500);
  const other = new pg.Client(where);
  const connection = other.connection;
  connection.connect(where.port, where.host);
  await once(connection, "connect");
  if (where.ssl) {
    connection.requestSsl();
    await once(connection, "sslconnect");
  }
  connection.cancel(client.processID, client.secretKey);
  await slept;
  connection.end();
  assert.deepEqual(await rows("SELECT 1"), [[1]]);
});

await check("notify", async () => {
  await client.query("LISTEN matrix");
  const heard = once(client, "notification");
  const other = new pg.Client(where);
  await other.connect();
  await other.query("SELECT pg_notify('matrix', 'hello there')");
  await other.end();
  const [{ channel, payload }] = await heard;
  assert.deepEqual([channel, payload], ["matrix", "hello there"]);
});

await check("masked", async () => assert.deepEqual(await rows("SELECT email FROM customers WHERE id = $1", [1]), [[email]]));

await client.query("DROP TABLE matrix_pg");
await client.end();
