import { setTimeout as delay } from 'node:timers/promises';
import { cacheInstruments } from '../../../packages/core/src/cache/metrics.js';
import { type Meter, noopMeter } from '../../../packages/core/src/kernel/meter.js';
import { randomOf } from '../../../packages/core/src/testing/random.js';
import type { RedisServer } from '../../infra/redis.js';
import { Report } from '../report.js';
import { boundMs, CacheClient, type Manners } from './client.js';
import type { CacheFault } from './faults.js';
import type { CacheSetup } from './instance.js';
import { CacheSite } from './site.js';
import { groups, World } from './world.js';

/** What a run does. */
export interface CachePlan extends CacheSetup, Partial<Manners> {
  readonly redis: RedisServer;
  readonly seed: number;
  readonly faults: readonly CacheFault[];
  /** How long the faults go on. */
  readonly forMs: number;
  /** @defaultValue `4` */
  readonly clients?: number | undefined;
  /** Requests that each client has in flight. @defaultValue `2` */
  readonly width?: number | undefined;
  /** Ends as soon as something is found. */
  readonly untilViolation?: boolean | undefined;
}

const defaultManners: Manners = {
  isMonotonic: false,
  isReplicaLate: true,
  isShortLived: true,
  writeRatio: 0.1,
  laxRatio: 0.05,
  failRatio: 0.03,
  pauseMs: 4,
};

let runs = 0;

/** Runs clients against several instances of the cache while everything around them fails, and judges what they are shown. */
export async function checkCache(plan: CachePlan): Promise<Report> {
  const { redis, seed, faults, forMs, clients: clientCount = 4, width = 2, untilViolation = false } = plan;
  const manners = { ...defaultManners, ...plan };
  let generators = 0;
  const random = () => randomOf(seed + 7_919 * generators++);
  const report = new Report(seed);
  const world = new World(report, random());
  world.registers.tellsBound = manners.isMonotonic;
  world.registers.replicates = !manners.isReplicaLate;
  if (!redis.running) await redis.restart();
  await using site = await CacheSite.open(redis, `cache-checker-${seed}-${++runs}`, {
    ...plan,
    meter: answersIn(report),
  });
  const clients: CacheClient[] = [];
  const client = (name: string) => new CacheClient(name, { world, site, manners, clients, random: random() });
  for (let index = 0; index < clientCount; index++) clients.push(client(`client ${index}`));
  let strangers = 0;
  const stranger = () => client(`stranger ${++strangers}`);

  const endsAt = performance.now() + forMs;
  const isOver = () => performance.now() >= endsAt || (untilViolation && report.violations.length > 0);
  const load = clients.flatMap((each) => Array.from({ length: width }, () => each.run(isOver)));
  const strikes = (async () => {
    const dice = random();
    while (faults.length > 0 && !isOver()) {
      await delay(dice() * 50);
      const fault = faults[Math.floor(dice() * faults.length)] as CacheFault;
      const strike = () => fault.strike({ site, world, clients, stranger, random: dice });
      world.trouble = fault.name;
      await (fault.isAlone ? site.turnstile.alone(strike) : strike());
      world.trouble = 'nothing';
      report.struck(fault.name);
    }
  })();
  const gossip = (async () => {
    const dice = random();
    while (!isOver()) {
      await delay(dice() * 200);
      const [from, to] = [0, 0].map(() => clients[Math.floor(dice() * clients.length)] as CacheClient);
      if (from !== to) from?.tell(to as CacheClient);
    }
  })();
  const replication = (async () => {
    const dice = random();
    while (!isOver()) {
      await delay(dice() * 40);
      world.replicate();
    }
  })();
  await Promise.all([...load, strikes, gossip, replication]);
  if (untilViolation && report.violations.length > 0) return report;

  await site.recovered();
  world.registers.catchUp();
  await judgeTheEnd(site, client('the last client'), stranger());
  return report;
}

/** Counts who has answered. */
function answersIn(report: Report): Meter {
  const counter: Meter['counter'] = (instrument, labels) =>
    instrument === cacheInstruments.requests
      ? { add: () => report.done(`answers: ${labels?.source}`) }
      : noopMeter.counter(instrument, labels);
  return { ...noopMeter, counter };
}

/** When all is over, everybody is shown the newest of everything: at once who has written it, in time who knows nothing. */
async function judgeTheEnd(site: CacheSite, last: CacheClient, stranger: CacheClient): Promise<void> {
  const [instance] = site.instances;
  if (instance === undefined) throw new Error('No instance is left.');
  for (const group of groups) await last.write(instance, group);
  for (const each of site.instances) await last.lookAtAll(each);
  await delay(boundMs + 1);
  for (const each of site.instances) await stranger.lookAsStranger(each);
}
