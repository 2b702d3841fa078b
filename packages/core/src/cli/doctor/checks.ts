import type { Check } from './check.js';
import { dbConnections, type SharedServer } from './checks/db-connections.js';
import { dbOutbox } from './checks/db-outbox.js';
import { dbPermissions } from './checks/db-permissions.js';
import { dbPooler } from './checks/db-pooler.js';
import { dbRole } from './checks/db-role.js';
import { dbSlots } from './checks/db-slots.js';
import { dbVersion } from './checks/db-version.js';
import { fleetMembers } from './checks/fleet-members.js';
import { fleetOutsiders } from './checks/fleet-outsiders.js';
import { fleetRotation } from './checks/fleet-rotation.js';
import { fleetVersions } from './checks/fleet-versions.js';
import { type BehindBalancer, httpKeepAlive } from './checks/http-keep-alive.js';
import { httpMetrics } from './checks/http-metrics.js';
import { httpReady } from './checks/http-ready.js';
import { httpStream } from './checks/http-stream.js';
import { httpUpgrade } from './checks/http-upgrade.js';
import { projectPackages } from './checks/project-packages.js';
import { redisCluster } from './checks/redis-cluster.js';
import { redisConnections } from './checks/redis-connections.js';
import { redisEviction } from './checks/redis-eviction.js';
import { redisMemory } from './checks/redis-memory.js';
import { redisOutputBuffers } from './checks/redis-output-buffers.js';
import { redisPermissions } from './checks/redis-permissions.js';
import { redisReplicas } from './checks/redis-replicas.js';
import { redisRole } from './checks/redis-role.js';
import { redisRoundTrip } from './checks/redis-round-trip.js';
import { redisVersion } from './checks/redis-version.js';
import { replicaLag } from './checks/replica-lag.js';
import { type ReplicaOf, replicaRole } from './checks/replica-role.js';
import type { DatabaseGreeting, DatabaseServer } from './database-server.js';
import type { FleetSight } from './fleet-sight.js';
import type { HttpServer } from './http-server.js';
import type { Project } from './project.js';
import type { RedisServer } from './redis-server.js';

const redis: readonly Check<RedisServer>[] = [
  redisVersion,
  redisRole,
  redisPermissions,
  redisEviction,
  redisMemory,
  redisOutputBuffers,
  redisReplicas,
  redisCluster,
  redisConnections,
  redisRoundTrip,
];

const database: readonly Check<DatabaseGreeting>[] = [dbVersion, dbPooler, dbPermissions];
const primary: readonly Check<DatabaseServer>[] = [dbRole, dbSlots, dbOutbox];
const shared: readonly Check<SharedServer>[] = [dbConnections];
const replica: readonly Check<ReplicaOf>[] = [replicaRole, replicaLag];
const http: readonly Check<HttpServer>[] = [httpReady, httpStream, httpUpgrade, httpMetrics];
const behindBalancer: readonly Check<BehindBalancer>[] = [httpKeepAlive];
const fleet: readonly Check<FleetSight>[] = [fleetMembers, fleetOutsiders, fleetVersions, fleetRotation];
const project: readonly [Check<Project>] = [projectPackages];

/** All that is looked at, by what it is of. */
export const checks = Object.freeze({
  redis,
  database,
  primary,
  shared,
  replica,
  http,
  behindBalancer,
  fleet,
  project,
});

/** What cannot be reached is told under these names. */
export const reachNames = Object.freeze(['redis.connection', 'db.connection', 'http.connection'] as const);

/** Names that `--skip` takes. */
export const checkNames: readonly string[] = [
  ...reachNames,
  ...Object.values(checks).flatMap((list) => list.map(({ name }) => name)),
];
