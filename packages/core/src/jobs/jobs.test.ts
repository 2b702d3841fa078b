import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import type { Logger } from '../kernel/logger.js';
import { createMemoryRegistry, createMetrics } from '../metrics/index.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { MemoryJobStore } from './drivers/memory.js';
import { createJobs, createJobsWorld, type JobRun, type ScheduleOption } from './index.js';
import { JobsRoom } from './jobs.js';

const hour = 3_600_000;
const minute = 60_000;

/** Some instances of one fleet; their clock shows a quarter past the hour. */
async function fleet(count = 2) {
  const clock = createFakeClock({ now: 472_222 * hour + 15 * minute });
  const world = createJobsWorld();
  const lines: string[] = [];
  const note = (_fields: object, message: string) => void lines.push(message);
  const logger: Logger = { debug: () => undefined, info: note, warn: note, error: note };
  const rooms = Array.from({ length: count }, () => {
    const registry = createMemoryRegistry();
    const metrics = createMetrics({ registry });
    const room = createJobs({}, { kernel: createKernel({ clock, logger, meter: metrics.meter }), world });
    return { room, registry };
  });
  for (const { room } of rooms) await room.start();
  /** The same job on all of them. */
  const everywhere = (schedule: ScheduleOption, work: (run: JobRun, instance: number) => unknown) =>
    rooms.map(({ room }, at) => room.runOnce('job', schedule, (run) => work(run, at)));
  return {
    clock,
    rooms: rooms.map(({ room }) => room),
    everywhere,
    lines,
    registries: rooms.map((r) => r.registry),
  };
}

describe('a job', () => {
  it('runs on one instance when it is due, and says when that was', async () => {
    const { clock, everywhere } = await fleet(3);
    const runs: number[] = [];
    everywhere({ everyMs: hour }, ({ dueAt }) => void runs.push(dueAt));
    await clock.advance(44 * minute);
    expect(runs).toEqual([]);
    await clock.advance(minute);
    expect(runs).toEqual([472_223 * hour]);
    await clock.advance(2 * hour);
    expect(runs).toEqual([472_223 * hour, 472_224 * hour, 472_225 * hour]);
  });

  it('runs by a pattern, in a time zone', async () => {
    const { clock, everywhere } = await fleet();
    const runs: string[] = [];
    everywhere({ cron: '30 9 * * *', timeZone: 'Asia/Kolkata' }, ({ dueAt }) => {
      runs.push(new Date(dueAt).toISOString().slice(11, 16));
    });
    await clock.advance(48 * hour);
    expect(runs).toEqual(['04:00', '04:00']);
  });

  it('never overlaps: what comes due during a run is left out', async () => {
    const { clock, everywhere } = await fleet();
    const ends: (() => void)[] = [];
    everywhere({ everyMs: minute }, () => new Promise<void>((resolve) => ends.push(resolve)));
    await clock.advance(10 * minute);
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await clock.advance(1);
    expect(ends).toHaveLength(1);
    await clock.advance(minute);
    expect(ends).toHaveLength(2);
  });

  it('has tokens that grow', async () => {
    const { clock, everywhere } = await fleet();
    const tokens: number[] = [];
    everywhere({ everyMs: minute }, ({ token }) => void tokens.push(token));
    await clock.advance(5 * minute);
    expect(tokens).toHaveLength(5);
    expect([...new Set(tokens)].sort((a, b) => a - b)).toEqual(tokens);
  });

  it('that throws is over, and is told of', async () => {
    const { clock, everywhere, lines, registries } = await fleet(1);
    let runs = 0;
    everywhere({ everyMs: minute }, () => {
      runs++;
      throw new Error('no disk');
    });
    await clock.advance(2 * minute);
    expect(runs).toBe(2);
    expect(lines).toEqual(Array(2).fill('A run of the job "job" failed: no disk'));
    const labels = { job: 'job', outcome: 'failed' };
    expect(await registries[0]?.value('pando_jobs_runs_total', labels)).toBe(2);
  });

  it('has a context of its own', async () => {
    const clock = createFakeClock();
    const kernel = createKernel({ clock });
    const jobs = createJobs({}, { kernel });
    await jobs.start();
    let id = '';
    jobs.runOnce('job', { everyMs: minute }, ({ token }) => {
      id = `${kernel.contexts.current().id} ${token}`;
    });
    await clock.advance(minute);
    expect(id).toMatch(/^job:job:(\d+) \1$/);
  });

  it('is begun again elsewhere when its instance dies', async () => {
    const { clock, rooms, everywhere } = await fleet();
    const begun: number[] = [];
    everywhere({ everyMs: hour }, ({ attempt }, instance) => {
      begun.push(instance);
      return attempt === 1 ? new Promise(() => undefined) : undefined;
    });
    await clock.advance(45 * minute);
    expect(begun).toHaveLength(1);
    await Promise.all([rooms[begun[0] ?? 0]?.close(), clock.advance(5_000)]); // it does not heed its signal
    await clock.advance(minute);
    expect(begun).toHaveLength(2);
    expect(begun[1]).not.toBe(begun[0]);
  });

  it('is left out by who closes it, and goes on elsewhere', async () => {
    const { clock, everywhere } = await fleet();
    const begun: number[] = [];
    const jobs = everywhere({ everyMs: minute }, (_run, instance) => void begun.push(instance));
    await jobs[0]?.close();
    await clock.advance(3 * minute);
    expect(begun).toEqual([1, 1, 1]);
  });

  it('is there once in a process', async () => {
    const { rooms } = await fleet(1);
    const job = rooms[0]?.runOnce('job', { everyMs: minute }, () => undefined);
    expect(() => rooms[0]?.runOnce('job', { everyMs: minute }, () => undefined)).toThrow(/a name of its own/);
    await job?.close();
    await rooms[0]?.runOnce('job', { everyMs: minute }, () => undefined).close();
  });
});

/** One instance whose store carries claims out, and whose answers to them a test lets through, or not. */
async function heldClaims() {
  const clock = createFakeClock();
  const world = createJobsWorld();
  const store = new MemoryJobStore({ clock, self: 'a', world });
  const answers: { resolve(): void; reject(cause: Error): void }[] = [];
  const claim = store.claim.bind(store);
  store.claim = async (...run) => {
    const claimed = await claim(...run);
    await new Promise<void>((resolve, reject) => answers.push({ resolve, reject }));
    return claimed;
  };
  const jobs = new JobsRoom(createKernel({ clock }), store, 30_000);
  await jobs.start();
  const runs: JobRun[] = [];
  jobs.runOnce('job', { everyMs: minute }, (run) => void runs.push(run));
  await clock.advance(minute);
  return { clock, jobs, runs, answers, other: new MemoryJobStore({ clock, self: 'b', world }) };
}

describe('a claim', () => {
  it('whose answer was lost is made again, and gets the run that it took', async () => {
    const { clock, jobs, runs, answers } = await heldClaims();
    answers[0]?.reject(new Error('no answer in time'));
    await clock.advance(1_000);
    answers[1]?.resolve();
    await clock.advance(1);
    expect(runs).toMatchObject([{ attempt: 1 }]);
    await clock.advance(minute); // and the next one is a new one
    answers[2]?.resolve();
    await clock.advance(1);
    expect(runs).toHaveLength(2);
    await jobs.close();
  });
});

describe('a shutdown', () => {
  it('begins no run, waits for the one that goes on, and gives it back', async () => {
    const { clock, rooms, everywhere } = await fleet(1);
    let end: () => void = () => undefined;
    let runs = 0;
    everywhere({ everyMs: minute }, () => {
      runs++;
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    await clock.advance(minute);
    let isDrained = false;
    const draining = rooms[0]?.drain().then(() => {
      isDrained = true;
    });
    await clock.advance(5 * minute);
    expect(isDrained).toBe(false);
    end();
    await draining;
    await clock.advance(5 * minute);
    expect(runs).toBe(1);
  });

  it('waits for a run that is just being taken', async () => {
    const { jobs, runs, answers } = await heldClaims();
    const draining = jobs.drain();
    answers[0]?.resolve();
    await draining;
    expect(runs).toHaveLength(1);
  });

  it('gives a run back that is just being taken when time is up', async () => {
    const { jobs, runs, answers, other } = await heldClaims();
    const closing = jobs.close();
    answers[0]?.resolve();
    await closing;
    expect(runs).toEqual([]);
    const { last, owner } = await other.look('job');
    expect(owner).toBe('');
    const run = {
      claimId: 'b',
      last,
      dueAt: last,
      leaseMs: minute,
      startWithinMs: undefined,
      maxAttempts: 1,
    };
    expect(await other.claim('job', run)).toMatchObject({ outcome: 'taken', attempt: 1 });
  });

  it('leaves no loop behind where the store does not take a run back', async () => {
    const clock = createFakeClock();
    const store = new MemoryJobStore({ clock, self: 'a', world: createJobsWorld() });
    store.finish = () => Promise.reject(new Error('away'));
    const jobs = new JobsRoom(createKernel({ clock }), store, 30_000);
    await jobs.start();
    jobs.runOnce('job', { everyMs: minute }, () => undefined);
    await clock.advance(minute);
    await Promise.all([jobs.close(), clock.advance(2_000)]);
    await clock.advance(minute);
    expect(clock.pending).toBe(0);
  });

  it('asks a run to stop when time is up', async () => {
    const { clock, rooms, everywhere } = await fleet(1);
    let reason: unknown;
    everywhere({ everyMs: minute }, ({ signal }) => {
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason;
          resolve();
        });
      });
    });
    await clock.advance(minute);
    const timeUp = new Error('time is up');
    const controller = new AbortController();
    const draining = rooms[0]?.drain({ signal: controller.signal });
    controller.abort(timeUp);
    await expect(draining).rejects.toBe(timeUp);
    expect(reason).toBe(timeUp);
    await rooms[0]?.close();
  });

  it('leaves no timer behind where a run heeds its signal', async () => {
    const { clock, rooms, everywhere } = await fleet(1);
    everywhere({ everyMs: minute }, ({ signal }) => {
      return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    });
    await clock.advance(minute);
    await rooms[0]?.close();
    expect(clock.pending).toBe(0);
  });

  it('leaves no timer behind', async () => {
    const { clock, rooms, everywhere } = await fleet();
    everywhere({ everyMs: minute }, () => undefined);
    await clock.advance(3 * minute);
    for (const room of rooms) await room.close();
    expect(clock.pending).toBe(0);
  });
});

describe('options', () => {
  const refused = (...[name, schedule, work, options]: unknown[]) => {
    const jobs = createJobs();
    return () =>
      jobs.runOnce(name as string, schedule as ScheduleOption, work as () => void, options as object);
  };
  const nothing = () => undefined;
  it.each([
    [refused('a b', { everyMs: 1_000 }, nothing), /runOnce\.name must be the name of the job/],
    [refused('a', {}, nothing), /runOnce\.schedule\.everyMs must be given, or else "cron"/],
    [refused('a', { everyMs: 1_000, cron: '* * * * *' }, nothing), /one of the two/],
    [refused('a', { everyMs: 10 }, nothing), /runOnce\.schedule\.everyMs/],
    [refused('a', { cron: 'every day' }, nothing), /runOnce\.schedule\.cron must be a pattern such as/],
    [refused('a', { cron: '0 0 31 2 *' }, nothing), /matches some day/],
    [refused('a', { cron: '0 0 * * *', timeZone: 'Mars' }, nothing), /a time zone such as/],
    [refused('a', { everyMs: 1_000, timeZone: 'UTC' }, nothing), /timeZone must be absent/],
    [refused('a', { everyMs: 1_000 }, 'work'), /runOnce\.work must be a function/],
    [refused('a', { everyMs: 1_000 }, nothing, { leaseMs: 1 }), /runOnce\.options\.leaseMs/],
    [refused('a', { everyMs: 1_000 }, nothing, { attempts: 1 }), /Did you mean "maxAttempts"/],
    [() => createJobs({ leaseMs: 1 }), /jobs\.leaseMs/],
  ])('that cannot be right are refused with what to do: %#', (attempt, message) => {
    expect(attempt).toThrow(message as RegExp);
  });
});
