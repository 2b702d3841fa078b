import { expect, test } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.js';
import { cacheToken, dbToken, emptyToken, mergeTokens } from './token.js';
import { createMemoryShelf } from './token-shelf.js';

const bounds = { lifeMs: 1_000, timeoutMs: 50 };
const at = (lsn: bigint) => dbToken({ shard: 'main', system: '1', timeline: 1, lsn });

test('what is kept never goes back, and is of one user', async () => {
  const shelf = createMemoryShelf(createFakeClock());
  await shelf.keep('ann', at(9n), bounds);
  await shelf.keep('ann', at(7n), bounds);
  await shelf.keep('ann', cacheToken({ epoch: 'e', sequence: 1 }), bounds);
  expect(await shelf.read('ann', bounds)).toEqual(
    mergeTokens(at(9n), cacheToken({ epoch: 'e', sequence: 1 })),
  );
  expect(await shelf.read('bob', bounds)).toEqual(emptyToken);
});

test('what is kept ends with its life, counted from the last write', async () => {
  const clock = createFakeClock();
  const shelf = createMemoryShelf(clock);
  await shelf.keep('ann', at(1n), bounds);
  await clock.advance(900);
  await shelf.keep('ann', at(2n), bounds);
  await clock.advance(900);
  expect(await shelf.read('ann', bounds)).toEqual(at(2n));
  await clock.advance(101);
  expect(await shelf.read('ann', bounds)).toEqual(emptyToken);
});
