import type { CounterCell } from '../../kernel/meter.js';
import type { Decision, Policy } from '../../limits/index.js';
import type { ClientAddresses } from '../clients.js';
import { BannedError, type HttpError, LimitExceededError, LimitUnavailableError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import type { Kit } from '../kit.js';
import { type LimitHeaders, LimitHeaderWriter, quotaOf } from '../limit-headers.js';
import { checkLimitOptions, type LimitOptions } from '../limit-options.js';
import { type Failure, LimitedRoute, type LimitSubject } from '../limited-route.js';
import { httpInstruments } from '../metrics.js';

/** How often it is said that a route's functions fail. */
const warnEveryMs = 60_000;
/** When to ask again while it is not known who asks. */
const unknownRetryMs = 1_000;

/** Goes on, or answers with why not. */
export type Next = (refusal?: unknown) => void;

/** Asks `pando.limits` whether a request may go on. */
export class LimitHandler {
  readonly #kit: Pick<Kit, 'kernel' | 'limits'>;
  readonly #clients: ClientAddresses;
  readonly #headers: LimitHeaderWriter;
  readonly #banned: CounterCell;
  /** Monotonic instant of the last warning, by policy. */
  readonly #warnedAt = new Map<string, number>();

  constructor(kit: Pick<Kit, 'kernel' | 'limits'>, clients: ClientAddresses, headers: LimitHeaders) {
    this.#kit = kit;
    this.#clients = clients;
    this.#headers = new LimitHeaderWriter(headers);
    this.#banned = kit.kernel.meter.counter(httpInstruments.banned);
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
   * Lets the request pass, or hands on {@link LimitExceededError}, {@link LimitUnavailableError} or {@link BannedError}. The
   * answer says what is left, but to who is banned.
   *
   * Keys and addresses are counted apart: nobody can spend another's limit by naming an address as a key. Calls back at once
   * where nobody has to be asked: with Node 20 each promise of a request costs it a microsecond.
   */
  consume<Request>(exchange: Exchange, route: LimitedRoute<Request>, request: Request, next: Next): void {
    const subject = route.subjectOf(request);
    if (subject instanceof Promise)
      subject.then((found) => this.#consume(exchange, route.policy, found, next), next);
    else this.#consume(exchange, route.policy, subject, next);
  }

  /** Why nobody from this address is let in; undefined where somebody may be. */
  ban(address: string): BannedError | undefined {
    if (this.#kit.limits.banOf(address) === undefined) return undefined;
    this.#banned.add();
    return new BannedError();
  }

  #consume(exchange: Exchange, policy: Policy, subject: LimitSubject, next: Next): void {
    const { key, cost, tier, failure } = subject;
    const outcome = failure === undefined ? 'count' : this.#outcomeOf(exchange, policy, failure);
    if (outcome !== 'count') {
      next(outcome === 'pass' ? undefined : outcome);
      return;
    }
    const { ip } = exchange;
    let decision: Decision | Promise<Decision>;
    try {
      const counted = key ?? `ip:${this.#clients.keyOf(ip)}`;
      decision = this.#kit.limits.decide(policy.name, counted, { cost, tier, address: ip });
    } catch (cause) {
      next(cause);
      return;
    }
    if (decision instanceof Promise)
      decision.then((made) => next(this.#refusalOf(exchange, policy, made)), next);
    else next(this.#refusalOf(exchange, policy, decision));
  }

  #refusalOf(exchange: Exchange, policy: Policy, decision: Decision): HttpError | undefined {
    if (decision.source === 'ban') return refused(exchange, new BannedError());
    this.#headers.write(exchange, policy, decision, this.#kit.kernel.clock.now());
    if (decision.allowed) return undefined;
    return decision.source === 'closed'
      ? refused(exchange, new LimitUnavailableError(decision))
      : refused(exchange, new LimitExceededError(decision, quotaOf(policy, decision)));
  }

  /** What becomes of a request of which it is not known for sure whom to count, or how much. */
  #outcomeOf(exchange: Exchange, policy: Policy, failure: Failure): 'count' | 'pass' | HttpError {
    const { name, onUnavailable, shadow, windows } = policy;
    const { clock, logger } = this.#kit.kernel;
    const now = clock.monotonic();
    if (now - (this.#warnedAt.get(name) ?? Number.NEGATIVE_INFINITY) >= warnEveryMs) {
      this.#warnedAt.set(name, now);
      const what =
        'The key, cost or tier of a request could not be told. What its policy says for onUnavailable holds.';
      logger.warn({ err: failure.cause, policy: name }, what);
    }
    if (failure.isWrongAnswer || onUnavailable === 'local') return 'count';
    if (onUnavailable === 'open' || shadow) return 'pass';
    const decision: Decision = {
      allowed: false,
      policy: name,
      limit: windows[0]?.limit ?? 0,
      remaining: 0,
      resetMs: unknownRetryMs,
      retryAfterMs: unknownRetryMs,
      source: 'closed',
    };
    return refused(exchange, new LimitUnavailableError(decision));
  }
}

/** The answer has the headers of a refusal also where the application's own error handling makes it. */
function refused(exchange: Exchange, refusal: HttpError): HttpError {
  for (const [name, value] of Object.entries(refusal.headers)) exchange.setAnswerHeader(name, value);
  return refusal;
}
