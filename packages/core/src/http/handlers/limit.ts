import type { Decision } from '../../limits/index.js';
import type { ClientAddresses } from '../clients.js';
import { BannedError, type HttpError, LimitExceededError, LimitUnavailableError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import type { Kit } from '../kit.js';
import { type LimitHeaders, LimitHeaderWriter, quotaOf } from '../limit-headers.js';
import { checkLimitOptions, type LimitOptions } from '../limit-options.js';
import { type Failure, LimitedRoute } from '../limited-route.js';

/** How often it is said that a route's functions fail. */
const warnEveryMs = 60_000;
/** When to ask again while it is not known who asks. */
const unknownRetryMs = 1_000;

/** Asks `pando.limits` whether a request may go on. */
export class LimitHandler {
  readonly #kit: Pick<Kit, 'kernel' | 'limits'>;
  readonly #clients: ClientAddresses;
  readonly #headers: LimitHeaderWriter;
  /** Monotonic instant of the last warning, by policy. */
  readonly #warnedAt = new Map<string, number>();

  constructor(kit: Pick<Kit, 'kernel' | 'limits'>, clients: ClientAddresses, headers: LimitHeaders) {
    this.#kit = kit;
    this.#clients = clients;
    this.#headers = new LimitHeaderWriter(headers);
  }

  /** What {@link LimitHandler.consume} takes. @throws `UnknownPolicyError`, `PandoOptionsError` */
  route<Request>(
    policy: string,
    options: LimitOptions<Request>,
    beside?: readonly string[],
  ): LimitedRoute<Request> {
    const { limits } = this.#kit;
    checkLimitOptions(options, limits.policies.get(policy), beside);
    return new LimitedRoute(limits.policy(policy), options);
  }

  /**
   * Lets the request pass, or throws {@link LimitExceededError}, {@link LimitUnavailableError} or {@link BannedError}. The
   * answer says what is left, but to who is banned.
   *
   * Keys and addresses are counted apart: nobody can spend another's limit by naming an address as a key.
   */
  async consume<Request>(exchange: Exchange, route: LimitedRoute<Request>, request: Request): Promise<void> {
    const { policy } = route;
    const asked = route.subjectOf(request);
    const { key, cost, tier, failure } = asked instanceof Promise ? await asked : asked;
    if (failure !== undefined && !this.#countsAfter(exchange, route, failure)) return;
    const { limits, kernel } = this.#kit;
    const decision = await limits.consume(policy.name, key ?? `ip:${this.#clients.keyOf(exchange.ip)}`, {
      cost,
      tier,
      address: exchange.ip,
      // Without the signal of the exchange: a decision is bounded anyway, and making one is a quarter of what a request costs.
    });
    if (decision.source === 'ban') throw refused(exchange, new BannedError());
    this.#headers.write(exchange, policy, decision, kernel.clock.now());
    if (decision.allowed) return;
    throw decision.source === 'closed'
      ? refused(exchange, new LimitUnavailableError(decision))
      : refused(exchange, new LimitExceededError(decision, quotaOf(policy, decision)));
  }

  /** Whether a request is counted although it is not known for sure whom, or how much; throws where it is refused for that. */
  #countsAfter(exchange: Exchange, { policy }: LimitedRoute<never>, failure: Failure): boolean {
    const { name, onUnavailable, shadow, windows } = policy;
    const { clock, logger } = this.#kit.kernel;
    const now = clock.monotonic();
    if (now - (this.#warnedAt.get(name) ?? Number.NEGATIVE_INFINITY) >= warnEveryMs) {
      this.#warnedAt.set(name, now);
      const what =
        'The key, cost or tier of a request could not be told. What its policy says for onUnavailable holds.';
      logger.warn({ err: failure.cause, policy: name }, what);
    }
    if (failure.isWrongAnswer) return true;
    if (onUnavailable !== 'closed' || shadow) return onUnavailable === 'local';
    const decision: Decision = {
      allowed: false,
      policy: name,
      limit: windows[0]?.limit ?? 0,
      remaining: 0,
      resetMs: unknownRetryMs,
      retryAfterMs: unknownRetryMs,
      source: 'closed',
    };
    throw refused(exchange, new LimitUnavailableError(decision));
  }
}

/** The answer has the headers of a refusal also where the application's own error handling makes it. */
function refused(exchange: Exchange, refusal: HttpError): HttpError {
  for (const [name, value] of Object.entries(refusal.headers)) exchange.setAnswerHeader(name, value);
  return refusal;
}
