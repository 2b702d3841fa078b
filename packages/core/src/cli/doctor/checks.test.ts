import { describe, expect, it } from 'vitest';
import type { Finding } from './check.js';
import { dbSlots } from './checks/db-slots.js';
import { dbVersion } from './checks/db-version.js';
import { projectPackages } from './checks/project-packages.js';
import { redisCluster } from './checks/redis-cluster.js';
import { redisConnections } from './checks/redis-connections.js';
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
    const slots = [{ name: 'gone', active: false, kept: null, status: 'lost' }];
    expect(told(dbSlots.examine({ ...primary, slots, slotless: 0, standbys: 0 }))).toEqual([
      'problem slot gone has lost the log of its standby',
    ]);
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
