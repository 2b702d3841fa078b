import type { LifetimeOptions } from '../../../packages/core/src/cache/lifetime.js';
import type { CacheInstance } from './instance.js';
import { groups, type Level, type Reading, type Shown, type World } from './world.js';

/** Something that is read through the cache. */
export interface View {
  readonly key: string;
  readonly tags: readonly string[];
  readonly registers: readonly string[];
  /** Loads it; undefined where there is nothing. */
  load(instance: CacheInstance, world: World, how: How): Promise<Shown | undefined>;
}

/** How something is loaded, and all that it is made of. */
export interface How {
  readonly level: Level;
  readonly lifetime: LifetimeOptions;
  /** Throws now and then. */
  mayFail(): void;
}

const names = groups.map((_, index) => `group:${index}`);

/** One register. */
const single = (register: string, group: string): View => ({
  key: `one:${register}`,
  tags: [`tag:${register}`, group],
  registers: [register],
  load: ({ kernel }, world, { level, mayFail }) =>
    world.load(level, async (id) => {
      const version = await world.look(kernel, register, level);
      mayFail();
      return { [register]: [version, id] };
    }),
});

/** Whether a register stands for something that does not exist, at this version. */
export const isNothing = (version: number) => version % 3 === 0;

/** What a register stands for, if it exists. */
const existing = (register: string, group: string): View => {
  const view = single(register, group);
  return {
    ...view,
    key: `maybe:${register}`,
    async load(...how) {
      const shown = (await view.load(...how)) as Shown;
      return isNothing((shown.readings[register] as Reading)[0]) ? undefined : shown;
    },
  };
};

/** All registers of a group, one after the other, by one load. */
const list = (registers: readonly string[], group: string): View => ({
  key: `list:${group}`,
  tags: [group, ...registers.map((register) => `tag:${register}`)],
  registers,
  load: ({ kernel }, world, { level, mayFail }) =>
    world.load(level, async (id) => {
      const readings: Record<string, Reading> = {};
      for (const register of registers) readings[register] = [await world.look(kernel, register, level), id];
      mayFail();
      return readings;
    }),
});

/** All registers of a group as one value made of cached ones: it has no tag of its own. */
const board = (registers: readonly string[], group: string): View => {
  const parts = registers.map((register) => single(register, group));
  return {
    key: `board:${group}`,
    tags: [],
    registers,
    load: (instance, world, how) =>
      world.load(how.level, async (_, used) => {
        const readPart = async ({ key, tags, load }: View) => {
          const options = { tags, ...how.lifetime };
          const shown = await instance.cache.getOrLoad(key, () => load(instance, world, how), options);
          return shown as Shown; // a single register is always there
        };
        const shown = await Promise.all(parts.map(readPart));
        for (const part of shown) used(part);
        return Object.assign({}, ...shown.map(({ readings }) => readings));
      }),
  };
};

/** One register, that is read with others of its group, or alone. */
const member = (register: string, group: string): View => ({
  ...single(register, group),
  key: `many:${register}`,
  tags: [group],
});

const singles = groups.flatMap((registers, index) =>
  registers.map((register) => single(register, names[index] as string)),
);

/** Those that are always there: what they give can be traced to the load that has read it. */
export const views: readonly View[] = groups.flatMap((registers, index) => {
  const group = names[index] as string;
  return [
    ...singles.filter(({ tags }) => tags.includes(group)),
    ...registers.map((register) => member(register, group)),
    list(registers, group),
    board(registers, group),
  ];
});

/** Those of each group that can be read with one call. */
export const manyViews: readonly (readonly View[])[] = groups.map((registers, index) =>
  registers.map((register) => member(register, names[index] as string)),
);

/** Those behind which there may be nothing. */
export const uncertainViews: readonly View[] = groups.flatMap((registers, index) =>
  registers.map((register) => existing(register, names[index] as string)),
);

/** What one client alone makes, and puts into the cache himself. */
export const madeView = (register: string): View => ({ ...single(register, register), tags: [] });

/** The ways in which writers may say what they have written: each of them reaches every view. */
export function tagsOfWrite(registers: readonly string[], random: () => number): readonly string[] {
  const group = names[groups.findIndex((members) => members.includes(registers[0] as string))] as string;
  const dice = random();
  if (dice < 0.3) return [group];
  const members = registers.map((register) => `many:${register}`);
  if (dice < 0.6) return [...members, ...registers.map((register) => `tag:${register}`)];
  const others = registers.flatMap((register) => [`one:${register}`, `maybe:${register}`]);
  return [...members, ...others, `list:${group}`];
}
