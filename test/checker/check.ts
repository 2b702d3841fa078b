import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseOptions } from '@pando/core/db';
import { type TestCluster, waitFor } from '@pando/core/testing';
import type { KitRules } from '../../packages/core/src/pando.js';
import { randomOf } from '../../packages/core/src/testing/random.js';
import { Client } from './client.js';
import type { Fault } from './faults.js';
import { Known } from './known.js';
import { Ledger } from './ledger.js';
import { channel, type Written, write } from './registers.js';
import { Report } from './report.js';
import { Site } from './site.js';

/** What a run does. */
export interface Plan {
  readonly cluster: TestCluster;
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** How long the faults go on. */
  readonly forMs: number;
  readonly rules?: KitRules | undefined;
  /** Over ours. */
  readonly db?: Partial<DatabaseOptions> | undefined;
  /** Whether what was read may not go back either: the faults must not keep an instance from Redis then. */
  readonly isMonotonic?: boolean | undefined;
  /** Whether one name stands for all replicas. */
  readonly hasOneName?: boolean | undefined;
  /** @defaultValue `4` */
  readonly clients?: number | undefined;
  /** Requests that each client has in flight. @defaultValue `2` */
  readonly width?: number | undefined;
  /** @defaultValue `0.2` */
  readonly writeRatio?: number | undefined;
  /** @defaultValue `5` */
  readonly pauseMs?: number | undefined;
  /** Ends as soon as something is found. */
  readonly untilViolation?: boolean | undefined;
}

let runs = 0;

/**
 * Runs clients against a fleet of instances while servers, instances and the network between them fail, and judges
 * everything that they are shown.
 */
export async function check(plan: Plan): Promise<Report> {
  const { cluster, seed, faults, forMs, rules, db, hasOneName, untilViolation = false } = plan;
  const { clients: clientCount = 4, width = 2, writeRatio = 0.2, pauseMs = 5, isMonotonic = false } = plan;
  const report = new Report(seed);
  const ledger = new Ledger((what) => report.violated(what));
  const noted = new Set<string>();
  const note = (payload: unknown) => void noted.add(String(payload));
  await using site = await Site.open(
    { cluster, rules, db, isMonotonic, hasOneName, note },
    `checker_${seed}_${++runs}`,
  );
  const { instances } = site;
  const settled = new Known();
  const world = { report, ledger, instances, settled, isMonotonic, writeRatio, pauseMs };
  let generators = 0;
  let strangers = 0;
  const random = () => randomOf(seed + 7_919 * generators++);
  const clients = Array.from(
    { length: clientCount },
    (_, index) => new Client(`client ${index}`, world, random()),
  );
  const stranger = () => new Client(`stranger ${++strangers}`, world, random());
  await Promise.all(clients.map((client) => client.follow()));

  const endsAt = performance.now() + forMs;
  const isOver = () => performance.now() >= endsAt || (untilViolation && report.violations.length > 0);
  const load = clients.flatMap((client) => Array.from({ length: width }, () => client.run(isOver)));
  const strikes = (['replicas', 'fleet'] as const).map(async (place) => {
    const own = faults.filter((fault) => fault.place === place);
    const dice = random();
    while (own.length > 0 && !isOver()) {
      await delay(dice() * 100);
      const fault = own[Math.floor(dice() * own.length)] as Fault;
      await fault.strike({ site, clients, stranger, random: dice });
      report.struck(fault.name);
      for (const client of clients) await client.followOn();
    }
  });
  const gossip = (async () => {
    const dice = random();
    while (!isOver()) {
      await delay(dice() * 300);
      const [from, to] = [0, 0].map(() => clients[Math.floor(dice() * clients.length)] as Client);
      if (from !== to) from?.tell(to as Client);
    }
  })();
  await Promise.all([...load, ...strikes, gossip]);
  if (untilViolation && report.violations.length > 0) return report;

  await site.recovered();
  for (const client of clients) await client.idle();
  await judgeTheEnd(site, report, ledger, noted, new Client('the last client', world, random()));
  return report;
}

/** When all is over, everything that was committed has had its effects, once, and everybody who may expect it is shown it. */
async function judgeTheEnd(
  site: Site,
  report: Report,
  ledger: Ledger,
  noted: ReadonlySet<string>,
  last: Client,
): Promise<void> {
  const [instance] = site.instances;
  if (instance === undefined) throw new Error('No instance is left.');
  // Whatever was published before this comes before it; whatever was invalidated before it is covered by its token.
  await last.follow();
  await instance.pando.realtime.publish(channel, { id: 'last', versions: {} } satisfies Written);
  await waitFor(() => ledger.published.has('last'), { intervalMs: 5, message: 'the last event' });
  await last.request(
    () => async (pando) => {
      await write(pando, 'last');
      await pando.cache.invalidate(['last']);
    },
    { instance, operations: 1 },
  );
  for (const { key, version } of await site.rows<{ key: string; version: number }>(
    'select * from registers',
  )) {
    last.learn(key, version);
  }
  for (const each of site.instances) await last.lookAtAll(each);

  const journal = await site.rows<{ id: string; effect: string | null }>('select * from journal');
  const committed = new Set(journal.map(({ id }) => id));
  for (const { id, effect } of journal) {
    if (ledger.resets === 0 && !ledger.published.has(id))
      report.violated(`the event of ${id} was never published`);
    if (effect !== null && !noted.has(id)) report.violated(`the effect of ${id} was never carried out`);
  }
  for (const id of [...ledger.published.keys(), ...noted]) {
    if (id !== 'last' && !committed.has(id)) report.violated(`${id} had effects and was not committed`);
  }
}
