import { createPando, PandoError } from '@pando/core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { levelsOf, type OptionEntry, type OptionsLevel, refusalOf } from './reference/options.js';
import type { Options } from './reference/options-sections.js';
import { PublicProgram } from './reference/program.js';

let levels: readonly OptionsLevel[];
let entries: readonly OptionEntry[];
beforeAll(async () => {
  levels = await levelsOf(new PublicProgram());
  entries = levels.flatMap((level) => level.entries);
});

const refusal = (entry: OptionEntry, value: unknown): Promise<string | undefined> =>
  refusalOf(() => entry.read(value));
const pathsOf = (found: readonly OptionEntry[]): string[] => found.map(({ path }) => path);

describe('the types of the options and their readers', () => {
  it('know the same names', () => {
    const differing = levels.flatMap(({ path, known, entries: declared, section }) => {
      const borrowed = path === section.path ? (section.borrowed ?? []) : [];
      const inTypes = [...declared.map(({ key }) => key), ...borrowed].sort();
      return JSON.stringify(inTypes) === JSON.stringify([...known].sort()) ? [] : [{ path, inTypes, known }];
    });
    expect(differing).toEqual([]);
    expect(entries.length).toBeGreaterThan(100);
  });

  it('say about every option what it is for', () => {
    expect(pathsOf(entries.filter(({ description }) => description === ''))).toEqual([]);
  });

  it('agree on the defaults, which are written once in the code and once in its documentation', () => {
    const wrong = entries
      .filter(({ defaultValue, documentedDefault }) => !isSameDefault(defaultValue, documentedDefault))
      .map(({ path, defaultValue, documentedDefault }) => ({ path, defaultValue, documentedDefault }));
    expect(wrong).toEqual([]);
  });

  it('do with the defaults written out what they do without', async () => {
    const resolvers = levels.filter(({ path, section }) => path === section.path && !path.startsWith('http'));
    for (const level of resolvers) {
      const spelled: Options = Object.fromEntries(
        level.entries
          .filter(({ defaultValue }) => defaultValue !== undefined)
          .map(({ key, defaultValue }) => [key, defaultValue]),
      );
      const unset = level.path === 'redis' ? { db: 0 } : {}; // left out, it is what the URL or the client says
      expect(await comparable(level.read(spelled)), level.path).toEqual(await comparable(level.read(unset)));
    }
  });

  it('give durations, sizes and shares the names of their units', () => {
    const units = entries.filter(({ number }) => number !== undefined);
    const suffix = (key: string): string | undefined => /(Ms|Bytes|Ratio)$/.exec(key)?.[0];
    const wanted = ({ number }: OptionEntry): string | undefined => {
      if (number?.unit === 'ms') return 'Ms';
      if (number?.unit === 'bytes') return 'Bytes';
      return number?.unit === 'number' && number.max === 1 ? 'Ratio' : undefined;
    };
    expect(pathsOf(units.filter((entry) => suffix(entry.key) !== wanted(entry)))).toEqual([]);
  });
});

describe('a misspelt option', () => {
  it('is refused with its path and the nearest name, wherever it stands', async () => {
    const misspelt = entries.flatMap((entry) => misspellings(entry).map((typo) => ({ entry, typo })));
    const unnamed: unknown[] = [];
    for (const { entry, typo } of misspelt) {
      const message = await refusalOf(() => entry.level.read({ [typo]: 1 }));
      const where = indexed(entry.level.path);
      const start = `unknown option "${typo}"${where === '' ? '' : ` in ${where}`}. `;
      if (message !== `${start}Did you mean "${entry.key}"?`)
        unnamed.push({ path: entry.path, typo, message });
    }
    expect(unnamed).toEqual([]);
    expect(misspelt.length).toBeGreaterThan(entries.length);
  });

  it('is refused by every level, whatever it is called', async () => {
    const names = fc.stringMatching(/^[A-Za-z_$][A-Za-z0-9_$]{0,20}$/);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...levels), names, async (level, name) => {
        fc.pre(!level.known.includes(name));
        expect(await refusalOf(() => level.read({ [name]: 1 }))).toContain(`unknown option "${name}"`);
      }),
    );
  });

  it('is refused by the kit in the options of its rooms', async () => {
    await expect(createPando({ cache: { local: { maxEntires: 5 } } } as never)).rejects.toThrow(
      'unknown option "maxEntires" in cache.local. Did you mean "maxEntries"?',
    );
    await expect(createPando({ db: { primary: 'postgres://h/d', replica: [] } } as never)).rejects.toThrow(
      'unknown option "replica" in db. Did you mean "replicas"?',
    );
    await expect(createPando({ cache: { ttlMs: '5m' } } as never)).rejects.toThrow(
      'cache.ttlMs must be a positive number of milliseconds, got "5m". Did you mean 300000?',
    );
  });
});

describe('a number out of range', () => {
  const unitWords = { ms: 'milliseconds', bytes: 'bytes', 'whole number': 'whole number', number: 'number' };

  it('is refused with its path, its unit and its bounds, and the bounds themselves are accepted', async () => {
    const numbers = entries.filter(({ number }) => number !== undefined);
    expect(numbers.length).toBeGreaterThan(60);
    for (const entry of numbers) {
      const { unit, min = 0, max, above } = entry.number as NonNullable<OptionEntry['number']>;
      const step = unit === 'number' ? 0.01 : 1;
      const inside = above === true ? min + step : min;
      const outside: unknown[] = [above === true ? min : min - step, Number.NaN, Number.POSITIVE_INFINITY];
      outside.push('many', null, [inside], ...(max === undefined ? [] : [max + step]));
      for (const value of outside) {
        const message = await refusal(entry, value);
        expect(message, entry.path).toContain(
          `${indexed(entry.level.path)}${entry.level.path && '.'}${entry.key} must be a `,
        );
        expect(message, entry.path).toContain(unitWords[unit]);
      }
      for (const value of [inside, ...(max === undefined ? [] : [max])]) {
        expect(await refusal(entry, value), `${entry.path} = ${value}`).toBeUndefined();
      }
    }
  });

  it('that is a duration written as text is told what it may have meant', async () => {
    for (const entry of entries.filter(({ number }) => number?.unit === 'ms')) {
      expect(await refusal(entry, '5m'), entry.path).toContain('got "5m". Did you mean 300000?');
      expect(await refusal(entry, '90s'), entry.path).toContain('Did you mean 90000?');
    }
  });

  it('or NaN, or null, is refused by every option, whatever it takes', async () => {
    const checked = entries.filter(({ must }) => must !== undefined);
    for (const entry of checked) {
      expect(await refusal(entry, null), entry.path).toBeDefined();
      expect(await refusal(entry, Number.NaN), entry.path).toBeDefined();
    }
    const unchecked = entries.filter(({ must }) => must === undefined);
    // What another reader checks, and what may be anything.
    expect(pathsOf(unchecked).sort()).toEqual([
      'cache.redis',
      'http.sse.identity',
      'http.sse.presence.id',
      'http.sse.presence.info',
      'jobs.redis',
      'limits.redis',
      'realtime.redis',
      'redis',
    ]);
  });

  it('is an error with a code that names the room', async () => {
    for (const level of levels) {
      const error = await Promise.resolve()
        .then(() => level.read({ unheardOf: 1 }))
        .catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(PandoError);
      const [room = ''] = level.path.split('.');
      expect(error).toMatchObject({
        code: room === '' ? 'PANDO_OPTIONS' : `PANDO_${room.toUpperCase()}_OPTIONS`,
      });
    }
  });
});

/** `db.replicas[]` of the reference is `db.replicas[0]` in a message. */
const indexed = (path: string): string => path.replaceAll('[]', '[0]').replace('<name>', 'name');

/** One slip of the hand each, as far as it leads to no other name. */
function misspellings({ key, level }: OptionEntry): string[] {
  const middle = Math.floor(key.length / 2);
  const swapped = `${key.slice(0, middle - 1)}${key[middle]}${key[middle - 1]}${key.slice(middle + 1)}`;
  const slips = [swapped, key.slice(0, middle) + key.slice(middle + 1), `${key}s`, key.replace(/Ms$/, '')];
  const others = level.known.filter((name) => name !== key);
  return [...new Set(slips)].filter(
    (typo) =>
      typo !== '' && !level.known.includes(typo) && others.every((other) => !isWithin(2, typo, other)),
  );
}

/** Whether so few edits lead from one name to the other, without regard to case: written anew, not to believe the code under test. */
function isWithin(edits: number, a: string, b: string): boolean {
  if (edits < 0) return false;
  if (a === '' || b === '') return a.length + b.length <= edits;
  if (a[0]?.toLowerCase() === b[0]?.toLowerCase()) return isWithin(edits, a.slice(1), b.slice(1));
  const [restA, restB] = [a.slice(1), b.slice(1)];
  return isWithin(edits - 1, restA, b) || isWithin(edits - 1, a, restB) || isWithin(edits - 1, restA, restB);
}

/** Code between backticks must mean the value; words may describe what no constant holds. */
function isSameDefault(value: unknown, documented: string | undefined): boolean {
  const code = /^`([^`]+)`$/.exec(documented ?? '')?.[1];
  if (code !== undefined) return JSON.stringify(new Function(`return (${code})`)()) === JSON.stringify(value);
  const isConstant = ['string', 'number', 'boolean'].includes(typeof value);
  return value === undefined || (!isConstant && !Array.isArray(value));
}

/** What a reader made of the options; functions that it makes anew each time are all alike. */
async function comparable(result: unknown): Promise<unknown> {
  return JSON.parse(JSON.stringify((await result) ?? null));
}
