export { DatabaseNotConfiguredError } from './absent-database.js';
export type { FleetInstance } from './fleet-view.js';
export type { Signalled } from './kernel/abort.js';
export type { Clock } from './kernel/clock.js';
export { ClosedError, isPandoError, PandoError, PandoOptionsError } from './kernel/errors.js';
export type { Logger, LogMethod } from './kernel/logger.js';
export type { Check, CheckResult, Room } from './kernel/room.js';
export { emptyToken, mergeTokens, type Token } from './kernel/token.js';
export type { DecodedToken, TokenCodec } from './kernel/token-codec.js';
export type { PandoOptions } from './options.js';
export { createPando, type Pando } from './pando.js';
export {
  RedisRefusedError,
  RedisReplyError,
  RedisUnavailableError,
  RedisVersionError,
} from './redis/errors.js';
export type { RedisClientLike } from './redis/given-client.js';
export type { RedisOption, RedisOptions } from './redis/options.js';
export { SecretUnavailableError } from './secret.js';
