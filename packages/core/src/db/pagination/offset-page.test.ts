import { describe, expect, it } from 'vitest';
import { offsetPage } from './offset-page.js';

describe('a page by number', () => {
  it('is the first, of twenty, when nothing is said', () => {
    expect(offsetPage({})).toMatchObject({ page: 1, limit: 20, offset: 0 });
  });

  it('begins after the pages before it', () => {
    expect(offsetPage({ page: '3', per_page: '15' })).toMatchObject({ page: 3, limit: 15, offset: 30 });
    expect(offsetPage({ skip: '30', limit: '15' })).toMatchObject({ page: 3, limit: 15, offset: 30 });
    expect(offsetPage({ skip: 7 })).toMatchObject({ page: 1, limit: 20, offset: 7 });
  });

  it('holds no more than there may be', () => {
    expect(offsetPage({ per_page: '5000' }).limit).toBe(100);
    expect(offsetPage({ limit: '5000' }, { maxLimit: 30 }).limit).toBe(30);
  });

  it('is answered with its rows, their number and the number of all', () => {
    expect(offsetPage({ page: '2', per_page: '2' }).answer(['c'], 3)).toEqual({
      data: ['c'],
      total: 3,
      page: 2,
      per_page: 2,
    });
  });

  it.each([
    { page: '0' },
    { page: 'x' },
    { page: ['1', '2'] },
    { per_page: '-1' },
    { skip: '1.5' },
    { limit: '0' },
    { page: '1', limit: '5' },
    { page: '1002', per_page: '100' },
    { skip: '100001' },
  ])('is refused as a request of the client for %j', (query) => {
    expect(() => offsetPage(query)).toThrow(
      expect.objectContaining({ code: 'PANDO_DB_INVALID_PAGE', status: 400 }),
    );
  });
});
