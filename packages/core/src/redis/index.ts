export type { Fleet } from '../kernel/fleet.js';
export { RedisRefusedError, RedisReplyError, RedisUnavailableError, RedisVersionError } from './errors.js';
export { createRedisFloor } from './floor.js';
export type { RedisClientLike } from './given-client.js';
export { redisInstruments } from './metrics.js';
export {
  type RedisAddress,
  type RedisCredentials,
  type RedisOption,
  type RedisOptions,
  redisDefaults,
} from './options.js';
export type {
  RedisArgument,
  RedisCallOptions,
  RedisCommand,
  RedisCopies,
  RedisEvents,
  RedisFloor,
  RedisPlace,
  RedisScript,
  RedisSubscription,
} from './ports.js';
