import { afterEach, describe, expect, it } from 'vitest';
import { noopLogger } from '../../kernel/logger.js';
import { noopMeter } from '../../kernel/meter.js';
import { createFakeClock } from '../../testing/fake-clock.js';
import { ChannelPlans } from '../channel-plans.js';
import { createMemoryWorld, MemoryBroker, type MemoryWorld } from '../drivers/memory.js';
import type { Reset } from '../message.js';
import { packHeader, packMessage } from '../packing.js';
import type { Announcement, Head, LogPage, ReadOptions } from '../ports.js';
import { RealtimeMetrics } from '../realtime-metrics.js';
import { recovery } from '../recovery.js';
import type { Format } from './entry.js';
import { Hub } from './hub.js';
import { type Beating, Pulse } from './pulse.js';
import type { Place, Reader, Sink, Start } from './reader.js';

const retention = {
  historyEntries: 1_000,
  historyTtlMs: 60_000,
  headTtlMs: 600_000,
  idempotencyMs: 60_000,
  heldIdMs: 600_000,
};

/** A memory broker that lets a test announce what was never appended, and lose what was; counts looks at the log. */
class ObservedBroker extends MemoryBroker {
  reads = 0;
  readonly looks: string[] = [];
  /** Bytes of the largest page that was read, of those with more than two entries. */
  largestPage = 0;
  isDeaf = false;
  /** Lineages of channels that are in another part of the log. */
  readonly elsewhere = new Map<string, string>();
  readonly unreachable = new Set<string>();
  readonly #listeners: ((announced: Announcement) => void)[] = [];

  override async subscribe(channel: string, onEntry: (announced: Announcement) => void) {
    this.#listeners.push(onEntry);
    return super.subscribe(channel, (announced) => this.isDeaf || onEntry(announced));
  }

  override async read(channel: string, options: ReadOptions): Promise<LogPage> {
    this.reads++;
    this.looks.push(channel);
    const page = await super.read(channel, options);
    const bytes = page.entries.reduce((sum, { packed }) => sum + packed.length, 0);
    if (page.entries.length > 2) this.largestPage = Math.max(this.largestPage, bytes);
    return { ...page, lineage: this.elsewhere.get(channel) ?? page.lineage };
  }

  override async heads(channels: readonly string[]): Promise<readonly Head[]> {
    const heads = (await super.heads(channels)).map((head, at) => ({
      ...head,
      lineage: this.elsewhere.get(channels[at] as string) ?? head.lineage,
    }));
    return heads.map((head, at) =>
      this.unreachable.has(channels[at] as string) ? undefined : head,
    ) as Head[];
  }

  hear(announced: Announcement): void {
    for (const listener of this.#listeners) listener(announced);
  }
}

const text: Format<string, readonly string[]> = {
  slot: 0,
  encode: (_entry, { data }) => data.toString(),
  join: (frames) => frames,
};

class RecordingSink implements Sink<readonly string[]> {
  readonly format = text;
  isFull = false;
  readonly said: string[] = [];

  onStart(_reader: Reader<readonly string[]>, { recovered, reason }: Start): void {
    this.said.push(reason ?? (recovered ? 'recovered' : 'start'));
  }

  onBatch(_reader: Reader<readonly string[]>, frames: readonly string[]): void {
    this.said.push(...frames);
  }

  onReset(_reader: Reader<readonly string[]>, { reason }: Reset): void {
    this.said.push(reason);
  }
}

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
});

async function setUp() {
  const clock = createFakeClock();
  const world = createMemoryWorld({ clock });
  const broker = new ObservedBroker(world, retention, 'node');
  const metrics = new RealtimeMetrics(noopMeter);
  const plans = new ChannelPlans('reset');
  const settings = { tickMs: 1_000, lingerMs: 10_000, sweepMs: 30_000 } as const;
  const parts = { broker, clock, logger: noopLogger, metrics, recovery, plans, tokens: undefined };
  const hub = new Hub({ ...parts, settings });
  hubs.push(hub);
  await broker.start(hub);
  const settle = async () => {
    await clock.advance(0);
    await clock.advance(0);
  };
  const follow = async (place: Place = {}, sink = new RecordingSink(), channel = 'c') => {
    const reader = hub.reader(channel, sink, place);
    reader.join();
    await settle();
    return { reader, sink };
  };
  const append = async (event: unknown, header = packHeader('other'), channel = 'c') => {
    const [place] = world.append(
      channel,
      header,
      [{ id: undefined, packed: packMessage('', JSON.stringify(event)) }],
      retention,
    );
    await settle();
    return { id: place?.id ?? '', index: undefined, lineage: world.lineage };
  };
  return { clock, world, broker, hub, follow, append };
}

describe('a hub', () => {
  it('resets, and goes on, where a newer release wrote what cannot be read', async () => {
    const { follow, append } = await setUp();
    const live = await follow();
    const start = await append(1);
    await append('in another format', '2other\n');
    await append(2);
    expect(live.sink.said).toEqual(['start', '1', 'unreadable', '2']);
    const late = await follow({ at: start });
    expect(late.sink.said).toEqual(['unreadable', '2']);
  });

  it('believes the log, not announcements that the log knows nothing of', async () => {
    const { broker, clock, follow, append } = await setUp();
    const { sink } = await follow();
    const { lineage } = await append(1);
    const packed = Buffer.concat([Buffer.from(packHeader('liar')), packMessage('', '"forged"')]);
    const before = broker.reads;
    broker.hear({ lineage, id: '9999999999999-0', prev: '9999999999998-0', packed });
    broker.hear({ lineage: 'elsewhere', id: '9999999999999-0', prev: '9999999999998-0', packed });
    for (let turn = 0; turn < 20; turn++) await clock.advance(0);
    expect(broker.reads - before).toBeLessThan(10);
    await append(2);
    expect(sink.said).toEqual(['start', '1', '2']);
  });

  it('looks at the log once for all that come back to the same place', async () => {
    const { broker, clock, follow, append } = await setUp();
    const start = await append(0);
    for (let n = 1; n <= 300; n++) await append(n); // more than is kept in memory
    await follow();
    const before = broker.reads;
    const sinks = Array.from({ length: 50 }, () => new RecordingSink());
    await Promise.all(sinks.map((sink) => follow({ at: start }, sink)));
    for (let turn = 0; turn < 10; turn++) await clock.advance(0);
    for (const { said } of sinks)
      expect(said).toEqual(['recovered', ...Array.from({ length: 300 }, (_, n) => `${n + 1}`)]);
    expect(broker.reads - before).toBeLessThan(5);
  });

  it('looks at the log once for all that come back one after the other to places that lie near each other', async () => {
    const { broker, clock, follow, append } = await setUp();
    const places = [await append(0)];
    for (let n = 1; n <= 300; n++) places.push(await append(n));
    await follow();
    const before = broker.reads;
    for (const [from, at] of places.slice(0, 100).entries()) {
      const { sink } = await follow({ at });
      for (let turn = 0; turn < 10; turn++) await clock.advance(0);
      expect(sink.said).toEqual([
        'recovered',
        ...Array.from({ length: 300 - from }, (_, n) => `${from + n + 1}`),
      ]);
    }
    expect(broker.reads - before).toBeLessThan(5);
    await clock.advance(2_000);
    const later = broker.reads;
    await follow({ at: places[0] });
    expect(broker.reads).toBeGreaterThan(later); // nothing is kept for long
  });

  it('reads little at a time where messages are large, and hands them all over', async () => {
    const { broker, clock, follow, append } = await setUp();
    const sizes = Array.from({ length: 90 }, (_, n) => (n % 3 === 0 ? 100 : 70_000 + 100 * n));
    const start = await append(0);
    for (const size of sizes) await append('x'.repeat(size));
    await follow();
    const { sink } = await follow({ at: start });
    for (let turn = 0; turn < 100; turn++) await clock.advance(0);
    expect(sink.said[0]).toBe('recovered');
    expect(sink.said.slice(1).map(({ length }) => length - 2)).toEqual(sizes);
    expect(broker.largestPage).toBeGreaterThan(262_144);
    expect(broker.largestPage).toBeLessThanOrEqual(524_288);
  });

  it('does not believe what it has read in another life of the data set', async () => {
    const { clock, world, broker, hub, follow, append } = await setUp();
    const start = await append(0);
    for (let n = 1; n <= 300; n++) await append(n);
    await follow();
    expect((await follow({ at: start })).sink.said[0]).toBe('recovered');
    world.restart({ keepsData: false });
    await append('new');
    hub.onRestored();
    for (let turn = 0; turn < 10; turn++) await clock.advance(0);
    const before = broker.reads;
    const { sink } = await follow({ at: start });
    for (let turn = 0; turn < 10; turn++) await clock.advance(0);
    expect(sink.said).toEqual(['failover']);
    expect(broker.reads - before).toBeLessThan(3);
  });

  it('looks at those channels alone whose part of the log has another life', async () => {
    const { broker, clock, hub, follow } = await setUp();
    const [c, d] = [await follow(), await follow({}, new RecordingSink(), 'd')];
    broker.looks.length = 0;
    broker.elsewhere.set('d', 'other');
    hub.onRestored();
    for (let turn = 0; turn < 10; turn++) await clock.advance(0);
    expect([c.sink.said, d.sink.said, broker.looks]).toEqual([['start'], ['start', 'failover'], ['d']]);
    hub.sweep();
    await clock.advance(0);
    expect(broker.looks).toEqual(['d']);
  });

  it('finds what was missed on channels that can be reached, and on the others once they can', async () => {
    const { broker, clock, follow, append } = await setUp();
    const [c, d] = [await follow(), await follow({}, new RecordingSink(), 'd')];
    broker.isDeaf = true;
    broker.unreachable.add('d');
    await append(1);
    await append(2, undefined, 'd');
    await clock.advance(31_000);
    expect([c.sink.said, d.sink.said]).toEqual([['start', '1'], ['start']]);
    broker.unreachable.clear();
    await clock.advance(2_000);
    expect(d.sink.said).toEqual(['start', '2']);
  });

  it('does not look at the log for what it has in memory', async () => {
    const { broker, follow, append } = await setUp();
    await follow();
    const start = await append(0);
    for (let n = 1; n <= 100; n++) await append(n);
    const before = broker.reads;
    const { sink } = await follow({ at: start });
    expect(sink.said).toHaveLength(101);
    expect(broker.reads).toBe(before);
  });

  it('forgets a channel that was asked for and never followed', async () => {
    const { clock, hub } = await setUp();
    const reader = hub.reader('c', new RecordingSink(), {});
    reader.close();
    reader.join();
    expect(hub.size).toBe(1);
    await clock.advance(12_000);
    expect(hub.size).toBe(0);
  });

  it('keeps one place for each reader, whatever happens on the way', async () => {
    const { clock, follow, append } = await setUp();
    const sink = new RecordingSink();
    const { reader } = await follow({}, sink);
    sink.isFull = true;
    await append(1);
    expect(reader.state).toBe('parked');
    await append(2);
    sink.isFull = false;
    reader.resume();
    expect([reader.state, sink.said]).toEqual(['attached', ['start', '1', '2']]);
    const last = await append(3);
    reader.close();
    reader.resume();
    await clock.advance(0);
    expect(reader.position).toEqual(last);
  });
});

describe('a hub with many readers', () => {
  /** Appends without letting a turn of the event loop pass. */
  const publish = (world: MemoryWorld, channel: string, ...events: readonly number[]) => {
    for (const event of events) {
      const packed = packMessage('', JSON.stringify(event));
      world.append(channel, packHeader('other'), [{ id: undefined, packed }], retention);
    }
  };
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

  it('serves a part of them in each turn, and other channels in between', async () => {
    const { clock, world, hub } = await setUp();
    const many = Array.from({ length: 2_500 }, () => new RecordingSink());
    const few = new RecordingSink();
    for (const sink of many) hub.reader('many', sink, {}).join();
    hub.reader('few', few, {}).join();
    await clock.advance(0);
    const served = () => many.filter(({ said }) => said.includes('1')).length;
    publish(world, 'many', 1, 2);
    publish(world, 'few', 1);
    const counts = new Set<number>();
    let servedBeforeFew: number | undefined;
    while (served() < many.length) {
      await turn();
      counts.add(served());
      if (few.said.includes('1')) servedBeforeFew ??= served();
    }
    expect(Math.min(...[...counts].filter((count) => count > 0))).toBeLessThan(many.length);
    expect(servedBeforeFew).toBeLessThan(many.length);
    for (const { said } of many) expect(said).toEqual(['start', '1', '2']);
  });

  it('loses and repeats nothing for those who come, leave, and are slow while a part of them was served', async () => {
    const { clock, world, hub } = await setUp();
    const sinks = Array.from({ length: 2_500 }, () => new RecordingSink());
    const readers = sinks.map((sink) => hub.reader('c', sink, {}));
    for (const reader of readers) reader.join();
    await clock.advance(0);
    publish(world, 'c', 1);
    for (let n = 0; n < 100 && !sinks[0]?.said.includes('1'); n++) await turn();
    const slow = sinks.at(-1) as RecordingSink;
    slow.isFull = true;
    readers.at(-2)?.close();
    const late = new RecordingSink();
    hub.reader('c', late, {}).join();
    publish(world, 'c', 2, 3);
    for (let n = 0; n < 100 && !(late.said.includes('3') && sinks[0]?.said.includes('3')); n++) await turn();
    slow.isFull = false;
    readers.at(-1)?.resume();
    await clock.advance(0);
    for (let n = 0; n < 100 && !slow.said.includes('3'); n++) await turn();
    for (const [index, { said }] of sinks.entries()) {
      expect(said).toEqual(index === sinks.length - 2 ? ['start'] : ['start', '1', '2', '3']);
    }
    expect(late.said).toEqual(['start', '2', '3']);
  });
});

describe('the pulse', () => {
  it('calls each member at its own time, at most a tick late, with one timer', async () => {
    const clock = createFakeClock();
    using pulse = new Pulse(clock, 1_000, () => undefined);
    const calls: string[] = [];
    const member = (name: string, ...delays: number[]): Beating => ({
      slot: 0,
      beat: () => {
        calls.push(`${name}@${clock.monotonic()}`);
        return delays.shift() ?? 0;
      },
    });
    pulse.schedule(member('once'), 2_500);
    pulse.schedule(member('thrice', 1_000, 5_000), 1_000);
    pulse.schedule(member('far'), 1_000_000); // further than the wheel reaches: comes round early
    const gone = member('gone');
    pulse.schedule(gone, 1_000);
    pulse.remove(gone);
    expect(clock.pending).toBe(1);
    await clock.advance(120_000);
    expect(calls).toEqual(['thrice@1000', 'thrice@2000', 'once@3000', 'thrice@7000', 'far@63000']);
  });
});
