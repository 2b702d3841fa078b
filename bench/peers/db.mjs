/** The database: what reads from replicas cost that are never stale, and writes that say how far they came. */
import { cpuMicros, milliseconds, perSecond } from '../harness/measures.mjs';

const readLoad = { workers: 32, batch: 1 };

export const comparisons = [
  {
    what: 'a row by primary key from a replica, 32 at once on 10 connections, level causal, nothing written before',
    ours: 'pandoReads',
    theirs: 'poolReads',
    peer: 'pg',
    load: readLoad,
    rows: { 'db.read.vs-pg-pool': perSecond('reads'), 'db.read.cpu.vs-pg-pool': cpuMicros('read') },
  },
  {
    what: 'the same for a caller whose token demands its own write',
    ours: 'pandoReadsWithToken',
    theirs: 'poolReads',
    peer: 'pg',
    load: readLoad,
    rows: {
      'db.read.token.vs-pg-pool': perSecond('reads'),
      'db.read.token.cpu.vs-pg-pool': cpuMicros('read'),
    },
  },
  {
    what: 'an update, one after another, a millisecond away; ours comes back with its token',
    ours: 'pandoWrites',
    theirs: 'poolWrites',
    peer: 'pg',
    load: { workers: 1, batch: 1 },
    rows: { 'db.write.vs-pg-pool': milliseconds('write') },
  },
];

const rowCount = 1_000;
const readText = 'select id, title, likes from posts where id = $1';
const writeText = 'update posts set likes = likes + 1 where id = $1';

export async function open(servers) {
  const { primary, replica, caughtUp } = await servers.postgres();
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
  return { primary, replica, distant: (await servers.distantPostgres()).primary };
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

/** Reads of as many requests as read at once; each has seen the token, or nothing. */
function readsUnder(pando, token) {
  const contexts = Array.from({ length: readLoad.workers }, () => openContext(pando, token));
  const { db, kernel } = pando;
  let next = 0;
  return {
    run() {
      const id = 1 + (++next % rowCount);
      return kernel.contexts.run(contexts[next % contexts.length], () => db.read(readText, [id]));
    },
  };
}

export async function pandoReads({ primary, replica }) {
  return readsUnder(await openPando({ primary, replicas: [replica] }), undefined);
}

export async function pandoReadsWithToken({ primary, replica }) {
  const pando = await openPando({ primary, replicas: [replica] });
  const context = openContext(pando);
  await pando.kernel.contexts.run(context, () => pando.db.write(writeText, [1]));
  return readsUnder(pando, context.token);
}

export async function poolReads({ replica }) {
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ connectionString: replica, max: 10 });
  let next = 0;
  return { run: () => pool.query(readText, [1 + (next++ % rowCount)]) };
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
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ connectionString: distant, max: 10 });
  let next = 0;
  return { run: () => pool.query(writeText, [1 + (next++ % rowCount)]) };
}
