import { type Check, fine, note } from '../check.js';
import type { Project } from '../project.js';

/** A package that keeps something in each process. */
interface Keeper {
  readonly packages: readonly string[];
  /** What it keeps there. */
  readonly keeps: string;
  readonly todo: string;
  /** Any of these keeps it elsewhere. */
  readonly unless?: RegExp | undefined;
}

const keepers: readonly Keeper[] = [
  {
    packages: ['express-rate-limit', '@fastify/rate-limit', 'express-slow-down', 'koa-ratelimit'],
    keeps: 'counts of its own in each process, unless it was given a store',
    unless: /^rate-limit-(redis|memcached|mongo)|^@acpr\/rate-limit-/,
    todo: 'Use a policy of limits, which counts for the fleet.',
  },
  {
    packages: [
      'node-cache',
      'memory-cache',
      'lru-cache',
      'cache-manager',
      'flat-cache',
      'memoizee',
      'p-memoize',
    ],
    keeps: 'cached values in each process, where no other instance can invalidate them',
    todo: 'Use pando.cache for what changes.',
  },
  {
    packages: [
      'node-cron',
      'node-schedule',
      'cron',
      'croner',
      'toad-scheduler',
      '@fastify/schedule',
      '@nestjs/schedule',
    ],
    keeps: 'schedules in each process: every instance runs every job',
    todo: 'Use pando.jobs.runOnce.',
  },
  {
    packages: ['socket.io'],
    keeps: 'rooms in each process: messages reach the clients of one instance',
    unless: /^@socket\.io\/.*(adapter|emitter)/,
    todo: 'Use channels of realtime, or one of its adapters.',
  },
  {
    packages: ['ws', 'express-ws', '@fastify/websocket', 'better-sse', 'express-sse', 'sse-channel'],
    keeps: 'connections in each process: what it sends to all reaches the clients of one instance',
    todo: 'Publish on channels of realtime.',
  },
  {
    packages: ['express-session', '@fastify/session', 'memorystore'],
    keeps: 'sessions in each process, unless it was given a store',
    unless: /^connect-|session-(redis|store|sequelize)|-session-(redis|store)$/,
    todo: 'Give it a store in Redis or in the database.',
  },
  {
    packages: ['multer', 'formidable', 'express-fileupload'],
    keeps: 'uploads on the disk of one machine, unless told otherwise',
    unless: /^multer-|^@aws-sdk\/|^@google-cloud\/storage$|^@azure\/storage-blob$/,
    todo: 'Keep uploads where all instances reach them.',
  },
  {
    packages: ['better-sqlite3', 'sqlite3', 'lowdb', 'nedb', '@seald-io/nedb'],
    keeps: 'data on the disk of one machine',
    todo: 'Keep what instances share in Postgres or Redis.',
  },
];

/** What an app depends on that knows one process only. */
export const projectPackages: Check<Project> = {
  name: 'project.per-process',
  why: 'What lives in one process is another thing on each instance.',
  examine({ dependencies }) {
    const names = [...dependencies];
    const findings = keepers
      .filter(({ unless }) => unless === undefined || !names.some((name) => unless.test(name)))
      .flatMap(({ packages, keeps, todo }) =>
        packages.filter((name) => dependencies.has(name)).map((name) => note(`${name} keeps ${keeps}`, todo)),
      );
    return findings.length > 0 ? findings : [fine('no package that is known to keep things in one process')];
  },
};
