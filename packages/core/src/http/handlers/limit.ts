import type { Decision, Policy } from '../../limits/index.js';
import type { ClientAddresses } from '../clients.js';
import { BannedError, type HttpError, LimitExceededError, LimitUnavailableError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import type { Kit } from '../kit.js';

/** The headers that tell of limits. */
export const limitHeaders = Object.freeze(['ratelimit', 'ratelimit-policy', 'retry-after']);

/** Who and how much. */
export interface LimitSubject {
  /** Counted apart from others; undefined counts the client's address. */
  readonly key?: string | undefined;
  /** A whole number of at least 1. @defaultValue `1` */
  readonly cost?: number | undefined;
}

/** Asks `pando.limits` whether a request may go on. */
export class LimitHandler {
  readonly #limits: Kit['limits'];
  readonly #clients: ClientAddresses;
  /** The constant part of the headers, by policy. */
  readonly #policies = new Map<string, string>();

  constructor(limits: Kit['limits'], clients: ClientAddresses) {
    this.#limits = limits;
    this.#clients = clients;
    for (const policy of limits.policies.values()) this.#policies.set(policy.name, policyHeader(policy));
  }

  /** Checks at once that there is such a policy. @throws `UnknownPolicyError` */
  check(policy: string): void {
    this.#limits.policy(policy);
  }

  /**
   * Lets the request pass, or throws {@link LimitExceededError} or {@link LimitUnavailableError}. Either way
   * the answer says what is left.
   *
   * Keys and addresses are counted apart: nobody can spend another's limit by naming an address as a key.
   */
  async consume(exchange: Exchange, policy: string, { key, cost }: LimitSubject = {}): Promise<void> {
    const subject = key === undefined ? `ip:${this.#clients.keyOf(exchange.ip)}` : `key:${key}`;
    const decision = await this.#limits.consume(policy, subject, {
      cost,
      address: exchange.ip,
      signal: exchange.signal,
    });
    if (decision.source === 'ban') throw refused(exchange, new BannedError());
    if (decision.source !== 'open' && decision.source !== 'closed') this.#describe(exchange, decision);
    if (decision.allowed) return;
    const refusal =
      decision.source === 'closed' ? new LimitUnavailableError(decision) : new LimitExceededError(decision);
    throw refused(exchange, refusal);
  }

  /** draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` is constant, `RateLimit` names the window nearest to its end. */
  #describe(exchange: Exchange, decision: Decision): void {
    const policy = this.#limits.policy(decision.policy);
    const index = Math.max(
      0,
      policy.windows.findIndex(({ limit }) => limit === decision.limit),
    );
    const resetSeconds = Math.ceil(decision.resetMs / 1_000);
    exchange.setAnswerHeader('ratelimit-policy', this.#policies.get(policy.name) ?? policyHeader(policy));
    exchange.setAnswerHeader(
      'ratelimit',
      `"${windowName(policy, index)}";r=${decision.remaining};t=${resetSeconds}`,
    );
  }
}

/** The answer has the headers of a refusal also where the application's own error handling makes it. */
function refused(exchange: Exchange, refusal: HttpError): HttpError {
  for (const [name, value] of Object.entries(refusal.headers)) exchange.setAnswerHeader(name, value);
  return refusal;
}

function policyHeader(policy: Policy): string {
  return policy.windows
    .map(
      ({ limit, windowMs }, index) =>
        `"${windowName(policy, index)}";q=${limit};w=${Math.ceil(windowMs / 1_000)}`,
    )
    .join(', ');
}

/** Each window is a policy of its own in the headers. */
function windowName(policy: Policy, index: number): string {
  return policy.windows.length === 1 ? policy.name : `${policy.name}-${index + 1}`;
}
