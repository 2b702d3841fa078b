import type { Signalled } from '../../kernel/abort.js';
import { ConnectionLostError, TransactionRolledBackError } from '../errors.js';
import type {
  Committed,
  Connection,
  Observed,
  Proven,
  ServerReport,
  Statement,
  StatementResult,
  TransactionFate,
  TransactionId,
  Written,
} from '../ports.js';
import type { Position } from '../position.js';

/** An error as Postgres would send it. */
export function sqlError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code, severity: 'ERROR' });
}

/** A transaction that has begun: what it has changed so far. */
interface Work {
  readonly changes: Map<unknown, unknown>;
  hasFailed: boolean;
  readonly xid: string;
  readonly savepoints: Map<string, ReadonlyMap<unknown, unknown>>;
}

/** The server as its sessions see it. */
export interface SessionServer {
  readonly label: string;
  readonly capacity: number | undefined;
  readonly isPooled: boolean;
  readonly role: ServerReport['role'];
  readonly sessions: Set<MemoryConnection>;
  /** Has the next commit take effect, and its answer lost with the session. */
  losesNextCommit: boolean;
  /** Has the session end instead of the next commit. */
  dropsNextCommit: boolean;
  /** How long it takes to notice that a session has ended. */
  readonly noticeMs: number;
  /** Begins a transaction. */
  nextXid(): string;
  /** What became of transactions; those that are open are missing. */
  readonly fates: Map<string, 'committed' | 'aborted'>;
  /** Calls back later. */
  later(delayMs: number, run: () => void): void;
  report(): ServerReport;
  value(key: unknown): unknown;
  /** Rows of the outbox whose key begins so. */
  rows(prefix: string): readonly { readonly id: string }[];
  /** Locks a row for a session; false where another has it. */
  lock(key: string, session: MemoryConnection): boolean;
  /** Takes all locks of a session off. */
  unlock(session: MemoryConnection): void;
  /** Appends to the log of the cluster. */
  commit(changes: ReadonlyMap<unknown, unknown>): void;
  /** One way of one message. */
  travel(): Promise<void>;
}

/** A session of the fake server: keeps the promises of the port, executes one statement after the other. */
export class MemoryConnection implements Connection {
  readonly greeting: ServerReport;
  readonly capacity: number | undefined;
  readonly isPooled: boolean;
  readonly #server: SessionServer;
  readonly #onLost: (cause: unknown) => void;
  readonly #cutOff = new Set<(error: Error) => void>();
  #isOpen = true;
  #lostBy: unknown = new Error('it was closed');
  #running = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #work: Work | undefined;
  #id: TransactionId | 'none' | undefined;

  constructor(server: SessionServer, onLost: (cause: unknown) => void) {
    this.#server = server;
    this.#onLost = onLost;
    this.greeting = server.report();
    this.capacity = server.capacity;
    this.isPooled = server.isPooled;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isIdle(): boolean {
    return this.#isOpen && this.#running === 0 && this.#work === undefined;
  }

  report(options?: Signalled): Promise<ServerReport> {
    return this.#run(() => this.#server.report(), options);
  }

  query<R>(statement: Statement, options?: Signalled): Promise<StatementResult<R>> {
    return this.#run((signal) => this.#execute<R>(statement, this.#work, signal), options);
  }

  observe<R>(statement: Statement, options?: Signalled): Promise<Observed<R>> {
    return this.#run(async (signal) => {
      const result = await this.#execute<R>(statement, this.#work, signal);
      const { lsn } = this.#server.report();
      return { result, reached: lsn, upTo: lsn };
    }, options);
  }

  prove<R>(statement: Statement, options?: Signalled): Promise<Proven<R>> {
    return this.#run(async (signal) => {
      const proof = this.#server.report();
      const result = await this.#execute<R>(statement, this.#work, signal);
      return { result, proof, upTo: this.#server.report().lsn };
    }, options);
  }

  write<R>(statement: Statement, options?: Signalled): Promise<Written<R>> {
    return this.#run(async (signal) => {
      const work = this.#newWork();
      const result = await this.#execute<R>(statement, work, signal);
      return { result, position: this.#commit(work).position ?? this.#position() };
    }, options);
  }

  position(options?: Signalled): Promise<Position> {
    return this.#run(() => this.#position(), options);
  }

  begin(): Promise<void> {
    return this.#run(() => {
      this.#work = this.#newWork();
      this.#id = undefined;
    });
  }

  get transactionId(): TransactionId | 'none' | undefined {
    return this.#id;
  }

  fateOf({ xid, system, timeline }: TransactionId): Promise<TransactionFate> {
    return this.#run(() => {
      const isKnown = system === this.greeting.system && timeline === this.greeting.timeline;
      return isKnown ? (this.#server.fates.get(xid) ?? 'running') : 'unknown';
    });
  }

  commit(last?: Statement): Promise<Committed> {
    return this.#run(async (signal) => {
      const work = this.#work;
      let cause: unknown;
      if (last !== undefined) {
        await this.#execute(last, work, signal).catch((error) => {
          cause = error;
        });
      }
      if (work !== undefined && work.changes.size > 0 && this.#server.dropsNextCommit) {
        this.#server.dropsNextCommit = false;
        this.lose(new Error('read ECONNRESET'));
      }
      if (!this.#isOpen) throw this.#lostError();
      this.#work = undefined; // its fate is decided below
      this.#endWork();
      if (work === undefined) return { wrote: false, position: this.#position() };
      if (work.hasFailed) throw new TransactionRolledBackError(cause);
      return this.#commit(work);
    });
  }

  rollback(): Promise<void> {
    return this.#run(() => this.#endWork());
  }

  listen(): Disposable {
    return { [Symbol.dispose]: () => undefined }; // the servers of a world say nothing unasked
  }

  reset(): Promise<void> {
    return this.#run(() => undefined); // and have no state to change
  }

  async settle(): Promise<void> {
    await this.#tail;
  }

  async close(): Promise<void> {
    this.destroy();
  }

  destroy(): void {
    this.#end();
  }

  /** The server ends the session. */
  lose(cause: unknown): void {
    if (!this.#isOpen) return;
    this.#lostBy = cause;
    this.#onLost(cause);
    this.#end();
  }

  #end(): void {
    this.#isOpen = false;
    this.#endWork();
    this.#server.sessions.delete(this);
    for (const cut of [...this.#cutOff]) cut(this.#lostError());
  }

  #newWork(): Work {
    return { changes: new Map(), hasFailed: false, xid: this.#server.nextXid(), savepoints: new Map() };
  }

  #endWork(): void {
    const { noticeMs, fates } = this.#server;
    const xid = this.#work?.xid;
    if (xid !== undefined) {
      const notice = () => void fates.set(xid, 'aborted');
      if (noticeMs > 0) this.#server.later(noticeMs, notice);
      else notice();
    }
    this.#work = undefined;
    this.#server.unlock(this);
  }

  #lostError(): ConnectionLostError {
    return new ConnectionLostError(this.#server.label, this.#lostBy);
  }

  /** Executes in order; both ways of the messages take their time, and the session may end meanwhile. */
  #run<T>(
    execute: (signal: AbortSignal | undefined) => T | Promise<T>,
    { signal }: Signalled = {},
  ): Promise<T> {
    if (!this.#isOpen) return Promise.reject(this.#lostError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#running += 1;
    return new Promise<T>((resolve, reject) => {
      const end = (settle: () => void) => {
        if (!this.#cutOff.delete(cut)) return;
        this.#running -= 1;
        settle();
      };
      const cut = (error: Error) => end(() => reject(error));
      this.#cutOff.add(cut);
      this.#tail = this.#tail.then(async () => {
        await this.#server.travel();
        if (!this.#isOpen) return;
        try {
          const value = await execute(signal);
          await this.#server.travel();
          end(() => resolve(value));
        } catch (error) {
          end(() => reject(error));
        }
      });
    });
  }

  async #execute<R>(
    { text, params, native }: Statement,
    work: Work | undefined,
    signal: AbortSignal | undefined,
  ) {
    const answer = (command: string, ...rows: unknown[]): StatementResult<R> => {
      const result = { rows: rows as R[], rowCount: 1, command };
      return native === undefined ? result : { ...result, native: { ...result, oid: 0, fields: [] } };
    };
    const [key, value] = params;
    const [, verb, savepoint] =
      /^(savepoint|release savepoint|rollback to savepoint) (\w+)$/.exec(text) ?? [];
    try {
      if (work !== undefined && verb === 'rollback to savepoint') {
        const before = work.savepoints.get(savepoint ?? '');
        work.changes.clear();
        for (const [changed, to] of before ?? []) work.changes.set(changed, to);
        work.hasFailed = before === undefined;
      }
      if (work?.hasFailed) throw sqlError('25P02', 'current transaction is aborted');
      if (verb === 'savepoint') work?.savepoints.set(savepoint ?? '', new Map(work.changes));
      if (verb !== undefined) return answer(verb.toUpperCase());
      switch (text) {
        case 'get':
          return answer('SELECT', {
            value: work?.changes.has(key) ? work.changes.get(key) : this.#server.value(key),
          });
        case 'set':
          if (this.#server.role === 'replica')
            throw sqlError('25006', 'cannot execute in a read-only transaction');
          if (work === undefined) this.#server.commit(new Map([[key, value]]));
          else {
            work.changes.set(key, value);
            this.#id = {
              xid: work.xid,
              life: '',
              system: this.greeting.system,
              timeline: this.greeting.timeline,
            };
          }
          return answer('INSERT');
        case 'rows': {
          const [, limit, among] = params as [unknown, number, (readonly string[])?];
          const rows = this.#server.rows(String(key)).filter(({ id }) => among?.includes(id) ?? true);
          return answer('SELECT', ...rows.slice(0, limit));
        }
        case 'lock': {
          const effects = this.#server.lock(String(key), this) ? this.#server.value(key) : undefined;
          return effects === undefined ? answer('SELECT') : answer('SELECT', { effects });
        }
        case 'remove':
          for (const row of params) work?.changes.set(row, undefined);
          if (work === undefined) this.#server.commit(new Map(params.map((row) => [row, undefined])));
          return answer('DELETE');
        case 'hang':
          return await this.#hang(signal);
        case 'fail':
          if (value !== undefined && value !== this.#server.role) return answer('SELECT', {});
          throw sqlError(String(key), 'asked to fail');
        default:
          throw sqlError('42601', `syntax error at "${text}"`);
      }
    } catch (error) {
      if (work !== undefined) work.hasFailed = true;
      throw error;
    }
  }

  #hang(signal: AbortSignal | undefined): Promise<never> {
    return new Promise((_, reject) => {
      this.#cutOff.add(reject);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  #commit({ changes, xid }: Work): Committed {
    if (changes.size === 0) {
      this.#id = 'none';
      return { wrote: false, position: this.#position() };
    }
    this.#server.commit(changes);
    this.#server.fates.set(xid, 'committed');
    if (this.#server.losesNextCommit) {
      this.#server.losesNextCommit = false;
      this.lose(new Error('read ECONNRESET'));
    }
    return { wrote: true, position: this.#position() };
  }

  #position(): Position {
    const { system, timeline, lsn } = this.#server.report();
    return { system, timeline, lsn };
  }
}
