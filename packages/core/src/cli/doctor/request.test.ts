import { describe, expect, it } from 'vitest';
import { readRequest, usage } from './request.js';

describe('the command line of the doctor', () => {
  it('has defaults for all that was not said', () => {
    expect(readRequest([])).toMatchObject({
      name: 'app',
      redis: [],
      db: undefined,
      readyPath: '/health/ready',
      pool: { size: 10, overflow: 20 },
      balancerIdleMs: 60_000,
      isJson: false,
    });
  });

  it('takes what may be said several times', () => {
    const request = readRequest(['--redis', 'redis://a', '--redis=rediss://b', '--skip', 'redis.memory']);
    expect(request).toMatchObject({ redis: ['redis://a', 'rediss://b'], skip: ['redis.memory'] });
  });

  it.each([
    [['--repilca', 'postgres://a'], 'unknown option --repilca. Did you mean --replica?'],
    [['--nothing-like-it'], 'unknown option --nothing-like-it. See pando doctor --help.'],
    [['--redis', 'localhost:6379'], '--redis must be a URL whose scheme is redis: or rediss:.'],
    [['--db', 'mysql://app:pass@db'], '--db must be a URL whose scheme is postgres:.'],
    [['--url', 'app.example'], '--url must be a URL whose scheme is http: or https:.'],
    [['--stream', 'events'], '--stream must be a path such as "/events", got "events".'],
    [['--instances', '0'], '--instances must be a whole number of at least 1, got "0".'],
    [['--pool-size', '10 each'], '--pool-size must be a whole number of at least 1, got "10 each".'],
    [['--name', 'my app'], /^name must be 1 to 64 letters/],
    [['--redis'], /argument missing/],
    [['--json=yes'], /does not take an argument/],
    [['redis://a'], /Unexpected argument/],
  ])('refuses %j', (args, message) => {
    expect(() => readRequest(args)).toThrow(message);
  });

  it('is explained in full', () => {
    const words = usage.match(/(?<=^ {2})--[a-z-]+/gm) ?? [];
    for (const word of words) {
      expect(() => readRequest([word]), word).not.toThrow(/unknown option/);
    }
    expect(words.length).toBe(20);
  });
});
