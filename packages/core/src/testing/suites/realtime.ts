import { describe, expect, it } from 'vitest';
import {
  cacheToken,
  dbToken,
  emptyToken,
  mergeTokens,
  pendingToken,
  type Token,
} from '../../kernel/token.js';
import { packMessage, unpackEntry } from '../../realtime/packing.js';
import type { Announcement, Broker, OutgoingMessage } from '../../realtime/ports.js';
import { compareIds, originId, unkept } from '../../realtime/position.js';
import { waitFor } from '../wait-for.js';

/** What the suite needs of a driver. */
export interface BrokerSetup {
  /** Another broker in the same world, started, as another instance would have it; closed by whoever made it. */
  broker(): Promise<Broker>;
}

/** How the brokers of the suite are set up. */
export const brokerSuiteRetention = Object.freeze({
  historyEntries: 1_000,
  historyTtlMs: 60_000,
  headTtlMs: 600_000,
  idempotencyMs: 60_000,
  heldIdMs: 600_000,
});

const message = (event: unknown, id?: string): OutgoingMessage => ({
  id,
  packed: packMessage('', JSON.stringify(event)),
});

const eventsOf = ({ packed }: { readonly packed: Buffer }): unknown[] =>
  (unpackEntry(packed)?.messages ?? []).map(({ data }) => JSON.parse(data.toString()) as unknown);

/** What holds for every broker. */
export function brokerSuite(name: string, setup: () => Promise<BrokerSetup>): void {
  describe(name, () => {
    let channels = 0;
    const world = async () => {
      const { broker } = await setup();
      const [a, b] = [await broker(), await broker()];
      return { a, b, channel: `suite:${++channels}/${Math.random().toString(36).slice(2)}` };
    };
    const listen = async (broker: Broker, channel: string) => {
      const heard: Announcement[] = [];
      const subscription = await broker.subscribe(channel, (announced) => heard.push(announced));
      return { heard, subscription };
    };
    const readAll = (broker: Broker, channel: string, from = originId) =>
      broker.read(channel, { from, limit: 1_000 });

    it('appends to a log that every instance reads', async () => {
      const { a, b, channel } = await world();
      await a.append(channel, [message('one')]);
      await b.append(channel, [message('two')]);
      const page = await readAll(b, channel);
      expect(page.entries.flatMap(eventsOf)).toEqual(['one', 'two']);
      expect(page).toMatchObject({ head: page.entries[1]?.id, more: false });
      expect(page.entries.map((entry) => unpackEntry(entry.packed)?.publishedBy)).toEqual([a.self, b.self]);
    });

    it('names the predecessor of each entry, beginning with the origin', async () => {
      const { a, b, channel } = await world();
      await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 ? a : b).append(channel, [message(n)])));
      const { entries } = await readAll(a, channel);
      expect(entries).toHaveLength(40);
      for (const [index, entry] of entries.entries()) {
        expect(entry.prev).toBe(entries[index - 1]?.id ?? originId);
        expect(compareIds(entry.prev, entry.id)).toBeLessThan(0);
      }
    });

    it('puts the messages of one append into one entry and says where each is', async () => {
      const { a, channel } = await world();
      const places = await a.append(channel, [message('x'), message('y'), message('z')]);
      const { entries, head, lineage } = await readAll(a, channel);
      expect(entries).toHaveLength(1);
      expect(places).toEqual([
        { id: head, index: 0, lineage, duplicate: false },
        { id: head, index: 1, lineage, duplicate: false },
        { id: head, index: undefined, lineage, duplicate: false },
      ]);
    });

    it('announces each entry to every instance that listens, in order', async () => {
      const { a, b, channel } = await world();
      const [atA, atB] = [await listen(a, channel), await listen(b, channel)];
      const other = await listen(b, `${channel}x`);
      for (let n = 0; n < 20; n++) await (n % 2 ? a : b).append(channel, [message(n)]);
      await waitFor(() => atA.heard.length === 20 && atB.heard.length === 20, { message: 'announcements' });
      const { entries, lineage } = await readAll(a, channel);
      for (const { heard } of [atA, atB])
        expect(heard).toEqual(entries.map((entry) => ({ ...entry, lineage })));
      expect(other.heard).toEqual([]);
    });

    it('announces what is kept nowhere to every instance that listens, and keeps nothing', async () => {
      const { a, b, channel } = await world();
      await a.append(channel, [message('kept')]);
      const [atA, atB] = [await listen(a, channel), await listen(b, channel)];
      await a.announce(channel, [message('one'), message('two')]);
      await b.announce(channel, [message('three', 'an id that counts for nothing')]);
      await waitFor(() => atA.heard.length === 2 && atB.heard.length === 2, { message: 'announcements' });
      for (const { heard } of [atA, atB]) {
        // Of different instances: in whatever order they came.
        expect(heard.flatMap(eventsOf).sort()).toEqual(['one', 'three', 'two']);
        expect(heard.map(({ lineage }) => lineage)).toEqual([unkept, unkept]);
      }
      expect((await readAll(b, channel)).entries.flatMap(eventsOf)).toEqual(['kept']);
    });

    it('keeps of a channel what its appends say', async () => {
      const { a, b, channel } = await world();
      const history = { entries: 1, ttlMs: 60_000 };
      for (let n = 0; n < 300; n++) await a.append(channel, [message(n)], { history });
      const { entries } = await readAll(b, channel);
      expect(entries.length).toBeLessThan(300);
      expect(entries.slice(-1).flatMap(eventsOf)).toEqual([299]);
      await a.append(`${channel}/brief`, [message(1)], { history: { entries: 1, ttlMs: 1 } });
      await waitFor(async () => (await readAll(b, `${channel}/brief`)).entries.length === 0);
    });

    it('stops calling a subscription that was closed, and no other', async () => {
      const { a, channel } = await world();
      const [kept, closed] = [await listen(a, channel), await listen(a, channel)];
      await closed.subscription.close();
      await closed.subscription.close();
      await a.append(channel, [message(1)]);
      await waitFor(() => kept.heard.length === 1);
      expect(closed.heard).toEqual([]);
    });

    it('adds nothing for an id that it knows, from whatever instance, and says where it went', async () => {
      const { a, b, channel } = await world();
      const { heard } = await listen(a, channel);
      const [first] = await a.append(channel, [message('once', 'row:1'), message('more')]);
      const [again, fresh] = await b.append(channel, [message('once', 'row:1'), message('new', 'row:2')]);
      expect(first).toMatchObject({ index: 0, duplicate: false });
      expect(again).toEqual({ ...first, duplicate: true });
      expect(fresh).toMatchObject({ index: undefined, duplicate: false });
      expect(await b.append(channel, [message('new', 'row:2')])).toEqual([{ ...fresh, duplicate: true }]);
      const { entries } = await readAll(a, channel);
      expect(entries.map(eventsOf)).toEqual([['once', 'more'], ['new']]);
      await waitFor(() => heard.length === 2);
      expect((await b.append(`${channel}x`, [message('once', 'row:1')]))[0]?.duplicate).toBe(false);
    });

    it('adds an id that comes twice in one append once', async () => {
      const { a, channel } = await world();
      const [one, two, three] = await a.append(channel, [message(1, 'k'), message(1, 'k'), message(2)]);
      expect(two).toEqual({ ...one, duplicate: true });
      expect(three).toMatchObject({ id: one?.id, index: undefined, duplicate: false });
      expect((await readAll(a, channel)).entries.flatMap(eventsOf)).toEqual([1, 2]);
    });

    it('knows a held key like any other, on its channel, and after its release for a while', async () => {
      const { a, b, channel } = await world();
      const held = { ...message('once', 'row:1'), isHeld: true };
      const [first] = await a.append(channel, [held]);
      for (const repeated of [held, message('once', 'row:1')])
        expect(await b.append(channel, [repeated])).toEqual([{ ...first, duplicate: true }]);
      expect((await b.append(`${channel}x`, [held]))[0]?.duplicate).toBe(false);
      await b.release([{ channel, id: 'row:1' }]);
      expect(await a.append(channel, [held])).toEqual([{ ...first, duplicate: true }]);
    });

    it('gives one of many racing appends with the same id the place, and all the same answer', async () => {
      const { a, b, channel } = await world();
      const racing = Array.from({ length: 20 }, (_, n) =>
        (n % 2 ? a : b).append(channel, [message('x', 'race')]),
      );
      const places = (await Promise.all(racing)).map(([place]) => place);
      expect(places.filter((place) => place?.duplicate === false)).toHaveLength(1);
      expect(new Set(places.map((place) => place?.id)).size).toBe(1);
      expect((await readAll(a, channel)).entries).toHaveLength(1);
    });

    it('reads page after page from any entry on, that one included', async () => {
      const { a, channel } = await world();
      for (let n = 0; n < 10; n++) await a.append(channel, [message(n)]);
      const { entries } = await readAll(a, channel);
      const page = await a.read(channel, { from: entries[2]?.id, limit: 3 });
      expect(page.entries.flatMap(eventsOf)).toEqual([2, 3, 4]);
      expect(page).toMatchObject({ more: true, head: entries[9]?.id });
      expect((await a.read(channel, { from: entries[9]?.id, limit: 3 })).entries.flatMap(eventsOf)).toEqual([
        9,
      ]);
      expect(await a.read(channel, { from: undefined, limit: 0 })).toMatchObject({
        head: entries[9]?.id,
        entries: [],
      });
    });

    it('reads two entries at least, and more only as long as they fit into the bytes asked for', async () => {
      const { a, channel } = await world();
      const large = 'x'.repeat(1_000);
      const told = [large, large, large, ...Array.from({ length: 60 }, (_, n) => n), large, 'end'];
      for (const event of told) await a.append(channel, [message(event)]);
      const pages: unknown[][] = [];
      for (let from = originId, more = true; more; ) {
        const page = await a.read(channel, { from, limit: 50, maxBytes: 2_500 });
        const isBeside = ({ id }: { readonly id: string }) => id !== from;
        pages.push(page.entries.filter(isBeside).flatMap(eventsOf));
        const bytes = page.entries.reduce((sum, { packed }) => sum + packed.length, 0);
        expect(bytes <= 2_500 || page.entries.length === 2).toBe(true);
        from = page.entries.at(-1)?.id ?? from;
        more = page.more;
      }
      expect(pages.flat()).toEqual(told);
      expect(pages[0]).toEqual([large, large]);
      const tiny = await a.read(channel, { from: originId, limit: 50, maxBytes: 1 });
      expect(tiny).toMatchObject({ more: true, entries: { length: 2 } });
      expect(await a.read(channel, { from: tiny.head, limit: 50, maxBytes: 1 })).toMatchObject({
        more: false,
      });
    });

    it('knows where channels end, also those that nobody has used', async () => {
      const { a, b, channel } = await world();
      await a.append(channel, [message(1)]);
      const { head, lineage } = await readAll(a, channel);
      const unused = `${channel}-unused`;
      const elsewhere = (await readAll(a, unused)).lineage; // it may be kept beside the first, or on another server
      expect(await b.heads([channel, unused])).toEqual([
        { lineage, id: head },
        { lineage: elsewhere, id: originId },
      ]);
      expect(await a.read(unused, { from: originId, limit: 5 })).toEqual({
        lineage: elsewhere,
        head: originId,
        entries: [],
        more: false,
        seen: emptyToken,
      });
    });

    it('remembers, and merges, what the events of a channel have written', async () => {
      const { a, b, channel } = await world();
      const at = (lsn: bigint, timeline = 1) => dbToken({ shard: 'a b', system: '7', timeline, lsn });
      const writing = (token: Token): OutgoingMessage => ({ ...message(1), token });
      const seen = async (name = channel) => (await b.read(name, { from: undefined, limit: 0 })).seen;
      await a.append(channel, [message(1), writing(at(2n ** 53n)), writing(at(5n))]);
      expect(await seen()).toEqual(at(2n ** 53n));
      await b.append(channel, [writing(cacheToken({ epoch: 'é 1', sequence: 3 })), writing(at(1n))]);
      expect((await seen()).cache).toEqual([{ epoch: 'é 1', sequence: 3 }]);
      await b.append(channel, [writing(mergeTokens(at(4n, 2), cacheToken({ epoch: 'f', sequence: 1 })))]);
      expect(await seen()).toEqual(mergeTokens(at(4n, 2), cacheToken({ epoch: 'f', sequence: 1 })));
      await a.append(channel, [writing(pendingToken('row'))]);
      expect((await seen()).pending).toEqual(['row']);
      expect(await seen(`${channel}x`)).toEqual(emptyToken);
    });

    it('carries bytes of any kind', async () => {
      const { a, b, channel } = await world();
      const { heard } = await listen(b, channel);
      const event = { text: 'é\r\n\0𝄞 1 2 3', big: 'x'.repeat(100_000) };
      await a.append(channel, [message(event, 'schlüssel \n é')]);
      await waitFor(() => heard.length === 1);
      expect(heard.flatMap(eventsOf)).toEqual([event]);
      expect((await readAll(a, channel)).entries.flatMap(eventsOf)).toEqual([event]);
      expect((await b.append(channel, [message(event, 'schlüssel \n é')]))[0]?.duplicate).toBe(true);
    });

    it('gives up when its caller does', async () => {
      const { a, channel } = await world();
      const signal = AbortSignal.abort(new Error('gone'));
      await expect(a.append(channel, [message(1)], { signal })).rejects.toThrow('gone');
      await expect(a.read(channel, { from: undefined, limit: 0, signal })).rejects.toThrow('gone');
      await expect(a.heads([channel], { signal })).rejects.toThrow('gone');
      expect((await readAll(a, channel)).entries).toEqual([]);
    });
  });
}
