/** The database: what reads from replicas cost that are never stale, and writes that say how far they came. */
import { cpuMicros, milliseconds, perSecond } from '../harness/measures.mjs';

const readLoad = { workers: 32, batch: 1 };

export const comparisons = [
  {
    what: 'a row by primary key from a replica, 32 at once on 10 connections, level causal, nothing written before',
    ours: 'pandoQueries',
    theirs: 'poolQueries',
    peer: 'pg',
    load: readLoad,
    rows: {
      'db.query.vs-pg-pool': { ...perSecond('queries'), target: 0.97 },
      'db.query.cpu.vs-pg-pool': cpuMicros('query'),
    },
  },
  {
    what: 'the same for a caller whose token demands its own write',
    ours: 'pandoQueriesWithToken',
    theirs: 'poolQueries',
    peer: 'pg',
    load: readLoad,
    rows: {
      'db.query.token.vs-pg-pool': { ...perSecond('queries'), target: 0.97 },
      'db.query.token.cpu.vs-pg-pool': cpuMicros('query'),
    },
  },
  {
    what: 'the same, and the peer gives the server names for its statements, as Pando does by itself',
    ours: 'pandoQueries',
    theirs: 'poolNamedQueries',
    peer: 'pg',
    load: readLoad,
    rows: { 'db.query.vs-pg-pool-named': perSecond('queries') },
  },
  {
    what: 'the same, one in twenty refused by the server (a division by zero)',
    ours: 'pandoQueriesWithErrors',
    theirs: 'poolQueriesWithErrors',
    peer: 'pg',
    load: readLoad,
    rows: { 'db.query.errors.vs-pg-pool': { ...perSecond('queries'), target: 1 } },
  },
  {
    what: 'an update, one after another, a millisecond away in each direction; ours comes back with its token',
    ours: 'pandoWrites',
    theirs: 'poolWrites',
    peer: 'pg',
    load: { workers: 1, batch: 1 },
    rows: { 'db.write.vs-pg-pool': { ...milliseconds('write'), target: 0.95 } },
  },
];

const rowCount = 1_000;
const readText = 'select id, title, likes from posts where id = $1';
const writeText = 'update posts set likes = likes + 1 where id = $1';

export async function open(servers) {
  const { primary, replicas, caughtUp } = await servers.postgres();
  const { default: pg } = await import('pg');
  const client = new pg.Client(primary);
  await client.connect();
  await client.query('create table posts (id int primary key, title text not null, likes int not null)');
  await client.query(
    `insert into posts select n, 'Post number ' || n, 0 from generate_series(1, ${rowCount}) n`,
  );
  await client.query('vacuum analyze posts');
  await client.end();
  await caughtUp();
  return { primary, replica: replicas[0], distant: (await servers.distantPostgres()).primary };
}

async function openPando(db) {
  const { createPando } = await import('@pando/core');
  return createPando({
    name: 'bench',
    db: { ...db, pool: { size: 10, overflow: 0 } },
    lifecycle: { signals: false },
  });
}

/** The context of one request. */
const openContext = ({ kernel }, token) =>
  kernel.contexts.open({ id: 'bench', signal: new AbortController().signal, token });

const isRefused = (turn) => turn % 20 === 0;
const refusedText = 'select id, title, likes from posts where id = $1 / 0';

/** The server's refusal is part of the work. */
const refused = (query) =>
  query.then(
    () => {
      throw new Error('A division by zero went through.');
    },
    (error) => {
      if (error.code !== '22012') throw error;
    },
  );

/** Queries of as many requests as run at once; each has seen the token, or nothing. */
function queriesUnder(pando, token) {
  const contexts = Array.from({ length: readLoad.workers }, () => openContext(pando, token));
  const { db, kernel } = pando;
  let next = 0;
  return (text) => {
    const id = 1 + (++next % rowCount);
    return kernel.contexts.run(contexts[next % contexts.length], () => db.query(text, [id]));
  };
}

async function openQueries({ primary, replica }) {
  return queriesUnder(await openPando({ primary, replicas: [replica] }), undefined);
}

export async function pandoQueries(servers) {
  const query = await openQueries(servers);
  return { run: () => query(readText) };
}

export async function pandoQueriesWithToken({ primary, replica }) {
  const pando = await openPando({ primary, replicas: [replica] });
  const context = openContext(pando);
  await pando.kernel.contexts.run(context, () => pando.db.write(writeText, [1]));
  const query = queriesUnder(pando, context.token);
  return { run: () => query(readText) };
}

export async function pandoQueriesWithErrors(servers) {
  const query = await openQueries(servers);
  let turn = 0;
  return { run: () => (isRefused(turn++) ? refused(query(refusedText)) : query(readText)) };
}

async function openPool(connectionString) {
  const { default: pg } = await import('pg');
  return new pg.Pool({ connectionString, max: 10 });
}

export async function poolQueries({ replica }) {
  const pool = await openPool(replica);
  let next = 0;
  return { run: () => pool.query(readText, [1 + (next++ % rowCount)]) };
}

export async function poolNamedQueries({ replica }) {
  const pool = await openPool(replica);
  let next = 0;
  return { run: () => pool.query({ name: 'read', text: readText, values: [1 + (next++ % rowCount)] }) };
}

export async function poolQueriesWithErrors({ replica }) {
  const pool = await openPool(replica);
  let turn = 0;
  const query = (text) => pool.query(text, [1 + (turn % rowCount)]);
  return { run: () => (isRefused(turn++) ? refused(query(refusedText)) : query(readText)) };
}

export async function pandoWrites({ distant }) {
  const pando = await openPando({ primary: distant });
  const { db, kernel } = pando;
  let next = 0;
  return {
    async run() {
      const context = openContext(pando);
      await kernel.contexts.run(context, () => db.write(writeText, [1 + (next++ % rowCount)]));
      if (context.written.db.length === 0) throw new Error('A write came back without a token.');
    },
  };
}

export async function poolWrites({ distant }) {
  const pool = await openPool(distant);
  let next = 0;
  return { run: () => pool.query(writeText, [1 + (next++ % rowCount)]) };
}
