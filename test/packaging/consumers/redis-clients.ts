/* Every ioredis that the range of the package admits fits its types. Compiled, never run. */
import { createPando } from '@pando/core';
import { createCache } from '@pando/core/cache';
import { createLimits } from '@pando/core/limits';
import { createRealtime } from '@pando/core/realtime';
import type { Cluster, Redis } from 'ioredis';
import type { Cluster as LowestCluster, Redis as LowestRedis } from 'ioredis-lowest';
import type { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';

type Client = Redis | Cluster | Redis5 | Cluster5 | LowestRedis | LowestCluster;

export const kitOn = (redis: Client) => createPando({ redis });
export const roomsOn = (redis: Client) => [
  createCache({ redis }),
  createLimits({ redis, policies: { few: '3/min' } }),
  createRealtime({ redis }),
];
