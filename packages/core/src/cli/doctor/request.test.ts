import { describe, expect, it } from 'vitest';
import { readRequest, usage } from './request.js';
import { placeOf, withoutSecrets } from './words.js';

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
    [
      ['--redis', 'localhost:6379'],
      '--redis must be a URL whose scheme is redis:, rediss: or unix:; special',
    ],
    [['--db', 'mysql://app:pass@db'], '--db must be a URL whose scheme is postgres:; special'],
    [['--url', 'app.example'], '--url must be a URL whose scheme is http: or https:; special'],
    [['--stream', 'events'], '--stream must be a path such as "/events".'],
    [['--instances', '0'], '--instances must be a whole number from 1 to 2147483647.'],
    [['--pool-size', '10 each'], '--pool-size must be a whole number from 1 to 2147483647.'],
    [['--name', 'my app'], /^--name must be 1 to 64 letters/],
    [['--redis'], /argument missing/],
    [['--json=yes'], /does not take an argument/],
    [['--timeout-ms', '3000000000'], '--timeout-ms must be a whole number from 1 to'],
    [['redis://a'], /every value needs its option in front, such as --redis/],
    [['--reddis=redis://a'], 'unknown option --reddis. Did you mean --redis?'],
    [['-redis://a'], /^unknown option/],
  ])('refuses %j', (args, message) => {
    expect(() => readRequest(args)).toThrow(message);
  });

  it.each([
    [['redis://app:swordfish@db']],
    [['--redis', 'redis://app:sword/fish@db']],
    [['--redis', 'redis://app:12/swordfish@db']],
    [['--db', 'postgres://app:12?swordfish@db']],
    [['--db', 'postgres://app:12#swordfish@db/shop']],
    [['--db', 'mysql://app:swordfish@db']],
    [['--stream', 'https://app:swordfish@shop.example/events']],
    [['--instances', 'redis://:swordfish@db']],
    [['--name', 'redis://:swordfish@db']],
    [['--reddis=redis://:swordfish@db']],
    [['--reddis', 'redis://:swordfish@db']],
    [['-redis://:swordfish@db']],
    [['--redis:swordfish@db']],
    [['--json=redis://:swordfish@db']],
  ])('repeats no password of %j', (args) => {
    const refused = () => {
      try {
        readRequest(args);
        return 'not refused';
      } catch (cause) {
        return (cause as Error).message;
      }
    };
    expect(refused()).not.toMatch(/not refused|swordfish|12/);
  });

  it('takes passwords that are encoded, sockets, and addresses of both kinds', () => {
    const redis = ['redis://:a%2Fb%40c@[::1]:6380/2', 'unix:/run/redis.sock'];
    const db = 'postgres://app@%2Fvar%2Frun/shop?options=-c%20role%3Da@b';
    const request = readRequest([...redis.flatMap((url) => ['--redis', url]), '--db', db]);
    expect(request).toMatchObject({ redis, db });
    expect(redis.map((url) => placeOf(url, 6_379))).toEqual(['[::1]:6380', '/run/redis.sock']);
    expect(placeOf(db, 5_432)).toBe('/var/run');
    expect(placeOf('postgres:///shop?host=/tmp', 5_432)).toBe('/tmp');
    expect(placeOf('postgres://app:%zz@db/shop', 5_432)).toBe('db:5432');
  });

  it.each([
    ['redis://:sword%2Ffish@db', "unknown command 'AUTH', with args: 'sword/fish' sword%2Ffish"],
    ['postgres://db/shop?password=sword/fish', 'no password "sword/fish"'],
  ])('hides the password of %s in what others say', (url, said) => {
    expect(withoutSecrets(said, url)).toContain('…');
    expect(withoutSecrets(said, url)).not.toMatch(/sword(\/|%2F)fish/);
  });

  it('is explained in full', () => {
    const words = usage.match(/(?<=^ {2})--[a-z-]+/gm) ?? [];
    for (const word of words) {
      expect(() => readRequest([word]), word).not.toThrow(/unknown option/);
    }
    expect(words.length).toBe(20);
  });
});
