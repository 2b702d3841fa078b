import type { Pando } from '@pando/core';
import { type TestCluster, waitFor } from '@pando/core/testing';
import type { KitRules } from '../../packages/core/src/pando.js';
import { randomOf } from '../../packages/core/src/testing/random.js';
import { Client } from './client.js';
import { Known } from './known.js';
import { Ledger } from './ledger.js';
import { type Cached, cachedRegisters, readBoard, readCached } from './registers.js';
import { Report } from './report.js';
import { Site } from './site.js';

interface Row {
  readonly key: string;
  readonly version: number;
}

/** What {@link checkLoss} does it with. */
export interface LossPlan {
  /** Of a primary and one replica; it is used up. */
  readonly cluster: TestCluster;
  readonly seed: number;
  readonly rules?: KitRules | undefined;
}

/**
 * Loses a commit that was acknowledged, and that everybody has cached: the primary dies before its replica has heard of it.
 *
 * Whoever has noticed that the replica leads now may not show it any more.
 */
export async function checkLoss({ cluster, seed, rules }: LossPlan): Promise<Report> {
  const report = new Report(seed);
  const ledger = new Ledger((what) => report.violated(what));
  const settled = new Known();
  await using site = await Site.open(
    { cluster, rules, isMonotonic: false, note: () => undefined },
    'checker',
  );
  const { instances } = site;
  const world = { report, ledger, instances, settled, isMonotonic: false, writeRatio: 0, pauseMs: 0 };
  const writer = new Client('the writer', world, randomOf(seed));
  const [replica] = cluster.replicas;
  const [instance] = instances;
  if (replica === undefined || instance === undefined) throw new Error('There is nobody to take over.');

  await replica.query(`alter system set primary_conninfo = ''`);
  await replica.query('select pg_reload_conf()');
  const isDeaf = async () => (await replica.query('select from pg_stat_wal_receiver')).length === 0;
  await waitFor(isDeaf, { intervalMs: 5, message: 'the replica to hear nothing any more' });
  await writer.transactOn(instance);
  const isCached = async ({ cache }: Pando, register: string, version: number) => {
    let loads = 0;
    const cached = await cache.getOrLoad<Cached>(register, async () => ({ version, settled: ++loads }));
    return loads === 0 && cached.version === version;
  };
  for (const { key, version } of await site.rows<Row>('select * from registers')) {
    if (!key.startsWith('cached')) continue;
    for (const { pando } of instances) await waitFor(() => isCached(pando, key, version));
  }

  const timelines = () => instances.map(({ pando }) => pando.db.topology().timeline ?? 0);
  const before = Math.max(...timelines());
  await cluster.primary.kill();
  await replica.promote();
  await Promise.all(instances.map((each) => each.leadPrimaryTo(replica)));
  await waitFor(() => timelines().every((timeline) => timeline > before), {
    intervalMs: 1,
    message: 'everybody to notice',
  });
  report.struck('loss of a commit');

  const rows = await site.rows<Row>('select * from registers', replica);
  const left = new Map(rows.map(({ key, version }) => [key, version]));
  const judge = (where: string, register: string, version: number) => {
    if (version !== left.get(register))
      report.violated(
        `cached read on ${where}: ${register} was ${version}, and ${left.get(register)} is left`,
      );
  };
  for (const { name, pando } of instances) {
    for (const register of cachedRegisters) {
      judge(name, register, (await readCached(pando, register, settled)).version);
      report.done('cached reads');
    }
    const board = await readBoard(pando, settled);
    for (const [index, register] of cachedRegisters.entries())
      judge(name, register, board[index]?.version ?? 0);
    report.done('cached reads of all');
  }
  return report;
}
