import type { RequestContext } from '../../kernel/context.js';
import type { Exchange } from '../exchange.js';
import { exposeHeaders, requestId } from '../headers.js';
import type { Kit } from '../kit.js';
import type { TokenTransport } from '../token-transport.js';
import { limitHeaders } from './limit.js';

/** Opens the context of each request, and sees to it that the answer carries what the client must return. */
export class ContextHandler {
  readonly #kit: Kit;
  readonly #tokens: TokenTransport;

  constructor(kit: Kit, tokens: TokenTransport) {
    this.#kit = kit;
    this.#tokens = tokens;
  }

  /** Begins the context of a request, without running anything in it. */
  open(exchange: Exchange): RequestContext {
    const context = this.#kit.kernel.contexts.open({
      id: requestId(exchange.headers),
      signal: exchange.signal,
      token: this.#tokens.read(exchange.headers),
    });
    exchange.onHead(() => this.#completeHead(exchange, context));
    return context;
  }

  /** Runs as late as possible: whatever the request has written by now, its client learns. */
  #completeHead(exchange: Exchange, context: RequestContext): void {
    exchange.setAnswerHeader('x-pando-instance', this.#kit.instanceId);
    // A kept-alive connection would bring the next request to an instance that is going away.
    if (this.#kit.lifecycle.draining.aborted) exchange.setAnswerHeader('connection', 'close');
    const limits = limitHeaders.filter((name) => exchange.answerHeader(name) !== undefined);
    exposeHeaders(exchange, [...this.#tokens.write(exchange, context), ...limits]);
  }
}
