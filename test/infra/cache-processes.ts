import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { PandoOptions } from '@pando/core';
import type { LifetimeOptions } from '@pando/core/cache';
import { waitFor } from '@pando/core/testing';
import type { BrokenRule } from './broken-rules.js';
import { startInstances } from './instances.js';
import type { ServerProcess } from './server-process.js';

const entry = fileURLToPath(new URL('../fixtures/cache-app.ts', import.meta.url));

/** What a process is asked to do, beside the verb. */
export interface Ask {
  readonly key: string;
  /** Instead of one key. */
  readonly keys?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  /** What the caller has seen: all of them, if there are several. */
  readonly token?: string | readonly string[] | undefined;
  /** Instead of what the process was started with. */
  readonly lifetime?: LifetimeOptions | undefined;
  /** With this rule of the cache switched off. */
  readonly without?: BrokenRule | undefined;
  /** How many ask for it at once. @defaultValue `1` */
  readonly calls?: number | undefined;
  /** The value is built from this one. */
  readonly inner?: { readonly key: string; readonly tags?: readonly string[] | undefined } | undefined;
  /** The loader reads this row of `registers`, or the write changes it. */
  readonly row?: string | undefined;
  /** How often the loader reads it, all at once. @defaultValue `1` */
  readonly reads?: number | undefined;
  readonly level?: 'eventual' | 'strong' | undefined;
  readonly value?: string | undefined;
  /** The commit is not flushed before it is acknowledged. */
  readonly isHasty?: boolean | undefined;
}

export interface Reply {
  readonly value?: unknown;
  readonly token?: string;
  readonly error?: string;
}

/** One load that a process has begun: it has read what was there then. */
export interface Load {
  readonly instance: number;
  readonly key: string;
  readonly value: unknown;
}

/** Loads of one key that wait for leave to end. */
export interface Gate {
  readonly loads: readonly Load[];
  /** Resolves when so many loads wait. */
  arrived(count?: number): Promise<void>;
  /** Lets them end, and all later ones pass. */
  open(): void;
}

/** Where the loaders of all processes read: registers that the test writes, and gates that keep loads on their way. */
export class Source implements AsyncDisposable {
  readonly loads: Load[] = [];
  /** The most loads that were under way at once. */
  peak = 0;
  readonly #server: Server;
  readonly #values = new Map<string, unknown>();
  readonly #gates = new Set<{ matches(load: Load): boolean; wait(load: Load): Promise<void> }>();
  #running = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      void json(request).then((load) => this.#answer(load as Load, response));
    });
  }

  static async open(): Promise<Source> {
    const source = new Source();
    source.#server.listen(0, '127.0.0.1');
    await once(source.#server, 'listening');
    return source;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  }

  /** What loads of the key read from now on; an error is what they fail with. */
  set(key: string, value: unknown): void {
    this.#values.set(key, value);
  }

  /** Loads of the key, or of all that the function picks, wait once they have read; those of one process only, if it is given. */
  gate(
    which: string | ((key: string) => boolean),
    { only }: { readonly only?: CacheProcess | undefined } = {},
  ): Gate {
    const loads: Load[] = [];
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const picks = typeof which === 'string' ? (key: string) => key === which : which;
    const gate = {
      matches: ({ key, instance }: Load) => picks(key) && (only === undefined || only.number === instance),
      wait: async (load: Load) => {
        loads.push(load);
        await opened;
      },
    };
    this.#gates.add(gate);
    return {
      loads,
      arrived: async (count = 1) => {
        const message = () => `${count} loads to arrive; ${loads.length} have`;
        await waitFor(() => loads.length >= count, { intervalMs: 2, message });
      },
      open: () => {
        this.#gates.delete(gate);
        open();
      },
    };
  }

  count(key: string): number {
    return this.loads.filter((load) => load.key === key).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(asked: Load, response: ServerResponse): Promise<void> {
    const value = asked.value ?? this.#values.get(asked.key) ?? null;
    const load = { ...asked, value };
    this.loads.push(load);
    this.peak = Math.max(this.peak, ++this.#running);
    const gate = [...this.#gates].find((one) => one.matches(load));
    const left = once(response, 'close');
    await Promise.race([gate?.wait(load), gate && left]);
    this.#running--; // before the answer: whoever gets it may begin another one
    response.end(JSON.stringify(value instanceof Error ? { error: value.message } : { value }));
  }
}

/** What a caller gets. */
export interface Answer {
  readonly value: unknown;
  /** What the caller has seen now. */
  readonly token: string;
}

/** How a process stands. */
export interface State {
  /** By its wall clock. */
  readonly now: number;
  /** Calls of the cache that have begun and not ended. */
  readonly calling: number;
  /** Whether it has its Redis, and hears it. */
  readonly isUp: boolean;
  readonly isLive: boolean;
}

type Options = Omit<Ask, 'key'>;

/** One process with one instance. */
export class CacheProcess {
  readonly number: number;
  readonly process: ServerProcess;

  constructor(number: number, process: ServerProcess) {
    this.number = number;
    this.process = process;
  }

  /** Resolves to what all `calls` got; rejects as the loader does, and when two got different values. */
  async get(key: string, options: Options = {}): Promise<Answer> {
    const { value, token } = await this.#ask('get', { ...options, key });
    const [first, ...others] = value as unknown[];
    if (others.length > 0)
      throw new Error(`callers of ${key} got different values: ${JSON.stringify(value)}`);
    return { value: first, token };
  }

  /** Resolves to the value alone. */
  async read(key: string, options: Options = {}): Promise<unknown> {
    return (await this.get(key, options)).value;
  }

  /** Resolves to the values of many keys, in their order. */
  async many(keys: readonly string[], options: Options = {}): Promise<readonly unknown[]> {
    return (await this.#ask('many', { ...options, key: '', keys })).value as readonly unknown[];
  }

  /** Resolves to the token of the expiry. */
  async expire(tags: readonly string[], options: Options = {}): Promise<string> {
    return (await this.#ask('expire', { ...options, key: '', tags })).token;
  }

  /** Resolves to the token of the invalidation. */
  async invalidate(tags: readonly string[], options: Options = {}): Promise<string> {
    return (await this.#ask('invalidate', { ...options, key: '', tags })).token;
  }

  /** Stores a value that nobody loads. */
  async set(key: string, value: string, options: Options = {}): Promise<Answer> {
    return this.#ask('set', { ...options, key, value });
  }

  /** Writes a row and invalidates in one transaction. */
  async write(row: string, value: string, tags: readonly string[], options: Options = {}): Promise<string> {
    return (await this.#ask('write', { ...options, key: '', row, value, tags })).token;
  }

  /** Resolves when so many calls are under way, and have come as far as they can without the test's help. */
  async holds(calls: number, without?: BrokenRule): Promise<void> {
    const message = `${calls} calls to have begun`;
    await waitFor(async () => (await this.state()).calling === calls, { intervalMs: 2, message });
    await this.read(`after ${calls} calls, ${randomUUID()}`, { without }); // who comes later ends later
  }

  async state(without?: BrokenRule): Promise<State> {
    return (await this.#ask('state', { key: '', without })).value as never;
  }

  /** The sum of the samples whose line begins with this. */
  async metric(prefix: string): Promise<number> {
    const text = (await this.#ask('metrics', { key: '' })).value as string;
    const lines = text.split('\n').filter((line) => line.startsWith(prefix));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  async #ask(verb: string, ask: Ask): Promise<Answer> {
    const response = await fetch(`${this.process.url}/${verb}`, {
      method: 'POST',
      body: JSON.stringify(ask),
    });
    const { value, token = '', error } = (await response.json()) as Reply;
    if (error !== undefined) throw new Error(error);
    return { value, token };
  }
}

export interface CacheFleetOptions {
  readonly name: string;
  readonly source: Source;
  /** @defaultValue `2` */
  readonly count?: number | undefined;
  /** Of each instance; must survive JSON. */
  readonly options: PandoOptions | ((index: number) => PandoOptions);
  readonly nodeArgs?: readonly string[] | undefined;
  readonly env?: ((index: number) => NodeJS.ProcessEnv) | undefined;
}

/** Processes that share a Redis; disposed of, they are killed. */
export class CacheFleet implements AsyncDisposable {
  readonly processes: readonly CacheProcess[];
  readonly #end: () => Promise<void>;

  private constructor(processes: readonly CacheProcess[], end: () => Promise<void>) {
    this.processes = processes;
    this.#end = end;
  }

  static async start({ name, source, count = 2, options, ...rest }: CacheFleetOptions): Promise<CacheFleet> {
    const group = await startInstances({
      count,
      entry,
      nodeArgs: rest.nodeArgs,
      env: (index) => {
        const own = typeof options === 'function' ? options(index) : options;
        const all = { secret: 'the same in all processes', ...own, name };
        return { ...rest.env?.(index), SOURCE: source.url, OPTIONS: JSON.stringify(all) };
      },
    });
    const processes = group.instances.map((process, index) => new CacheProcess(index + 1, process));
    return new CacheFleet(processes, () => group.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}
