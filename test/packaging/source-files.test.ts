import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filesIn, root } from './workspace.js';

const maxLines = 400;
const written = /\.(ts|mjs|lua|sql)$/;

const sources = ['packages', 'examples', 'test', 'scripts']
  .flatMap(filesIn)
  .filter((path) => written.test(path));
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

it(`no source file is longer than ${maxLines} lines`, () => {
  const long = sources
    .filter((path) => !/\.test\.ts$/.test(path)) // a suite may list as many cases as its subject has
    .map((path) => ({ path, lines: textOf(path).split('\n').length - 1 }))
    .filter(({ lines }) => lines > maxLines);
  expect(long).toEqual([]);
});

it('every Lua script names its key count and says what it takes, returns and does in one step', () => {
  const incomplete = sources
    .filter((path) => path.endsWith('.lua'))
    .filter((path) => {
      const header = /^(--.*\n)+/.exec(textOf(path))?.[0] ?? '';
      const says = ['KEYS', 'ARGV', 'Returns', 'Atomic'].every((word) =>
        header.toLowerCase().includes(word.toLowerCase()),
      );
      return !says || !/-\d+\.lua$/.test(path);
    });
  expect(incomplete).toEqual([]);
});
