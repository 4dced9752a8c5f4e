// What node-postgres does through weir: run with the local port as argument; the last line is `ok`.
import assert from "node:assert/strict";
import pg from "pg";

const config = { host: "127.0.0.1", port: Number(process.argv[2]), database: "shop", user: "anyone", ssl: false };
const client = new pg.Client(config);
await client.connect();

assert.deepEqual((await client.query("SELECT 1 AS one")).rows, [{ one: 1 }]);
const order = await client.query("SELECT id, total FROM orders WHERE id = $1", [7]);
assert.deepEqual(order.rows, [{ id: 7, total: "69.65" }]);
for (let number = 0; number < 20; number++) {
  const answer = await client.query({ name: "add", text: "SELECT $1::int + 1 AS sum", values: [number] });
  assert.equal(answer.rows[0].sum, number + 1);
}
const { email, ssn } = (await client.query("SELECT email, ssn FROM customers WHERE id = 1")).rows[0];
assert.notEqual(email, "ada@example.com");
assert.notEqual(ssn, "536-90-4399");

await client.query("BEGIN");
await assert.rejects(client.query("CREATE ROLE mallory SUPERUSER"), (error) => error.code === "42501");
await assert.rejects(client.query("SELECT 1"), (error) => error.code === "25P02");
await client.query("ROLLBACK");
await assert.rejects(client.query("SELECT 1 / 0"), (error) => error.code === "22012");
assert.equal((await client.query("SELECT 2 AS two")).rows[0].two, 2);

// Several statements in one text give several results.
const both = await client.query("SELECT 1 AS a; SELECT 2 AS b");
assert.deepEqual(both.map((result) => result.rows), [[{ a: 1 }], [{ b: 2 }]]);
await client.end();

const pool = new pg.Pool({ ...config, max: 5 });
const sums = await Promise.all(Array.from({ length: 40 }, (_, n) => pool.query("SELECT $1::int * 2 AS double", [n])));
assert.deepEqual(sums.map((result) => result.rows[0].double), Array.from({ length: 40 }, (_, n) => n * 2));
await pool.end();

console.log("ok");
