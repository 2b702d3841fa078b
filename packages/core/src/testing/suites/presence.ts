import { describe, expect, it } from 'vitest';
import { presenceChannel } from '../../realtime/channel-name.js';
import { unpackEntry } from '../../realtime/packing.js';
import type { Broker } from '../../realtime/ports.js';
import { originId } from '../../realtime/position.js';
import type { PresenceChange, PresencePage, PresenceRow } from '../../realtime/presence/ports.js';
import type { PresenceEvent } from '../../realtime/presence/presence.js';
import type { BrokerSetup } from './realtime.js';

const LEASE_MS = 60_000;

const rowOf = (row: string, user?: string, info?: unknown): PresenceRow => ({
  row,
  user: user === undefined ? undefined : JSON.stringify(user),
  info: info === undefined ? undefined : JSON.stringify(info),
});
const enter = (row: string, user?: string, info?: unknown): PresenceChange => ({
  kind: 'enter',
  ...rowOf(row, user, info),
});
const update = (row: string, user: string, info?: unknown): PresenceChange => ({
  kind: 'update',
  ...rowOf(row, user, info),
});
const leave = (row: string): PresenceChange => ({ kind: 'leave', row });

/** A list of who is present, as somebody keeps it who has a snapshot and follows the events. */
function follow(page: PresencePage, events: readonly PresenceEvent[]): ReadonlyMap<string, unknown> {
  const list = listOf(page);
  for (const event of events) {
    if (event.type === 'leave') list.delete(event.id);
    else list.set(event.id, event.info);
  }
  return list;
}

const listOf = ({ listed }: PresencePage): Map<string, unknown> =>
  new Map(listed.map(({ user, info }) => [JSON.parse(user), info && JSON.parse(info)]));

/** What holds for the presence of every broker. */
export function presenceStoreSuite(name: string, setup: () => Promise<BrokerSetup>): void {
  describe(name, () => {
    let lives = 0;
    const unique = (what: string) => `${what}-${++lives}-${Math.random().toString(36).slice(2)}`;
    const renew = (broker: Broker, life: string) => broker.presence.renew({ life, leaseMs: LEASE_MS });
    const end = (broker: Broker, life: string) => broker.presence.renew({ life, leaseMs: 0 });
    const world = async () => {
      const { broker } = await setup();
      const [a, b] = [await broker(), await broker()];
      const channel = unique('suite:presence');
      const life = async () => {
        const begun = unique('life');
        await renew(a, begun);
        return begun;
      };
      /** What was told on the channel after a position. */
      const told = async (from = originId): Promise<PresenceEvent[]> => {
        const page = await b.read(presenceChannel(channel), { from, limit: 10_000 });
        const entries = page.entries.filter(({ id }) => id !== from);
        return entries.flatMap(({ packed }) =>
          (unpackEntry(packed)?.messages ?? []).map(({ data }) => JSON.parse(data.toString())),
        );
      };
      return { a, b, channel, life, told };
    };

    it('lists users by their connections, for every instance', async () => {
      const { a, b, channel, life, told } = await world();
      const [one, two] = [await life(), await life()];
      await a.presence.change(channel, one, [
        enter(`${one}.1`, 'ann', { name: 'Ann' }),
        enter(`${one}.2`, 'bob'),
      ]);
      await b.presence.change(channel, two, [enter(`${two}.1`, 'ann')]);
      const page = await b.presence.read(channel, 10);
      expect(page).toMatchObject({ users: 2, connections: 3, hasEnded: false });
      expect([...page.listed].sort((x, y) => (x.user < y.user ? -1 : 1))).toEqual([
        { user: '"ann"', connections: 2, info: '{"name":"Ann"}' },
        { user: '"bob"', connections: 1, info: undefined },
      ]);
      expect(await told()).toEqual([
        { type: 'join', id: 'ann', info: { name: 'Ann' }, users: 1, connections: 1 },
        { type: 'join', id: 'bob', users: 2, connections: 2 },
      ]);
      expect(await a.presence.read(`${channel}x`, 10)).toMatchObject({
        users: 0,
        connections: 0,
        listed: [],
      });
    });

    it('tells that a user has left when its last connection has, wherever that was', async () => {
      const { a, b, channel, life, told } = await world();
      const [one, two] = [await life(), await life()];
      await a.presence.change(channel, one, [enter(`${one}.1`, 'ann')]);
      await b.presence.change(channel, two, [enter(`${two}.1`, 'ann')]);
      await a.presence.change(channel, one, [leave(`${one}.1`)]);
      expect(await told()).toMatchObject([{ type: 'join', id: 'ann' }]);
      await b.presence.change(channel, two, [leave(`${two}.1`)]);
      expect(await told()).toEqual([
        { type: 'join', id: 'ann', users: 1, connections: 1 },
        { type: 'leave', id: 'ann', users: 0, connections: 0 },
      ]);
      expect(await a.presence.read(channel, 10)).toMatchObject({ users: 0, connections: 0, listed: [] });
    });

    it('counts connections without a user, and tells nothing of them', async () => {
      const { a, channel, life, told } = await world();
      const own = await life();
      await a.presence.change(channel, own, [enter(`${own}.1`), enter(`${own}.2`)]);
      expect(await a.presence.read(channel, 10)).toMatchObject({ users: 0, connections: 2, listed: [] });
      await a.presence.change(channel, own, [leave(`${own}.1`)]);
      expect(await a.presence.read(channel, 10)).toMatchObject({ users: 0, connections: 1 });
      expect(await told()).toEqual([]);
    });

    it('shows of a user what its last connection brought, or what was changed after that', async () => {
      const { a, b, channel, life, told } = await world();
      const [one, two] = [await life(), await life()];
      const [first, second] = [`${one}.1`, `${two}.1`];
      const infoOf = async () => listOf(await b.presence.read(channel, 10)).get('ann');
      await a.presence.change(channel, one, [enter(first, 'ann', 1)]);
      await b.presence.change(channel, two, [enter(second, 'ann', 2)]);
      expect(await infoOf()).toBe(2);
      await a.presence.change(channel, one, [enter(first, 'ann', 1)]); // told again: nothing new
      expect(await infoOf()).toBe(2);
      await a.presence.change(channel, one, [update(first, 'ann', 'é "x"\n')]);
      expect(await infoOf()).toBe('é "x"\n');
      await a.presence.change(channel, one, [update(first, 'ann', 'é "x"\n')]);
      await a.presence.change(channel, one, [update(first, 'ann')]);
      expect(await infoOf()).toBeUndefined();
      expect(
        (await told()).map((event) => (event.type === 'leave' ? event : [event.type, event.info])),
      ).toEqual([
        ['join', 1],
        ['update', 2],
        ['update', 'é "x"\n'],
        ['update', undefined],
      ]);
    });

    it('does nothing for what was done already', async () => {
      const { a, channel, life, told } = await world();
      const own = await life();
      const changes = [enter(`${own}.1`, 'ann'), enter(`${own}.2`, 'bob'), enter(`${own}.3`)];
      await a.presence.change(channel, own, changes);
      await a.presence.change(channel, own, changes);
      await a.presence.change(channel, own, [leave(`${own}.2`), leave(`${own}.2`)]);
      await a.presence.change(channel, own, [leave(`${own}.2`), leave(`${own}.unknown`)]);
      await a.presence.change(channel, own, []);
      expect(await a.presence.read(channel, 10)).toMatchObject({ users: 1, connections: 2 });
      expect((await told()).map(({ type, id }) => [type, id])).toEqual([
        ['join', 'ann'],
        ['join', 'bob'],
        ['leave', 'bob'],
      ]);
    });

    it('tells what one call changed in one entry, in order', async () => {
      const { a, channel, life } = await world();
      const own = await life();
      const changes = Array.from({ length: 100 }, (_, n) => enter(`${own}.${n}`, `user ${n}`));
      await a.presence.change(channel, own, [...changes, leave(`${own}.7`)]);
      const { entries } = await a.read(presenceChannel(channel), { from: originId, limit: 10 });
      expect(entries).toHaveLength(1);
      const messages = unpackEntry(entries[0]?.packed ?? Buffer.alloc(0))?.messages ?? [];
      const events = messages.map(({ data }) => JSON.parse(data.toString()) as PresenceEvent);
      expect(events.slice(0, 100).map(({ id, users }) => [id, users])).toEqual(
        changes.map((_, n) => [`user ${n}`, n + 1]),
      );
      expect(events.at(-1)).toEqual({ type: 'leave', id: 'user 7', users: 99, connections: 99 });
    });

    it('lists some users of many, and counts them all', async () => {
      const { a, channel, life } = await world();
      const own = await life();
      const changes = Array.from({ length: 600 }, (_, n) => enter(`${own}.${n}`, `user ${n % 500}`));
      for (let at = 0; at < changes.length; at += 100)
        await a.presence.change(channel, own, changes.slice(at, at + 100));
      const some = await a.presence.read(channel, 20);
      expect(some).toMatchObject({ users: 500, connections: 600 });
      expect(new Set(some.listed.map(({ user }) => user)).size).toBe(20);
      const all = await a.presence.read(channel, 1_000);
      expect(new Set(all.listed.map(({ user }) => user)).size).toBe(500);
      expect(all.listed.reduce((sum, { connections }) => sum + connections, 0)).toBe(600);
    });

    it('reads list and position at one instant, so that the events after it complete the list', async () => {
      const { a, b, channel, life, told } = await world();
      const own = [await life(), await life()] as const;
      const pages: PresencePage[] = [];
      const churn = async (broker: Broker, index: 0 | 1) => {
        for (let n = 0; n < 60; n++) {
          const row = `${own[index]}.${n % 7}`;
          const user = `user ${(n * (3 + index)) % 5}`;
          await broker.presence.change(channel, own[index], [enter(row, user, n)]);
          if (n % 3 === 0) await broker.presence.change(channel, own[index], [update(row, user, -n)]);
          if (n % 4 !== 0) await broker.presence.change(channel, own[index], [leave(row)]);
        }
      };
      const look = async () => {
        for (let n = 0; n < 60; n++) pages.push(await b.presence.read(channel, 100));
      };
      await Promise.all([churn(a, 0), churn(b, 1), look()]);
      const last = await a.presence.read(channel, 100);
      for (const page of pages) expect(follow(page, await told(page.head))).toEqual(listOf(last));
      expect(new Set(pages.map(({ head }) => head)).size).toBeGreaterThan(1);
    });

    it('enters rows under a lease only, and says at its renewal whether it was held until then', async () => {
      const { a, b, channel } = await world();
      const own = unique('life');
      expect(await a.presence.change(channel, own, [enter(`${own}.1`, 'ann')])).toBe(false);
      expect(await a.presence.read(channel, 10)).toMatchObject({ connections: 0 });
      expect(await renew(a, own)).toEqual({ held: false, ended: [] });
      expect(await a.presence.change(channel, own, [enter(`${own}.1`, 'ann')])).toBe(true);
      expect(await renew(b, own)).toMatchObject({ held: true });
      await end(b, own);
      expect(await a.presence.change(channel, own, [leave(`${own}.1`)])).toBe(false);
      expect(await a.presence.read(channel, 10)).toMatchObject({ connections: 1, hasEnded: true });
      expect(await renew(a, own)).toEqual({ held: false, ended: [] });
      expect(await a.presence.change(channel, own, [leave(`${own}.1`)])).toBe(true);
    });

    it('names lives whose lease has ended, and forgets those that left nothing behind', async () => {
      const { a, b, channel, life } = await world();
      const [own, dead, empty] = [await life(), await life(), await life()];
      await a.presence.change(channel, dead, [enter(`${dead}.1`, 'ann')]);
      await end(a, empty);
      await end(a, dead);
      expect(await renew(b, own)).toEqual({ held: true, ended: [dead] });
      await b.presence.sweep(dead);
      expect(await renew(b, own)).toEqual({ held: true, ended: [] });
      expect((await b.presence.read(channel, 10)).hasEnded).toBe(false);
    });

    it('sweeps what a dead life left, once, and nothing else', async () => {
      const { a, b, channel, life, told } = await world();
      const [own, dead] = [await life(), await life()];
      await a.presence.change(channel, own, [enter(`${own}.1`, 'ann')]);
      const rows = Array.from({ length: 700 }, (_, n) => enter(`${dead}.${n}`, n % 2 ? `user ${n}` : 'ann'));
      for (let at = 0; at < rows.length; at += 100)
        await a.presence.change(channel, dead, rows.slice(at, at + 100));
      expect(await b.presence.sweep(dead)).toBe(0); // it lives
      await end(a, dead);
      const { head } = await a.presence.read(channel, 1);
      const removed = await Promise.all([a, b, a, b].map((broker) => broker.presence.sweep(dead)));
      expect(removed.reduce((sum, count) => sum + count)).toBe(700);
      const left = await told(head);
      expect(left.every(({ type }) => type === 'leave')).toBe(true);
      expect(left.map(({ id }) => id).sort()).toEqual(
        rows.flatMap((_, n) => (n % 2 ? [`user ${n}`] : [])).sort(),
      );
      expect(await a.presence.read(channel, 10)).toMatchObject({ users: 1, connections: 1 });
      expect(await b.presence.sweep(dead)).toBe(0);
    });

    it('sweeps all channels of a dead life', async () => {
      const { a, b, channel, life } = await world();
      const dead = await life();
      const channels = Array.from({ length: 150 }, (_, n) => `${channel}/${n}`);
      await Promise.all(
        channels.map((one) => a.presence.change(one, dead, [enter(`${dead}.${one}`, 'ann')])),
      );
      await end(a, dead);
      expect(await b.presence.sweep(dead)).toBe(150);
      const pages = await Promise.all(channels.map((one) => b.presence.read(one, 10)));
      expect(pages.every(({ users, connections }) => users === 0 && connections === 0)).toBe(true);
    });

    it('leaves a life alone that is awake again', async () => {
      const { a, b, channel, life, told } = await world();
      const own = await life();
      await a.presence.change(channel, own, [enter(`${own}.1`, 'ann')]);
      await end(b, own);
      expect(await renew(a, own)).toMatchObject({ held: false });
      expect(await b.presence.sweep(own)).toBe(0);
      expect(await b.presence.read(channel, 10)).toMatchObject({ users: 1, hasEnded: false });
      expect((await told()).map(({ type }) => type)).toEqual(['join']);
    });

    it('gives up when its caller does', async () => {
      const { a, channel, life } = await world();
      const own = await life();
      const options = { signal: AbortSignal.abort(new Error('gone')) };
      await expect(a.presence.change(channel, own, [enter(`${own}.1`, 'ann')], options)).rejects.toThrow(
        'gone',
      );
      await expect(a.presence.read(channel, 10, options)).rejects.toThrow('gone');
      await expect(a.presence.renew({ life: own, leaseMs: LEASE_MS }, options)).rejects.toThrow('gone');
      await expect(a.presence.sweep(own, options)).rejects.toThrow('gone');
      expect(await a.presence.read(channel, 10)).toMatchObject({ users: 0, connections: 0 });
    });
  });
}
