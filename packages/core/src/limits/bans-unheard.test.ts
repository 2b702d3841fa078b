import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { noopLogger } from '../kernel/logger.js';
import { RedisReplyError, RedisUnavailableError } from '../redis/errors.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { BanListener, BanNews, BanStore } from './ban-store.js';
import { Bans } from './bans.js';
import { createMemoryBans, MemoryBanWorld } from './drivers/memory-bans.js';

/** An instance whose announcements can be lost or late, and whose list can be slow, or not be had at all. */
async function hardOfHearing() {
  const clock = createFakeClock();
  const warnings: unknown[] = [];
  const logger = { ...noopLogger, warn: ({ err }: Record<string, unknown>) => void warnings.push(err) };
  const other = { clock: createFakeClock(), world: new MemoryBanWorld() };
  const state = { isDeaf: false, reads: 0, gate: Promise.resolve(), failure: undefined as Error | undefined };
  let tell: BanListener = () => undefined;
  const hear = (news: BanNews | undefined) => state.isDeaf || tell(news);
  other.world.listeners.add(hear);
  const store = () => createMemoryBans(other.world, clock);
  const shaky: BanStore = {
    async start(listener) {
      await state.gate;
      if (state.failure !== undefined) throw state.failure;
      tell = listener;
    },
    change: (change) => store().change(change),
    async read(known) {
      state.reads++;
      const list = await store().read(known);
      await state.gate;
      if (state.failure !== undefined) throw state.failure;
      return list;
    },
    close: async () => {
      tell = () => undefined;
    },
  };
  const bans = new Bans(createKernel({ clock, logger }), shaky);
  const change = (subject: string, isBanned: boolean) =>
    other.world.change(
      isBanned ? { subject, isBanned, forMs: undefined, reason: undefined } : { subject, isBanned },
      clock,
    );
  return {
    bans,
    clock,
    state,
    warnings,
    subjects: () => bans.list().map(({ subject }) => subject),
    ban: (subject: string) => change(subject, true),
    unban: (subject: string) => change(subject, false),
    /** Announcements arrive again. */
    tell: () => tell(undefined),
    hear: (news: BanNews | undefined) => tell(news),
    /** Whatever takes time takes it until this is called. */
    hold() {
      let open: () => void = () => undefined;
      state.gate = new Promise((resolve) => {
        open = resolve;
      });
      return open;
    },
    /** Another server takes over, which knows nothing. */
    lose() {
      other.world = new MemoryBanWorld();
      other.world.listeners.add(hear);
    },
  };
}

async function started() {
  const setting = await hardOfHearing();
  await setting.bans.start();
  return setting;
}

describe('an instance that misses an announcement', () => {
  it('reads the list at the next one', async () => {
    const { state, subjects, ban, clock } = await started();
    ban('a');
    state.isDeaf = true;
    ban('b');
    state.isDeaf = false;
    const { reads } = state;
    ban('c');
    await clock.advance(0);
    expect(subjects()).toEqual(['a', 'b', 'c']);
    expect(state.reads).toBe(reads + 1);
  });

  it('believes the next one before it has read the list', async () => {
    const { state, subjects, ban, unban, hold } = await started();
    ban('a');
    state.isDeaf = true;
    ban('b');
    state.isDeaf = false;
    hold();
    ban('c');
    unban('a');
    expect(subjects()).toEqual(['c']);
  });

  it('reads it within 30 s, or when announcements arrive again', async () => {
    const { state, subjects, ban, unban, clock, tell } = await started();
    state.isDeaf = true;
    ban('a');
    await clock.advance(30_000);
    expect(subjects()).toEqual(['a']);
    unban('a');
    tell();
    await clock.advance(0);
    expect(subjects()).toEqual([]);
  });

  it('reads it also when that has the version of the one that it knows, given by another server', async () => {
    const { subjects, ban, lose, clock, tell, state } = await started();
    ban('a');
    state.isDeaf = true;
    lose();
    ban('b');
    tell();
    await clock.advance(0);
    expect(subjects()).toEqual(['b']);
  });

  it('takes what it hears while it reads for newer than what it reads', async () => {
    const { state, subjects, ban, unban, clock, tell, hold } = await started();
    ban('a');
    state.isDeaf = true;
    ban('b');
    state.isDeaf = false;
    const open = hold();
    tell(); // reads a list with a and b …
    await clock.advance(0);
    unban('a'); // … and hears this meanwhile
    ban('c');
    open();
    await clock.advance(0);
    expect(subjects()).toEqual(['b', 'c']);
  });

  it.each(Array.from({ length: 12 }, (_, turns) => turns))(
    'hears of it however the last reading ends: %i turns later',
    async (turns) => {
      const { state, subjects, ban, clock, tell, hold } = await started();
      state.isDeaf = true;
      const open = hold();
      tell();
      await clock.advance(0);
      open();
      for (let turn = 0; turn < turns; turn++) await undefined;
      ban('a');
      tell();
      await clock.advance(0);
      expect(subjects()).toEqual(['a']);
    },
  );

  it('stops looking when it is closed', async () => {
    const { bans, clock } = await started();
    await bans.close();
    expect(clock.pending).toBe(0);
  });
});

describe('what an instance bans itself', () => {
  it('is refused as soon as it knows, though announcements before that are on their way', async () => {
    const { bans, state, ban, subjects, hold, hear, clock } = await started();
    state.isDeaf = true;
    const earlier = ban('a');
    const open = hold(); // no list helps now
    await bans.ban('b', {});
    expect(subjects()).toEqual(['b']);
    const { reads } = state;
    hear(earlier);
    expect(subjects().sort()).toEqual(['a', 'b']);
    open();
    await clock.advance(0);
    expect(state.reads).toBe(reads); // nothing was lost
  });

  it('is lifted likewise', async () => {
    const { bans, state, ban, subjects, hold } = await started();
    await bans.ban('a', {});
    state.isDeaf = true;
    ban('b');
    hold();
    await bans.unban('a', {});
    expect(subjects()).toEqual([]);
  });

  it('is refused while an older list is being read, and after', async () => {
    const { bans, state, ban, subjects, hold, tell, clock } = await started();
    const open = hold();
    tell();
    await clock.advance(0);
    state.isDeaf = true;
    ban('a');
    await bans.ban('b', {});
    open();
    for (let turn = 0; turn < 20; turn++) {
      expect(subjects()).toContain('b');
      await undefined;
    }
    await clock.advance(0);
    expect(subjects()).toEqual(['a', 'b']);
  });

  it('is refused also where the list was lost, and its versions with it', async () => {
    const { bans, state, ban, lose, subjects } = await started();
    for (const subject of ['a', 'b', 'c']) ban(subject);
    state.isDeaf = true;
    lose();
    await bans.ban('d', {});
    expect(subjects()).toContain('d');
  });
});

describe('an instance that cannot read the list', () => {
  it('keeps what it knows, and says so once, unless Redis is away: that is said elsewhere', async () => {
    const { bans, state, ban, clock, subjects, warnings, tell } = await started();
    ban('a');
    const refused = new RedisReplyError('HSCAN', new Error('NOPERM no permissions'));
    for (const failure of [new RedisUnavailableError('Redis is away'), refused, refused]) {
      state.failure = failure;
      await clock.advance(30_000);
    }
    expect(subjects()).toEqual(['a']);
    expect(warnings).toEqual([refused]);
    state.failure = undefined;
    await clock.advance(30_000);
    state.failure = refused;
    tell();
    await clock.advance(0);
    expect(warnings).toHaveLength(2);
    await bans.close();
  });

  it('may be started again when it could not be', async () => {
    const { bans, state, ban, subjects } = await hardOfHearing();
    state.failure = new Error('no such channel');
    await expect(bans.start()).rejects.toThrow('no such channel');
    state.failure = undefined;
    ban('a');
    await bans.start();
    expect(subjects()).toEqual(['a']);
  });

  it('lets go of what it was about to open when it is closed', async () => {
    const { bans, clock, ban, subjects, hold, hear } = await hardOfHearing();
    const open = hold();
    const starting = bans.start();
    await bans.close();
    hear(ban('a'));
    open();
    await starting;
    expect(clock.pending).toBe(0);
    hear(ban('b'));
    expect(subjects()).toEqual([]);
  });
});
