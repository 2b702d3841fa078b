import { beforeAll, describe, expect, it } from 'vitest';
import { measureSizes, readBudgets, type Size } from '../../scripts/sizes.mjs';
import { rooms, run } from './workspace.js';

const budgets = readBudgets();
const subpaths = Object.keys(budgets);
/** A budget further above the truth than this watches nothing. */
const slackRatio = 0.3;

let sizes: ReadonlyMap<string, Size>;
beforeAll(async () => {
  await run(process.execPath, ['scripts/build.mjs', '--types']);
  sizes = new Map((await measureSizes()).map((size) => [size.subpath, size]));
});

const sizeOf = (subpath: string): Size => sizes.get(subpath) as Size;
const kilobytes = (bytes: number): string => `${(bytes / 1_000).toFixed(1)} kB`;

/** What is wrong with a size, in words that say where to look; undefined when nothing is. */
function complaint({ subpath, gzipBytes, modules }: Size, budget: number): string | undefined {
  const weighs = `${subpath} weighs ${kilobytes(gzipBytes)} gzipped`;
  if (gzipBytes > budget) {
    const largest = modules.slice(0, 3).map(({ name, bytes }) => `${name} (${kilobytes(bytes)} as built)`);
    return `${weighs}, ${kilobytes(gzipBytes - budget)} over its budget of ${kilobytes(budget)}. Its largest modules: ${largest.join(', ')}. If it is worth that: npm run sizes -- --write`;
  }
  if (gzipBytes < budget * (1 - slackRatio)) {
    return `${weighs}, far below its budget of ${kilobytes(budget)}: npm run sizes -- --write`;
  }
  return undefined;
}

it('every subpath has a budget, and every budget a subpath', () => {
  expect([...sizes.keys()].sort()).toEqual([...subpaths].sort());
});

it.each(subpaths)('%s stays within its size budget', (subpath) => {
  expect(complaint(sizeOf(subpath), budgets[subpath] as number)).toBeUndefined();
});

it('a size over its budget is refused with its excess and its largest modules', () => {
  const size = { ...sizeOf('@pando/core/cache'), gzipBytes: 12_300 };
  expect(complaint(size, 10_000)).toMatch(/weighs 12\.3 kB gzipped, 2\.3 kB over .* largest modules: src\//);
  expect(complaint(size, 20_000)).toMatch(/far below/);
});

/** The folders of core whose modules are loaded, `kernel` aside, which all stand on. */
function foldersOf(subpath: string): string[] {
  const folders = sizeOf(subpath).modules.map(({ name }) => /^src\/([^/]+)\//.exec(name)?.[1]);
  return [...new Set(folders)]
    .filter((folder) => folder !== undefined && folder !== 'kernel')
    .sort() as string[];
}

const onRedis = ['cache', 'realtime', 'limits', 'jobs'];

describe('what is not asked for is not loaded', () => {
  it.each(rooms)('@pando/core/%s loads no other room', (room) => {
    const expected = onRedis.includes(room) ? [room, 'redis'].sort() : [room];
    expect(foldersOf(`@pando/core/${room}`)).toEqual(expected);
  });

  it('@pando/core/http loads no room', () => {
    expect(foldersOf('@pando/core/http')).toEqual(['http']);
  });

  it('@pando/core/client is one file of its own, of less than 5 kB, and what tabs share another one', () => {
    const { modules, gzipBytes } = sizeOf('@pando/core/client');
    expect(foldersOf('@pando/core/client')).toEqual(['client']);
    expect(modules.filter(({ name }) => name.startsWith('src/kernel/')).map(({ name }) => name)).toEqual([
      'src/kernel/errors.ts',
    ]);
    expect(gzipBytes).toBeLessThan(5_000);
    expect(foldersOf('@pando/core/client + tabs.js')).toEqual(['client']);
    expect(modules.map(({ name }) => name)).not.toContain('src/client/tabs.ts');
  });

  it('@pando/core/testing loads no room and no suite', () => {
    expect(foldersOf('@pando/core/testing')).toEqual(['testing']);
    expect(sizeOf('@pando/core/testing').modules.filter(({ name }) => name.includes('/suites/'))).toEqual([]);
  });

  it('an adapter holds nothing of core', () => {
    for (const subpath of subpaths.filter((name) => name.endsWith('-adapter'))) {
      expect(foldersOf(subpath)).toEqual([]);
    }
  });
});
