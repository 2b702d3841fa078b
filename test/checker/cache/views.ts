import type { CacheInstance } from './instance.js';
import { groups, type Level, type Shown, type World } from './world.js';

/** Something that is read through the cache. */
export interface View {
  readonly registers: readonly string[];
  read(instance: CacheInstance, world: World, level: Level): Promise<Shown>;
}

const names = groups.map((_, index) => `group:${index}`);

/** One register. */
const single = (register: string, group: string): View => ({
  registers: [register],
  read: ({ cache, kernel }, world, level) => {
    const load = () =>
      world.load(level, async (id) => ({ [register]: [await world.look(kernel, register, level), id] }));
    return cache.getOrLoad(`one:${register}`, load, { tags: [`tag:${register}`, group] });
  },
});

/** All registers of a group, one after the other, by one load. */
const list = (registers: readonly string[], group: string): View => ({
  registers,
  read: ({ cache, kernel }, world, level) => {
    const load = () =>
      world.load(level, async (id) => {
        const readings: Record<string, [number, number]> = {};
        for (const register of registers)
          readings[register] = [await world.look(kernel, register, level), id];
        return readings;
      });
    const tags = [group, ...registers.map((register) => `tag:${register}`)];
    return cache.getOrLoad(`list:${group}`, load, { tags });
  },
});

/** All registers of a group as one value made of cached ones: it has no tag of its own. */
const board = (registers: readonly string[], group: string): View => {
  const parts = registers.map((register) => single(register, group));
  return {
    registers,
    read: (instance, world, level) => {
      const load = () =>
        world.load(level, async (_, used) => {
          const shown = await Promise.all(parts.map((part) => part.read(instance, world, level)));
          for (const part of shown) used(part);
          return Object.assign({}, ...shown.map(({ readings }) => readings));
        });
      return instance.cache.getOrLoad(`board:${group}`, load);
    },
  };
};

export const views: readonly View[] = groups.flatMap((registers, index) => {
  const group = names[index] as string;
  return [
    ...registers.map((register) => single(register, group)),
    list(registers, group),
    board(registers, group),
  ];
});

/** The ways in which writers may say what they have written: each of them reaches every view. */
export function tagsOfWrite(registers: readonly string[], random: () => number): readonly string[] {
  const group = names[groups.findIndex((members) => members.includes(registers[0] as string))] as string;
  const dice = random();
  if (dice < 0.3) return [group];
  if (dice < 0.6) return [`list:${group}`, ...registers.map((register) => `one:${register}`)];
  return registers.map((register) => `tag:${register}`);
}
