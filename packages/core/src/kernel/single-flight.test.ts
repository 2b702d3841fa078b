import { describe, expect, it } from 'vitest';
import { SingleFlight } from './single-flight.js';

function gate<T>() {
  let open!: (value: T) => void;
  let fail!: (cause: unknown) => void;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

describe('SingleFlight', () => {
  it('runs one job for all callers of a key, and another for another key', async () => {
    const flights = new SingleFlight<string, string>();
    const door = gate<string>();
    let runs = 0;
    const job = () => {
      runs++;
      return door.promise;
    };
    const callers = [flights.run('a', job), flights.run('a', job), flights.run('b', job)];
    door.open('done');
    expect(await Promise.all(callers)).toEqual(['done', 'done', 'done']);
    expect([runs, flights.size]).toEqual([2, 0]);
  });

  it('hands a failure to every caller and forgets it', async () => {
    const flights = new SingleFlight<string, string>();
    const failing = () => Promise.reject(new Error('no'));
    const callers = [flights.run('a', failing), flights.run('a', failing)];
    await expect(callers[0]).rejects.toThrow('no');
    await expect(callers[1]).rejects.toThrow('no');
    expect(await flights.run('a', async () => 'again')).toBe('again');
  });

  it('turns a throw of the job into a rejection', async () => {
    const flights = new SingleFlight<string, string>();
    await expect(
      flights.run('a', () => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
  });

  it('lets one caller leave while the job goes on for the others', async () => {
    const flights = new SingleFlight<string, string>();
    const door = gate<string>();
    const leaver = new AbortController();
    let jobSignal: AbortSignal | undefined;
    const job = (signal: AbortSignal) => {
      jobSignal = signal;
      return door.promise;
    };
    const left = flights.run('a', job, leaver.signal);
    const stays = flights.run('a', job);
    await Promise.resolve();
    leaver.abort(new Error('bored'));
    await expect(left).rejects.toThrow('bored');
    expect(jobSignal?.aborted).toBe(false);
    door.open('done');
    expect(await stays).toBe('done');
  });

  it('aborts the job when the last caller has left, and lets nobody join it any more', async () => {
    const flights = new SingleFlight<string, string>();
    const leaver = new AbortController();
    let jobSignal: AbortSignal | undefined;
    const left = flights.run(
      'a',
      (signal) => {
        jobSignal = signal;
        return new Promise(() => undefined);
      },
      leaver.signal,
    );
    await Promise.resolve();
    leaver.abort(new Error('bored'));
    await expect(left).rejects.toThrow('bored');
    expect(jobSignal?.aborted).toBe(true);
    expect(await flights.run('a', async () => 'fresh')).toBe('fresh');
  });
});
