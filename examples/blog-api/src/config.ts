import { StartError } from './failure.js';

/** Everything that can be set, checked once at start. */
export interface Config {
  readonly framework: 'express' | 'fastify';
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Absent: one process, memory drivers. */
  readonly redisUrl: string | undefined;
  /** Absent: a Postgres of our own, gone when the process ends. */
  readonly databaseUrl: string | undefined;
  readonly replicaUrls: readonly string[];
  /** Names this process in the header `x-pando-instance`. */
  readonly instanceId: string | undefined;
  /** Signs causal tokens. Absent: the instances agree on one in Redis. */
  readonly pandoSecret: string | undefined;
  /** Signs sessions. Absent: the instances agree on one in the database. */
  readonly jwtSecret: string | undefined;
  /** Whose `X-Forwarded-*` headers count: `loopback`, or addresses and networks. */
  readonly proxies: readonly string[];
  readonly chatRequiresLogin: boolean;
  /** How long to go on serving after SIGTERM, until the balancer has noticed. */
  readonly drainDelayMs: number;
  readonly logLevel: LogLevel;
  /** What is done about too much to do: refuse it, or only count what would be refused. */
  readonly overload: 'enforce' | 'observe';
  /** Rate limits by name, such as `60/min`. */
  readonly limits: {
    readonly write: string;
    /** The same for users with the plan premium; enterprise has no limit. */
    readonly writePremium: string;
    readonly signIn: string;
    readonly chat: string;
    /** WebSockets of one address. */
    readonly connect: string;
  };
}

/** How much is logged: this level and those after it. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** An environment variable that the app cannot start with. The message says what to set instead. */
export class ConfigError extends StartError {}

/** Reads the environment. @throws {@link ConfigError} for the first value that cannot be meant. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const read = new EnvironmentReader(env);
  const redisUrl = read.url('REDIS_URL', ['redis:', 'rediss:']);
  const databaseUrl = read.url('DATABASE_URL', postgresProtocols);
  const replicaUrls = read.urls('DATABASE_REPLICA_URLS', postgresProtocols);
  if (replicaUrls.length > 0 && databaseUrl === undefined) {
    throw new ConfigError(
      'DATABASE_REPLICA_URLS is set, but DATABASE_URL is not: set it to the URL of their primary.',
    );
  }
  return {
    framework: read.oneOf('FRAMEWORK', ['express', 'fastify'], 'express'),
    host: read.text('HOST') ?? '127.0.0.1',
    port: read.whole('PORT', 8000, 65_535),
    redisUrl,
    databaseUrl,
    replicaUrls,
    instanceId: read.text('INSTANCE_ID'),
    pandoSecret: read.secret('PANDO_SECRET', 16),
    jwtSecret: read.secret('JWT_SECRET', 16),
    proxies: read.texts('TRUST_PROXY'),
    chatRequiresLogin: read.flag('CHAT_REQUIRES_LOGIN'),
    // Alone there is no balancer that has to notice, and nobody wants to wait for Ctrl-C.
    drainDelayMs: read.whole('DRAIN_DELAY_MS', redisUrl === undefined ? 0 : 5_000, 60_000),
    logLevel: read.oneOf('LOG_LEVEL', logLevels, 'warn'),
    overload: read.oneOf('OVERLOAD', ['enforce', 'observe'], 'observe'),
    limits: {
      write: read.limit('LIMIT_WRITE', '240/min'),
      writePremium: read.limit('LIMIT_WRITE_PREMIUM', '1200/min'),
      signIn: read.limit('LIMIT_SIGN_IN', '60/min'),
      chat: read.limit('LIMIT_CHAT', '60/min'),
      connect: read.limit('LIMIT_CONNECT', '600/min'),
    },
  };
}

const postgresProtocols = ['postgres:', 'postgresql:'];

/** Reads one variable at a time. An empty one counts as absent, as in compose files that pass everything through. */
class EnvironmentReader {
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  text(name: string): string | undefined {
    return this.#env[name]?.trim() || undefined;
  }

  texts(name: string): readonly string[] {
    const texts = (this.text(name) ?? '').split(',').map((text) => text.trim());
    return texts.filter((text) => text !== '');
  }

  whole(name: string, fallback: number, max: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value <= max)) {
      throw new ConfigError(`${name} must be a whole number from 0 to ${max}, got "${text}".`);
    }
    return value;
  }

  flag(name: string): boolean {
    const text = this.text(name);
    if (text === undefined || text === 'false' || text === '0') return false;
    if (text === 'true' || text === '1') return true;
    throw new ConfigError(`${name} must be true or false, got "${text}".`);
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[], fallback: Choice): Choice {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const choice = choices.find((each) => each === text.toLowerCase());
    if (choice === undefined) {
      throw new ConfigError(`${name} must be one of ${choices.join(', ')}, got "${text}".`);
    }
    return choice;
  }

  limit(name: string, fallback: string): string {
    const text = this.text(name) ?? fallback;
    if (!/^[1-9]\d*\/(s|min|h|d)$/.test(text)) {
      throw new ConfigError(`${name} must be a rate such as 60/min, with s, min, h or d, got "${text}".`);
    }
    return text;
  }

  /** The value stays out of the message. */
  secret(name: string, minLength: number): string | undefined {
    const text = this.text(name);
    if (text !== undefined && text.length < minLength) {
      throw new ConfigError(
        `${name} must have at least ${minLength} random characters; this makes one: openssl rand -base64 32`,
      );
    }
    return text;
  }

  url(name: string, protocols: readonly string[]): string | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : this.#checkedUrl(name, text, protocols);
  }

  urls(name: string, protocols: readonly string[]): readonly string[] {
    return this.texts(name).map((text) => this.#checkedUrl(name, text, protocols));
  }

  /** The URL may hold a password, so it stays out of the message. */
  #checkedUrl(name: string, text: string, protocols: readonly string[]): string {
    if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text;
    throw new ConfigError(
      `${name} must be a URL that begins with ${protocols[0]}//, such as ${exampleUrls[name]}.`,
    );
  }
}

const exampleUrls: Readonly<Record<string, string>> = {
  REDIS_URL: 'redis://localhost:6379',
  DATABASE_URL: 'postgres://user@localhost:5432/blog',
  DATABASE_REPLICA_URLS: 'postgres://user@replica1:5432/blog,postgres://user@replica2:5432/blog',
};
