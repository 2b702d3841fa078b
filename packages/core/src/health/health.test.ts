import { describe, expect, it, onTestFinished } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import type { CheckResult, Room } from '../kernel/room.js';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.js';
import {
  createHealth,
  type Health,
  type HealthCheck,
  type HealthOptions,
  type HealthWiring,
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

  it('takes the checks of rooms for shared', async () => {
    const { health } = await started(
      [],
      {},
      { rooms: () => [roomOf(puppet({ name: 'db', sees: 'throws' }))] },
    );
    expect(health.ready()).toMatchObject({ status: 200, body: { components: { db: 'unhealthy' } } });
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
    [{ failAfter: 0 }, 'health.failAfter must be a positive whole number, got 0.'],
    [{ check: [] }, 'unknown option "check" in health. Did you mean "checks"?'],
  ])('%j is refused', (options, message) => {
    expect(() => createHealth(options as HealthOptions)).toThrow(message);
  });
});
