import { cacheToken, type Token } from '../../../kernel/token.js';
import type { PandoOptions } from '../../../options.js';
import { createPando, type Pando } from '../../../pando.js';
import { exposedValue, parseExposition } from '../../exposition.js';
import type { AdapterHarness, SuiteApp, SuiteRoute, SuiteServing } from './harness.js';

/** What a case asks for; what it leaves out is off. */
export interface AppSpec extends Partial<Omit<SuiteApp, 'pando'>> {
  readonly kit?: PandoOptions | undefined;
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

  /** Asks for a path, on a connection of its own so that cases of shutdown see what they mean to see. */
  get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, init);
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

/** Binds {@link StartApp} to one framework. */
export function starter(harness: AdapterHarness): StartApp {
  return async ({ kit, ...spec } = {}) => {
    const pando = await createPando({
      secret: 'the secret of the adapter suite',
      ...kit,
      realtime: { drainMs: 100, ...kit?.realtime },
      lifecycle: { signals: false, readinessDelayMs: 0, exit: false, ...kit?.lifecycle },
    });
    const app: SuiteApp = {
      http: {},
      routes: [],
      streams: [],
      before: {},
      onError: undefined,
      trustProxy: false,
      compress: false,
      ws: undefined,
      onUpgrade: undefined,
      closeTimeoutMs: undefined,
      ...spec,
      pando,
    };
    try {
      return new RunningApp(pando, await harness.listen(app, 0));
    } catch (cause) {
      await pando.close();
      throw cause;
    }
  };
}

/** A route that answers with what the handler returns. */
export function get(
  path: string,
  handler: SuiteRoute['handler'],
  more: Partial<SuiteRoute> = {},
): SuiteRoute {
  return { method: 'GET', path, handler, ...more };
}

/** A token that tells itself from others: no room of the suite's kits makes one like it. */
export const tokenAt = (sequence: number): Token => cacheToken({ epoch: 'suite', sequence });

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
