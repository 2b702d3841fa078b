import { describe, expect, it } from 'vitest';
import { limitError } from '../../../http/errors.js';
import type { ProtectionSettings } from '../../../limits/index.js';
import { waitFor } from '../../wait-for.js';
import { fleetOn, type RunningApp, type StartApp } from './app.js';
import type { SuiteAnswer } from './harness.js';

const account = 'ann@example.com';
const address = '203.0.113.7';
const hour = 3_600;

/** Two instances with a login, behind a proxy, that a client is served by in turn. */
class Site implements AsyncDisposable {
  readonly #apps: RunningApp[] = [];
  #requests = 0;
  /** How many passwords were looked at. */
  looks = 0;

  static async open(
    start: StartApp,
    redis: string,
    settings: ProtectionSettings,
    proxies = 1,
  ): Promise<Site> {
    const site = new Site();
    const limits = { protections: { login: settings }, decisionTimeoutMs: 10_000 };
    const kit = { ...fleetOn(redis), limits };
    for (let instance = 0; instance < 2; instance++) {
      const handler = async ({ body }: { body: unknown }, from: string) =>
        site.#answer(app, body as Record<'account' | 'password', string>, from);
      const routes = [{ method: 'POST', path: '/login', handler }] as const;
      const app: RunningApp = await start({ kit, http: { clients: { proxies } }, routes });
      site.#apps.push(app);
    }
    return site;
  }

  instance(number: number): RunningApp {
    return this.#apps[number % this.#apps.length] as RunningApp;
  }

  /** Tries one password. */
  async login(password: string, as = account, from = address): Promise<Response> {
    const response = await fetch(`${this.instance(this.#requests++).url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
      body: JSON.stringify({ account: as, password }),
    });
    return response;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const app of this.#apps) await app[Symbol.asyncDispose]();
  }

  /** As docs/how-to/protect-a-login.md has it. */
  async #answer(
    { pando }: RunningApp,
    { account, password }: Record<'account' | 'password', string>,
    address: string,
  ): Promise<SuiteAnswer> {
    const attempt = await pando.limits.attempt('login', { account, address });
    if (!attempt.allowed) throw limitError(attempt.decision);
    this.looks++;
    if (password === 'lost') {
      await attempt.abandoned();
      return { status: 503 };
    }
    await (password === 'right' ? attempt.succeeded() : attempt.failed());
    return { status: password === 'right' ? 200 : 401 };
  }
}

/** Logins under a protection, on instances that count together. */
export function attemptCases(start: StartApp, redis: string): void {
  describe('a login', () => {
    const settings = { pair: '3/h', account: '100/h', blockMs: [1_000 * hour] } as const;

    it('is refused after too many failures on any instance, whatever the password, and to nobody else', async () => {
      await using site = await Site.open(start, redis, settings);
      for (let failure = 0; failure < 3; failure++) expect((await site.login('wrong')).status).toBe(401);
      for (let call = 0; call < 2; call++) {
        const refused = await site.login('right');
        expect(refused.status).toBe(429);
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0.9 * hour);
        expect(await refused.json()).toMatchObject({
          code: 'PANDO_HTTP_LIMIT_EXCEEDED',
          'violated-policies': ['login'],
        });
      }
      expect(site.looks).toBe(3);
      expect((await site.login('right', account, '198.51.100.1')).status).toBe(200);
      expect((await site.login('right', 'ben@example.com')).status).toBe(200);
    });

    it('forgets failures after a success, and holds nothing that could not be told against anybody', async () => {
      await using site = await Site.open(start, redis, settings);
      for (let round = 0; round < 3; round++) {
        for (const password of ['wrong', 'lost', 'lost', 'wrong'])
          expect((await site.login(password)).status).toBe(password === 'wrong' ? 401 : 503);
        expect((await site.login('right')).status).toBe(200);
      }
    });

    it('is looked at no more often than there is room for, however many come at once', async () => {
      await using site = await Site.open(start, redis, settings);
      const answers = await Promise.all(Array.from({ length: 20 }, () => site.login('wrong')));
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(3);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(17);
      expect(site.looks).toBe(3);
    });

    it('is to one account from one place however the two are written', async () => {
      await using site = await Site.open(start, redis, settings);
      await site.login('wrong', account, '2001:db8::1');
      await site.login('wrong', ' ANN@example.com', '2001:DB8:0:0:ffff::2');
      await site.login('wrong', 'ａnn@example.com', '2001:db8:0:0::3');
      expect((await site.login('right', account, '2001:db8::4')).status).toBe(429);
      expect((await site.login('right', account, '2001:db8:0:1::1')).status).toBe(200);
    });

    it('is not from where a client says that it is', async () => {
      await using site = await Site.open(start, redis, settings, 0);
      for (let host = 0; host < 3; host++) await site.login('wrong', account, `198.51.100.${host}`);
      expect((await site.login('right', account, '198.51.100.4')).status).toBe(429);
    });

    it('is refused with 403 to a banned network, also by the instance that hears of that', async () => {
      await using site = await Site.open(start, redis, settings);
      await site.instance(0).pando.limits.ban('203.0.113.0/24');
      await waitFor(() => site.instance(1).pando.limits.bans().length === 1);
      for (let call = 0; call < 2; call++) {
        const refused = await site.login('right');
        expect([refused.status, refused.headers.get('retry-after')]).toEqual([403, null]);
        await refused.body?.cancel();
      }
      expect(site.looks).toBe(0);
      expect((await site.login('right', account, '198.51.100.1')).status).toBe(200);
    });
  });
}
