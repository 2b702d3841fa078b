import { limitStoreSuite } from '@pando/core/testing/suites';
import { afterAll, beforeAll } from 'vitest';
import { PostgresLimitStore } from '../../fixtures/postgres-limit-store.js';
import { testDatabase } from '../../infra/context.js';

/** The driver that docs/how-to/write-a-driver.md explains. */
const open: PostgresLimitStore[] = [];
let url: string;

beforeAll(async () => {
  ({ primary: url } = await testDatabase());
});
afterAll(async () => {
  for (const store of open) await store.close();
});

limitStoreSuite('a store in Postgres', async () => ({
  async store() {
    const store = new PostgresLimitStore(url, 5_000);
    open.push(store);
    await store.start();
    return store;
  },
}));
