import type { OptionsReader } from '../kernel/options.js';
import type { Overrun } from '../realtime/index.js';
import type { Client } from './clients.js';
import { BannedError, LimitExceededError, LimitUnavailableError } from './errors.js';
import type { Kit } from './kit.js';
import type { LimitKey } from './limit-options.js';
import { keyText } from './limited-route.js';
import type { PathParams } from './path-template.js';

/** Whose message it is. */
export interface WsClient<Identity = unknown> {
  readonly identity: Identity;
  readonly params: PathParams;
  readonly ip: string;
}

/** Policies of `pando.limits`, for all instances together. Each instance's own bounds are among the options of `realtime`. */
export interface WsLimits<Identity = unknown> {
  /** For new connections, counted by the client's address. Beyond it handshakes are refused with 429, before `authenticate` is asked. */
  readonly connections?: string | undefined;
  /** For what clients send. Beyond it a message is not heard, and its client told; who goes on is closed with 1008. */
  readonly messages?: string | undefined;
  /** The same for what clients publish in `pando.v1`, counted besides as a message. */
  readonly publishes?: string | undefined;
  /** For whom messages and publishes count; `undefined` counts the client's address. @defaultValue the client's address */
  key?(client: WsClient<Identity>): LimitKey | undefined;
}

/** Checks the limits of a route; throws `PandoOptionsError`. */
export function checkWsLimits(route: OptionsReader): void {
  const reader = route.nested('limits');
  for (const name of ['connections', 'messages', 'publishes']) reader.string(name, undefined);
  reader.fn('key', undefined);
  reader.done();
}

/** The limits of one route. */
export class WsLimiter {
  readonly #limits: Kit['limits'];
  readonly #options: WsLimits;

  /** @throws `UnknownPolicyError` */
  constructor(limits: Kit['limits'], options: WsLimits = {}) {
    this.#limits = limits;
    this.#options = options;
    for (const policy of [options.connections, options.messages, options.publishes])
      if (policy !== undefined) limits.policy(policy);
  }

  /** Whether anything is asked of what clients send. */
  get asks(): boolean {
    return this.#options.messages !== undefined || this.#options.publishes !== undefined;
  }

  /** Lets one more connection of the address in, or throws `LimitExceededError`, `LimitUnavailableError` or `BannedError`. */
  async connect({ ip, key }: Client, signal: AbortSignal): Promise<void> {
    const { connections } = this.#options;
    if (connections === undefined) return;
    const decision = await this.#limits.consume(connections, `ip:${key}`, { address: ip, signal });
    if (decision.allowed) return;
    if (decision.source === 'ban') throw new BannedError();
    throw decision.source === 'closed'
      ? new LimitUnavailableError(decision)
      : new LimitExceededError(decision);
  }

  /** Spends one message or publish; tells when to try again where there is no room for it. */
  async spend(what: 'message' | 'publish', client: WsClient, address: string): Promise<Overrun | undefined> {
    const policy = what === 'message' ? this.#options.messages : this.#options.publishes;
    if (policy === undefined) return undefined;
    const key = keyText(policy, this.#options.key?.(client)) ?? `ip:${address}`;
    const { allowed, retryAfterMs } = await this.#limits.consume(policy, key, { address: client.ip });
    return allowed ? undefined : { retryAfterMs };
  }
}
