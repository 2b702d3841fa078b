import { createDatabase, type Database } from '@pando/core/db';
import { createTestCluster, type DatabaseUrls, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { composeDatabase } from '../../packages/core/src/db/create.js';
import type { DatabaseRules } from '../../packages/core/src/db/rules.js';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { type OneName, startAlternatingName, startPooledName } from '../infra/one-name.js';
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

async function nameOf(start: (urls: readonly string[]) => Promise<OneName>): Promise<string> {
  const name = await start(urls.replicas);
  onTestFinished(() => name[Symbol.asyncDispose]());
  return name.url;
}
const alternate = () => nameOf(startAlternatingName);
const pooled = () => nameOf(startPooledName);

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
