import type { HealthReport } from '../../health/index.js';
import { MetricsUnavailableError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { healthJsonOf, healthJsonType } from '../health-json.js';
import type { HealthManner, ProbeKind, ResolvedHttpOptions } from '../http-options.js';
import type { Kit } from '../kit.js';

/** Answers balancers, orchestrators and Prometheus. Not limited, not counted as requests, never stored. */
export class ProbeHandler {
  readonly #kit: Kit;
  readonly #probes: ResolvedHttpOptions['probes'];
  readonly #health: HealthManner;

  constructor(kit: Kit, { probes, health }: ResolvedHttpOptions) {
    this.#kit = kit;
    this.#probes = probes;
    this.#health = health;
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
    const { status, body } = this.#report(kind, this.#isTrusted(exchange));
    const isDraft = this.#health.format === 'health+json';
    const type = isDraft ? healthJsonType : 'application/json; charset=utf-8';
    const text = JSON.stringify(isDraft ? healthJsonOf(body) : body);
    exchange.reply(status, { ...this.#always(), 'content-type': type }, text);
  }

  #report(kind: Exclude<ProbeKind, 'metrics'>, details: boolean): HealthReport {
    const { health } = this.#kit;
    if (kind === 'live' || kind === 'startup') return health[kind]();
    if (kind === 'ready' || kind === 'report') return health[kind]({ details });
    return health.group(kind.slice('group:'.length), { details });
  }

  #isTrusted(exchange: Exchange): boolean {
    const { details } = this.#health;
    if (typeof details !== 'function') return details === 'always';
    try {
      return details(exchange) === true;
    } catch (err) {
      this.#kit.kernel.logger.warn({ err }, 'Could not tell who may see details of health; nobody does.');
      return false;
    }
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
