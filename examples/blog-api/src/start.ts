import { createPando } from '@pando/core';
import type { LimitsOptions } from '@pando/core/limits';
import manifest from '../package.json' with { type: 'json' };
import { migrationsFolder } from './assets.js';
import { sharedJwtSecret } from './auth/auth-service.js';
import { protections } from './auth/gate.js';
import type { Plan } from './auth/user.js';
import { createBlog } from './blog.js';
import type { Config } from './config.js';
import { startEmbeddedPostgres } from './database/embedded-postgres.js';
import { migrate } from './database/migrate.js';
import { seed } from './database/seed.js';
import { createLogger, HeldLines } from './log.js';

/** A blog that is being served. */
export interface RunningBlog {
  readonly url: string;
  readonly instanceId: string;
}

/**
 * Starts everything, in order. SIGTERM and Ctrl-C end it, in the reverse order; when something cannot be started,
 * what was started before is ended.
 */
export async function startBlog(config: Config): Promise<RunningBlog> {
  const postgres = config.databaseUrl === undefined ? await startEmbeddedPostgres() : undefined;
  const lines = new HeldLines();
  const logger = createLogger(config.logLevel, lines.write);
  const pando = await createPando({
    name: 'blog',
    instanceId: config.instanceId,
    redis: config.redisUrl,
    secret: config.pandoSecret,
    logger,
    db: { primary: config.databaseUrl ?? postgres?.url, replicas: config.replicaUrls },
    limits: { policies: policiesOf(config), protections },
    overload: { mode: config.overload },
    // Who closes the page is no longer listed after three seconds, who was on an instance that died after nine. Who comes
    // back within that has never left.
    realtime: {
      reconnect: { maxMs: 2_000 },
      presence: { leaveMs: 1_000, leaseMs: 6_000 },
      maxMessagesPerSecond: 10, // of one socket; what is said in a chat has its own limit
      maxConnectionsPerUser: 50,
    },
    health: {
      version: manifest.version,
      // Two things to watch apart: reading and writing posts, and the news that pages get without asking.
      groups: { posts: ['database', 'database-pool'], news: ['realtime', 'redis'] },
    },
    metrics: { defaultMetrics: true },
    lifecycle: { readinessDelayMs: config.drainDelayMs },
  }).catch(async (error: unknown) => {
    await postgres?.close();
    throw error;
  });
  try {
    if (postgres !== undefined) {
      // The phase after the rooms: the database has been left by then.
      pando.lifecycle.register({ name: 'postgres', phase: 'telemetry', stop: () => postgres.close() });
    }
    await migrate(pando.db, migrationsFolder);
    await seed(pando.db);
    const blog = createBlog(pando, config, logger, config.jwtSecret ?? (await sharedJwtSecret(pando.db)));
    const { serve } = await (config.framework === 'express'
      ? import('./http/app.express.js')
      : import('./http/app.fastify.js'));
    const { url } = await serve(blog);
    lines.release();
    return { url, instanceId: pando.instanceId };
  } catch (error) {
    await pando.close();
    throw error;
  }
}

function policiesOf({
  limits: { write, writePremium, signIn, chat, connect },
}: Config): LimitsOptions['policies'] {
  const tiers: Record<Plan, string | false> = { free: write, premium: writePremium, enterprise: false };
  return { write: { tiers }, signIn, chat, connect };
}
