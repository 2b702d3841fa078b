import { connect, createServer, type Server, type Socket } from 'node:net';
import { createDatabase, type Database } from '@pando/core/db';
import { createTestCluster, type DatabaseUrls, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { composeDatabase } from '../../packages/core/src/db/create.js';
import type { DatabaseRules } from '../../packages/core/src/db/rules.js';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { startPgBouncer } from '../infra/pgbouncer.js';
import { createRegisters, getRegister, type Register, setRegister } from '../integration/db/open-database.js';

let cluster: Awaited<ReturnType<typeof createTestCluster>>;
let urls: DatabaseUrls;

beforeAll(async () => {
  cluster = await createTestCluster({ settings: { autovacuum: 'off' } });
  urls = await cluster.createDatabase('shared');
  const setup = new pg.Client(urls.primary);
  await setup.connect();
  await setup.query(createRegisters);
  await setup.end();
  await cluster.caughtUp();
});

afterAll(() => cluster.close());

/** One name for both replicas: every connection goes to the other one than the connection before. */
async function alternate(): Promise<string> {
  const ports = cluster.replicas.map(({ port }) => port);
  const sockets = new Set<Socket>();
  let turn = 0;
  const server: Server = createServer((socket) => {
    const onward = connect(ports[turn++ % ports.length] as number, '127.0.0.1');
    for (const one of [socket, onward]) {
      sockets.add(one);
      one.on('error', () => undefined).on('close', () => void [socket.destroy(), onward.destroy()]);
    }
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = new URL(urls.replicas[0] as string);
  url.port = String((server.address() as { port: number }).port);
  return url.href;
}

/** Behind the name, a transaction pooler carries each transaction on the server that was idle for longest. */
async function pooled(): Promise<string> {
  const target = await alternate();
  const bouncer = await startPgBouncer({
    target,
    settings: { server_round_robin: 1, ignore_startup_parameters: 'extra_float_digits' },
  });
  onTestFinished(() => bouncer.close());
  // At once, so that it opens one connection for each.
  const clients = Array.from({ length: 4 }, () => new pg.Client(bouncer.url));
  await Promise.all(clients.map((client) => client.connect()));
  await Promise.all(clients.map((client) => client.query('select pg_sleep(0.2)')));
  await Promise.all(clients.map((client) => client.end()));
  return bouncer.url;
}

/** Writes and reads back again and again, while one of the servers behind the name stands still; counts what was seen of the past. */
async function pastSeen(replica: string, rules: Partial<DatabaseRules> = {}): Promise<number> {
  const kernel = createKernel();
  const db: Database = composeDatabase(
    { primary: urls.primary, replicas: [replica], outbox: false, replicaWaitMs: 50 },
    { kernel },
    rules,
  );
  onTestFinished(() => db.close());
  await db.start();
  await waitFor(() => db.topology().replicas[0]?.state === 'up');
  const [paused] = cluster.replicas;
  await paused?.pauseReplay();
  let past = 0;
  try {
    for (let value = 1; value <= 30; value++) {
      const context = kernel.contexts.open({ id: 'test', signal: new AbortController().signal });
      await kernel.contexts.run(context, async () => {
        await db.write(setRegister, ['shared', value]);
        const reads = Array.from({ length: 6 }, () => db.read<Register>(getRegister, ['shared']));
        for (const { rows } of await Promise.all(reads)) if (rows[0]?.value !== value) past++;
      });
    }
  } finally {
    await paused?.resumeReplay();
    await cluster.caughtUp();
  }
  return past;
}

it('never shows the past where a pooler hides several servers behind one name', async () => {
  expect(await pastSeen(await pooled())).toBe(0);
});

it('would show it if reads carried no proof', async () => {
  expect(await pastSeen(await pooled(), { needsInlineProof: () => false })).toBeGreaterThan(0);
});

it('never shows the past where each connection goes to another server', async () => {
  expect(await pastSeen(await alternate())).toBe(0);
});

it('reads from servers that share a name, once they are far enough', async () => {
  const db = createDatabase({
    ...{ primary: urls.primary, outbox: false, replicaWaitMs: 5_000 },
    replicas: [{ connectionString: await alternate(), shared: true }],
  });
  onTestFinished(() => db.close());
  await db.start();
  await waitFor(async () => {
    await db.write(setRegister, ['shared', 1]);
    await cluster.caughtUp();
    return (await db.read<Register>(getRegister, ['shared'])).rows[0]?.isReplica;
  });
});
