import { randomUUID } from 'node:crypto';
import { isPandoError } from '../../../kernel/errors.js';
import type { Logger } from '../../../kernel/logger.js';
import { cacheToken, type Token } from '../../../kernel/token.js';
import type { PandoOptions } from '../../../options.js';
import { createPando, type Pando } from '../../../pando.js';
import { exposedValue, parseExposition } from '../../exposition.js';
import type {
  AdapterHarness,
  InjectedAnswer,
  SuiteAnswer,
  SuiteApp,
  SuiteRoute,
  SuiteServing,
} from './harness.js';

/** What a case asks for; what it leaves out is off. */
export interface AppSpec extends Partial<Omit<SuiteApp, 'pando'>> {
  readonly kit?: PandoOptions | undefined;
  /** Puts something else between the adapter and the kit: a room that fails, say. */
  readonly rewire?: ((pando: Pando) => Pando) | undefined;
}

/** A running application of one case. */
export class RunningApp implements AsyncDisposable {
  readonly pando: Pando;
  readonly serving: SuiteServing;
  readonly url: string;

  constructor(pando: Pando, serving: SuiteServing) {
    this.pando = pando;
    this.serving = serving;
    this.url = `http://127.0.0.1:${serving.port}`;
  }

  get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, init);
  }

  /** Asks without a socket. */
  inject(path: string, headers?: Readonly<Record<string, string>>): Promise<InjectedAnswer> {
    if (this.serving.inject === undefined) throw new Error('The harness supports inject, but has none.');
    return this.serving.inject(path, headers);
  }

  /** The value of a series in the metrics as they are exposed; undefined where there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    const { metrics } = this.pando;
    return exposedValue(parseExposition(await metrics.expose(), metrics.contentType), name, labels);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.serving.close();
    await this.pando.close();
  }
}

/** Starts the application of one case on a kit of its own. */
export type StartApp = (spec?: AppSpec) => Promise<RunningApp>;

/** What a case runs on when it says nothing else. */
const bareApp: Omit<SuiteApp, 'pando'> = Object.freeze({
  http: {},
  routes: [],
  streams: [],
  before: {},
  onError: undefined,
  accessLog: undefined,
  trustProxy: false,
  compress: false,
  http2: false,
  ws: undefined,
  onUpgrade: undefined,
  closeTimeoutMs: undefined,
});

/** Binds {@link StartApp} to one framework. */
export function starter(harness: Pick<AdapterHarness, 'listen'>, port = 0): StartApp {
  return async ({ kit, rewire, ...spec } = {}) => {
    const pando = await createPando({
      secret: 'the secret of the adapter suite',
      ...kit,
      realtime: { drainMs: 100, ...kit?.realtime },
      lifecycle: { signals: false, readinessDelayMs: 0, exit: false, ...kit?.lifecycle },
    });
    const app = { ...bareApp, ...spec, pando: rewire?.(pando) ?? pando };
    try {
      return new RunningApp(pando, await harness.listen(app, port));
    } catch (cause) {
      await pando.close();
      throw cause;
    }
  };
}

/** The part of a kit that makes two instances one fleet, with keys that no other case uses. */
export const fleetOn = (redis: string): PandoOptions => ({
  redis,
  name: `suite-${randomUUID().slice(0, 8)}`,
});

/** A route that answers with what the handler returns. */
export function get(
  path: string,
  handler: SuiteRoute['handler'],
  more: Partial<SuiteRoute> = {},
): SuiteRoute {
  return { method: 'GET', path, handler, ...more };
}

/** Shapes errors as an application would that has a format of its own. */
export const ownFormat = (error: unknown): SuiteAnswer => ({
  status: (error as { status?: number }).status ?? 500,
  headers: { 'content-type': 'text/plain' },
  body: `own: ${isPandoError(error) ? error.code : 'other'}`,
});

/** Hears nothing: for cases in which something has to fail. */
export const quiet: Logger = Object.freeze({
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
});

/** A token that tells itself from others: no room of the suite's kits makes one like it. */
export const tokenAt = (sequence: number): Token => cacheToken({ epoch: 'suite', sequence });

/** What code sees of the context it runs in. */
export const contextOf = (pando: Pando): { readonly id: string; readonly token: Token } => {
  const { id, token } = pando.kernel.contexts.current();
  return { id, token };
};

/** The token that an answer carries. */
export function tokenOf(pando: Pando, response: Response): Token {
  const decoded = pando.tokens.decode(response.headers.get(`pando-token-${pando.name}`) ?? '');
  if (decoded.kind !== 'token') throw new Error(`The answer carries ${decoded.kind} text for a token.`);
  return decoded.token;
}

/** A promise that others settle, and that can be waited for. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function createGate(): Gate {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
