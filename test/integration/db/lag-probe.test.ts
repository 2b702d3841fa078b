import pg from 'pg';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
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

it('replicas with an expression of their own serve what it vouches for', async () => {
  const own = await testDatabase();
  const admin = new pg.Client(own.primary);
  await admin.connect();
  onTestFinished(() => admin.end());
  const vouchFor = (lsn: string) =>
    admin.query(
      `create or replace function replay_position() returns pg_lsn language sql security definer as 'select ${lsn}'`,
    );
  await vouchFor('pg_last_wal_replay_lsn()');
  const lagProbe = { replayLsn: 'public.replay_position()' };
  const replicas = own.replicas.map((connectionString) => ({ connectionString, lagProbe }));
  const { db, request, one } = await openDatabase({ ...own, replicas, replicaWaitMs: 5_000 });
  const hasty = await openDatabase({ ...own, replicas, replicaWaitMs: 50 });
  await request(async () => {
    await db.write('create table written (id int)');
    expect(await one(where)).toEqual({ isReplica: true });
    expect(await one('select count(*)::int from written')).toEqual({ count: 0 });
    expect(await one(where, [], { level: 'monotonic' })).toEqual({ isReplica: false });
  });
  await vouchFor('pg_last_wal_replay_lsn() - 1000000::numeric');
  await hasty.request(async () => {
    await hasty.db.write('insert into written values (1)');
    expect(await hasty.one('select count(*)::int, pg_is_in_recovery() as "isReplica" from written')).toEqual({
      count: 1,
      isReplica: false,
    });
  });
});
