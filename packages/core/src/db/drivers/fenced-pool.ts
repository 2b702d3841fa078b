import genericPool from 'generic-pool';
import { abortable, type Signalled } from '../../kernel/abort.js';
import type { Clock } from '../../kernel/clock.js';
import { ClosedError, messageOf, PandoError } from '../../kernel/errors.js';
import type { Kernel } from '../../kernel/kernel.js';
import type { ConnectionBudget } from '../connection-budget.js';
import { DatabaseUnreachableError, PoolOverloadedError } from '../errors.js';
import type { ResolvedDatabaseOptions } from '../options.js';
import type { AcquireOptions, Backend, Connection, Lane, Lease, Pool, PoolHooks, Role } from '../ports.js';
import { isFull, sqlStateOf } from '../sql-state.js';
import { Admission } from './admission.js';
import { PoolLimit } from './pool-limit.js';
import { PoolMeters } from './pool-meters.js';
import { Slot } from './slot.js';
import { SlotLease } from './slot-lease.js';

/** Limits of one pool. */
export type FencedPoolOptions = ResolvedDatabaseOptions['pool'] & {
  readonly role: Role;
  /** Says how many connections it may have; absent: what its size and overflow allow. */
  readonly budget?: ConnectionBudget | undefined;
};

/** Why a connection is closed. */
type Discard = 'unfit' | 'unsound' | 'idle' | 'surplus';

/** How often idle connections are looked at. */
const sweepMs = 1_000;
/** Connections beyond the pool's size are kept this long for the next burst: opening one costs milliseconds. */
const overflowLingerMs = 1_000;
/** How long an idle connection may take to prove itself. */
const validateTimeoutMs = 1_000;
/** How long a connection may take to become fit for the next borrower. */
const settleTimeoutMs = 5_000;
const retryFromMs = 50;
const retryUpToMs = 1_000;

/**
 * generic-pool behind a fence.
 *
 * It keeps the slots and hands them out, last used first. What it does badly never reaches it: it opens
 * no connection (its reaction to a failing one is to try again at once, without end, and to keep the
 * cause to itself), it never queues, and it never decides what is worth keeping.
 */
export class FencedPool implements Pool {
  readonly #backend: Backend;
  readonly #options: FencedPoolOptions;
  readonly #hooks: PoolHooks;
  readonly #clock: Clock;
  readonly #slots: genericPool.Pool<Slot>;
  readonly #admission: Admission<Slot>;
  /** Slots that hold a connection, borrowed or not. */
  readonly #open = new Set<Slot>();
  readonly #idle = new Set<Slot>();
  /** Connections that are being made. */
  readonly #attempts = new Set<AbortController>();
  readonly #sweeper: Disposable;
  readonly #meters: PoolMeters;
  readonly #ceiling: PoolLimit;
  #closing: Promise<void> | undefined;
  /** After a refused connection only one attempt at a time is made, and none before `retryAt`. */
  #refusals = 0;
  #refusedBy: unknown;
  #retryAt = 0;
  #isRetrying = false;

  constructor(backend: Backend, options: FencedPoolOptions, hooks: PoolHooks, { clock, meter }: Kernel) {
    this.#backend = backend;
    this.#options = options;
    this.#hooks = hooks;
    this.#clock = clock;
    const max = options.size + options.overflow;
    this.#ceiling = new PoolLimit({ server: backend.label, max, budget: options.budget });
    this.#slots = genericPool.createPool(
      { create: async () => new Slot(this.#hooks), destroy: (slot) => slot.close() },
      { max, min: 0, fifo: false, autostart: false },
    );
    this.#admission = new Admission<Slot>({
      max,
      maxWaiting: options.maxWaiting,
      timeoutMs: options.acquireTimeoutMs,
      clock,
      overloaded: (waiting, waitedMs) => this.#overloaded(waiting, waitedMs),
    });
    this.#sweeper = clock.every(sweepMs, () => this.#sweep());
    this.#meters = new PoolMeters(meter, backend.label, this);
  }

  get inUse(): number {
    return this.#admission.inUse;
  }

  get idle(): number {
    return this.#idle.size;
  }

  get waiting(): number {
    return this.#admission.waiting;
  }

  get waitedMs(): number {
    return this.#admission.waitedMs;
  }

  /** How many connections it may have now. */
  get limit(): number {
    return this.#admission.max;
  }

  acquire(options: AcquireOptions): Promise<Lease> {
    return this.#acquire(options, false, this.#clock.monotonic());
  }

  reachable(): void {
    this.#refusals = 0;
    this.#retryAt = 0;
  }

  sever(): void {
    const reason = new Error('the server has fallen silent');
    for (const attempt of this.#attempts) attempt.abort(reason);
    for (const slot of this.#open) slot.connection?.destroy();
    this.#retireIdle();
  }

  async unused({ signal }: Signalled = {}): Promise<void> {
    await abortable(this.#admission.empty(), signal);
  }

  close(options: Signalled = {}): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async #close({ signal }: Signalled): Promise<void> {
    this.#admission.close(this.#closed());
    this.#sweeper[Symbol.dispose]();
    try {
      await this.unused({ signal });
      await this.#slots.drain();
      await this.#slots.clear();
    } catch {
      // Nobody waits for borrowers any more: their statements reject, their slots are never used again.
      for (const slot of this.#open) slot.destroy();
      for (const attempt of this.#attempts) attempt.abort(this.#closed());
    }
    this.#open.clear();
    this.#idle.clear();
    this.#meters[Symbol.dispose]();
  }

  async #acquire(options: AcquireOptions, isBack: boolean, askedAt: number): Promise<Lease> {
    if (this.#closing) throw this.#closed();
    const began = this.#clock.monotonic();
    const handed = await this.#admission.enter(options, isBack);
    try {
      const slot = await this.#furnished(options.signal, handed);
      const lentAt = this.#clock.monotonic();
      this.#meters.waitSeconds.record((lentAt - askedAt) / 1_000);
      options.trail?.lent(this.#backend.label, lentAt - askedAt);
      return new SlotLease(slot, () => {
        this.#meters.useSeconds.record((this.#clock.monotonic() - lentAt) / 1_000);
        this.#release(slot, options);
      });
    } catch (error) {
      const hasNoMore = isFull(sqlStateOf(error));
      // Others hold the connections that the server has for this pool: there is something to wait for.
      const mayWait = hasNoMore && this.#open.size + this.#attempts.size > 0;
      if (mayWait) {
        this.#ceiling.refusedBeside(this.#open.size);
        this.#keepToLimit();
      }
      this.#admission.leave(options.lane);
      if (!mayWait) throw hasNoMore ? this.#refused(error) : error;
      const { timeoutMs = this.#options.acquireTimeoutMs } = options;
      const waitedMs = this.#clock.monotonic() - began;
      return this.#acquire({ ...options, timeoutMs: timeoutMs - waitedMs }, true, askedAt);
    }
  }

  #closed(): ClosedError {
    return new ClosedError(`The pool of ${this.#backend.label}`);
  }

  /** A slot with a connection that is worth handing out: the one that came with the place, if it still is. */
  async #furnished(signal: AbortSignal | undefined, handed: Slot | undefined): Promise<Slot> {
    if (handed !== undefined) {
      if (handed.isFit(this.#clock.monotonic())) return handed;
      this.#discard(handed, 'unfit');
    }
    for (;;) {
      signal?.throwIfAborted();
      const slot = await this.#slots.acquire(); // at once: whoever was admitted has a slot
      this.#idle.delete(slot);
      if (slot.connection === undefined && !slot.isSpent) {
        await this.#connect(slot, signal).catch((error) => {
          this.#discard(slot, 'unconnected');
          throw error;
        });
        return slot;
      }
      if (await this.#isSound(slot, signal)) return slot;
      this.#discard(slot, 'unsound');
    }
  }

  /** Idle for long means that a firewall, a pooler or the server may have forgotten the connection without a word. */
  async #isSound(slot: Slot, signal: AbortSignal | undefined): Promise<boolean> {
    const now = this.#clock.monotonic();
    if (!slot.isFit(now)) return false;
    const { validateIdleMs } = this.#options;
    if (validateIdleMs === false || now - slot.idleSince <= validateIdleMs) return true;
    const limit = this.#clock.after(validateTimeoutMs, () => slot.destroy());
    try {
      await abortable(slot.prove(), signal);
      return true;
    } catch {
      // Where one has died, its neighbours have too: they leave before the next borrower tries them.
      if (!signal?.aborted) this.#retireIdle();
      return false;
    } finally {
      limit[Symbol.dispose]();
    }
  }

  async #connect(slot: Slot, signal: AbortSignal | undefined): Promise<void> {
    const isRetry = this.#refusals > 0;
    if (isRetry && (this.#isRetrying || this.#clock.monotonic() < this.#retryAt)) {
      throw this.#unreachable(this.#refusedBy);
    }
    this.#isRetrying = isRetry;
    const attempt = new AbortController();
    const giveUp = () => attempt.abort(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    this.#attempts.add(attempt);
    const began = this.#clock.monotonic();
    try {
      const connection = await this.#backend.connect({ signal: attempt.signal, onLost: slot.onLost });
      this.#meters.connectSeconds.record((this.#clock.monotonic() - began) / 1_000);
      const objection = this.#closing ? this.#closed() : this.#hooks.objection(connection.greeting);
      if (objection !== undefined) {
        connection.destroy();
        throw objection;
      }
      this.#accept(slot, connection);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw isFull(sqlStateOf(error)) ? error : this.#refused(error);
    } finally {
      signal?.removeEventListener('abort', giveUp);
      this.#attempts.delete(attempt);
      if (isRetry) this.#isRetrying = false;
    }
  }

  #accept(slot: Slot, connection: Connection): void {
    const now = this.#clock.monotonic();
    // Give or take a tenth, so that connections which were opened together are not replaced together.
    slot.furnish(connection, now, now + this.#options.recycleMs * (0.9 + Math.random() * 0.2));
    this.#open.add(slot);
    this.#ceiling.opened(this.#open.size, connection.capacity);
    this.#keepToLimit();
    this.#meters.connected.add();
    this.reachable();
  }

  #refused(cause: unknown): Error {
    this.#meters.unconnected.add();
    this.#refusedBy = cause;
    const pauseMs = Math.min(retryFromMs * 2 ** this.#refusals++, retryUpToMs);
    this.#retryAt = this.#clock.monotonic() + pauseMs;
    return this.#unreachable(cause);
  }

  #unreachable(cause: unknown): Error {
    this.#meters.refused('unreachable').add();
    if (cause instanceof PandoError) return cause;
    const { role } = this.#options;
    const option = role === 'primary' ? 'db.primary' : 'db.replicas';
    return new DatabaseUnreachableError(
      `Cannot connect to the ${role} ${this.#backend.label}: ${messageOf(cause)}. Start Postgres there, or correct ${option}.`,
      cause,
    );
  }

  #overloaded(waiting: number, waitedMs: number | undefined): PoolOverloadedError {
    this.#meters.refused(waitedMs === undefined ? 'full' : 'timeout').add();
    const connections = `${this.limit} connections to ${this.#options.role} ${this.#backend.label}`;
    return new PoolOverloadedError(connections, { waiting, waitedMs });
  }

  #release(slot: Slot, { lane }: AcquireOptions): void {
    if (slot.connection?.isIdle && !slot.isChanged) {
      this.#handOn(slot, lane);
      return;
    }
    // A statement that has failed may not have ended yet: its error arrives before the server is ready again.
    const limit = this.#clock.after(settleTimeoutMs, () => slot.destroy());
    void slot.settle().then(() => {
      limit[Symbol.dispose]();
      this.#handOn(slot, lane);
    });
  }

  /** From hand to hand while others wait: under load nothing is put away only to be fetched again. */
  #handOn(slot: Slot, lane: Lane): void {
    const isFit = !this.#closing && slot.connection?.isIdle && slot.isFit(this.#clock.monotonic());
    if (!isFit || this.#hasSurplus) {
      this.#discard(slot, isFit ? 'surplus' : 'unfit');
      this.#admission.leave(lane);
    } else if (!this.#admission.leave(lane, slot)) {
      this.#shelve(slot);
    }
  }

  #shelve(slot: Slot): void {
    slot.idleSince = this.#clock.monotonic();
    this.#idle.add(slot);
    void this.#slots.release(slot);
  }

  /** Gives up a borrowed slot together with what it holds. */
  #discard(slot: Slot, reason: 'unconnected' | Discard): void {
    this.#open.delete(slot);
    if (reason !== 'unconnected') this.#meters.discarded(reason).add();
    void this.#slots.destroy(slot);
  }

  get #hasSurplus(): boolean {
    return this.#open.size > this.limit;
  }

  /** The share of this instance changes when others come and go. */
  #keepToLimit(): void {
    const { value } = this.#ceiling;
    if (value === this.limit) return;
    this.#admission.resize(value);
    for (const slot of this.#idle) if (this.#hasSurplus) this.#retire(slot, 'surplus');
  }

  #sweep(): void {
    this.#ceiling.ease();
    this.#keepToLimit();
    const now = this.#clock.monotonic();
    for (const slot of this.#idle) {
      const idleMs = now - slot.idleSince;
      const isOverflow = this.#open.size > this.#options.size && idleMs >= overflowLingerMs;
      if (!slot.isFit(now)) this.#retire(slot, 'unfit');
      else if (isOverflow || idleMs >= this.#options.idleMs) this.#retire(slot, 'idle');
    }
  }

  #retireIdle(): void {
    for (const slot of this.#idle) this.#retire(slot, 'unsound');
  }

  /** Closes an idle slot's connection where it lies; the husk is thrown away when it comes up. */
  #retire(slot: Slot, reason: Discard): void {
    this.#idle.delete(slot);
    this.#open.delete(slot);
    this.#meters.discarded(reason).add();
    void slot.close();
  }
}
