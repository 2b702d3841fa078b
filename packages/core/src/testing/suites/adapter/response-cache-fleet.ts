import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { fleetOn, type RunningApp, type StartApp } from './app.js';
import { counted } from './cached-route.js';

/** Asks an instance by a name that all instances have, as a balancer does. */
function ask(
  { url }: RunningApp,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly body: string; readonly isStored: boolean }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/page`, { headers: { host: 'suite.test', ...headers }, agent: false });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ body: String(Buffer.concat(chunks)), isStored: response.headers.age !== undefined }),
      );
    });
    request.end();
  });
}

/** Answers that instances share. */
export function fleetAnswerCases(start: StartApp, redis: string): void {
  describe('a cached route of several instances', () => {
    it('finds in a new one at once what the others have stored, by the headers that their answers named', async () => {
      const kit = fleetOn(redis);
      const page = counted({}, ({ headers }) => ({
        headers: { vary: 'X-Theme, X-Size' },
        body: `${headers['x-theme']}, ${page.runs()}`,
      }));
      await using first = await start({ kit, routes: [page] });
      await ask(first, { 'x-theme': 'dark' }); // whereupon it is known that themes and sizes differ
      expect(await ask(first, { 'x-theme': 'light' })).toEqual({ body: 'light, 2', isStored: false });
      // What is stored is stored behind the answer.
      await waitFor(async () => {
        await using newcomer = await start({ kit, routes: [page] });
        const { body, isStored } = await ask(newcomer, { 'x-theme': 'light' });
        return body === 'light, 2' && isStored;
      });
    });
  });
}
