import { beforeAll, describe, expect, it } from 'vitest';
import { documentedSources, markdownPages, type Page, partsOf, readPage } from './docs/pages.js';
import { brokenLinks, unknownNames } from './docs/prose.js';
import { type Compiled, type Complaint, compile } from './docs/samples.js';

const pages = markdownPages();

/** A page with one fault of each kind. */
const wrong: Page = {
  path: 'docs/wrong.md',
  text: [
    '# A page', // 1
    'See [nowhere](nowhere.md), [no heading](../README.md#no-such-heading) and [itself](#a-page).',
    '`db.pool.sise` raises a `NoSuchError` in `kernel/no-such-file.ts`; run `npm run no-such-script`.',
    'But `db.pool.size`, `ClosedError` and `kernel/errors.ts` exist.',
    '<!-- given', // 5
    'declare const port: string;',
    '-->',
    '```ts',
    "import { createPando } from '@pando/core';",
    'export const kit = await createPando({ redys: "redis://localhost" });', // 10
    '```',
    '- in a list:',
    '  ```ts',
    '  const wrong: number = port;', // 14
    '  kit.close();',
    '  ```',
    '```sh',
    'npm run no-such-command', // 18
    '```',
  ].join('\n'),
};

const wrongBenchmarks: Page = {
  path: 'docs/reference/benchmarks.md',
  text: [
    '| id | what |',
    '|---|---|',
    '| `cache.local-hit.vs-nobody` | a hit, see `cache.local-hit.vs-bentocache` |', // 3
    '| `cache-races.stampede` | a stampede |',
    '| `cache-races.stampedes` | several |', // 5
    '| `kernel.token.encode.vs-hmac` | a token |',
  ].join('\n'),
};

let compiled: Compiled;
beforeAll(() => {
  compiled = compile([...pages, ...documentedSources(), wrong]);
});

const lines = (complaints: readonly Complaint[]): readonly string[] =>
  complaints.map(({ path, line, message }) => `${path}:${line} ${message}`);

describe('code', () => {
  it('compiles, in every block of every page and comment', () => {
    expect(lines(compiled.complaints.filter(({ path }) => path !== wrong.path))).toEqual([]);
  });

  it('would be refused with its file and line if it were wrong', () => {
    expect(lines(compiled.complaints.filter(({ path }) => path === wrong.path))).toEqual([
      expect.stringMatching(/^docs\/wrong\.md:10 .*redys/),
      expect.stringMatching(/^docs\/wrong\.md:14 Type 'string' is not assignable to type 'number'/),
    ]);
  });

  it.each([
    ['docs/how-to/write-a-driver.md', 'test/fixtures/postgres-limit-store.ts'],
    ['docs/how-to/write-an-adapter.md', 'test/fixtures/pando-node.ts'],
  ])('of %s is what the suites have passed: %s', (page, file) => {
    const shown = partsOf(readPage(page)).blocks.map(({ code }) => code.split('\n').slice(1).join('\n'));
    expect(shown).toContain(readPage(file).text.trimEnd());
  });

  it('is there to compile: the pages and the comments of every room and adapter hold some', () => {
    const documented = documentedSources().map(({ path }) => path);
    expect(documented).toEqual(expect.arrayContaining(['packages/core/src/pando.ts']));
    expect(documented.length).toBeGreaterThan(10);
    expect(pages.map(({ path }) => path)).toEqual(expect.arrayContaining(['README.md', 'CONTRIBUTING.md']));
  });
});

describe('prose', () => {
  it('links to pages and headings that exist', () => {
    expect(lines(pages.flatMap(brokenLinks))).toEqual([]);
  });

  it('is found: the index of the documentation names every page', () => {
    const index = readPage('docs/README.md').text;
    const paths = pages.map(({ path }) => path).filter((path) => /^docs\/.+\//.test(path));
    expect(paths.filter((path) => !index.includes(`(${path.slice('docs/'.length)})`))).toEqual([]);
  });

  it('names options, errors, metrics, files, scripts and rows of benchmarks that exist', () => {
    expect(lines(pages.flatMap((page) => unknownNames(page, compiled)))).toEqual([]);
  });

  it('would be refused if it did not', () => {
    expect(lines([...brokenLinks(wrong), ...unknownNames(wrong, compiled)])).toEqual([
      'docs/wrong.md:2 nowhere.md leads nowhere',
      'docs/wrong.md:2 ../README.md#no-such-heading leads nowhere',
      'docs/wrong.md:3 db.pool.sise does not exist',
      'docs/wrong.md:3 NoSuchError does not exist',
      'docs/wrong.md:3 kernel/no-such-file.ts does not exist',
      'docs/wrong.md:3 npm run no-such-script does not exist',
      'docs/wrong.md:18 npm run no-such-command does not exist',
    ]);
    expect(lines(unknownNames(wrongBenchmarks, compiled))).toEqual([
      'docs/reference/benchmarks.md:3 cache.local-hit.vs-nobody does not exist',
      'docs/reference/benchmarks.md:5 cache-races.stampedes does not exist',
    ]);
  });
});
