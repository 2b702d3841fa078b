import { beforeAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../../infra/context.js';
import { openDatabase } from './open-database.js';

let urls: Awaited<ReturnType<typeof testDatabase>>;
beforeAll(async () => {
  urls = await testDatabase();
});

const where = 'select pg_is_in_recovery() as "isReplica"';

describe('replicas with lagProbe: none', () => {
  it('serve reads without a token, and none with one, however far they have come', async () => {
    const replicas = urls.replicas.map((connectionString) => ({
      connectionString,
      lagProbe: 'none' as const,
    }));
    const { db, request, one } = await openDatabase({ ...urls, replicas });
    await request(async () => {
      expect(await one(where)).toEqual({ isReplica: true });
      await db.write('create table if not exists written (id int)');
      for (let i = 0; i < 50; i++) expect(await one(where)).toEqual({ isReplica: false });
      expect(await one(where, [], { level: 'eventual' })).toEqual({ isReplica: true });
    });
    await request(async () => {
      expect(await one(where, [], { level: 'monotonic' })).toEqual({ isReplica: false });
    });
    for (const replica of db.topology().replicas)
      expect(replica).toMatchObject({ state: 'up', lsn: undefined, lagMs: undefined });
  });
});
