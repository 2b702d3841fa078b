import { MetricsUnavailableError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import type { ProbeKind, ResolvedHttpOptions } from '../http-options.js';
import type { Kit } from '../kit.js';

/** Answers balancers, orchestrators and Prometheus. Not limited, not counted as requests, never stored. */
export class ProbeHandler {
  readonly #kit: Kit;
  readonly #probes: ResolvedHttpOptions['probes'];

  constructor(kit: Kit, { probes }: ResolvedHttpOptions) {
    this.#kit = kit;
    this.#probes = probes;
  }

  /** The paths that are answered. */
  get paths(): readonly string[] {
    return [...this.#probes.keys()];
  }

  /** What a request asks for; undefined when it is none of ours. `target` may carry a query. */
  find(method: string, target: string): ProbeKind | undefined {
    if (method !== 'GET' && method !== 'HEAD') return undefined;
    const query = target.indexOf('?');
    return this.#probes.get(query === -1 ? target : target.slice(0, query));
  }

  /** Answers it. */
  async answer(exchange: Exchange, kind: ProbeKind): Promise<void> {
    if (kind === 'metrics') return this.#answerMetrics(exchange);
    const { status, body } = this.#kit.health[kind]();
    const headers = { ...this.#always(), 'content-type': 'application/json; charset=utf-8' };
    exchange.reply(status, headers, JSON.stringify(body));
  }

  async #answerMetrics(exchange: Exchange): Promise<void> {
    const { metrics } = this.#kit;
    const text = await metrics.expose({ signal: exchange.signal }).catch((cause: unknown) => {
      throw new MetricsUnavailableError(cause);
    });
    exchange.reply(200, { ...this.#always(), 'content-type': metrics.contentType }, text);
  }

  #always(): Readonly<Record<string, string>> {
    return { 'cache-control': 'no-store', 'x-pando-instance': this.#kit.instanceId };
  }
}
