import { expect, it } from 'vitest';
import { readPage } from './docs/pages.js';

it('the README begins with the two commands', () => {
  const top = readPage('README.md').text.split('\n').slice(0, 10).join('\n');
  expect(top).toMatch(/npm start/);
  expect(top).toMatch(/npm test/);
});
