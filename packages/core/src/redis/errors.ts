import { messageOf, PandoError } from '../kernel/errors.js';

/**
 * Redis cannot be reached, does not answer within `redis.commandTimeoutMs`, or is in no state to serve.
 *
 * Start Redis, or look at what keeps it busy; connecting goes on by itself. Cache and limits go on without it. If
 * `sent` is true the command may have been carried out: repeat only what is idempotent.
 */
export class RedisUnavailableError extends PandoError {
  /** Whether the command had been sent: it may have been carried out, or still be. */
  readonly sent: boolean;

  constructor(
    what: string,
    { sent = false, cause }: { readonly sent?: boolean; readonly cause?: unknown } = {},
  ) {
    super({ code: 'PANDO_REDIS_UNAVAILABLE', message: what, cause, retryable: true, status: 503 });
    this.sent = sent;
  }
}

/**
 * Redis refuses this client for good: credentials, permissions, certificate or database number are wrong.
 *
 * Correct username, password, TLS or database number of the `redis` option; the user needs commands and scripts on
 * keys and channels `pando:*`.
 */
export class RedisRefusedError extends PandoError {
  constructor(server: string, cause: unknown) {
    super({
      code: 'PANDO_REDIS_REFUSED',
      message: `${server} refuses us: ${messageOf(cause).replace(/\.$/, '')}. Check username, password, TLS and database number of the redis option, and that the user may run commands and scripts on keys and channels "pando:*".`,
      cause,
      status: 503,
    });
  }
}

/**
 * The servers of the cluster are too old for what was asked of them: channels spread over a cluster need sharded pub/sub.
 *
 * Update them to Redis 7 or later, or Valkey. Everything but channels works without, `plain` channels, too, and so does a single
 * server, or one behind sentinels, of Redis 6.2.
 */
export class RedisVersionError extends PandoError {
  constructor(server: string) {
    super({
      code: 'PANDO_REDIS_VERSION',
      message: `${server} has no sharded pub/sub (SPUBLISH), which channels in a cluster need; nothing else does. Update its nodes to Redis 7 or later, or Valkey.`,
      status: 503,
    });
  }
}

/**
 * Redis answered a command with an error. The command had no effect, unless it was a script that failed half way.
 *
 * Look at `kind`, the first word of the reply. `OOM`, `MISCONF`, `TRYAGAIN` and `NOREPLICAS` pass with more memory,
 * disk or patience, and only those are retryable.
 */
export class RedisReplyError extends PandoError {
  /** First word of the reply: `WRONGTYPE`, `NOSCRIPT`, `OOM`, `ERR`. */
  readonly kind: string;

  constructor(command: string, cause: Error) {
    super({
      code: 'PANDO_REDIS_REPLY',
      message: `Redis answered ${command} with an error: ${cause.message}`,
      cause,
      retryable: transientKinds.has(kindOf(cause)),
    });
    this.kind = kindOf(cause);
  }
}

/** Memory or disk of the server is full, or the cluster moves the slot: the same command may succeed later. */
const transientKinds: ReadonlySet<string> = new Set(['OOM', 'MISCONF', 'TRYAGAIN', 'NOREPLICAS']);

/**
 * The server is up but cannot serve: it loads its data, lost its master or its quorum, is stuck in a script, or is not, or not yet, the
 * node that holds the slot.
 */
const absentKinds: ReadonlySet<string> = new Set([
  'MOVED',
  'ASK',
  'LOADING',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'BUSY',
  'READONLY',
]);

/** No retry helps: somebody must change the configuration here or there. */
const refusedKinds: ReadonlySet<string> = new Set(['WRONGPASS', 'NOAUTH', 'NOPERM']);

/** The first word of an error reply; Redis before 7 wraps what a command inside a script replied. */
function kindOf(cause: Error): string {
  const match =
    /^ERR Error running script .*: -([A-Z]+) /.exec(cause.message) ??
    /^([A-Z][A-Z0-9_]*)/.exec(cause.message);
  return match?.[1] ?? 'ERR';
}

/** Whether it is an error reply. ioredis marks them by name; their class comes from a package that may be loaded twice. */
export function isReply(cause: unknown): cause is Error {
  return cause instanceof Error && cause.name === 'ReplyError';
}

/** Whether the server that answered so is no master any more: a new connection may find the new one. */
export function isDemotion(cause: unknown): boolean {
  return isReply(cause) && kindOf(cause) === 'READONLY';
}

/** Whether the node that answered so is not, or not any more, the master of the slot. */
export function isMoved(cause: unknown): boolean {
  return isReply(cause) && kindOf(cause) === 'MOVED';
}

/** Whether another node may be master of the slot by now: the one that answered so has lost the majority, or waits for a third. */
export function mayHaveMoved(cause: unknown): boolean {
  return isReply(cause) && kindOf(cause) === 'CLUSTERDOWN';
}

/** Whether a failed attempt to connect means that further ones fail too, until somebody changes the configuration. */
export function isRefusal(cause: unknown): boolean {
  const inner = (cause as { readonly lastNodeError?: unknown } | undefined)?.lastNodeError;
  if (inner !== undefined) return isRefusal(inner); // a cluster client wraps what its nodes said
  if (isReply(cause))
    return (
      refusedKinds.has(kindOf(cause)) ||
      /invalid (password|DB index)|DB index is out of range/.test(cause.message)
    );
  const code = (cause as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'string' && /CERT|^ERR_TLS/.test(code);
}

/** ioredis refused to write: the socket was closing already. */
const isUnwritten = (cause: unknown): boolean => /isn't (writeable|ready)/.test(messageOf(cause));

/** Turns what the client library rejected a command with into an error of ours. */
export function commandError(server: string, command: string, cause: unknown): PandoError {
  if (isReply(cause)) {
    if (!absentKinds.has(kindOf(cause))) return new RedisReplyError(command, cause);
    return new RedisUnavailableError(
      `${server} cannot serve ${command} now (${cause.message}). Try again later.`,
      { cause },
    );
  }
  return new RedisUnavailableError(
    `The connection to ${server} ended before ${command} was answered (${reasonOf(cause)}). It is being re-made; try again later.`,
    { sent: !isUnwritten(cause), cause },
  );
}

/** Why a connection is not there, in words for those who do not know the client library. */
export function reasonOf(cause: unknown): string {
  return isUnwritten(cause) ? 'the connection was closed' : messageOf(cause);
}
