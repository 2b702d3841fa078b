import { createTestCluster } from '@pando/core/testing';
import type { TestProject } from 'vitest/node';
import { ensureServers } from '../../scripts/provision.mjs';
import './provided.js';
import { startRedis } from './redis.js';

const projectsWithServers = new Set(['servers', 'exclusive']);

/** Starts one Redis and one Postgres cluster for the whole run, if a project of the run needs them. */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const needed = project.vitest.projects.some(({ name }) => projectsWithServers.has(name));
  if (!needed) return undefined;
  await ensureServers();
  const [redis, postgres] = await Promise.all([startRedis(), createTestCluster({ replicas: 2 })]);
  project.provide('redisUrl', redis.url);
  project.provide('postgresUrls', {
    primary: postgres.primary.url,
    replicas: postgres.replicas.map((replica) => replica.url),
  });
  return async () => {
    await Promise.all([redis.close(), postgres.close()]);
  };
}
