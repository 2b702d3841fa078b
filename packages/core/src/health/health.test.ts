import { describe, expect, it, onTestFinished } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import type { CheckResult, Room } from '../kernel/room.js';
import { createMetrics } from '../metrics/index.js';
import { exposedValue, parseExposition } from '../testing/exposition.js';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.js';
import {
  createHealth,
  type Health,
  type HealthCheck,
  type HealthOptions,
  type HealthWiring,
  type InstanceState,
} from './index.js';

type Look = CheckResult['status'] | 'hangs' | 'throws';

/** A check that sees what it is told, and counts. */
interface Puppet extends HealthCheck {
  sees: Look;
  readonly looks: number;
  readonly aborted: number;
}

function puppet(init: Partial<HealthCheck> & { readonly sees?: Look } = {}): Puppet {
  const { sees = 'healthy', ...check } = init;
  let looks = 0;
  let aborted = 0;
  return {
    name: 'thing',
    critical: true,
    ...check,
    sees,
    get looks() {
      return looks;
    },
    get aborted() {
      return aborted;
    },
    async run({ signal }) {
      looks++;
      signal.addEventListener('abort', () => aborted++);
      if (this.sees === 'throws') throw new Error('connect ECONNREFUSED db1:5432');
      if (this.sees === 'hangs') return new Promise(() => undefined);
      return { status: this.sees, detail: `sees ${this.sees}` };
    },
  };
}

/** Options of a puppet for the room: the room copies what it is given, a puppet changes. */
const given = (check: Puppet): HealthCheck => ({
  name: check.name,
  critical: check.critical,
  shared: check.shared,
  intervalMs: check.intervalMs,
  timeoutMs: check.timeoutMs,
  run: (options) => check.run(options),
});

const roomOf = (...checks: Puppet[]): Room => ({
  name: 'room',
  start: async () => undefined,
  drain: async () => undefined,
  close: async () => undefined,
  checks: () => checks,
  [Symbol.asyncDispose]: async () => undefined,
});

async function started(
  checks: readonly Puppet[],
  options: HealthOptions = {},
  wiring: HealthWiring = {},
): Promise<{ health: Health; clock: FakeClock }> {
  const clock = createFakeClock();
  const kernel = createKernel({ clock });
  const health = createHealth(
    { jitterRatio: 0, checks: checks.map(given), ...options },
    { kernel, ...wiring },
  );
  onTestFinished(() => health.close());
  const start = health.start();
  await clock.advance(1_000);
  await start;
  return { health, clock };
}

describe('liveness', () => {
  it('is 200 whatever the checks say, and while draining', async () => {
    const { health } = await started([puppet({ sees: 'unhealthy' })]);
    await health.drain();
    expect(health.live()).toMatchObject({ status: 200, body: { status: 'healthy', components: {} } });
  });
});

describe('readiness', () => {
  it('is 503 before the first looks have ended', async () => {
    const clock = createFakeClock();
    const health = createHealth(
      { checks: [given(puppet({ sees: 'hangs' }))] },
      { kernel: createKernel({ clock }) },
    );
    const start = health.start();
    expect(health.ready()).toMatchObject({ status: 503, body: { components: { lifecycle: 'unhealthy' } } });
    await clock.advance(1_000);
    await start;
    expect(health.ready().body.components).toEqual({ thing: 'unhealthy' });
    await health.close();
  });

  it.each(['starting', 'draining', 'closed'] as const)('is 503 while the instance is %s', async (state) => {
    const { health } = await started([puppet()], {}, { state: () => state });
    expect(health.ready()).toMatchObject({
      status: 503,
      body: { status: 'unhealthy', components: { thing: 'healthy', lifecycle: 'unhealthy' } },
    });
    expect(health.report().status).toBe(200);
  });

  it('is 200 when all is well, and 503 once it drains by itself', async () => {
    const { health } = await started([puppet()]);
    expect(health.ready()).toMatchObject({ status: 200, body: { status: 'healthy' } });
    await health.drain();
    expect(health.ready().status).toBe(503);
  });

  it('stays, degraded, when something shared is away', async () => {
    const { health } = await started([puppet({ sees: 'throws', shared: true })]);
    expect(health.ready()).toMatchObject({
      status: 200,
      body: { status: 'degraded', components: { thing: 'unhealthy' } },
    });
    expect(health.report()).toMatchObject({ status: 503, body: { status: 'unhealthy' } });
  });

  it('goes when something shared is away and the policy is "all"', async () => {
    const { health } = await started([puppet({ sees: 'throws', shared: true })], { readyPolicy: 'all' });
    expect(health.ready().status).toBe(503);
  });

  it('goes when something critical of its own is away', async () => {
    const { health } = await started([puppet({ sees: 'throws' })]);
    expect(health.ready()).toMatchObject({ status: 503, body: { status: 'unhealthy' } });
  });

  it('goes when something of its own is saturated, which the report calls degraded', async () => {
    const { health } = await started([puppet({ sees: 'saturated' })]);
    expect(health.ready()).toMatchObject({
      status: 503,
      body: { status: 'unhealthy', components: { thing: 'saturated' } },
    });
    expect(health.report()).toMatchObject({ status: 200, body: { status: 'degraded' } });
    expect(health.live().status).toBe(200);
  });

  it('never flips with a check that fails every other time', async () => {
    const check = puppet();
    const { health, clock } = await started([check]);
    for (let look = 0; look < 100; look++) {
      check.sees = look % 2 === 0 ? 'throws' : 'healthy';
      await clock.advance(5_000);
      expect(health.ready().status).toBe(200);
    }
    expect(check.looks).toBe(101);
  });

  it('heeds checks of rooms that say they are of this instance alone', async () => {
    const pool = puppet({ name: 'pool', sees: 'saturated', shared: false });
    const { health } = await started([], {}, { rooms: () => [roomOf(pool)] });
    expect(health.ready().status).toBe(503);
  });

  it('takes the checks of rooms for shared', async () => {
    const { health } = await started(
      [],
      {},
      { rooms: () => [roomOf(puppet({ name: 'db', sees: 'throws' }))] },
    );
    expect(health.ready()).toMatchObject({ status: 200, body: { components: { db: 'unhealthy' } } });
  });
});

describe('the startup probe', () => {
  it('is 503 until the instance has started, and 200 ever after', async () => {
    let state: InstanceState = 'starting';
    const { health } = await started([puppet({ sees: 'unhealthy' })], {}, { state: () => state });
    expect(health.startup()).toMatchObject({ status: 503, body: { components: { lifecycle: 'unhealthy' } } });
    for (state of ['ready', 'draining', 'closed'] as const) {
      expect(health.startup()).toMatchObject({ status: 200, body: { status: 'healthy', components: {} } });
    }
  });
});

describe('a group', () => {
  const groups = { orders: ['database', 'stripe'], mail: ['mailer'] };
  const checks = () => [
    puppet({ name: 'stripe' }),
    puppet({ name: 'mailer', critical: false }),
    puppet({ name: 'disk', sees: 'throws' }),
  ];
  const rooms = () => [roomOf(puppet({ name: 'database' }))];

  it('tells of its components, and of no others', async () => {
    const { health } = await started(checks(), { groups }, { rooms });
    expect(health.groups).toEqual(['orders', 'mail']);
    expect(health.group('orders')).toMatchObject({ status: 200, body: { status: 'healthy' } });
    expect(health.group('orders').body.components).toEqual({ database: 'healthy', stripe: 'healthy' });
    expect(Object.keys(health.group('mail', { details: true }).body.details ?? {})).toEqual(['mailer']);
    expect(health.report().status).toBe(503);
  });

  it('is 503 when one of them is unhealthy, critical or not', async () => {
    const [stripe, mailer] = [
      puppet({ name: 'stripe' }),
      puppet({ name: 'mailer', critical: false, sees: 'throws' }),
    ];
    const { health } = await started([stripe, mailer], { groups }, { rooms });
    expect(health.group('mail')).toMatchObject({ status: 503, body: { status: 'unhealthy' } });
    expect([health.group('orders').status, health.ready().status]).toEqual([200, 200]);
  });

  it('stays, degraded, when one of them is degraded or saturated', async () => {
    const mailer = puppet({ name: 'mailer', sees: 'saturated' });
    const { health } = await started([mailer], { groups: { mail: ['mailer'] } });
    expect(health.group('mail')).toMatchObject({ status: 200, body: { status: 'degraded' } });
  });

  it('is 503 as long as nothing is known', () => {
    const health = createHealth({ checks: checks().map(given), groups: { mail: ['mailer'] } });
    expect(health.group('mail')).toMatchObject({
      status: 503,
      body: { components: { mailer: 'unhealthy', lifecycle: 'unhealthy' } },
    });
  });

  it('may name what this process does without', async () => {
    const absent = ['redis'];
    const { health } = await started([], { groups: { events: ['redis'] } }, { absent });
    expect(health.group('events')).toMatchObject({ status: 200, body: { components: {} } });
  });

  it('that nobody defined is a mistake', async () => {
    const { health } = await started(checks(), { groups }, { rooms });
    for (const name of ['orderz', 'constructor']) {
      expect(() => health.group(name)).toThrow(`health.groups has no "${name}". It has orders, mail.`);
    }
  });
});

describe('the report', () => {
  it('says degraded, with 200, when something that is not critical is away', async () => {
    const { health } = await started([puppet({ critical: false, sees: 'unhealthy' })], { version: '1.2.3' });
    expect(health.report()).toEqual({
      status: 200,
      body: {
        status: 'degraded',
        timestamp: '2023-11-14T22:13:21.000Z',
        version: '1.2.3',
        components: { thing: 'unhealthy' },
      },
    });
  });

  it('is 503 as long as nothing is known', async () => {
    expect(createHealth().report()).toMatchObject({ status: 503, body: { status: 'unhealthy' } });
  });

  it('gives details only on request', async () => {
    const { health } = await started([puppet({ sees: 'throws' })]);
    expect(JSON.stringify(health.report())).not.toContain('db1');
    expect(JSON.stringify(health.ready())).not.toContain('db1');
    expect(health.report({ details: true }).body.details).toEqual({
      thing: {
        status: 'unhealthy',
        critical: true,
        shared: false,
        detail: 'connect ECONNREFUSED db1:5432',
        checkedAt: 1_700_000_000_000,
        durationMs: 0,
      },
    });
  });

  it('shows no credentials, no stack and no page of text', async () => {
    const failing = {
      ...given(puppet()),
      run: async () => {
        throw new Error(`no postgres://ann:sec/ret@db1/blog\n   at ${'x'.repeat(5_000)}`);
      },
    };
    const { health } = await started([], { checks: [failing] });
    const detail = health.report({ details: true }).body.details?.thing?.detail;
    expect(detail).toMatch(/^no postgres:\/\/…@db1\/blog at x+$/);
    expect(detail).toHaveLength(500);
  });

  it.each([
    ['nothing', undefined],
    ['another word', { status: 'ok' }],
    ['what every object has', { status: 'toString' }],
  ])('takes a check that returns %s for one that failed, and goes on', async (_what, result) => {
    const check = { ...given(puppet()), run: async () => result as CheckResult };
    const { health, clock } = await started([], { checks: [check] });
    await clock.advance(60_000);
    const { details } = health.report({ details: true }).body;
    expect(details?.thing).toMatchObject({
      status: 'unhealthy',
      detail: expect.stringMatching(/^The check "thing" did not say how it is\. Return \{ status/),
    });
  });

  it('shows details of any kind', async () => {
    const check = {
      ...given(puppet()),
      run: async () => ({ status: 'degraded', detail: 42 as unknown as string }) as const,
    };
    const { health } = await started([], { checks: [check] });
    expect(health.report({ details: true }).body.details?.thing?.detail).toBe('42');
  });

  it('shows one component for several checks of one name: the worst, critical when any is', async () => {
    const fine = puppet({ name: 'redis', critical: false });
    const bad = puppet({ name: 'redis', critical: true, sees: 'degraded' });
    const { health } = await started([], {}, { rooms: () => [roomOf(fine), roomOf(bad)] });
    expect(health.report().body.components).toEqual({ redis: 'degraded' });
    expect(health.report({ details: true }).body.details?.redis).toMatchObject({
      critical: true,
      shared: true,
      detail: 'sees degraded',
    });
  });
});

describe('checks', () => {
  it('run in the background, not with the answers', async () => {
    const check = puppet();
    const { health, clock } = await started([check]);
    for (let answer = 0; answer < 100; answer++) health.report();
    expect(check.looks).toBe(1);
    await clock.advance(20_000);
    expect(check.looks).toBe(5);
  });

  it('are spread by jitter', async () => {
    const check = puppet();
    const { clock } = await started([check], { jitterRatio: 0.5 }, { random: () => 1 });
    await clock.advance(9_000);
    expect(check.looks).toBe(5); // every 2 500 ms
  });

  it('have a rhythm of their own where they ask for it', async () => {
    const check = puppet({ intervalMs: 1_000 });
    const { clock } = await started([check]);
    await clock.advance(9_000);
    expect(check.looks).toBe(11);
  });

  it('must fail several times before the status gets worse, and pass several times before it gets better', async () => {
    const check = puppet();
    const { health, clock } = await started([check]);
    check.sees = 'unhealthy';
    await clock.advance(10_000);
    expect(health.report().status).toBe(200);
    await clock.advance(5_000);
    expect(health.report().status).toBe(503);
    check.sees = 'healthy';
    await clock.advance(5_000);
    expect(health.report().status).toBe(503);
    await clock.advance(5_000);
    expect(health.report().status).toBe(200);
  });

  it('are aborted when they take too long, and then count as failed', async () => {
    const check = puppet({ sees: 'hangs' });
    const { health } = await started([check]);
    expect(check.aborted).toBe(1);
    expect(health.report({ details: true }).body.details?.thing).toMatchObject({
      status: 'unhealthy',
      detail: expect.stringContaining('took longer than 1000 ms'),
    });
  });

  it('do not pile up when they ignore their signal', async () => {
    const check = puppet();
    const { health, clock } = await started([check]);
    check.sees = 'hangs';
    await clock.advance(60_000);
    expect(check.looks).toBe(2);
    expect(health.report().status).toBe(503);
  });

  it('count as unhealthy when nothing was heard of them for too long', async () => {
    const check = puppet();
    const clock = createFakeClock();
    const frozen = { ...clock, after: () => ({ [Symbol.dispose]: () => undefined }) };
    const health = createHealth({ checks: [given(check)] }, { kernel: createKernel({ clock: frozen }) });
    await health.start();
    await clock.advance(20_000);
    expect(health.report().status).toBe(200);
    await clock.advance(1);
    expect(health.report({ details: true })).toMatchObject({
      status: 503,
      body: { details: { thing: { detail: 'no look has finished for more than 20000 ms' } } },
    });
    await health.close();
  });

  it('stop with close', async () => {
    const check = puppet();
    const { health, clock } = await started([check]);
    check.sees = 'hangs';
    await clock.advance(4_500); // the second look has begun
    await health.close();
    await health.close();
    expect(check.aborted).toBe(1);
    await clock.advance(60_000);
    expect(check.looks).toBe(2);
    expect(clock.pending).toBe(0);
  });

  it('are looked at once by two starts', async () => {
    const check = puppet();
    const { health } = await started([check]);
    await health.start();
    expect(check.looks).toBe(1);
  });
});

describe('metrics', () => {
  it('tell how each component is, whether the instance is ready, and what has changed', async () => {
    const metrics = createMetrics();
    const clock = createFakeClock();
    const check = puppet();
    const health = createHealth(
      { checks: [given(check)], jitterRatio: 0, failAfter: 1, passAfter: 1 },
      { kernel: createKernel({ clock, meter: metrics.meter }) },
    );
    onTestFinished(() => health.close());
    await health.start();
    const metric = async (name: string, labels: Record<string, string> = {}) =>
      exposedValue(parseExposition(await metrics.expose(), metrics.contentType), name, labels);
    const seen = async () => [
      await metric('pando_health_status', { component: 'thing' }),
      await metric('pando_health_ready'),
    ];
    expect(await seen()).toEqual([1, 1]);
    check.sees = 'saturated';
    await clock.advance(5_000);
    expect(await seen()).toEqual([0.25, 0]);
    expect(await metric('pando_health_changes_total', { component: 'thing', status: 'saturated' })).toBe(1);
    check.sees = 'healthy';
    await clock.advance(10_000);
    expect(await seen()).toEqual([1, 1]);
    expect(await metric('pando_health_changes_total', { component: 'thing', status: 'healthy' })).toBe(2);
  });
});

describe('options', () => {
  it.each<[unknown, string]>([
    [{ checks: {} }, 'health.checks must be a list of checks, got an object.'],
    [{ checks: [{ name: 'x', critical: true }] }, 'health.checks[0].run must be a function, got undefined.'],
    [
      { checks: [{ name: '', critical: true, run: () => 1 }] },
      'health.checks[0].name must be a non-empty string',
    ],
    [{ checks: [{ name: 'x', run: () => 1 }] }, 'health.checks[0].critical must be true or false'],
    [{ readyPolicy: 'shared' }, 'health.readyPolicy must be one of "own", "all", got "shared".'],
    [{ groups: [] }, 'health.groups must be an object of lists of components, got an array.'],
    [
      { groups: { ready: ['x'] } },
      'health.groups.ready must be named by letters, digits and "-", and not live,',
    ],
    [{ groups: { 'a/b': ['x'] } }, 'health.groups.a/b must be named by letters'],
    [{ groups: { a: [] } }, 'health.groups.a must be a list of names of components'],
    [
      { groups: { a: ['disc'] }, checks: [{ name: 'disk', critical: true, run: () => 1 }] },
      'health.groups.a names "disc", a component that nothing looks at. Did you mean "disk"?',
    ],
    [{ groups: { a: ['redis'] } }, 'There are none.'],
    [{ failAfter: 0 }, 'health.failAfter must be a positive whole number, got 0.'],
    [{ check: [] }, 'unknown option "check" in health. Did you mean "checks"?'],
  ])('%j is refused', (options, message) => {
    expect(() => createHealth(options as HealthOptions)).toThrow(message);
  });
});
