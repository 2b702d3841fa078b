import { createLimits, type Decision, type Limits } from '@pando/core/limits';
import { waitFor } from '@pando/core/testing';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type RedisServer, startRedis } from '../infra/redis.js';
import { floorsOfThisFile } from '../integration/redis/floors.js';

const { open, make, closeLater } = floorsOfThisFile();

/** What a busy machine may add to a promised bound. */
const slackMs = 250;
const decisionTimeoutMs = 100;
const limit = 10;

const policies = {
  open: { windows: { limit, windowMs: 3_600_000 }, onUnavailable: 'open' },
  closed: { windows: { limit, windowMs: 3_600_000 }, onUnavailable: 'closed' },
  local: { windows: { limit, windowMs: 3_600_000 }, onUnavailable: 'local' },
} as const;
const modes = ['open', 'closed', 'local'] as const;

let redis: RedisServer;
beforeEach(async () => {
  redis = await startRedis();
  closeLater(() => redis.close());
});

/** A room in a kit of two instances. */
async function startLimits(): Promise<Limits> {
  const settings = { name: `limits-${redis.port}` };
  // Shorter than the outage: both leases have ended when Redis is back.
  const floor = await open({ url: redis.url, leaseMs: 300 }, settings);
  await open({ url: redis.url, leaseMs: 300 }, settings);
  await waitFor(() => floor.fleet.instances().length === 2, { message: 'the instances to know each other' });
  const limits = createLimits({ policies, decisionTimeoutMs }, { redis: floor });
  onTestFinished(() => limits.close());
  return limits;
}

/** Asks again and again until stopped, several at a time; remembers every decision by its key, and the slowest. */
function keepAsking(limits: Limits, policy: string, firstKey: string) {
  const decisions = new Map<string, Decision[]>();
  let key = firstKey;
  let slowestMs = 0;
  let stopped = false;
  const about = (asked: string): Decision[] => {
    const known = decisions.get(asked) ?? [];
    decisions.set(asked, known);
    return known;
  };
  const caller = async () => {
    while (!stopped) {
      const beganAt = performance.now();
      const asked = key;
      about(asked).push(await limits.consume(policy, asked));
      slowestMs = Math.max(slowestMs, performance.now() - beganAt);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const callers = Array.from({ length: 8 }, caller);
  return {
    about,
    /** From now on about another key: what is known to be over its limit is refused without asking. */
    go(next: string): void {
      key = next;
    },
    async stop(): Promise<number> {
      stopped = true;
      await Promise.all(callers);
      return slowestMs;
    },
  };
}

const faults = {
  'is killed': {
    begin: () => redis.kill(),
    end: () => redis.restart(),
  },
  hangs: {
    begin: async () => redis.freeze(),
    end: async () => redis.thaw(),
  },
};

describe.each(Object.entries(faults))('when Redis %s', (_, fault) => {
  it.each(modes)(
    'every decision of a policy that goes "%s" is made in time, and Redis decides again afterwards',
    async (mode) => {
      const limits = await startLimits();
      const asking = keepAsking(limits, mode, 'before');
      await waitFor(() => asking.about('before').some(({ source }) => source === 'redis'));
      await fault.begin();
      asking.go('meanwhile');
      await waitFor(() => asking.about('meanwhile').length > 500);
      asking.go('afterwards');
      await fault.end();
      await waitFor(() => asking.about('afterwards').some(({ source }) => source === 'redis'));
      const slowestMs = await asking.stop();

      expect(slowestMs).toBeLessThan(decisionTimeoutMs + slackMs);
      const without = asking.about('meanwhile');
      expect(new Set(without.map(({ source }) => source))).toEqual(new Set([mode]));
      const passed = without.filter(({ allowed }) => allowed).length;
      // Two instances: each lets half of the limit pass by itself.
      expect(passed).toBe({ open: without.length, closed: 0, local: limit / 2 }[mode]);
    },
  );
});

it('an instance that starts without Redis decides at once, and with Redis as soon as it is there', async () => {
  await redis.kill();
  const floor = make(redis.url);
  const limits = createLimits({ policies, decisionTimeoutMs }, { redis: floor });
  onTestFinished(() => limits.close());
  const starting = floor.start();
  for (const mode of modes) {
    const beganAt = performance.now();
    expect((await limits.consume(mode, 'ann')).source).toBe(mode);
    expect(performance.now() - beganAt).toBeLessThan(slackMs);
  }
  await redis.restart();
  await starting;
  expect((await waitFor(async () => limits.consume('local', 'ann'))).source).toBe('redis');
});
