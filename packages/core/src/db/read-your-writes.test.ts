import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ReadBound } from '../kernel/context.js';
import { createKernel } from '../kernel/kernel.js';
import { dbToken, emptyToken, mergeTokens, type Token } from '../kernel/token.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createMemoryDatabase } from '../testing/memory-database.js';
import type { ReadLevel } from './api.js';
import { MemoryWorld } from './drivers/memory.js';
import type { Lease } from './ports.js';
import type { Position } from './position.js';
import { serves } from './position.js';
import { Replica } from './replica.js';
import type { DatabaseRules } from './rules.js';

/*
 * Several instances, several clients with requests in flight, replicas that lag, pause, crash and come back
 * at an earlier point. Each client writes growing versions to a register of its own and sometimes hands its
 * token to another. No read may return less than what the reader knew to be written when it began; at the level monotonic,
 * nor less than what it had read.
 */

interface RunOptions {
  readonly seed: number;
  readonly level?: ReadLevel;
  readonly rules?: Partial<DatabaseRules>;
}

interface Outcome {
  readonly violations: readonly string[];
  readonly reads: number;
  readonly fromReplicas: number;
  readonly writes: number;
}

const instanceCount = 3;
const clientCount = 6;
const durationMs = 3_000;

async function run({ seed, level = 'causal', rules }: RunOptions): Promise<Outcome> {
  const random = randomOf(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const clock = createFakeClock();
  const world = new MemoryWorld({ clock, replicas: 2, travelMs: () => Math.floor(random() * 4) });
  const violations: string[] = [];
  let [reads, fromReplicas, writes] = [0, 0, 0];

  const instances = Array.from({ length: instanceCount }, () => {
    const kernel = createKernel({ clock });
    const options = { pool: { size: 3, overflow: 1, acquireTimeoutMs: 300 }, warmupMs: 100 };
    return { kernel, ...createMemoryDatabase({ kernel, world, options, rules }) };
  });
  const started = Promise.all(instances.map(({ db }) => db.start()));
  await clock.advance(50);
  await started;

  const clients = Array.from({ length: clientCount }, (_, index) => ({
    key: `register-${index}`,
    version: 0,
    token: emptyToken as Token,
    known: new Map<string, number>(),
    isWriting: false,
  }));
  type Client = (typeof clients)[number];

  const request = async (client: Client, code: (instance: (typeof instances)[number]) => Promise<void>) => {
    const instance = pick(instances);
    const { contexts } = instance.kernel;
    const controller = new AbortController();
    const context = contexts.open({ id: 'request', signal: controller.signal, token: client.token });
    await contexts.run(context, () => code(instance));
    client.token = mergeTokens(client.token, context.token);
  };
  const write = async (client: Client) => {
    if (client.isWriting) return;
    client.isWriting = true;
    const version = ++client.version;
    try {
      await request(client, async ({ db }) => {
        if (random() < 0.5) await db.write('set', [client.key, version]);
        else await db.transaction((tx) => tx.query('set', [client.key, version]));
      });
      client.known.set(client.key, version); // acknowledged, and its token kept
      writes++;
    } finally {
      client.isWriting = false;
    }
  };
  const read = async (client: Client) => {
    const key = pick([...client.known.keys(), level === 'monotonic' ? pick(clients).key : client.key]);
    const least = client.known.get(key) ?? 0;
    let value = 0;
    await request(client, async ({ db, kernel }) => {
      const context = kernel.contexts.current();
      const load = {
        noteRead: ({ shard, seen, upTo }: ReadBound) => {
          if (seen !== 'primary') fromReplicas++;
          if (upTo !== undefined) context.observe(dbToken({ shard, ...upTo }));
        },
      };
      const init = { id: 'load', signal: new AbortController().signal, token: context.token };
      const { rows } = await kernel.contexts.run(kernel.contexts.openLoad(init, load), () =>
        db.read<{ value: number | undefined }>('get', [key], { level }),
      );
      value = rows[0]?.value ?? 0;
      reads++;
      if (value < least)
        violations.push(`seed ${seed}, at ${clock.monotonic()} ms: ${key} was ${value}, known ${least}`);
    });
    // Seen, and the token kept.
    if (level === 'monotonic') client.known.set(key, Math.max(value, client.known.get(key) ?? 0));
  };
  const tell = (from: Client, to: Client) => {
    to.token = mergeTokens(to.token, from.token);
    for (const [key, version] of from.known) to.known.set(key, Math.max(version, to.known.get(key) ?? 0));
  };
  const disturb = () => {
    const replica = pick(world.replicas);
    const crash = () => {
      replica.lagMs = 5 + Math.floor(random() * 30); // what it had replayed it has to replay again
      replica.crash({ backBy: 1 + Math.floor(random() * 20) });
    };
    pick([
      () => replica.pauseReplay(),
      () => replica.resumeReplay(),
      () => replica.resumeReplay(),
      () => {
        replica.lagMs = Math.floor(random() * 30);
      },
      crash,
      crash,
      crash,
      () => replica.stop(),
      () => replica.start(),
      () => replica.start(),
      () => world.primary.crash(),
    ])();
  };

  const inFlight = new Set<Promise<void>>();
  const launch = (work: Promise<void>) => {
    const settled = work.catch(() => undefined).finally(() => inFlight.delete(settled)); // refused: nothing is promised
    inFlight.add(settled);
  };
  while (clock.monotonic() < durationMs) {
    for (let n = Math.floor(random() * 3); n > 0; n--)
      launch(random() < 0.35 ? write(pick(clients)) : read(pick(clients)));
    if (random() < 0.05) tell(pick(clients), pick(clients));
    if (random() < 0.05) disturb();
    await clock.advance(1);
  }
  for (const server of [world.primary, ...world.replicas]) server.start();
  while (inFlight.size > 0) await clock.advance(10);
  await Promise.all(instances.map(({ db }) => db.close()));
  for (const { kernel } of instances) kernel.contexts.close(); // hundreds of runs follow one another
  return { violations, reads, fromReplicas, writes };
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Takes any replica, reads, and looks at the position afterwards. */
const positionAfterTheRead: Partial<DatabaseRules> = {
  createReplica: (...args) =>
    new (class extends Replica {
      override get position(): Position | undefined {
        return super.position && { ...super.position, lsn: 2n ** 60n };
      }
    })(...args),
  provenRead: async (lease, { floor, history }, read) => {
    const value = await read();
    const bound = await lease.prove();
    return serves(bound, floor, history) ? { value, bound } : undefined;
  },
};

/** Keeps what it knew when sessions end, and believes it for sessions that began later. */
const positionNotDropped: Partial<DatabaseRules> = {
  createReplica: (...args) =>
    new (class extends Replica {
      override forget(): void {}
      override provenFor(lease: Lease): Position {
        return this.position ?? lease.proof;
      }
    })(...args),
};

/** Names what a read is certain to have seen, instead of what it can have seen. */
const lowerBound: Partial<DatabaseRules> = { upperBound: (seen) => seen };

describe('read your writes', () => {
  const given = process.env.PANDO_TEST_SEED;
  const first = given === undefined ? randomInt(2 ** 30) : Number(given);
  console.log(`read-your-writes: PANDO_TEST_SEED=${first}`);
  const runs = process.env.PANDO_TEST_SIZE === 'full' ? 100 : 3;

  it.each(['causal', 'monotonic'] as const)(
    'holds at the level %s, with replicas in use, under faults',
    { timeout: runs * 10_000 },
    async (level) => {
      const total = { reads: 0, fromReplicas: 0, writes: 0 };
      for (let index = 0; index < runs; index++) {
        const { violations, ...counts } = await run({ seed: first + index, level });
        expect(violations).toEqual([]);
        for (const key of ['reads', 'fromReplicas', 'writes'] as const) total[key] += counts[key];
      }
      expect(total.writes).toBeGreaterThan(runs * 300);
      expect(total.reads).toBeGreaterThan(runs * 1_000);
      expect(total.fromReplicas).toBeGreaterThan(total.reads / 10);
    },
  );

  /** A single run may be lucky; two dozen in a row are not. */
  it.each([
    ['reads ask for nothing', { level: 'eventual' as const }],
    ['the position is looked at after the read', { rules: positionAfterTheRead }],
    ['the position outlives the sessions', { rules: positionNotDropped }],
    ['the token names less than was read', { rules: lowerBound, level: 'monotonic' as const }],
  ])('is missed, and seen to be missed, when %s', { timeout: 240_000 }, async (_, broken) => {
    const violations: string[] = [];
    for (let index = 0; index < 24 && violations.length === 0; index++) {
      violations.push(...(await run({ ...broken, seed: first + index })).violations);
    }
    expect(violations).not.toEqual([]);
  });
});
