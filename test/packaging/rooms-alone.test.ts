import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { installPacked, type PackedApp } from './packed.js';
import { attempt, rooms } from './workspace.js';

type RoomName = (typeof rooms)[number];

/** A life of each room without the others and without a server, and what comes of it. */
const lives: Readonly<Record<RoomName, { readonly life: string; readonly result: unknown }>> = {
  cache: {
    life: `const cache = room.createCache();
      await cache.start();
      const value = await cache.getOrLoad('key', async () => 'loaded');
      const { confirmed } = await cache.invalidate(['key']);
      await cache.close();
      return [value, confirmed];`,
    result: ['loaded', true],
  },
  db: {
    life: `const world = room.createMemoryWorld();
      const replicas = world.replicas.map(({ label }) => label);
      const db = room.createDatabase({ primary: world.primary.label, replicas }, { world });
      await db.start();
      await db.write('set', ['key', 'written']);
      const { rows } = await db.read('get', ['key']);
      await db.close();
      return rows;`,
    result: [{ value: 'written' }],
  },
  realtime: {
    life: `const realtime = room.createRealtime();
      await realtime.start();
      const heard = [];
      await realtime.subscribe('channel', ({ data }) => heard.push(data));
      await realtime.publish('channel', { hello: 'world' });
      while (heard.length === 0) await new Promise(setImmediate);
      await realtime.close();
      return heard;`,
    result: [{ hello: 'world' }],
  },
  limits: {
    life: `const limits = room.createLimits({ policies: { once: '1/min' } });
      await limits.start();
      const decisions = [await limits.consume('once', 'ann'), await limits.consume('once', 'ann')];
      await limits.close();
      return decisions.map(({ allowed }) => allowed);`,
    result: [true, false],
  },
  jobs: {
    life: `const jobs = room.createJobs();
      await jobs.start();
      let due;
      jobs.runOnce('job', { everyMs: 100 }, ({ dueAt }) => void (due = dueAt));
      while (due === undefined) await new Promise(setImmediate);
      await jobs.close();
      return due % 100;`,
    result: 0,
  },
  overload: {
    life: `const overload = room.createOverload({ maxConcurrency: 1 });
      await overload.start();
      const admissions = ['normal', 'critical'].map((priority) => overload.admit({ priority }));
      admissions[0].done();
      await overload.close();
      return admissions.map(({ admitted }) => admitted);`,
    result: [true, false],
  },
  health: {
    life: `const run = async () => ({ status: 'healthy' });
      const health = room.createHealth({ checks: [{ name: 'disk', critical: true, run }] });
      await health.start();
      const { status } = health.ready();
      await health.close();
      return status;`,
    result: 200,
  },
  metrics: {
    life: `const registry = room.createMemoryRegistry();
      const metrics = room.createMetrics({ registry });
      metrics.meter.counter({ name: 'things_total', help: 'Things.', type: 'counter' }).add(2);
      const value = await registry.value('things_total');
      await metrics.close();
      return value;`,
    result: 2,
  },
  lifecycle: {
    life: `const lifecycle = room.createLifecycle();
      const stopped = [];
      lifecycle.register({ name: 'mine', phase: 'rooms', stop: () => void stopped.push('mine') });
      lifecycle.ready();
      await lifecycle.close();
      return [lifecycle.state, ...stopped];`,
    result: ['closed', 'mine'],
  },
};

/** The client libraries that a room's own drivers stand on; it loads no other. */
const libraries: Readonly<Record<RoomName, readonly string[]>> = {
  cache: ['ioredis', 'lru-cache'],
  db: ['generic-pool', 'pg'],
  realtime: ['ioredis'],
  limits: ['ioredis', 'rate-limiter-flexible'],
  jobs: ['croner', 'ioredis'],
  overload: [],
  health: [],
  metrics: ['prom-client'],
  lifecycle: [],
};
const known = [...new Set(Object.values(libraries).flat()), 'ws', 'vitest'];

/** Tells what a room's life came to, and which packages it took. A process that something keeps awake says what. */
const told = (life: string): string => `
  const cache = createRequire(process.cwd() + '/').cache;
  const live = async () => { ${life} };
  live().then((result) => {
    console.log(JSON.stringify({ result, loaded: [...Object.keys(cache), ...imported()] }));
    setTimeout(() => {
      console.log(JSON.stringify({ open: process.getActiveResourcesInfo() }));
      process.exit(1);
    }, 20_000).unref();
  });`;

/** Writes down each ES module that is loaded; CommonJS keeps its own list. */
const watcher = `
  import { appendFileSync } from 'node:fs';
  export const load = (url, context, next) => {
    appendFileSync(new URL('./imported.txt', import.meta.url), url + '\\n');
    return next(url, context);
  };`;

let app: PackedApp;
beforeAll(async () => {
  app = await installPacked();
  await writeFile(join(app.path, 'watcher.mjs'), watcher);
  return () => app[Symbol.asyncDispose]();
});

const forms = [
  {
    form: 'ES modules',
    extension: 'mjs',
    head: (room: string) => `import { createRequire, register } from 'node:module';
      import { readFileSync, writeFileSync } from 'node:fs';
      writeFileSync('imported.txt', '');
      register('./watcher.mjs', import.meta.url);
      const imported = () => readFileSync('imported.txt', 'utf8').split('\\n');
      const room = await import('@pando/core/${room}');`,
    sees: known,
  },
  {
    form: 'CommonJS',
    extension: 'cjs',
    head: (room: string) => `const { createRequire } = require('node:module');
      const imported = () => [];
      const room = require('@pando/core/${room}');`,
    sees: known.filter((name) => !['croner', 'lru-cache', 'vitest'].includes(name)), // those are ES modules
  },
];

describe.each(forms)('alone in a process, as $form,', ({ extension, head, sees }) => {
  it.each(rooms)(
    '%s does its work, takes no library of another room, and lets the process end',
    async (room) => {
      const { life, result } = lives[room];
      const file = `${room}.${extension}`;
      await writeFile(join(app.path, file), head(room) + told(life));
      const { code, stdout, stderr } = await attempt(process.execPath, [file], app.path);
      const [first = '{}', ...others] = stdout.trim().split('\n');
      expect({ code, stderr, others }).toEqual({ code: 0, stderr: '', others: [] });
      const report = JSON.parse(first) as { result: unknown; loaded: string[] };
      expect(report.result).toEqual(result);
      const packages = report.loaded.map(
        (path) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1],
      );
      expect(sees.filter((name) => packages.includes(name)).sort()).toEqual(
        libraries[room].filter((name) => sees.includes(name)).sort(),
      );
    },
  );
});
