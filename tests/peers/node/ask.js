// Asks a PostgreSQL, again for each line that comes, and lets node-postgres show what goes wrong.
const readline = require("node:readline");
const { Client } = require(process.env.NODE_PG);

const [url, sql] = process.argv.slice(2);

async function main() {
  const visit = new Client({ connectionString: url, connectionTimeoutMillis: 60_000 });
  await visit.connect();
  const ask = async () => console.log(Object.values((await visit.query(sql)).rows[0]).join("|"));
  await ask();
  for await (const _ of readline.createInterface({ input: process.stdin })) await ask();
  await visit.end();
}

main();
