import { AsyncLocalStorage } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';
import type { Clock } from './clock.js';
import {
  type CachePosition,
  type DbPosition,
  emptyToken,
  mergeTokens,
  replaceCachePosition,
  type Token,
  withoutPending,
} from './token.js';

/** A point in the log of one database. */
type LogPosition = Omit<DbPosition, 'shard'>;

/** What a database read proves: it saw every write up to here. */
export interface ReadBound {
  readonly shard: string;
  /** `'primary'`: it saw everything acknowledged before it began. Otherwise a position known before the read. */
  readonly seen: 'primary' | LogPosition;
  /** Nothing that it saw lies behind this; absent where nobody wanted to know. */
  readonly upTo?: LogPosition | undefined;
}

/** Collects what one cache load read, so that the cache knows how fresh the loaded value is. */
export interface LoadScope {
  noteRead(bound: ReadBound): void;
}

/** How urgent something is: `batch` lets everybody else pass where there is a queue, within a bound. */
export type Priority = 'normal' | 'batch';

/** On whose behalf code runs. */
export interface Caller {
  readonly id: string;
  /** Aborts when nobody waits for the outcome any more. */
  readonly signal: AbortSignal;
}

/** How a context begins. */
export interface ContextInit extends Caller {
  /** What the caller had seen before. */
  readonly token?: Token | undefined;
  /** Monotonic instant of the kit's clock after which the outcome has no use. */
  readonly deadlineAt?: number | undefined;
  /** @defaultValue `'normal'` */
  readonly priority?: Priority | undefined;
  /** Told all that was written so far, after each write. Must not throw. */
  readonly onWrote?: ((written: Token) => void) | undefined;
}

/** What a context begins with, whoever it is for. */
type Beginning = Omit<ContextInit, keyof Caller>;

/** What makes a context differ from the one around it. */
interface Derivation {
  readonly parent?: RequestContext;
  readonly load?: LoadScope | undefined;
  readonly transactionOn?: string | undefined;
}

/** What nothing is around. */
const root: Derivation = Object.freeze({});

/**
 * What a class offers, without what is private in it. The declarations for `import` and for `require` are two files, and
 * TypeScript holds a class with private members in one for another than the same class in the other.
 */
type Structure<Class> = Pick<Class, keyof Class>;

/**
 * One request, message or job on its way through the rooms: what it has seen, and what it has written.
 *
 * Reads must cover its `token`; whoever answers returns it to the client.
 */
export type RequestContext = Structure<OpenContext>;

class OpenContext implements Caller {
  readonly deadlineAt: number | undefined;
  readonly priority: Priority;
  /** Monotonic instant at which it began: what was trusted then may be trusted for its whole life. */
  readonly openedAt: number;
  /** The cache load that runs here, if any. */
  readonly load: LoadScope | undefined;
  /** The shard on which a database transaction is open here, if any: nothing may be served from or stored in a cache then. */
  readonly transactionOn: string | undefined;
  readonly #caller: Caller;
  readonly #parent: RequestContext | undefined;
  readonly #onWrote: ContextInit['onWrote'];
  #token: Token;
  #isPlain = false;
  #written: Token = emptyToken;
  #observed: Token = emptyToken;

  constructor(caller: Caller, init: Beginning, openedAt: number, derivation: Derivation = root) {
    this.#caller = caller;
    this.deadlineAt = init.deadlineAt;
    this.priority = init.priority ?? 'normal';
    this.openedAt = openedAt;
    this.load = derivation.load;
    this.transactionOn = derivation.transactionOn;
    this.#parent = derivation.parent;
    this.#onWrote = init.onWrote;
    this.#token = emptyToken;
    this.#see(init.token ?? emptyToken);
  }

  get id(): string {
    return this.#caller.id;
  }

  /** Aborts when nobody waits for the outcome any more. */
  get signal(): AbortSignal {
    return this.#caller.signal;
  }

  /**
   * Whether any cached value that is valid may answer here, and nobody has to be told: there is no transaction, and no load, and
   * nothing was seen that a value could be older than. Costs nothing, unlike a look at the token.
   */
  get isPlain(): boolean {
    return this.#isPlain;
  }

  get inTransaction(): boolean {
    return this.transactionOn !== undefined;
  }

  /** What has been seen so far. */
  get token(): Token {
    return this.#parent === undefined ? this.#token : mergeTokens(this.#parent.token, this.#token);
  }

  /** What has been written here so far: a response that wrote hands it to the client as a cookie, too. */
  get written(): Token {
    return this.#parent === undefined ? this.#written : this.#parent.written;
  }

  /** What it has seen so far beside what its caller had seen before: databases, where those tell what reads and writes have seen. */
  get observed(): Token {
    return this.#parent === undefined ? this.#observed : this.#parent.observed;
  }

  /** Adds to what has been seen. */
  observe(token: Token): void {
    if (this.#parent !== undefined) {
      this.#parent.observe(token);
      return;
    }
    this.#see(mergeTokens(this.#token, token));
    this.#observed = mergeTokens(this.#observed, token);
  }

  /** Adds to what has been seen and written. */
  wrote(token: Token): void {
    if (this.#parent !== undefined) {
      this.#parent.wrote(token);
    } else {
      this.#see(mergeTokens(this.#token, token));
      this.#written = mergeTokens(this.#written, token);
      this.#onWrote?.(this.#written);
    }
  }

  /** Forgets cache positions of an epoch that is gone, in favour of the one that is. */
  replaceCache(position: CachePosition): void {
    this.#see(replaceCachePosition(this.#token, position));
    if (this.#written.cache.length > 0) this.#written = replaceCachePosition(this.#written, position);
    this.#parent?.replaceCache(position);
  }

  /** Forgets an outbox row whose effects have been carried out. */
  settle(row: string): void {
    this.#see(withoutPending(this.#token, row));
    this.#written = withoutPending(this.#written, row);
    this.#parent?.settle(row);
  }

  /** The same request inside a transaction on a shard of the database: what it sees and writes counts for the request. */
  inside(shard = 'main'): RequestContext {
    return new OpenContext(this, this, this.openedAt, {
      parent: this,
      load: this.load,
      transactionOn: shard,
    });
  }

  /**
   * The same request while its answer becomes a cached value: it reads nothing older than the load's token, and tells the
   * load what it reads. What it sees and writes counts for the request.
   */
  loading({ load, token, openedAt }: RequestContext): RequestContext {
    const { deadlineAt, priority } = this;
    return new OpenContext(this, { deadlineAt, priority, token }, openedAt, { parent: this, load });
  }

  #see(token: Token): void {
    const isRoot = this.#parent === undefined && this.load === undefined && this.transactionOn === undefined;
    this.#token = token;
    this.#isPlain = isRoot && token.cache.length + token.pending.length + token.opaque.length === 0;
  }
}

/**
 * The contexts of one kit, carried along asynchronous calls.
 *
 * Owned by the kit, not by the module: two kits in one process never meet. Code that runs outside
 * any request shares one ambient context, which makes a script read its own writes.
 */
export type Contexts = Structure<AsyncContexts>;

class AsyncContexts {
  readonly #storage = new AsyncLocalStorage<RequestContext>();
  readonly #ambient: RequestContext;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ambient = this.open({ id: 'ambient', signal: new AbortController().signal });
  }

  /** The context of the running code; the ambient one outside any. */
  current(): RequestContext {
    return this.#storage.getStore() ?? this.#ambient;
  }

  /** Whether the running code belongs to a request. */
  isOpen(): boolean {
    return this.#storage.getStore() !== undefined;
  }

  /** Begins a context without running anything in it. */
  open(init: ContextInit): RequestContext {
    // Any number of calls may wait in one context; a dozen of them are no leak to warn about.
    setMaxListeners(0, init.signal);
    return new OpenContext(init, init, this.#clock.monotonic());
  }

  /**
   * Begins the context of a request. Its id and its signal are asked of the caller when somebody wants to know them: most
   * requests need neither, and both are dear to make. The signal takes any number of listeners.
   */
  openFor(caller: Caller, init: Beginning): RequestContext {
    return new OpenContext(caller, init, this.#clock.monotonic());
  }

  /**
   * Begins the context of a cache load: detached from the request that happens to start it (others
   * join the load, so neither its abort nor its later reads may colour the value), and not older
   * than the given token.
   */
  openLoad(init: ContextInit, load: LoadScope): RequestContext {
    setMaxListeners(0, init.signal);
    return new OpenContext(init, init, this.#clock.monotonic(), { load });
  }

  /** Ends the carrying: each storage that was ever used costs every asynchronous call of the process a little (Node 20). */
  close(): void {
    this.#storage.disable();
  }

  /** Runs code, and everything it calls and awaits, in a context. */
  run<T>(context: RequestContext, code: () => T): T {
    return this.#storage.run(context, code);
  }
}

/** Creates the contexts of a kit. */
export function createContexts(clock: Clock): Contexts {
  return new AsyncContexts(clock);
}
