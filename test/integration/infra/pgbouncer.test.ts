import pg from 'pg';
import { expect, test } from 'vitest';
import { testDatabase } from '../../infra/context.js';
import { startPgBouncer } from '../../infra/pgbouncer.js';

test('PgBouncer pools by transaction in front of a test database', async () => {
  const { primary } = await testDatabase();
  await using bouncer = await startPgBouncer({ target: primary, settings: { default_pool_size: 1 } });
  const clients = [new pg.Client(bouncer.url), new pg.Client(bouncer.url)];
  await Promise.all(clients.map((client) => client.connect()));
  const backends = await Promise.all(
    clients.map((client) => client.query('select pg_backend_pid() as pid, current_database() as name')),
  );
  const [first, second] = backends.map(({ rows }) => rows[0]);
  expect(second).toEqual(first);
  expect(primary).toContain(first.name);
  await Promise.all(clients.map((client) => client.end()));
});
