/** The part of an ioredis 5 or 6 client, `Redis` or `Cluster`, by which Pando knows one. */
export interface RedisClientLike {
  readonly status: string;
  readonly options: object;
  duplicate(...overrides: never[]): unknown;
}

/** Whether a value is an ioredis client, of whatever version and copy. */
export function isRedisClient(value: unknown): value is RedisClientLike {
  const { duplicate, status, options } = (value ?? {}) as Partial<RedisClientLike>;
  return typeof duplicate === 'function' && typeof status === 'string' && typeof options === 'object';
}
