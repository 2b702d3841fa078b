import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { Attempt } from './attempts.js';
import type { OnUnavailable } from './decision.js';
import { createLimiter } from './drivers/limiter.js';
import { createMemoryStore } from './drivers/memory.js';
import { createMemoryBans, MemoryBanWorld } from './drivers/memory-bans.js';
import { LimitsRoom } from './limits.js';
import { resolveLimitsOptions } from './options.js';
import type { LimitAsk, LimitStore } from './ports.js';

const minute = 60_000;

/** A protection over a store that does not always answer. */
function shakyLogin(onUnavailable: OnUnavailable) {
  const clock = createFakeClock();
  const memory = createMemoryStore({ clock, maxKeys: 100 });
  const state = { silent: (_ask: LimitAsk): boolean => false };
  const asked: LimitAsk[] = [];
  const store: LimitStore = {
    source: 'redis',
    isUp: true,
    instances: 1,
    start: async () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
    ask(asks) {
      if (asks.some(state.silent)) return Promise.reject(new Error('no answer'));
      asked.push(...asks);
      return memory.ask(asks);
    },
  };
  const login = { pair: '2/h', address: '3/h', blockMs: [minute, 60 * minute], onUnavailable } as const;
  const { protections } = resolveLimitsOptions({ protections: { login } });
  const room = new LimitsRoom({
    kernel: createKernel({ clock }),
    policies: [],
    protections,
    store,
    local: createMemoryStore({ clock, maxKeys: 100 }),
    bans: createMemoryBans(new MemoryBanWorld(), clock),
    limiter: createLimiter,
  });
  const begin = (): Promise<Attempt> => room.attempt('login', { account: 'ann', address: '203.0.113.7' });
  return { begin, state, asked };
}

const isAbout = (part: string) => (ask: LimitAsk) => ask.rule.id.startsWith(`login:${part}:`);

describe('an attempt while the store does not always answer', () => {
  it.each(['open', 'closed', 'local'] as const)(
    'that fails is blocked as the first time where nobody can tell how often it was (%s)',
    async (onUnavailable) => {
      const { begin, state, asked } = shakyLogin(onUnavailable);
      await (await begin()).failed();
      const last = await begin();
      state.silent = isAbout('blocks');
      await last.failed();
      expect(asked.filter(({ kind }) => kind === 'block')).toMatchObject([{ amount: minute * 1_000 }]);
      expect(await begin()).toMatchObject({ allowed: false, decision: { retryAfterMs: minute } });
    },
  );

  it('that was refused for that alone costs nothing', async () => {
    const { begin, state } = shakyLogin('closed');
    for (const part of ['account', 'address', 'pair', 'account']) {
      state.silent = isAbout(part);
      const { allowed, decision } = await begin();
      expect([allowed, decision.source]).toEqual([false, 'closed']);
    }
    state.silent = () => false;
    expect((await begin()).decision).toMatchObject({ allowed: true, remaining: 1 });
  });
});
