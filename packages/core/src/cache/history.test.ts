import { expect, it } from 'vitest';
import { emptyToken, mergeTokens, type Token } from '../kernel/token.js';
import { CacheFleet, type FleetInstance } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { randomOf } from '../testing/random.js';
import type { CacheRules } from './rules.js';

const KEYS = ['x', 'y', 'z'];
const INSTANCES = 3;

interface Violation {
  readonly what: string;
  readonly key: string;
  readonly served: number;
  readonly demanded: number;
}

/**
 * Lets three instances read, write and invalidate at random, while announcements get lost, late and out of order,
 * instances are cut off, go blind or freeze, the replica lags, loaders fail, values are served past their time, and the state
 * is lost or goes back.
 *
 * Registers hold increasing numbers. Whoever holds the token of a write must never be served less; once everything is
 * healthy and the trust bound has passed, nobody must be served less than what is confirmed.
 */
async function run(seed: number, steps: number, rules?: Partial<CacheRules>): Promise<readonly Violation[]> {
  const random = randomOf(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const chance = (ratio: number) => random() < ratio;
  const clock = createFakeClock();
  const fleet = new CacheFleet({
    clock,
    rules,
    random,
    travel: async () => {
      if (chance(0.3)) await new Promise<void>((resolve) => void clock.after(random() * 5, resolve));
    },
    maxTags: 8,
    doubtMs: 60_000,
    options: { ttlMs: 600_000 },
  });
  const instances: FleetInstance[] = [];
  for (let index = 0; index < INSTANCES; index++) instances.push(await fleet.instance());
  const frozen = new Set<unknown>();
  let loss = 0.2;
  fleet.carry = (deliver, to) => {
    if (frozen.has(to) || chance(loss)) return;
    if (chance(0.5)) deliver();
    else clock.after(random() * 40, deliver);
  };

  const violations: Violation[] = [];
  const acked = new Map<string, number>();
  const clients = Array.from({ length: 4 }, () => ({
    token: emptyToken as Token,
    seen: new Map<string, number>(),
  }));
  let version = 0;

  const write = async () => {
    const client = pick(clients);
    const instance = pick(instances);
    const key = pick(KEYS);
    const value = ++version;
    const verb = chance(0.3) ? 'expire' : 'write';
    const { token } = await instance[verb](key, value, client.token);
    client.token = mergeTokens(client.token, token);
    client.seen.set(key, value);
    acked.set(key, value);
  };
  const read = async () => {
    const client = pick(clients);
    const instance = pick(instances);
    const key = pick(KEYS);
    const { token } = client;
    const demanded = client.seen.get(key) ?? 0;
    const loadMs = chance(0.5) ? random() * 30 : 0;
    const nested = chance(0.3);
    const register = async () => {
      const level = chance(0.1) ? 'eventual' : 'causal';
      const value = fleet.registers.read(instance.kernel, key, level);
      if (loadMs > 0) await new Promise<void>((resolve) => clock.after(loadMs, resolve));
      return { value, level };
    };
    const lifetime = chance(0.3) ? { ttlMs: 1 + random() * 50, staleMs: 600_000 } : {};
    const isFailing = chance(0.05);
    const get = () =>
      instance.cache.getOrLoad(
        key,
        () => (isFailing ? Promise.reject(new Error('the loader failed')) : register()),
        lifetime,
      );
    const reply = await instance
      .request(() => (nested ? instance.cache.getOrLoad(`page:${key}`, get, lifetime) : get()), token)
      .catch(() => undefined);
    if (reply === undefined) return;
    const { value, level } = reply.value;
    // Who asked his loader for anything, however old, has no claim; what he was given must not reach others.
    if (level === 'causal' && value < demanded)
      violations.push({ what: 'own', key, served: value, demanded });
    client.token = client.token === token ? reply.token : mergeTokens(client.token, reply.token);
  };
  const disturb = () => {
    const instance = pick(instances);
    const { level } = instance;
    const kind = random();
    if (kind < 0.2) level.setUp(!level.isUp);
    else if (kind < 0.4) level.setLive(!level.isLive);
    else if (kind < 0.6) frozen.has(level) ? frozen.delete(level) : frozen.add(level);
    else if (kind < 0.8) fleet.registers.replicates = !fleet.registers.replicates;
    else if (kind < 0.85) loss = random() * 0.8;
    else if (kind < 0.88) fleet.world.flush();
    else if (kind < 0.97) fleet.world.renew();
    else fleet.registers.catchUp();
  };

  const running = new Set<Promise<void>>();
  for (let step = 0; step < steps; step++) {
    const die = random();
    if (die < 0.08) disturb();
    else if (die < 0.3) running.add(write());
    else running.add(read());
    if (chance(0.3)) await clock.advance(random() * 20);
  }
  await clock.advance(60_000);
  await Promise.all(running);

  // All is well again, but for a replica that stands still and the announcements of the last writes.
  frozen.clear();
  loss = 0;
  for (const { level } of instances) {
    if (!level.isUp) level.setUp(true);
    if (!level.isLive) level.setLive(true);
  }
  const page = ({ cache, kernel }: FleetInstance, key: string, level?: 'eventual') => {
    const load = () => ({ value: fleet.registers.read(kernel, key, level), level: 'causal' });
    return cache.getOrLoad(`page:${key}`, () => cache.getOrLoad(key, load));
  };
  const everyPage = async () => {
    const pages: { readonly key: string; readonly served: number }[] = [];
    for (const instance of instances) {
      for (const key of KEYS) {
        const reading = page(instance, key);
        await clock.advance(2_000);
        pages.push({ key, served: (await reading).value });
      }
    }
    return pages;
  };
  fleet.registers.catchUp();
  fleet.registers.replicates = false;
  await clock.advance(3_000);
  await everyPage();
  loss = 1;
  for (const key of KEYS) {
    const writing = pick(instances).write(key, ++version);
    await clock.advance(100);
    await writing;
    acked.set(key, version);
    const reading = page(pick(instances), key, 'eventual');
    await clock.advance(2_000);
    await reading;
  }
  loss = 0;
  await clock.advance(3_000);
  for (const { key, served } of await everyPage()) {
    const demanded = acked.get(key) ?? 0;
    if (served < demanded) violations.push({ what: 'bound', key, served, demanded });
  }
  for (const { kernel } of instances) kernel.contexts.close(); // hundreds of histories follow one another
  return violations;
}

const given = process.env.PANDO_TEST_SEED;
const first = given === undefined ? Math.floor(Math.random() * 2 ** 30) : Number(given);
const isFull = process.env.PANDO_TEST_SIZE === 'full';

it('no random history serves anybody less than he has written, nor anybody the past for longer than the bound', async () => {
  console.log(`PANDO_TEST_SEED=${first}`);
  for (let seed = first; seed < first + (isFull ? 400 : 10); seed++) {
    expect({ seed, violations: await run(seed, 300) }).toEqual({ seed, violations: [] });
  }
}, 600_000);

/**
 * Rules, switched off. The one on unconfirmed invalidations is missing: whoever holds a token is kept from harm by that
 * alone, and nobody else has been promised anything until the confirmation.
 */
const mutants: readonly (readonly [keyof CacheRules, Partial<CacheRules>])[] = [
  ['isSameEpoch', { isSameEpoch: () => true }],
  ['check', { check: () => 'valid' }],
  ['demand', { demand: () => ({ kind: 'any' }) }],
  ['reaches', { reaches: () => true }],
  ['isTrusted', { isTrusted: () => true }],
  ['covers', { covers: () => true }],
  ['raise', { raise: (caller) => caller }],
  ['coversWritten', { coversWritten: () => true }],
  ['isStorable', { isStorable: () => true }],
  ['isNext', { isNext: () => true }],
];

it.each(mutants)(
  'random histories show that the rule %s is needed',
  async (_, rules) => {
    const seeds = Array.from({ length: 40 }, (_, index) => first + index);
    for (const seed of seeds) if ((await run(seed, 300, rules)).length > 0) return;
    expect.fail(`none of the seeds from ${first} on caught it`);
  },
  600_000,
);
