/** Where reads go right after a write, by policy: how fresh, how far from the primary, how fast. */
import { readFile } from 'node:fs/promises';
import { milliseconds } from '../harness/measures.mjs';
import { quantile } from '../harness/statistics.mjs';

const sessions = 4;
const readsPerWrite = 5;
const load = { workers: sessions, batch: 1, each: readsPerWrite };
const session = `${sessions} sessions, each writes its row and reads it ${readsPerWrite} times at once`;

/** Figures that a contender keeps of a round beside its speed. */
const share = (of) => ({ unit: '% of reads', better: 'more', of: (sample) => 100 * of(sample) });
const fresh = share(({ figures }) => 1 - figures.stale / figures.reads);
const onReplicas = share(({ figures }) => figures.onReplicas / figures.reads);
const medianLatency = { ...milliseconds('read'), of: ({ figures }) => figures.medianMs };
const primaryMicros = {
  unit: 'µs CPU of the primary/read',
  better: 'less',
  of: ({ figures, operations }) => figures.primaryMicros / operations,
};

export const comparisons = [
  {
    what: `${session}; the peer picks a replica at random, as Drizzle's withReplicas does`,
    ours: 'causal',
    theirs: 'randomReplica',
    peer: 'pg',
    load,
    rows: {
      'db.after-write.fresh.vs-random-replica': { ...fresh, target: 1 },
      'db.after-write.on-replicas.vs-random-replica': { ...onReplicas, target: 0.95 },
    },
  },
  {
    what: `${session}; the peer stays with the primary for two seconds after a write, as Rails does`,
    ours: 'causal',
    theirs: 'stickyTimer',
    peer: 'pg',
    load,
    rows: {
      'db.after-write.fresh.vs-sticky-timer': { ...fresh, target: 1 },
      'db.after-write.latency.vs-sticky-timer': medianLatency,
    },
  },
  {
    what: `${session}; the peer has no replicas`,
    ours: 'causal',
    theirs: 'primaryOnly',
    peer: 'pg',
    load,
    rows: { 'db.after-write.latency.vs-primary-only': { ...medianLatency, target: 0.9 } },
  },
  {
    what: 'reads of a row each by the same sessions, each of which has written once; what they cost the primary',
    ours: 'causalReads',
    theirs: 'primaryReads',
    peer: 'pg',
    load: { workers: sessions, batch: 1 },
    rows: { 'db.read.primary-cpu.vs-primary-only': primaryMicros },
  },
];

const writeText = 'update counters set value = value + 1 where id = $1 returning value';
const readText = 'select value, pg_is_in_recovery() as on_replica from counters where id = $1';

export async function open(servers) {
  const { primary, replicas, caughtUp } = await servers.postgres();
  const { default: pg } = await import('pg');
  const client = new pg.Client(primary);
  await client.connect();
  await client.query('create table counters (id int primary key, value int not null)');
  await client.query(`insert into counters select n, 0 from generate_series(1, ${sessions}) n`);
  await client.query('vacuum analyze counters');
  await client.end();
  await caughtUp();
  return { primary, replicas };
}

/** What the sessions saw, since it was last asked for. */
class Observations {
  #reads = 0;
  #stale = 0;
  #onReplicas = 0;
  #latencies = [];

  note(row, expected, ms) {
    this.#reads += 1;
    if (row.value < expected) this.#stale += 1;
    if (row.on_replica) this.#onReplicas += 1;
    this.#latencies.push(ms);
  }

  take() {
    const latencies = this.#latencies.splice(0);
    const [reads, stale, onReplicas] = [this.#reads, this.#stale, this.#onReplicas];
    this.#reads = this.#stale = this.#onReplicas = 0;
    return { reads, stale, onReplicas, medianMs: latencies.length > 0 ? quantile(latencies, 0.5) : 0 };
  }
}

/** Sessions that write and read; `inSession(id, work)` runs work where the policy knows whose it is. */
function writersAndReaders({ write, read, inSession = (_, work) => work() }) {
  const free = Array.from({ length: sessions }, (_, index) => index + 1);
  const seen = new Observations();
  return {
    async run() {
      const id = free.pop();
      await inSession(id, async () => {
        const [{ value }] = (await write(writeText, [id], id)).rows;
        for (let turn = 0; turn < readsPerWrite; turn++) {
          const began = performance.now();
          const { rows } = await read(readText, [id], id);
          seen.note(rows[0], value, performance.now() - began);
        }
      });
      free.push(id);
    },
    figures: () => seen.take(),
  };
}

async function openPando({ primary, replicas }) {
  const { createPando } = await import('@pando/core');
  return createPando({
    name: 'bench',
    db: { primary, replicas, pool: { size: sessions, overflow: 0 } },
    lifecycle: { signals: false },
  });
}

const openContexts = ({ kernel }) =>
  Array.from({ length: sessions + 1 }, () =>
    kernel.contexts.open({ id: 'bench', signal: new AbortController().signal }),
  );

export async function causal(settings) {
  const pando = await openPando(settings);
  const { db, kernel } = pando;
  const contexts = openContexts(pando);
  return writersAndReaders({
    write: (text, params) => db.query(text, params),
    read: (text, params) => db.query(text, params),
    inSession: (id, work) => kernel.contexts.run(contexts[id], work),
  });
}

async function openPool(connectionString) {
  const { default: pg } = await import('pg');
  return new pg.Pool({ connectionString, max: sessions });
}

async function openPools({ primary, replicas }) {
  return { writer: await openPool(primary), readers: await Promise.all(replicas.map(openPool)) };
}

const anyOf = (pools) => pools[Math.floor(Math.random() * pools.length)];

export async function randomReplica(settings) {
  const { writer, readers } = await openPools(settings);
  return writersAndReaders({
    write: (text, params) => writer.query(text, params),
    read: (text, params) => anyOf(readers).query(text, params),
  });
}

export async function stickyTimer(settings) {
  const stickyMs = 2_000;
  const { writer, readers } = await openPools(settings);
  const wroteAt = new Map();
  return writersAndReaders({
    write(text, params, id) {
      wroteAt.set(id, performance.now());
      return writer.query(text, params);
    },
    read(text, params, id) {
      const isSticky = performance.now() - wroteAt.get(id) < stickyMs;
      return (isSticky ? writer : anyOf(readers)).query(text, params);
    },
  });
}

export async function primaryOnly({ primary }) {
  const pool = await openPool(primary);
  const query = (text, params) => pool.query(text, params);
  return writersAndReaders({ write: query, read: query });
}

/** Reads alone, and the CPU time that the sessions of the primary spend meanwhile: those that ship its log, too. */
async function readers(primary, read) {
  const { default: pg } = await import('pg');
  const observer = new pg.Client(primary);
  await observer.connect();
  const spent = async () => {
    const { rows } = await observer.query(
      "select pid from pg_stat_activity where backend_type in ('client backend', 'walsender') and pid <> pg_backend_pid()",
    );
    const times = rows.map(async ({ pid }) => {
      const [nanos] = (await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ');
      return [pid, Number(nanos) / 1_000];
    });
    return new Map(await Promise.all(times));
  };
  let before = new Map();
  let next = 0;
  return {
    async begin() {
      before = await spent();
    },
    run: () => read(1 + (next++ % sessions)),
    async figures() {
      let primaryMicros = 0;
      for (const [pid, micros] of await spent()) primaryMicros += micros - (before.get(pid) ?? 0);
      return { primaryMicros };
    },
  };
}

export async function causalReads(settings) {
  const pando = await openPando(settings);
  const { db, kernel } = pando;
  const contexts = openContexts(pando);
  const inSession = (id, text) => kernel.contexts.run(contexts[id], () => db.query(text, [id]));
  for (let id = 1; id <= sessions; id++) await inSession(id, writeText);
  return readers(settings.primary, (id) => inSession(id, readText));
}

export async function primaryReads({ primary }) {
  const pool = await openPool(primary);
  return readers(primary, (id) => pool.query(readText, [id]));
}
