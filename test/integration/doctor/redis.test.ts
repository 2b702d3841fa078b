import { createPando } from '@pando/core';
import { freePort, waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { testRedis } from '../../infra/context.js';
import { type RedisServerOptions, startRedis, startRedisCluster } from '../../infra/redis.js';
import { consult } from './consult.js';

async function redisWith(options: RedisServerOptions) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

it('finds nothing wrong with a Redis as it comes, and leaves nothing there', async () => {
  const server = await redisWith({});
  const { code, named } = await consult('--redis', server.url);
  expect(named('problem')).toEqual([]);
  expect(named('unknown')).toEqual([]);
  expect(named('fine')).toEqual(
    expect.arrayContaining(['redis.version', 'redis.eviction', 'redis.output-buffers', 'redis.permissions']),
  );
  expect(code).toBe(0);
  expect(await server.command('dbsize')).toBe(0);
});

it('finds a policy that evicts what has no expiry, and buffers that a burst fills', async () => {
  const args = ['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'];
  const buffers = ['--client-output-buffer-limit', 'pubsub', '1mb', '512kb', '10'];
  const server = await redisWith({ args: [...args, ...buffers] });
  const { code, named, of } = await consult('--redis', server.url);
  expect(named('problem')).toEqual(['redis.eviction', 'redis.output-buffers']);
  expect(of('redis.eviction')).toEqual(['problem allkeys-lru at 67 MB']);
  expect(of('redis.output-buffers')).toEqual(['problem pubsub: 1.0 MB at once, 524 kB for 10 s']);
  expect(code).toBe(1);

  await server.command('config', 'set', 'maxmemory-policy', 'volatile-lru');
  await server.command('config', 'set', 'client-output-buffer-limit', 'pubsub 32mb 8mb 60');
  expect((await consult('--redis', server.url)).code).toBe(0);
});

it('finds a server that is about to refuse writes', async () => {
  const server = await redisWith({});
  await server.command('set', 'ballast', 'x'.repeat(8_000_000));
  const used = Number(/used_memory:(\d+)/.exec(String(await server.command('info', 'memory')))?.[1]);
  await server.command('config', 'set', 'maxmemory', Math.round(used * 1.01));
  expect((await consult('--redis', server.url)).of('redis.memory')).toEqual([
    expect.stringMatching(/^problem .* in use \((9\d|100) %\), and writes are refused at 100 %$/),
  ]);
});

it('finds a replica where a master should be, and a master that goes on without its replicas', async () => {
  const master = await redisWith({ args: ['--repl-diskless-sync-delay', '0'] });
  const replica = await redisWith({ args: ['--replicaof', '127.0.0.1', String(master.port)] });
  await waitFor(async () => /link_status:up/.test(String(await replica.command('info', 'replication'))));
  const { code, of } = await consult('--redis', master.url, '--redis', replica.url);
  expect(of('redis.role')).toEqual(['fine takes writes', `problem a replica of 127.0.0.1:${master.port}`]);
  expect(of('redis.replicas')).toEqual(['note 1 replica, and a master without any goes on']);
  expect(code).toBe(1);

  await master.command('config', 'set', 'min-replicas-to-write', 1);
  expect((await consult('--redis', master.url)).of('redis.replicas')).toEqual([
    'fine 1 replica, of which a write needs 1',
  ]);
});

it('finds a user that may not run scripts', async () => {
  const server = await redisWith({
    args: ['--user', 'app', 'on', '>swordfish', '~*', '&*', '+@all', '-eval'],
  });
  const url = server.url.replace('redis://', 'redis://app:swordfish@');
  const { code, of, output } = await consult('--redis', url);
  expect(of('redis.permissions')).toEqual([expect.stringMatching(/^problem NOPERM .*eval/)]);
  expect(of('fleet.members')).toEqual(['unknown Redis could not be asked who is there']);
  expect(code).toBe(1);
  expect(output).not.toContain('swordfish');
});

it('says what it was not allowed to see, and ends with 2 until that is left out', async () => {
  const server = await redisWith({
    args: ['--user', 'app', 'on', '>swordfish', '~*', '&*', '+@all', '-config'],
  });
  const url = server.url.replace('redis://', 'redis://app:swordfish@');
  const seen = await consult('--redis', url);
  expect(seen.named('unknown')).toEqual(['redis.output-buffers']);
  expect(seen.code).toBe(2);
  expect((await consult('--redis', url, '--skip', 'redis.output-buffers')).code).toBe(0);
});

it('ends with 2 for a server that is not there, is frozen, or lets nobody in, and keeps the password', async () => {
  const frozen = await redisWith({});
  frozen.freeze();
  const guarded = await redisWith({ password: 'right-one' });
  const wrong = `redis://:wrong-one@127.0.0.1:${guarded.port}`;
  const absent = `redis://:wrong-one@127.0.0.1:${await freePort()}`;
  const { code, of, output } = await consult(
    ...['--redis', frozen.url, '--redis', wrong, '--redis', absent],
    ...['--timeout-ms', '2000', '--skip', 'fleet.members'],
  );
  expect(of('redis.connection')).toEqual([
    expect.stringContaining('unknown'),
    expect.stringMatching(/^unknown WRONGPASS/),
    expect.stringMatching(/^unknown .*ECONNREFUSED/),
  ]);
  expect(code).toBe(2);
  expect(output).not.toContain('wrong-one');
});

it('knows a cluster, and that one without a part of it may stop all of it', async () => {
  await using cluster = await startRedisCluster();
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
  await using pando = await createPando({
    ...{ name: 'shop', instanceId: 'a', redis: { nodes } },
    lifecycle: { signals: false },
  });
  await waitFor(async () => (await pando.fleet()).length === 1);
  const asked = nodes.map(({ host, port }) => ['--redis', `redis://${host}:${port}`]).slice(0, 3);
  const { of } = await consult(...asked.flat(), '--name', 'shop');
  const each = (told: unknown) => [told, told, told];
  expect(of('redis.version')).toEqual(each(expect.stringMatching(/^fine Redis 7.*, a cluster$/)));
  expect(of('redis.cluster')).toEqual(each('note one missing part stops all of it'));
  expect(of('redis.permissions')).toEqual(each('fine scripts, keys and channels'));
  expect(of('fleet.members')).toEqual(['fine 1 instance: a']);

  // A replica is a way into a cluster, too; and without a master and its replica some keys are served by nobody.
  const { host, port } = cluster.nodes[3] as { host: string; port: number };
  const way = await consult('--redis', `redis://${host}:${port}`, '--name', 'shop');
  expect(way.of('redis.role')).toEqual([expect.stringMatching(/^fine a replica of 127.0.0.1:\d+, in the/)]);
  expect(way.of('fleet.members')).toEqual(['fine 1 instance: a']);
});

it('looks at the kit that it was told of, in the database of the URL', async () => {
  const { url, name } = testRedis();
  await using pando = await createPando({
    ...{ name, instanceId: 'a', redis: `${url}/3` },
    lifecycle: { signals: false },
  });
  await waitFor(async () => (await pando.fleet()).length === 1);
  const members = async (at: string) => (await consult('--redis', at, '--name', name)).of('fleet.members');
  expect(await members(`${url}/3`)).toEqual(['fine 1 instance: a']);
  expect(await members(url)).toEqual([`note nobody is called "${name}" there`]);
});

/** A user that may do what the rules say, and its URL. */
async function userWith(...rules: string[]) {
  const server = await redisWith({ args: ['--user', 'app', 'on', '>swordfish', ...rules] });
  return { server, url: server.url.replace('redis://', 'redis://app:swordfish@') };
}

it('finds nothing refused to a user of the keys and channels of kits, as the advice has it', async () => {
  const { server, url } = await userWith('~pando:*', '&pando:*', '+@all', '-@admin');
  const { of } = await consult('--redis', url, '--name', 'shop');
  expect(of('redis.permissions')).toEqual(['fine scripts, keys and channels']);
  expect(of('fleet.members')).toEqual(['note nobody is called "shop" there']);
  expect(await server.command('dbsize')).toBe(0);
});

it.each([
  ['publishing', ['-publish']],
  ['hearing', ['-subscribe']],
  ['scripts that are known already', ['-evalsha']],
  ['sorted sets', ['-@sortedset']],
  ['streams', ['-@stream']],
  ['writing', ['-@write']],
])('finds a user to whom %s is forbidden', async (_what, rules) => {
  const { url } = await userWith('~*', '&*', '+@all', ...rules);
  const { code, of } = await consult('--redis', url);
  expect(of('redis.permissions')).toEqual([expect.stringMatching(/^problem /)]);
  expect(code).toBe(1);
});

it('finds a user of other keys, and of other channels', async () => {
  const { url } = await userWith('~shop:*', '&*', '+@all');
  const { url: deaf } = await userWith('~*', '&shop:*', '+@all');
  const { of } = await consult('--redis', url, '--redis', deaf);
  const refused = expect.stringMatching(/^problem .*(NOPERM|permission|access)/i);
  expect(of('redis.permissions')).toEqual([refused, refused]);
});

it('looks at the rest where INFO and CONFIG are kept from a user, and calls nothing well that it cannot see', async () => {
  const { url } = await userWith('~*', '&*', '+@all', '-@dangerous');
  const { code, of, named } = await consult('--redis', url);
  expect(named('problem')).toEqual([]);
  expect(named('fine')).toEqual(['redis.version', 'redis.role', 'redis.permissions']);
  expect(of('redis.version')).toEqual([expect.stringMatching(/^fine Redis \d+\.\d+/)]);
  expect(named('unknown')).toEqual([
    'redis.eviction',
    'redis.memory',
    'redis.output-buffers',
    'redis.replicas',
    'redis.connections',
  ]);
  expect(code).toBe(2);
});

it('looks through a Unix socket', async () => {
  const server = await redisWith({ args: ['--unixsocket', 'redis.sock'] });
  const [, folder] = (await server.command('config', 'get', 'dir')) as string[];
  const { code, findings } = await consult('--redis', `unix:${folder}/redis.sock`);
  expect(findings[0]).toMatchObject({ subject: `Redis ${folder}/redis.sock`, verdict: 'fine' });
  expect(code).toBe(0);
});

it('says of a certificate that it does not trust how to have it trusted', async () => {
  const server = await redisWith({ tls: true });
  const { code, findings } = await consult('--redis', server.url);
  expect(findings[0]).toMatchObject({
    verdict: 'unknown',
    found: expect.stringMatching(/certificate|self-signed/),
    todo: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
  });
  expect(code).toBe(2);
});

it('knows a sentinel, and where the server is that it watches', async () => {
  const master = await redisWith({});
  const sentinel = await redisWith({ sentinel: [`sentinel monitor shop 127.0.0.1 ${master.port} 1`] });
  const { code, of } = await consult('--redis', sentinel.url);
  expect(of('redis.connection')).toEqual([
    `unknown a sentinel and no server; it watches shop at 127.0.0.1:${master.port}`,
  ]);
  expect(code).toBe(2);
});
