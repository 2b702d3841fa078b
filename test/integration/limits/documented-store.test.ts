import { limitStoreSuite } from '@pando/core/testing/suites';
import { beforeAll, onTestFinished } from 'vitest';
import { PostgresLimitStore } from '../../fixtures/postgres-limit-store.js';
import { testDatabase } from '../../infra/context.js';

/** The driver that docs/how-to/write-a-driver.md explains. */
let url: string;

beforeAll(async () => {
  ({ primary: url } = await testDatabase());
});

limitStoreSuite('a store in Postgres', async () => ({
  async store() {
    const store = new PostgresLimitStore(url, 5_000);
    onTestFinished(() => store.close());
    await store.start();
    return store;
  },
}));
