import { describe, expect, it } from 'vitest';
import { PandoError } from '../../../kernel/errors.js';
import { get, ownFormat, type StartApp } from './app.js';
import type { SuiteAnswer } from './harness.js';

/** The way errors take. */
export function errorCases(start: StartApp): void {
  describe('errors', () => {
    const unavailable = new PandoError({ code: 'PANDO_DB_X', message: 'db1:5432 is away', status: 503 });
    const routes = [
      get('/pando', () => Promise.reject(unavailable)),
      get('/other', () => Promise.reject(new Error('boom'))),
    ];

    it('of Pando reach the error handler of the application as they are', async () => {
      const seen: unknown[] = [];
      const onError = (error: unknown): SuiteAnswer => {
        seen.push(error);
        return ownFormat(error);
      };
      await using app = await start({ routes, onError });
      const answer = await app.get('/pando');
      expect([answer.status, await answer.text()]).toEqual([503, 'own: PANDO_DB_X']);
      expect(seen).toEqual([unavailable]);
    });

    it('of Pando become problem documents that tell strangers the code alone', async () => {
      await using app = await start({ routes });
      const answer = await app.get('/pando');
      expect([answer.status, answer.headers.get('content-type')]).toEqual([503, 'application/problem+json']);
      expect(await answer.json()).toEqual({
        type: 'about:blank',
        title: 'Service Unavailable',
        status: 503,
        code: 'PANDO_DB_X',
      });
    });

    it('of others are none of our business', async () => {
      await using app = await start({ routes });
      const answer = await app.get('/other');
      expect(answer.status).toBe(500);
      expect(answer.headers.get('content-type')).not.toContain('problem');

      await using shaped = await start({ routes, onError: ownFormat });
      expect(await (await shaped.get('/other')).text()).toBe('own: other');
    });
  });
}
