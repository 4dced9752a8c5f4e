// What the Node.js programs of the matrix share: runs the checks and prints one line about each.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE, PGSSLROOTCERT } = process.env;
// node-postgres and its kin read parts of the environment differently: everything is handed over.
export const where = {
  host: PGHOST,
  port: Number(PGPORT),
  user: PGUSER,
  password: PGPASSWORD,
  database: PGDATABASE,
  ssl: PGSSLMODE === "verify-full" ? { ca: readFileSync(PGSSLROOTCERT, "utf8"), rejectUnauthorized: true } : false,
};
// What the first customer's address is to look like: as it is, or masked.
export const email = process.env.MATRIX_EMAIL;

export const largeCell = "weir ".repeat(400_000);
export const largeCellSql = "SELECT repeat('weir ', 400000) AS cell";
export const rowsSql = "SELECT 'row ' || n AS word FROM generate_series(1, 200000) n";

// What COPY carries, as its text format has it.
export const copied = Array.from({ length: 1000 }, (_, n) =>
  n % 3 === 0 ? `${n + 1}\t\\N\n` : `${n + 1}\ttab\\there, line\\nbreak, backslash \\\\, grüße ${n + 1}\n`,
).join("");

// One hash of many words, so that what streams past need not be held.
export class Digest {
  #hash = createHash("md5");
  add(word) {
    this.#hash.update(`${word}\n`);
  }
  toString() {
    return this.#hash.digest("hex");
  }
}
const rows = new Digest();
for (let n = 1; n <= 200_000; n++) rows.add(`row ${n}`);
export const rowsDigest = String(rows);

export function driver(name) {
  // Not every package exports its description: it lies beside or above what it does export.
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  for (;;) {
    try {
      const description = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (description.name === name) return console.log(`driver ${name} ${description.version}`);
    } catch {}
    folder = dirname(folder);
  }
}

export async function check(name, run) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("does not end")), 60_000)));
  try {
    await Promise.race([run(), late]);
    console.log(`${name} ok`);
  } catch (error) {
    console.log(`${name} fail: ${String(error.stack ?? error).replaceAll("\n", " ").slice(0, 400)}`);
  } finally {
    clearTimeout(timer);
  }
}

export function notAvailable(name, why) {
  console.log(`${name} n/a: ${why}`);
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
