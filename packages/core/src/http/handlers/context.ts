import type { Caller, RequestContext } from '../../kernel/context.js';
import { isEmptyToken } from '../../kernel/token.js';
import { deadlineOf } from '../deadline.js';
import type { Exchange } from '../exchange.js';
import { exposeHeaders, isForOtherOrigins, requestId } from '../headers.js';
import type { KeptTokens } from '../kept-tokens.js';
import type { Kit } from '../kit.js';
import { limitHeaderNames } from '../limit-headers.js';
import type { TokenTransport } from '../token-transport.js';
import type { Visit } from '../visit.js';

/** Opens the context of each request, and sees to it that the answer carries what the client must return. */
export class ContextHandler {
  readonly #kit: Kit;
  readonly #tokens: TokenTransport;
  readonly #kept: KeptTokens | undefined;

  constructor(kit: Kit, tokens: TokenTransport, kept: KeptTokens | undefined) {
    this.#kit = kit;
    this.#tokens = tokens;
    this.#kept = kept;
  }

  /** Begins the context of a request, without running anything in it. */
  open(exchange: Exchange): Pick<Visit, 'context' | 'ready'> {
    const token = this.#tokens.read(exchange.headers);
    const kept = this.#kept?.of(exchange);
    const context = this.#kit.kernel.contexts.openFor(new RequestCaller(exchange), {
      token,
      deadlineAt: this.#deadlineOf(exchange),
      onWrote: kept && ((written) => kept.wrote(written)),
    });
    exchange.onHead(() => this.#completeHead(exchange, context));
    if (kept === undefined) return { context, ready: undefined };
    exchange.holdEnd(() => kept.settled());
    const learn = async (): Promise<void> => context.observe(await kept.read());
    return { context, ready: isEmptyToken(token) ? learn() : undefined };
  }

  /** Until when an answer is of use to the client, as contexts have it. */
  #deadlineOf({ headers }: Exchange): number | undefined {
    const { kernel, overload } = this.#kit;
    if (overload === undefined) return undefined;
    const at = deadlineOf(headers, overload.deadlineHeader, kernel.clock);
    return at && kernel.clock.monotonic() + at - kernel.clock.now();
  }

  /** Runs as late as possible: whatever the request has written by now, its client learns. */
  #completeHead(exchange: Exchange, context: RequestContext): void {
    exchange.setAnswerHeader('x-pando-instance', this.#kit.instanceId);
    const tokens = this.#tokens.write(exchange, context);
    if (!isForOtherOrigins(exchange)) return;
    const limits = limitHeaderNames.filter((name) => exchange.answerHeader(name) !== undefined);
    exposeHeaders(exchange, [...tokens, ...limits]);
  }
}

/** Who sent a request. */
class RequestCaller implements Caller {
  readonly #exchange: Exchange;
  #id: string | undefined;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  get id(): string {
    this.#id ??= requestId(this.#exchange.headers);
    return this.#id;
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }
}
