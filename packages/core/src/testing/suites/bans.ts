import { describe, expect, it } from 'vitest';
import type { BanList, BanNews, BanStore } from '../../limits/index.js';
import { waitFor } from '../wait-for.js';

/** What the suite needs of a driver. */
export interface BanStoreSetup {
  /** Another store in the same world, as another instance would have it; closed by whoever made it. */
  store(): Promise<BanStore>;
}

const hour = 3_600_000;

/** What holds for every store of bans. `setup` makes a world that nobody else has used. */
export function banStoreSuite(name: string, setup: () => Promise<BanStoreSetup>): void {
  describe(name, () => {
    const instances = async () => {
      const world = await setup();
      const heard: (BanNews | undefined)[] = [];
      const [a, b] = [await world.store(), await world.store()];
      await a.start(() => undefined);
      await b.start((news) => heard.push(news));
      return { a, b, heard };
    };
    const ban = (store: BanStore, subject: string, forMs?: number, reason?: string) =>
      store.change({ subject, isBanned: true, forMs, reason });
    const subjects = (list: BanList | undefined) => list?.bans.map(({ subject }) => subject).sort();

    it('begins empty, at version 0', async () => {
      const { a } = await instances();
      expect(await a.read(0)).toBeUndefined();
    });

    it('tells every instance of each change, and on which version it follows', async () => {
      const { a, heard } = await instances();
      const first = await ban(a, 'user:7', hour, 'spam "and" 🦊\n');
      const second = await ban(a, '203.0.113.0/24');
      const third = await a.change({ subject: 'user:7', isBanned: false });
      expect(first).toMatchObject({ previous: 0, subject: 'user:7' });
      expect(first?.ban).toMatchObject({ subject: 'user:7', reason: 'spam "and" 🦊\n' });
      expect(first?.ban?.leftMs).toBeGreaterThan(hour - 60_000);
      expect(first?.ban?.leftMs).toBeLessThanOrEqual(hour);
      expect(second?.ban).toMatchObject({ leftMs: undefined, reason: undefined });
      expect(third?.ban).toBeUndefined();
      expect(second?.previous).toBe(first?.version);
      expect(third?.previous).toBe(second?.version);
      const versions = [first, second, third].map((news) => news?.version);
      await waitFor(() => heard.filter((news) => news !== undefined).length === 3);
      expect(heard.flatMap((news) => news?.version ?? [])).toEqual(versions);
      expect(heard.find((news) => news?.version === second?.version)).toEqual(second);
    });

    it('gives the list to who does not know it, and nothing to who does', async () => {
      const { a, b } = await instances();
      await ban(a, 'user:7', hour);
      await ban(a, 'user:8');
      const list = await b.read(0);
      expect(subjects(list)).toEqual(['user:7', 'user:8']);
      expect(await b.read(list?.version as number)).toBeUndefined();
      await a.change({ subject: 'user:8', isBanned: false });
      expect(subjects(await b.read(list?.version as number))).toEqual(['user:7']);
      await a.change({ subject: 'user:7', isBanned: false });
      expect(subjects(await b.read(list?.version as number))).toEqual([]);
    });

    it('replaces a ban, and lifts one that is none', async () => {
      const { a } = await instances();
      await ban(a, 'user:7', hour, 'first');
      await ban(a, 'user:7', 2 * hour, 'second');
      expect(await a.change({ subject: 'user:8', isBanned: false })).toMatchObject({ ban: undefined });
      const list = await a.read(0);
      expect(list?.bans).toHaveLength(1);
      expect(list?.bans[0]).toMatchObject({ subject: 'user:7', reason: 'second' });
      expect(list?.bans[0]?.leftMs).toBeGreaterThan(hour);
    });

    it('forgets a ban that has ended', async () => {
      const { a, b } = await instances();
      await ban(a, 'user:7', 50);
      await ban(a, 'user:8', hour);
      await waitFor(async () => subjects(await b.read(0))?.join() === 'user:8');
    });

    it('begins anew after the last one', async () => {
      const { a, b } = await instances();
      const first = await ban(a, 'user:7', hour);
      await a.change({ subject: 'user:7', isBanned: false });
      const second = await ban(a, 'user:7', hour);
      expect(second?.version).toBeGreaterThan(first?.version as number);
      expect(subjects(await b.read(first?.version as number))).toEqual(['user:7']);
    });
  });
}
