import { describe, expect, it } from 'vitest';
import type { Finding } from './check.js';
import { dbSlots } from './checks/db-slots.js';
import { dbVersion } from './checks/db-version.js';
import { fleetRotation } from './checks/fleet-rotation.js';
import { projectPackages } from './checks/project-packages.js';
import { redisCluster } from './checks/redis-cluster.js';
import { redisConnections } from './checks/redis-connections.js';
import { redisEviction } from './checks/redis-eviction.js';
import { redisMemory } from './checks/redis-memory.js';
import { redisRole } from './checks/redis-role.js';
import { redisRoundTrip } from './checks/redis-round-trip.js';
import { redisVersion } from './checks/redis-version.js';
import { replicaLag } from './checks/replica-lag.js';
import { replicaRole } from './checks/replica-role.js';
import { checkNames } from './checks.js';
import type { DatabaseServer } from './database-server.js';
import type { RedisServer } from './redis-server.js';

/** A server that says so much of itself, for what no server here can be made to say. */
function redis(info: Readonly<Record<string, string>>, settings = {}, roundTripMs = 1): RedisServer {
  return {
    ...{ label: 'db:6379', refusal: undefined, members: [], roundTripMs },
    info: new Map(Object.entries(info)),
    settings: new Map(Object.entries(settings)),
  };
}

const told = (findings: unknown) =>
  (findings as readonly Finding[]).map(({ verdict, found }) => `${verdict} ${found}`);

describe('the checks', () => {
  it('have names of their own', () => {
    expect(new Set(checkNames).size).toBe(checkNames.length);
    expect(checkNames.every((name) => /^[a-z]+\.[a-z-]+$/.test(name))).toBe(true);
  });

  it.each([
    ['6.0.16', '0', 'problem Redis 6.0.16'],
    ['6.2.0', '0', 'fine Redis 6.2.0'],
    ['6.2.14', '1', 'problem Redis 6.2.14'],
    ['10.0.1', '1', 'fine Redis 10.0.1, a cluster'],
  ])('know that Redis %s with cluster_enabled:%s is %s', (version, cluster, expected) => {
    const server = redis({ redis_version: version, cluster_enabled: cluster });
    expect(told(redisVersion.examine(server))).toEqual([expected]);
  });

  it('know Valkey by its own version', () => {
    const server = redis({ redis_version: '7.2.4', valkey_version: '8.1.0' });
    expect(told(redisVersion.examine(server))).toEqual(['fine Valkey 8.1.0']);
  });

  it('know old versions of Postgres', () => {
    const version = (text: string) => told(dbVersion.examine({ version: text } as DatabaseServer));
    expect(version('13.14 (Debian 13.14-1)')).toEqual(['problem Postgres 13.14']);
    expect(version('16beta1')).toEqual(['fine Postgres 16beta1']);
  });

  it('know data that is another one, a slot that came to nothing, and a replica that is far behind', () => {
    const server = {
      label: 'db:5432',
      system: '1',
      isStandby: true,
      isReplayPaused: false,
    } as DatabaseServer;
    const primary = { ...server, isStandby: false };
    const stranger = { ...server, system: '2' };
    expect(told(replicaRole.examine({ replica: stranger, primary }))).toEqual([
      'problem has other data than db:5432',
    ]);
    expect(told(replicaLag.examine({ replica: stranger, primary }))).toEqual([]);
    expect(told(replicaLag.examine({ replica: server, primary }))).toEqual([
      'problem more than 10 s behind the primary',
    ]);
    const slots = [
      { name: 'gone', active: false, kept: null, status: 'lost' },
      { name: 'going', active: true, kept: '2 GB', status: 'unreserved' },
      { name: 'well', active: true, kept: '2 GB', status: 'extended' },
    ];
    expect(told(dbSlots.examine({ ...primary, slots, slotless: 0, standbys: 0 }))).toEqual([
      'problem slot gone has lost the log of its standby',
      'problem slot going is about to lose the log of its standby',
    ]);
    // Nobody knows how far the primary of two standbys is.
    expect(told(replicaLag.examine({ replica: server, primary: server }))).toEqual([]);
  });

  it('take an archive for where a standby without a slot finds what it missed', () => {
    const slotless = (isArchived: boolean) => {
      const server = { slots: [], slotless: 1, standbys: 1, keptLog: '0', isArchived };
      return told(dbSlots.examine(server as unknown as DatabaseServer));
    };
    expect(slotless(false)).toEqual(['problem 1 standby connection without a slot, and wal_keep_size is 0']);
    expect(slotless(true)).toEqual([
      'note 1 standby connection without a slot; wal_keep_size is 0, and log is archived',
    ]);
  });

  it('say of many members that none is left out, or nothing: chance alone leaves one out', () => {
    const members = Array.from({ length: 6 }, (_, at) => ({ id: `i${at}`, description: undefined }));
    const sightings = (count: number) =>
      Array.from({ length: 24 }, (_, at) => ({ id: `i${at % count}`, isDirect: false, hasRedis: undefined }));
    const seen = (count: number, of: number) => {
      const sight = { name: 'app', isRedisGiven: true, members: members.slice(0, of) };
      return told(fleetRotation.examine({ ...sight, sightings: sightings(count) }));
    };
    expect(seen(6, 6)).toEqual(['fine 6 of 6 answered 24 requests']);
    expect(seen(5, 6)).toEqual([]);
    expect(seen(3, 4)).toEqual(['note 3 of 4 answered 24 requests; not i3']);
  });

  it('know a Redis that is not there yet', () => {
    const server = redis({ role: 'master', loading: '1' });
    expect(told(redisRole.examine(server))).toEqual(['problem it still loads its data']);
  });

  it('judge the way to Redis, its places for clients, and what a cluster needs', () => {
    const far = (ms: number) => told(redisRoundTrip.examine(redis({}, {}, ms)))[0]?.split(' ')[0];
    expect([far(1), far(40), far(200)]).toEqual(['fine', 'note', 'problem']);
    const clients = (used: string) =>
      told(redisConnections.examine(redis({ connected_clients: used, maxclients: '100' })));
    expect([clients('90'), clients('91')]).toEqual([['fine 90 of 100'], ['problem 91 of 100']]);
    const coverage = (settings: object) =>
      told(redisCluster.examine(redis({ cluster_enabled: '1' }, settings)))[0]?.split(' ')[0];
    expect(coverage({ 'cluster-require-full-coverage': 'yes' })).toBe('note');
    expect(coverage({ 'cluster-require-full-coverage': 'no' })).toBe('fine');
    expect(coverage({})).toBe('unknown');
  });

  it('call nothing well that the server does not tell', () => {
    const silent = redis({ redis_version: '7.2.4', role: 'master' });
    expect(told(redisMemory.examine(silent))[0]).toMatch(/^unknown/);
    expect(told(redisConnections.examine(silent))[0]).toMatch(/^unknown/);
    expect(told(redisEviction.examine(silent))[0]).toMatch(/^unknown/);
    const evicting = redis({ maxmemory_policy: 'allkeys-lru' });
    expect(told(redisEviction.examine(evicting))).toEqual(['problem allkeys-lru']);
    const old = redis({ connected_clients: '99' }, { maxclients: '100' }); // before 7.0 INFO does not tell
    expect(told(redisConnections.examine(old))).toEqual(['problem 99 of 100']);
  });

  it('know a cluster that serves nothing', () => {
    const info = { cluster_enabled: '1', cluster_state: 'fail', cluster_slots_ok: '10923' };
    const server = redis(info, { 'cluster-require-full-coverage': 'no' });
    expect(told(redisCluster.examine(server))).toEqual([
      'problem cluster_state:fail; 10923 of 16384 slots are served',
    ]);
  });

  it.each([
    [['express', 'pg'], []],
    [['express-rate-limit', 'express'], ['express-rate-limit']],
    [['express-rate-limit', 'rate-limit-redis'], []],
    [['express-session', 'connect-redis'], []],
    [['socket.io', '@socket.io/redis-streams-adapter', 'node-cron'], ['node-cron']],
    [
      ['multer', 'node-cache'],
      ['node-cache', 'multer'],
    ],
  ])('see in %j that %j knows one process only', (packages, expected) => {
    const findings = projectPackages.examine({ label: 'shop', dependencies: new Set(packages) });
    const names = told(findings).flatMap((text) => /^note (\S+) keeps/.exec(text)?.[1] ?? []);
    expect(names).toEqual(expected);
  });
});
