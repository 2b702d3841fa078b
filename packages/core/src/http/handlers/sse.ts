import type { Connection } from '../../realtime/index.js';
import type { ClientAddresses } from '../clients.js';
import { DrainingError, StreamLimitError, StreamRefusedError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { headerOf } from '../headers.js';
import type { Kit } from '../kit.js';
import { checkSsePlan, type SsePlan } from '../sse-plan.js';
import type { StreamGate } from '../stream-gate.js';

/**
 * A stream that is not opened: 204 tells the browser to stop asking; 401, 403 and 404 become errors that go through the
 * application's own error handling.
 */
export type SseRefusal = 204 | 401 | 403 | 404;

const headers = Object.freeze({
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform', // no-transform: middleware that compresses would hold events back
  'x-accel-buffering': 'no', // nginx would, too
});

const reasons: Readonly<Record<Exclude<SseRefusal, 204>, string>> = Object.freeze({
  401: 'Sign in to open this stream.',
  403: 'You may not open this stream.',
  404: 'There is no such stream.',
});

/** Opens server-sent event streams. */
export class SseHandler {
  readonly #kit: Kit;
  readonly #gate: StreamGate;
  readonly #clients: ClientAddresses;
  /** The streams that are open, so that a server that closes can end its own. */
  readonly #open = new Map<Exchange, Connection>();

  constructor(kit: Kit, gate: StreamGate, clients: ClientAddresses) {
    this.#kit = kit;
    this.#gate = gate;
    this.#clients = clients;
  }

  /**
   * Answers with a stream, or refuses.
   *
   * Until the first bytes every failure is thrown, for the framework to answer; after them the stream ends. An
   * EventSource that comes while the instance drains or is full, or with too many of its user's, gets a stream that only tells it to come back.
   * Headers that the application set earlier are on the stream. Resolves to the connection; undefined when no
   * stream was opened.
   */
  async open(
    exchange: Exchange,
    plan: SsePlan | SseRefusal,
    askedAt: number,
  ): Promise<Connection | undefined> {
    if (plan === 204) return void exchange.reply(204, { 'cache-control': 'no-store' });
    if (typeof plan === 'number') throw new StreamRefusedError(plan, reasons[plan]);
    checkSsePlan(plan);
    if (plan.expiresAt !== undefined && plan.expiresAt <= this.#kit.kernel.clock.now()) {
      throw new StreamRefusedError(401, reasons[401]);
    }
    const address = this.#clients.keyOf(exchange.ip);
    const { channels, identity } = plan;
    const refusal = this.#gate.refusal({ channels, identity, address });
    if (isPassing(refusal) && isBrowserStream(exchange)) {
      // An EventSource never asks again after an answer that is no stream (HTML standard, 9.2.3): so it gets one, which
      // tells it when to come back, and ends.
      const retryMs = Math.round(1_000 * (Number(refusal.headers['retry-after']) + Math.random()));
      return void exchange.reply(200, headers, `retry: ${retryMs}\n\n`);
    }
    if (refusal !== undefined) throw refusal;
    if (exchange.method === 'HEAD') return void exchange.reply(200, headers);

    const outlet = exchange.stream(200, headers);
    const asked = asksForEnvelope(exchange) ? { format: 'envelope' as const, starts: true } : undefined;
    const session = { ...plan, ...asked, lastEventId: lastEventId(exchange), address, askedAt };
    const connection = await this.#kit.realtime.openSse(outlet, session).catch((cause: unknown) => {
      if (!exchange.streaming) throw cause;
      outlet.end(); // the client has a head already: all it can be told is to come back
      this.#kit.kernel.logger.warn({ err: cause }, 'A stream ended while it was being opened.');
      return undefined;
    });
    if (connection !== undefined && !exchange.isOver) this.#open.set(exchange, connection);
    return connection;
  }

  /** Forgets a stream that is over. */
  ended(exchange: Exchange): void {
    this.#open.delete(exchange);
  }

  /** Ends the open streams; their clients come back, to another instance. */
  closeAll(): void {
    for (const connection of this.#open.values()) connection.close();
  }
}

/** Whether another instance, or this one later, would open the stream. */
function isPassing(refusal: Error | undefined): refusal is DrainingError | StreamLimitError {
  return refusal instanceof DrainingError || refusal instanceof StreamLimitError;
}

/** Whether an EventSource asks. */
function isBrowserStream({ headers: { accept } }: Exchange): boolean {
  return accept !== undefined && /\btext\/event-stream\b/i.test(accept);
}

/** A client that takes any stream apart asks for the form that says most. */
function asksForEnvelope({ headers: { accept } }: Exchange): boolean {
  return accept !== undefined && /\btext\/event-stream\s*;\s*format=envelope\b/i.test(accept);
}

/** What browsers send when they reconnect; in the query from clients that cannot set headers. */
function lastEventId({ headers, url }: Exchange): string | undefined {
  const given = headerOf(headers, 'last-event-id');
  if (given !== undefined) return given;
  const query = url.indexOf('?');
  if (query === -1) return undefined;
  return new URLSearchParams(url.slice(query)).get('lastEventId') ?? undefined;
}
