import { abortable } from '../../kernel/abort.js';
import { type Clock, systemClock } from '../../kernel/clock.js';
import type { Fleet } from '../../kernel/fleet.js';
import type { Kernel } from '../../kernel/kernel.js';
import { ConnectionBudget } from '../connection-budget.js';
import type { ResolvedDatabaseOptions } from '../options.js';
import type {
  Backend,
  Connection,
  ConnectOptions,
  DatabaseDriver,
  OutboxTable,
  ServerReport,
  Statement,
  StatementClassifier,
  StatementKind,
} from '../ports.js';
import { idEpochMs } from '../sharding/ids.js';
import { FencedPool } from './fenced-pool.js';
import { MemoryConnection, type SessionServer, sqlError } from './memory-connection.js';

/** One committed change. */
interface LogRecord {
  readonly lsn: bigint;
  readonly changes: ReadonlyMap<unknown, unknown>;
}

/** How a fake cluster behaves. */
export interface MemoryWorldOptions {
  /** @defaultValue the machine's */
  readonly clock?: Clock | undefined;
  /** @defaultValue `2` */
  readonly replicas?: number | undefined;
  /** How long each message is on its way; asked for each. @defaultValue none at all */
  readonly travelMs?: (() => number) | undefined;
}

/**
 * A primary and its replicas inside this process: registers that hold values, a log that replicas replay.
 *
 * It understands four statements: `get` (key), `set` (key, value), `fail` (SQLSTATE,
 * role of the servers that fail; all) and `hang`; and `rows`, `lock` and `remove`, which an outbox needs. Instances
 * that share a world share its data.
 */
export class MemoryWorld {
  readonly clock: Clock;
  readonly primary: MemoryServer;
  readonly replicas: readonly MemoryServer[];
  readonly log: LogRecord[] = [];
  #travelMs: () => number;
  #lsn = 1_000n;

  constructor({ clock = systemClock, replicas = 2, travelMs = () => 0 }: MemoryWorldOptions = {}) {
    this.clock = clock;
    this.#travelMs = travelMs;
    this.primary = new MemoryServer(this, 'memory:primary', 'primary');
    this.replicas = Array.from(
      { length: replicas },
      (_, index) => new MemoryServer(this, `memory:replica-${index + 1}`, 'replica'),
    );
  }

  get lsn(): bigint {
    return this.#lsn;
  }

  /** The last tick that was taken for an id. */
  #tick = 0n;

  /** Takes so many ticks that nobody else gets; the first of them. */
  takeTicks(count: number): bigint {
    const now = BigInt(Math.floor(this.clock.now()) - idEpochMs) << 9n;
    const first = now > this.#tick ? now : this.#tick + 1n;
    this.#tick = first + BigInt(count) - 1n;
    return first;
  }

  /** Sessions that have locked rows of the outbox. */
  readonly locks = new Map<string, MemoryConnection>();

  /** What became of transactions, by their numbers. */
  readonly fates = new Map<string, 'committed' | 'aborted'>();
  #xid = 700;

  nextXid(): string {
    this.#xid += 1;
    return String(this.#xid);
  }

  /** Appends a change and has the replicas replay it when their time has come. */
  commit(changes: ReadonlyMap<unknown, unknown>): bigint {
    this.#lsn += 8n;
    this.log.push({ lsn: this.#lsn, changes });
    for (const replica of this.replicas) replica.replayLater();
    return this.#lsn;
  }

  /** One way of one message. */
  async travel(): Promise<void> {
    const delayMs = this.#travelMs();
    if (delayMs > 0) await new Promise<void>((resolve) => this.clock.after(delayMs, resolve));
  }

  server(label: string): MemoryServer {
    const found = [this.primary, ...this.replicas].find((server) => server.label === label);
    if (found === undefined) throw new Error(`no server "${label}" in this world`);
    return found;
  }
}

/** Creates a cluster in this process; the labels of its servers are their connection strings. */
export function createMemoryWorld(options?: MemoryWorldOptions): MemoryWorld {
  return new MemoryWorld(options);
}

/** One server of a {@link MemoryWorld}, and what can befall it. */
export class MemoryServer implements Backend, SessionServer {
  readonly label: string;
  readonly world: MemoryWorld;
  role: ServerReport['role'];
  system = 'memory';
  timeline = 1;
  /** Connections that it has for everybody together, as far as it says so. */
  capacity: number | undefined;
  /** Sessions that it has room for. */
  maxSessions = Number.POSITIVE_INFINITY;
  /** Whether it is reached through a pooler. */
  isPooled = false;
  /** How long after a commit a replica shows it. */
  lagMs = 0;
  /** Attempts to connect so far. */
  attempts = 0;
  /** Has the next commit take effect, and its answer lost with the session. */
  losesNextCommit = false;
  /** Has the session end instead of the next commit. */
  dropsNextCommit = false;
  /** How long the server takes to notice that a session has ended: its transaction stays open until then. */
  noticeMs = 0;
  readonly sessions = new Set<MemoryConnection>();
  #replayed = 1_000n;
  #isDown = false;
  #isPaused = false;
  #life = 1;
  #frozen: Promise<void> | undefined;
  #thaw: (() => void) | undefined;

  constructor(world: MemoryWorld, label: string, role: ServerReport['role']) {
    this.world = world;
    this.label = label;
    this.role = role;
  }

  get lsn(): bigint {
    return this.role === 'primary' ? this.world.lsn : this.#replayed;
  }

  report(): ServerReport {
    const { role, system, timeline, lsn } = this;
    return { role, system, timeline, lsn, node: `${this.label} ${this.label}/${this.#life}` };
  }

  get fates(): Map<string, 'committed' | 'aborted'> {
    return this.world.fates;
  }

  nextXid(): string {
    return this.world.nextXid();
  }

  later(delayMs: number, run: () => void): void {
    this.world.clock.after(delayMs, run);
  }

  commit(changes: ReadonlyMap<unknown, unknown>): void {
    this.world.commit(changes);
  }

  value(key: unknown): unknown {
    let value: unknown;
    for (const { lsn, changes } of this.world.log) {
      if (lsn > this.lsn) break;
      if (changes.has(key)) value = changes.get(key);
    }
    return value;
  }

  rows(prefix: string): readonly { readonly id: string }[] {
    const keys = new Set(this.world.log.flatMap(({ changes }) => [...changes.keys()]));
    return [...keys]
      .filter((key): key is string => typeof key === 'string' && key.startsWith(prefix))
      .filter((key) => this.value(key) !== undefined)
      .map((key) => ({ id: key.slice(prefix.length) }));
  }

  lock(key: string, session: MemoryConnection): boolean {
    const { locks } = this.world;
    if ((locks.get(key) ?? session) !== session) return false;
    locks.set(key, session);
    return true;
  }

  unlock(session: MemoryConnection): void {
    const { locks } = this.world;
    for (const [key, owner] of locks) if (owner === session) locks.delete(key);
  }

  async connect({ signal, onLost }: ConnectOptions): Promise<Connection> {
    this.attempts += 1;
    return abortable(this.#connect(signal, onLost), signal);
  }

  async #connect(signal: AbortSignal | undefined, onLost: ConnectOptions['onLost']): Promise<Connection> {
    await this.travel();
    if (this.#isDown)
      throw Object.assign(new Error(`connect ECONNREFUSED ${this.label}`), { code: 'ECONNREFUSED' });
    if (this.sessions.size >= this.maxSessions) throw sqlError('53300', 'sorry, too many clients already');
    signal?.throwIfAborted(); // nobody would close it
    const connection = new MemoryConnection(this, onLost);
    this.sessions.add(connection);
    await this.travel();
    if (signal?.aborted) connection.destroy();
    if (!connection.isOpen) throw new Error('the server closed the connection');
    return connection;
  }

  /** Replays what is in the log by now, after the lag. */
  replayLater(): void {
    const upTo = this.world.lsn;
    const replay = () => {
      if (!this.#isPaused && !this.#isDown && upTo > this.#replayed) this.#replayed = upTo;
    };
    if (this.lagMs === 0) replay();
    else this.world.clock.after(this.lagMs, replay);
  }

  pauseReplay(): void {
    this.#isPaused = true;
  }

  resumeReplay(): void {
    this.#isPaused = false;
    this.replayLater();
  }

  /**
   * What the death of one backend does: all sessions end, and a replica begins again at an earlier point,
   * under the same start time.
   */
  crash({ backBy = 0 }: { readonly backBy?: number } = {}): void {
    this.#endSessions('terminating connection because of crash of another server process');
    const earlier = this.#replayed - BigInt(backBy) * 8n;
    this.#replayed = earlier > 1_000n ? earlier : 1_000n;
    this.replayLater();
  }

  /** Accepts everything and answers nothing. */
  freeze(): void {
    this.#frozen ??= new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }

  /** Answers what has come in meanwhile. */
  thaw(): void {
    this.#thaw?.();
    this.#frozen = undefined;
  }

  /** One way of one message to or from this server. */
  async travel(): Promise<void> {
    await this.world.travel();
    await this.#frozen;
  }

  /** Refuses connections from now on, and ends those it has. */
  stop(): void {
    this.#isDown = true;
    this.#endSessions('terminating connection due to administrator command');
  }

  /** Accepts connections again. */
  start(): void {
    this.#isDown = false;
    this.#life += 1;
    this.replayLater();
  }

  #endSessions(reason: string): void {
    for (const session of [...this.sessions]) session.lose(new Error(reason));
  }
}

/** `set` writes, and what was refused by a replica; the other statements read. */
class MemoryClassifier implements StatementClassifier {
  readonly #writing = new Set(['set']);

  kindOf(text: string): StatementKind {
    return this.#writing.has(text) ? 'write' : 'read';
  }

  learn(text: string): void {
    this.#writing.add(text);
  }
}

/** The outbox of a world: registers like any other. */
class MemoryOutbox implements OutboxTable {
  readonly name = 'outbox';
  readonly #prefix: string;

  constructor(kit: string) {
    this.#prefix = `outbox ${kit} `;
  }

  async prepare(): Promise<void> {}

  insert(id: string, effects: string): Statement {
    return { text: 'set', params: [this.#prefix + id, effects] };
  }

  list(limit: number): Statement {
    return { text: 'rows', params: [this.#prefix, limit] };
  }

  find(ids: readonly string[]): Statement {
    return { text: 'rows', params: [this.#prefix, Number.POSITIVE_INFINITY, ids] };
  }

  lock(id: string): Statement {
    return { text: 'lock', params: [this.#prefix + id] };
  }

  update(id: string, effects: string): Statement {
    return this.insert(id, effects);
  }

  remove(ids: readonly string[]): Statement {
    return { text: 'remove', params: ids.map((id) => this.#prefix + id) };
  }
}

/** Connects to the servers of a world; their labels are the connection strings. */
export function createMemoryDriver(
  world: MemoryWorld,
  options: ResolvedDatabaseOptions,
  kernel: Kernel,
  fleet?: Fleet,
): DatabaseDriver {
  const budget = new ConnectionBudget({ options, fleet, logger: kernel.logger });
  return {
    classifier: new MemoryClassifier(),
    backend: (server) => world.server(server.connectionString ?? ''),
    pool: (backend, role, hooks) => new FencedPool(backend, { ...options.pool, role, budget }, hooks, kernel),
    outbox: () => new MemoryOutbox(kernel.keys.name),
    // The statement is the way to the server and back.
    ticks: () => ({
      take: async (connection, count) => {
        await connection.query({ text: 'get', params: ['ticks'] });
        return world.takeTicks(count);
      },
    }),
  };
}
