import { describe, expect, it } from 'vitest';
import { type RealtimeOptions, resolveRealtimeOptions } from './options.js';

const plansOf = (channels: RealtimeOptions['channels'], options: RealtimeOptions = {}) =>
  resolveRealtimeOptions({ ...options, channels }).channels;

describe('what applies to a channel', () => {
  it('is what its name says, then the longest prefix, then the room', () => {
    const plans = plansOf({
      '*': { history: { size: 4 } },
      'chat:*': { history: { size: 3 } },
      'chat:vip:*': { history: { size: 2 } },
      'chat:vip:1': { history: { size: 1 } },
    });
    const sizes = ['chat:vip:1', 'chat:vip:2', 'chat:', 'chat', 'news'].map(
      (channel) => plans.of(channel).history?.entries,
    );
    expect(sizes).toEqual([1, 2, 3, 4, 4]);
    expect(plansOf({ 'a*': { history: false } }).of('b')).toMatchObject({ isEphemeral: false });
  });

  it('does not reach the channel that tells who is there', () => {
    const plans = plansOf({ '*': { history: false } });
    expect(plans.of('chat').isEphemeral).toBe(true);
    expect(plans.of('chat#p').isEphemeral).toBe(false);
    expect(plans.of('#orders').isEphemeral).toBe(false);
  });

  it('takes from the room what it does not say itself', () => {
    const plans = plansOf({ a: { history: { ttlMs: 7 } }, b: { latest: true } }, { history: { size: 9 } });
    expect(plans.of('a').history).toEqual({ entries: 9, ttlMs: 7 });
    expect(plans.of('b')).toMatchObject({ isLatest: true, history: { entries: 1, ttlMs: 300_000 } });
  });

  it('lets positions of durable channels outlive a failover', () => {
    const plans = plansOf({ a: { durability: { replicas: 1, timeoutMs: 50.5 } } });
    expect(plans.of('a')).toMatchObject({ failover: 'verify', durability: { replicas: 1, timeoutMs: 51 } });
    expect(plans.of('b').failover).toBe('reset');
    expect(plansOf({ a: { durability: {} } }).of('a').durability).toEqual({ replicas: 1, timeoutMs: 1_000 });
  });

  it('keeps the end of every channel for longer than any history', () => {
    const day = 86_400_000;
    expect(resolveRealtimeOptions({}).retention.headTtlMs).toBe(day);
    const { retention } = resolveRealtimeOptions({ channels: { a: { history: { ttlMs: day } } } });
    expect(retention.headTtlMs).toBe(10 * day);
  });

  it('is refused where it cannot be right, by its path', () => {
    const refused: [RealtimeOptions['channels'] | object, RegExp][] = [
      [{ 'has space': {} }, /realtime\.channels\.has space must be about a channel/],
      [{ 'a*b': {} }, /must be about a channel/],
      [{ 'a#p': {} }, /must be about a channel/],
      [{ '': {} }, /must be about a channel/],
      [{ a: { histroy: {} } }, /Did you mean "history"/],
      [{ a: { history: { size: 0 } } }, /realtime\.channels\.a\.history\.size/],
      [{ a: { history: { size: 100_001 } } }, /from 1 to 100000/],
      [{ a: { history: { ttlMs: 1e300 } } }, /history\.ttlMs/],
      [{ a: { history: true } }, /an object, or false/],
      [{ a: { history: false, latest: true } }, /latest must be absent where history is false/],
      [{ a: { plain: true, latest: true } }, /latest must be absent where history is false or plain is true/],
      [{ a: { plain: true, history: { size: 5 } } }, /history must be absent or false where plain is true/],
      [{ a: { plain: 'yes' } }, /plain must be/],
      [{ a: { history: false, durability: { replicas: 1, timeoutMs: 1 } } }, /durability must be absent/],
      [{ a: { durability: { timeoutMs: 0 } } }, /durability\.timeoutMs/],
      [{ a: { durability: { replicas: 0, timeoutMs: 50 } } }, /from 1 to 100/],
    ];
    for (const [channels, message] of refused) {
      expect(() => plansOf(channels as RealtimeOptions['channels']), JSON.stringify(channels)).toThrow(
        message,
      );
    }
    expect(() => resolveRealtimeOptions({ history: { ttlMs: 1e15 } })).toThrow(/realtime\.history\.ttlMs/);
    expect(() => resolveRealtimeOptions({ idempotencyMs: 1e15 })).toThrow(/realtime\.idempotencyMs/);
  });
});
