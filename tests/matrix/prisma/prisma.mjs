// Prisma's client on its adapter for node-postgres: the engine that plans the queries is WebAssembly in the package.
import assert from "node:assert/strict";
import { PrismaPg } from "@prisma/adapter-pg";
import { check, Digest, email, largeCell, largeCellSql, notAvailable, rowsDigest, rowsSql, where } from "../node/check.mjs";
import client from "./generated/index.js";

const { Prisma, PrismaClient } = client;
console.log(`driver prisma ${Prisma.prismaVersion.client}`);
const prisma = new PrismaClient({ adapter: new PrismaPg({ ...where, max: 4 }) });
const { matrix: table } = prisma;
const row = {
  word: "grüße, 世界", amount: new Prisma.Decimal("3.14"), data: { a: [1, null] }, at: new Date("2026-11-26T12:00:00Z"),
  bytes: new Uint8Array([0, 255, 92, 39]),
};
await prisma.$executeRawUnsafe("DROP TABLE IF EXISTS matrix_prisma");
await prisma.$executeRawUnsafe(
  "CREATE TABLE matrix_prisma (id serial PRIMARY KEY, word text, amount numeric(10, 2), data jsonb, at timestamptz(3), bytes bytea)",
);

await check("connect", async () => assert.deepEqual(await prisma.$queryRaw`SELECT current_database()::text AS name`, [{ name: "shop" }]));

await check("query", async () => {
  assert.deepEqual(await table.create({ data: row }), { id: 1, ...row });
  const found = await table.findMany({ where: { word: { contains: "世界" }, amount: { gt: 3 } }, orderBy: { id: "desc" } });
  assert.deepEqual(found, [{ id: 1, ...row }]);
  assert.deepEqual(await table.aggregate({ _sum: { amount: true }, _count: true }), { _sum: { amount: row.amount }, _count: 1 });
});

await check("prepared", async () => {
  for (let n = 0; n < 20; n++) assert.deepEqual(await prisma.$queryRaw`SELECT ${n}::int + 1 AS sum`, [{ sum: n + 1 }]);
});

await check("batch", async () => {
  assert.deepEqual(await table.createMany({ data: Array.from({ length: 1000 }, (_, n) => ({ id: n + 10, ...row })) }), { count: 1000 });
  const found = await Promise.all(Array.from({ length: 100 }, (_, n) => table.findUnique({ where: { id: n + 10 }, select: { id: true } })));
  assert.deepEqual(found.map(({ id }) => id), Array.from({ length: 100 }, (_, n) => n + 10));
});

notAvailable("copy", "the driver's own is used");

await check("large", async () => {
  const words = new Digest();
  (await prisma.$queryRawUnsafe(rowsSql)).forEach(({ word }) => words.add(word));
  assert.equal(String(words), rowsDigest);
  assert.ok((await prisma.$queryRawUnsafe(largeCellSql))[0].cell === largeCell, "the cell differs");
});

await check("transaction", async () => {
  await table.deleteMany({ where: { id: { gt: 0 } } });
  await assert.rejects(prisma.$transaction(async (tx) => {
    await tx.matrix.create({ data: { id: 1, word: "gone" } });
    throw new Error("back");
  }), { message: "back" });
  const isolationLevel = Prisma.TransactionIsolationLevel.Serializable;
  await prisma.$transaction([table.create({ data: { id: 2 } }), table.create({ data: { id: 3 } })], { isolationLevel });
  assert.deepEqual(await table.findMany({ select: { id: true }, orderBy: { id: "asc" } }), [{ id: 2 }, { id: 3 }]);
});

await check("error", async () => {
  await assert.rejects(table.create({ data: { id: 2 } }), (error) => error.code === "P2002");
  await assert.rejects(prisma.$queryRaw`SELECT 1 / 0`, (error) => /22012/.test(error.message));
  assert.equal(await table.count(), 2);
});

notAvailable("cancel", "the driver's own is used");
notAvailable("notify", "the driver's own is used");

await check("masked", async () => assert.deepEqual(await prisma.customer.findUnique({ where: { id: 1 } }), { id: 1, email }));

await prisma.$executeRawUnsafe("DROP TABLE matrix_prisma");
await prisma.$disconnect();
