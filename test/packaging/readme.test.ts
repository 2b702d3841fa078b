import { describe, expect, it } from 'vitest';
import { partsOf, readPage } from './docs/pages.js';

const readme = readPage('README.md');

it('the README begins with the two commands', () => {
  const top = readme.text.split('\n').slice(0, 10).join('\n');
  expect(top).toMatch(/npm start/);
  expect(top).toMatch(/npm test/);
});

describe.each([
  ['Express', 'test/fixtures/first-lines.express.ts', 0],
  ['Fastify', 'test/fixtures/first-lines.fastify.ts', 1],
])('the first lines for %s', (_, file, index) => {
  const shown = partsOf(readme).blocks.filter(({ language }) => language === 'ts')[index];
  const run = /^\/\/ From here on[^\n]*\n(.*)$/ms.exec(readPage(file).text)?.[1];

  it('are, to the letter, those of the app that the scenarios run', () => {
    expect(run).toContain('createPando');
    expect(shown?.code).toBe(run?.trimEnd());
  });
});

it('the app is in the first screen of the README', () => {
  const [first] = partsOf(readme).blocks.filter(({ language }) => language === 'ts');
  expect(first?.line).toBeLessThanOrEqual(14);
  expect(first?.code.split('\n').length).toBeLessThanOrEqual(35);
});
