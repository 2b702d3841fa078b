import { describe, expect, it } from 'vitest';
import { withSection } from './save.mjs';

const page = '# Benchmarks\n\nWords.\n\n## cache\n\nold cache\n\n## db\n\nold db\n';

describe('the page of results', () => {
  it('gets a new section for a room in the place of its old one', () => {
    expect(withSection(page, 'cache', 'new cache')).toBe(page.replace('old cache', 'new cache'));
    expect(withSection(page, 'db', 'new db\n\n')).toBe(page.replace('old db', 'new db'));
  });

  it('gets a section behind the others for a room that had none', () => {
    expect(withSection(page, 'limits', 'figures')).toBe(`${page}\n## limits\n\nfigures\n`);
  });
});
