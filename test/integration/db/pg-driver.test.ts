import { databaseDriverSuite } from '@pando/core/testing/suites';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { createPgDriver } from '../../../packages/core/src/db/drivers/pg.js';
import { resolveDatabaseOptions } from '../../../packages/core/src/db/options.js';
import type { ResolvedServer } from '../../../packages/core/src/db/server-options.js';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import { testDatabase } from '../../infra/context.js';

let urls: Awaited<ReturnType<typeof testDatabase>>;
let admin: pg.Client;

beforeAll(async () => {
  urls = await testDatabase();
  admin = new pg.Client(urls.primary);
  await admin.connect();
  await admin.query('create table registers (key text primary key, value text)');
});

afterAll(() => admin.end());

databaseDriverSuite('pg', async () => {
  const options = resolveDatabaseOptions({ primary: urls.primary, replicas: urls.replicas });
  const driver = createPgDriver(options, createKernel());
  const [primary] = options.primary as [ResolvedServer];
  return {
    primary: driver.backend(primary),
    replica: driver.backend(options.replicas[0] ?? primary),
    statements: {
      get: (key) => ({ text: 'select value from registers where key = $1', params: [key] }),
      set: (key, value) => ({
        text: 'insert into registers values ($1, $2) on conflict (key) do update set value = $2',
        params: [key, value],
      }),
      fail: { text: 'select 1 / 0', params: [] },
      hang: { text: 'select pg_sleep(60)', params: [] },
    },
    endSession: async () => {
      await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and application_name like 'pando:%'`,
      );
    },
  };
});
