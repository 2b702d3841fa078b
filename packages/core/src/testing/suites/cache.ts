import { describe, expect, it } from 'vitest';
import type { Announcement, SharedLevel } from '../../cache/index.js';
import { waitFor } from '../wait-for.js';

/** What the suite needs of a driver. */
export interface SharedLevelSetup {
  /** Another level in the same world, as another instance would have it; started, and closed by whoever made it. */
  level(): Promise<SharedLevel>;
  /** Loses all state and values at once. */
  lose(): Promise<void>;
}

const position = (lsn: bigint, { shard = 'main', system = '7', timeline = 1 } = {}) => ({
  shard,
  system,
  timeline,
  lsn,
});

/** What holds for every level that instances share. Each call of `setup` makes a world that forgets all tags but the last `maxTags` (5 to 50). */
export function sharedLevelSuite(
  name: string,
  setup: () => Promise<SharedLevelSetup>,
  { maxTags, doubtMs }: { readonly maxTags: number; readonly doubtMs: number },
): void {
  const pair = async () => {
    const world = await setup();
    return { world, a: await world.level(), b: await world.level() };
  };
  const invalidate = (level: SharedLevel, ...tags: string[]) =>
    level.invalidate({ tags, written: [], settles: [] });

  describe(name, () => {
    it('has no clock until somebody needs one, and then the same for all', async () => {
      const { a, b } = await pair();
      expect(await a.read([], [])).toEqual({ clock: undefined, values: [], settled: [] });
      const { clock, moves, written } = await a.begin(['x']);
      expect({ sequence: clock.sequence, floor: clock.floor, moves, written }).toEqual({
        sequence: 0,
        floor: 0,
        moves: [],
        written: [],
      });
      expect((await b.read([], [])).clock).toEqual(clock);
      expect((await b.begin([])).clock).toEqual(clock);
    });

    it('counts invalidations and remembers the last one of each tag', async () => {
      const { a, b } = await pair();
      const first = await invalidate(a, 'x', 'y');
      const second = await invalidate(b, 'y', 'with:colon', 'ünï {brace}');
      expect([first.sequence, second.sequence]).toEqual([1, 2]);
      expect(second.epoch).toBe(first.epoch);
      const { clock, moves } = await a.begin(['x', 'unknown', 'y', 'ünï {brace}']);
      expect(clock).toEqual(second);
      expect(moves).toEqual([
        ['x', 1],
        ['y', 2],
        ['ünï {brace}', 2],
      ]);
    });

    it('gives every one of many concurrent invalidations a sequence of its own, without gaps', async () => {
      const { a, b } = await pair();
      const clocks = await Promise.all(
        Array.from({ length: 50 }, (_, index) => invalidate(index % 2 ? a : b, 'x')),
      );
      const sequences = clocks.map(({ sequence }) => sequence).sort((x, y) => x - y);
      expect(sequences).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    });

    it('announces each invalidation to every instance, the own one included', async () => {
      const { a, b } = await pair();
      const heard: Announcement[][] = [[], []];
      for (const [index, level] of [a, b].entries()) {
        level.events.on('announcement', (announcement) => heard[index]?.push(announcement));
      }
      const { epoch } = await invalidate(a, 'x', 'quote " and ünï');
      await invalidate(b, 'y');
      const expected = [
        { epoch, sequence: 1, tags: ['x', 'quote " and ünï'] },
        { epoch, sequence: 2, tags: ['y'] },
      ];
      await waitFor(() => heard.every((list) => list.length === 2), { message: 'all announcements' });
      expect(heard).toEqual([expected, expected]);
    });

    it('keeps for each tag the largest position of each database', async () => {
      const { a } = await pair();
      const other = position(1n, { shard: 'a,b;c', system: '9' });
      const write = (...written: ReturnType<typeof position>[]) =>
        a.invalidate({ tags: ['x'], written, settles: [] });
      await write(position(0x10n));
      await write(position(0x9n), other);
      await write(position(0x2n, { timeline: 2 }));
      await a.invalidate({ tags: ['y'], written: [position(0xffff_ffff_ffff_ffffn)], settles: [] });
      await invalidate(a, 'x');
      const { written } = await a.begin(['x']);
      expect(written).toHaveLength(2);
      expect(written).toEqual(expect.arrayContaining([position(0x2n, { timeline: 2 }), other]));
      expect((await a.begin(['y'])).written).toEqual([position(0xffff_ffff_ffff_ffffn)]);
      expect((await a.begin(['z'])).written).toEqual([]);
    });

    it('lists what was invalidated since, once for each tag', async () => {
      const { a, b } = await pair();
      await invalidate(a, 'x');
      await invalidate(a, 'y', 'z');
      await invalidate(b, 'y');
      const { clock, moves } = await b.log(1);
      expect(clock.sequence).toBe(3);
      expect(moves).toHaveLength(2);
      expect(moves).toEqual(expect.arrayContaining([['y', 3] as const, ['z', 2] as const]));
      expect((await b.log(3)).moves).toEqual([]);
    });

    it('tells expiries from invalidations, to all and in every way, until the next invalidation', async () => {
      const { a, b } = await pair();
      const heard: Announcement[] = [];
      b.events.on('announcement', (announcement) => heard.push(announcement));
      const expire = (expiredAt: number, ...tags: string[]) =>
        a.invalidate({ tags, written: [], settles: [], expiredAt });
      await invalidate(a, 'x');
      const { epoch } = await expire(1_000, 'x', 'y');
      await expire(2_000, 'x');
      const x = { hard: 1, soft: [2, 3].map((sequence) => ({ sequence, at: (sequence - 1) * 1_000 })) };
      const y = { hard: 0, soft: [{ sequence: 2, at: 1_000 }] };
      const moves = [
        ['x', 3, x],
        ['y', 2, y],
      ];
      expect((await b.begin(['x', 'y', 'z'])).moves).toEqual(moves);
      expect((await b.log(0)).moves).toEqual(expect.arrayContaining(moves));
      await waitFor(() => heard.length === 3, { message: 'all announcements' });
      expect(heard.slice(1)).toEqual([
        { epoch, sequence: 2, tags: ['x', 'y'], expiredAt: 1_000 },
        { epoch, sequence: 3, tags: ['x'], expiredAt: 2_000 },
      ]);
      await invalidate(b, 'x');
      expect((await a.begin(['x', 'y'])).moves).toEqual([
        ['x', 4],
        ['y', 2, y],
      ]);
      expect((await b.log(3)).moves).toEqual([['x', 4]]);
      await expire(3_000, 'x');
      expect((await a.begin(['x'])).moves).toEqual([
        ['x', 5, { hard: 4, soft: [{ sequence: 5, at: 3_000 }] }],
      ]);
    });

    it('remembers the last expiries of a tag, and takes the one before for an invalidation', async () => {
      const { a } = await pair();
      for (let at = 1; at <= 10; at++)
        await a.invalidate({ tags: ['x'], written: [], settles: [], expiredAt: at });
      const soft = [3, 4, 5, 6, 7, 8, 9, 10].map((sequence) => ({ sequence, at: sequence }));
      expect((await a.begin(['x'])).moves).toEqual([['x', 10, { hard: 2, soft }]]);
    });

    it('forgets the oldest tags, says up to where, and goes on demanding what they demanded', async () => {
      const { a } = await pair();
      await a.invalidate({ tags: ['oldest'], written: [position(5n)], settles: [] });
      for (let index = 0; index < maxTags + 5; index++) await invalidate(a, `tag:${index}`);
      const { clock, moves, written } = await a.begin(['oldest', `tag:${maxTags + 4}`]);
      expect(clock.sequence).toBe(maxTags + 6);
      expect(clock.floor).toBeGreaterThanOrEqual(1);
      expect(clock.floor).toBeLessThan(clock.sequence);
      expect(moves).toEqual([[`tag:${maxTags + 4}`, clock.sequence]]);
      expect(written).toEqual([position(5n)]);
      expect((await a.log(0)).moves).toBeUndefined();
      expect((await a.log(clock.floor)).moves).toEqual(expect.arrayContaining([...moves]));
    });

    it('keeps values until their time is up', async () => {
      const { a, b } = await pair();
      await a.begin([]);
      const bytes = Buffer.from([0, 255, 10, 13, 128]);
      await a.store('k', bytes, 60_000);
      await a.store('short', bytes, 20);
      const { values } = await b.read(['missing', 'k'], []);
      expect(values).toEqual([undefined, bytes]);
      await waitFor(async () => (await b.read(['short'], [])).values[0] === undefined);
    });

    it('says which unconfirmed invalidations have been made good', async () => {
      const { a, b } = await pair();
      const { sequence } = await a.invalidate({ tags: ['x'], written: [], settles: ['one', 'two'] });
      const { settled, clock } = await b.read(['k'], ['two', 'three', 'one']);
      expect(settled).toEqual([true, false, true]);
      expect(clock?.sequence).toBeGreaterThanOrEqual(sequence);
    });

    it('lends each key to one holder at a time', async () => {
      const { a, b } = await pair();
      expect(await a.lease('k', 'ann', 60_000)).toBe(true);
      expect(await b.lease('k', 'ben', 60_000)).toBe(false);
      expect(await b.lease('l', 'ben', 20)).toBe(true);
      await b.release('k', 'ben');
      expect(await b.lease('k', 'ben', 60_000)).toBe(false);
      await b.release('k', 'ann');
      expect(await b.lease('k', 'ben', 60_000)).toBe(true);
      await waitFor(() => a.lease('l', 'ann', 60_000), { message: 'the lease to end by itself' });
    });

    it('begins another epoch when it has lost everything, and doubts for a while what tags demand', async () => {
      const { world, a, b } = await pair();
      const before = await a.invalidate({ tags: ['x'], written: [position(5n)], settles: ['id'] });
      await a.store('k', Buffer.from('value'), 60_000);
      await world.lose();
      expect(await b.read(['k'], ['id'])).toEqual({
        clock: undefined,
        values: [undefined],
        settled: [false],
      });
      const after = await b.begin(['x']);
      expect(after.clock.epoch).not.toBe(before.epoch);
      expect(after).toMatchObject({ clock: { sequence: 0, floor: 0 }, moves: [], inDoubt: true });
      expect((await a.read([], [])).clock).toEqual(after.clock);
      await waitFor(async () => !(await b.begin(['x'])).inDoubt, {
        message: 'the doubt to pass',
        timeoutMs: doubtMs + 5_000,
      });
    });

    it('begins another epoch once for all when a database has another history', async () => {
      const { a, b } = await pair();
      const heard: Announcement[] = [];
      b.events.on('announcement', (announcement) => heard.push(announcement));
      const on = (timeline: number, { system = '7', shard = 'main', isOther = false } = {}) => ({
        ...{ shard, system, timeline, isOther },
      });
      const { epoch } = await invalidate(a, 'x');
      expect(await a.follow(on(3))).toMatchObject({ clock: { epoch, sequence: 1 }, isBehind: false });
      expect(await b.follow(on(3))).toMatchObject({ clock: { epoch }, isBehind: false });
      expect(await b.follow(on(1, { shard: 'other' }))).toMatchObject({ clock: { epoch }, isBehind: false });

      const other = await a.follow(on(4));
      expect(other).toMatchObject({ clock: { sequence: 0, floor: 0 }, isBehind: false });
      expect(other.clock.epoch).not.toBe(epoch);
      await waitFor(() => heard.some((announcement) => announcement.epoch === other.clock.epoch));
      expect(await b.follow(on(4, { isOther: true }))).toEqual(other);
      expect(await b.follow(on(3))).toEqual({ ...other, isBehind: true });
      expect(await b.follow(on(1, { shard: 'other' }))).toEqual(other);
      expect((await b.follow(on(1, { system: '8' }))).clock.epoch).not.toBe(other.clock.epoch);
    });

    it('believes who has known a database on another history, where nobody has said which', async () => {
      const { a, b } = await pair();
      const { epoch } = await invalidate(a, 'x');
      const { clock } = await b.follow({ shard: 'main', system: '7', timeline: 2, isOther: true });
      expect(clock.epoch).not.toBe(epoch);
    });

    it('begins another epoch on request', async () => {
      const { a, b } = await pair();
      const before = await invalidate(a, 'x');
      await a.renew();
      await waitFor(async () => (await b.begin(['x'])).clock.epoch !== before.epoch);
      const { clock, moves } = await a.begin(['x']);
      expect(clock.sequence).toBe(0);
      expect(moves).toEqual([]);
    });
  });
}
