import { describe, expect, it } from 'vitest';
import { createEffectsRunner } from './effects.js';
import { noopLogger } from './kernel/logger.js';
import { cacheToken, dbToken, mergeTokens, pendingToken, type Token } from './kernel/token.js';

const written = dbToken({ shard: 'main', system: 's', timeline: 1, lsn: 7n });
const invalidated = cacheToken({ epoch: 'e', sequence: 3 });

/** Rooms that note what is asked of them, in order. */
function rooms(
  invalidation = { token: invalidated, confirmed: true },
  failing: readonly string[] = [],
  confirmsExpiry = true,
) {
  const calls: string[] = [];
  const tokens: (Token | undefined)[] = [];
  const run = createEffectsRunner({
    cache: {
      async invalidate(tags, options) {
        calls.push(`invalidate ${tags.join(' ')}`);
        tokens.push(options?.token);
        await new Promise((resolve) => setImmediate(resolve));
        calls.push('invalidated');
        return invalidation;
      },
      async expire(tags, options) {
        calls.push(`expire ${tags.join(' ')} settling: ${options?.settles === true}`);
        return confirmsExpiry
          ? { token: cacheToken({ epoch: 'e', sequence: 4 }), confirmed: true }
          : { token: pendingToken(options?.id ?? ''), confirmed: false };
      },
    },
    realtime: {
      async publish(channel, _event, options) {
        calls.push(`publish ${channel} as ${options?.id}`);
        tokens.push(options?.token);
        if (failing.includes(channel)) throw new Error('away');
        return { channel, position: '1-0', duplicate: false };
      },
      async release(ids) {
        calls.push(`release ${ids.map(({ channel, id }) => `${channel} ${id}`).join(', ')}`);
      },
    },
    logger: noopLogger,
  });
  return { run, calls, tokens };
}

const effects = {
  tags: ['post:1'],
  events: [
    { channel: 'posts', event: { n: 1 } },
    { channel: 'feed', event: { n: 2 } },
  ],
};

describe('effects of a committed transaction', () => {
  it('invalidate first, then publish, each event under an id of its own and with the merged token', async () => {
    const { run, calls, tokens } = rooms();
    const { token: seen, isComplete } = await run(effects, { token: written, id: 'tx' });
    expect(isComplete).toBe(true);
    expect(calls).toEqual([
      'invalidate post:1',
      'invalidated',
      'publish posts as tx:0',
      'publish feed as tx:1',
    ]);
    const both = mergeTokens(written, invalidated);
    expect(seen).toEqual(both);
    expect(tokens).toEqual([written, both, both]);
  });

  it('expire what need not be exact behind what they invalidate, and publish then', async () => {
    const { run, calls } = rooms();
    const asked = { ...effects, expired: ['posts'], events: effects.events.slice(0, 1) };
    const { token: seen } = await run(asked, { token: written, id: 'tx', isRepeated: true });
    expect(calls).toEqual([
      'invalidate post:1',
      'invalidated',
      'expire posts settling: true',
      'publish posts as tx:0',
    ]);
    expect(seen).toEqual(mergeTokens(written, cacheToken({ epoch: 'e', sequence: 4 })));
  });

  it('publish nothing while an expiry is not confirmed', async () => {
    const { run, calls } = rooms(undefined, [], false);
    const outcome = await run({ ...effects, tags: [], expired: ['posts'] }, { token: written, id: 'tx' });
    expect(calls).toEqual(['expire posts settling: false']);
    expect(outcome).toEqual({ token: mergeTokens(written, pendingToken('tx')), isComplete: false });
  });

  it('do not settle a repeated attempt of which only a part is confirmed', async () => {
    const { run, calls } = rooms({ token: pendingToken('tx'), confirmed: false });
    const asked = { ...effects, expired: ['posts'] };
    expect(await run(asked, { token: written, id: 'tx', isRepeated: true })).toMatchObject({
      isComplete: false,
    });
    expect(calls).toEqual(['invalidate post:1', 'invalidated', 'expire posts settling: false']);
  });

  it('publish nothing while the invalidation is not confirmed, and answer with its pending token', async () => {
    const { run, calls } = rooms({ token: pendingToken('row'), confirmed: false });
    const outcome = await run(effects, { token: written, id: 'tx' });
    expect(calls).toEqual(['invalidate post:1', 'invalidated']);
    expect(outcome).toEqual({ token: mergeTokens(written, pendingToken('row')), isComplete: false });
  });

  it('publish without an invalidation where no tag was named', async () => {
    const { run, calls } = rooms();
    expect(await run({ ...effects, tags: [] }, { token: written, id: 'tx' })).toEqual({
      token: written,
      isComplete: true,
    });
    expect(calls).toEqual(['publish posts as tx:0', 'publish feed as tx:1']);
  });

  it('do not fail the transaction, nor each other, when an event cannot be published', async () => {
    const { run, calls } = rooms(undefined, ['posts']);
    await expect(run(effects, { token: written, id: 'tx' })).resolves.toEqual({
      token: mergeTokens(written, invalidated),
      isComplete: false,
    });
    expect(calls.at(-1)).toBe('publish feed as tx:1');
  });

  it('hold their ids while they may be carried out again, and release those of one turn together', async () => {
    const { run, calls } = rooms();
    const kept = { token: written, isRepeatable: true };
    const outcomes = [await run(effects, { ...kept, id: 'a' }), await run(effects, { ...kept, id: 'b' })];
    for (const { finished } of outcomes) finished?.();
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.filter((call) => call.startsWith('release'))).toEqual([
      'release posts a:0, feed a:1, posts b:0, feed b:1',
    ]);
    expect((await run(effects, { token: written, id: 'c' })).finished).toBeUndefined();
  });
});
