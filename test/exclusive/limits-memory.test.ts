import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLimits, type Limits } from '@pando/core/limits';
import { expect, it } from 'vitest';
import { testRedis, testSize } from '../infra/context.js';

const isFull = testSize() === 'full';
const keys = isFull ? 1_000_000 : 250_000;
const megabyte = 2 ** 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What the process holds on to. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const policies = { write: { windows: '2/h', algorithm: 'fixed' } } as const;

/** Spends everything that each of many keys has, and is refused once; some of them before all others. */
async function spray(limits: Limits): Promise<void> {
  const page = 500;
  for (let first = 0; first < keys; first += page)
    await Promise.all(
      Array.from({ length: page }, (_, one) => limits.consume('write', `10.0.${first + one}`, { cost: 2 })),
    );
  for (let first = 0; first < keys; first += page)
    await Promise.all(
      Array.from({ length: page }, (_, one) => limits.consume('write', `10.0.${first + one}`, { cost: 2 })),
    );
}

it.each([
  ['in memory', 50, () => createLimits({ policies })],
  [
    'in Redis',
    35, // what was refused, beside what is under way
    () => {
      const { url, name } = testRedis();
      return createLimits({ redis: url, name, policies, decisionTimeoutMs: 30_000 });
    },
  ],
])(
  `${keys} keys, counted %s, take no more than %i MB of this process, and reset nobody's count`,
  {
    timeout: isFull ? 600_000 : 120_000,
  },
  async (_, megabytes, create) => {
    await using limits = create();
    await limits.start();
    const before = heldBytes();
    for (let key = 0; key < 100; key++) await limits.consume('write', `ann${key}`, { cost: 2 });
    await spray(limits);
    const held = (heldBytes() - before) / megabyte;
    expect(held).toBeLessThan(megabytes);
    for (let key = 0; key < 100; key++)
      expect((await limits.consume('write', `ann${key}`)).allowed).toBe(false);
  },
);
