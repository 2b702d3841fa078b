import { randomBytes } from 'node:crypto';
import type { Signalled } from '../../kernel/abort.js';
import type { Clock } from '../../kernel/clock.js';
import { messageOf } from '../../kernel/errors.js';
import type { Logger } from '../../kernel/logger.js';
import { SingleFlight } from '../../kernel/single-flight.js';
import type { Beating, Pulse } from '../hub/pulse.js';
import type { RealtimeMetrics } from '../realtime-metrics.js';
import { Deliveries } from './deliveries.js';
import type { PresenceLease, PresencePage, PresenceStore } from './ports.js';
import { infoOf, memberOf, type Present } from './presence.js';
import { Crowd, type Errand, Stay, type StayHost } from './stay.js';

/** What a roster stands on. */
export interface RosterInit {
  readonly store: PresenceStore;
  readonly clock: Clock;
  readonly pulse: Pulse;
  readonly logger: Logger;
  readonly metrics: RealtimeMetrics;
  /** Time from the end of a stay until the others are told. */
  readonly leaveMs: number;
  readonly leaseMs: number;
  readonly maxInfoBytes: number;
}

/** Time after which a store that did not answer is asked again, at most. */
const MAX_RETRY_MS = 1_000;
/** Time after which everything is told again, so that nothing of a stay that lasts for days expires. */
const REPEAT_MS = 21_600_000;

/**
 * Who of this instance's connections is present where, and the one that sees to it that the store knows.
 *
 * What is wanted is kept here, and told until the store has it; to tell it twice changes nothing. Whatever makes it doubtful
 * that the store has all of it (an answer that did not come, another server, a lease that ended while this process stood
 * still) has one cure: everything is told again. Asleep until somebody is present, or asks who is.
 */
export class Roster implements Beating, StayHost {
  slot = 0;
  readonly #init: RosterInit;
  readonly #lease: PresenceLease;
  readonly #deliveries: Deliveries;
  readonly #crowds = new Map<string, Crowd>();
  /** Of each open connection, by channel. */
  readonly #stays = new Map<object, Map<string, Stay>>();
  /** No longer than between renewals: whoever is late by one of those may be taken for dead. */
  readonly #retryMs: number;
  #rows = 0;
  #size = 0;
  #isAwake = false;
  #isClosed = false;
  /** Whether the store has given this life a lease. */
  #hasLease = false;
  /** The store may lack something of what it was told. */
  #isInDoubt = false;
  #repeatAt = 0;
  #sweepsFrom = 0;
  readonly #sweeps = new SingleFlight<string, void>();

  constructor(init: RosterInit) {
    this.#init = init;
    this.#lease = { life: randomBytes(9).toString('base64url'), leaseMs: init.leaseMs };
    this.#retryMs = Math.min(MAX_RETRY_MS, init.leaseMs / 3);
    this.#deliveries = new Deliveries({
      store: init.store,
      life: this.#lease.life,
      onDone: (errands) => this.#done(errands),
      onRefused: () => void this.#renew(),
      onFailure: (cause) => this.#failed(cause),
    });
  }

  get now(): number {
    return this.#init.pulse.now;
  }

  /** Stays that this instance answers for: connections, once for each channel. */
  get size(): number {
    return this.#size;
  }

  /** Begins to keep a lease, and to sweep what dead instances left behind. */
  wake(): void {
    if (this.#isAwake || this.#isClosed) return;
    this.#isAwake = true;
    this.#repeatAt = this.now + REPEAT_MS;
    this.#init.pulse.schedule(this, this.beat());
  }

  /**
   * A connection is present on a channel from now on.
   *
   * @throws `InvalidPresenceError`: it is not.
   */
  enter(owner: object, channel: string, present: Present = {}): void {
    const member = memberOf(present, this.#init.maxInfoBytes);
    if (this.#isClosed) return;
    this.wake();
    const stays = this.#stays.get(owner) ?? new Map<string, Stay>();
    this.#stays.set(owner, stays);
    const before = stays.get(channel);
    if (before !== undefined && before.user === member.user) {
      before.leavesAt = undefined; // it left a moment ago
      this.#init.pulse.remove(before);
      this.#show(before, member.info);
      return;
    }
    if (before !== undefined) this.expired(before);
    const crowd = this.#crowds.get(channel) ?? new Crowd(channel);
    this.#crowds.set(channel, crowd);
    const row = `${this.#lease.life}.${(++this.#rows).toString(36)}`;
    const stay = new Stay(this, crowd, stays, row, member);
    stays.set(channel, stay);
    crowd.stays.add(stay);
    this.#size++;
    this.#deliveries.bring(stay, 'enter');
  }

  /**
   * Changes what is shown of the connection's user; false where none is listed for it.
   *
   * @throws `InvalidPresenceError`: nothing has changed.
   */
  update(owner: object, channel: string, info: unknown): boolean {
    const json = infoOf(info, this.#init.maxInfoBytes);
    const stay = this.#stays.get(owner)?.get(channel);
    if (stay?.user === undefined || stay.leavesAt !== undefined) return false;
    this.#show(stay, json);
    return true;
  }

  /** The connection has left a channel; the others are told when it has not come back in time. */
  leave(owner: object, channel: string): void {
    const stay = this.#stays.get(owner)?.get(channel);
    if (stay !== undefined) this.#part(stay, this.#init.leaveMs);
  }

  /** The connection has ended; its client was told to wait so long, at most, before it comes back. */
  ended(owner: object, comesBackMs: number): void {
    const stays = this.#stays.get(owner);
    if (stays === undefined) return;
    this.#stays.delete(owner); // what is left of it need not hold the connection in memory
    for (const stay of stays.values()) this.#part(stay, this.#init.leaveMs + comesBackMs);
  }

  expired(stay: Stay): void {
    const { crowd, siblings } = stay;
    if (siblings.get(crowd.channel) === stay) siblings.delete(crowd.channel);
    this.#init.pulse.remove(stay);
    stay.isOver = true;
    this.#deliveries.bring(stay, 'leave');
  }

  /** Who is on a channel; what dead instances left behind is swept first. */
  async read(channel: string, limit: number, { signal }: Signalled = {}): Promise<PresencePage> {
    this.wake();
    const { store } = this.#init;
    const page = await store.read(channel, limit, { signal });
    if (!page.hasEnded) return page;
    await this.#sweep(await this.#renewLease(signal), signal);
    return await store.read(channel, limit, { signal });
  }

  /** The store answers again, or another one does in its place. */
  onRestored(): void {
    if (!this.#isAwake || this.#isClosed) return;
    this.#isInDoubt = true;
    void this.#renew();
  }

  beat(): number {
    void this.#renew();
    return this.#deliveries.isHeld ? this.#retryMs : this.#lease.leaseMs / 3;
  }

  /**
   * Hands over: what is left of the stays of this instance counts for as long as their clients have to come back, to
   * another instance. Idempotent; never rejects.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deliveries.hold();
    const { clock, pulse, store } = this.#init;
    pulse.remove(this);
    const now = clock.monotonic();
    let leaseMs = 0;
    for (const { stays } of this.#crowds.values()) {
      for (const stay of stays) {
        pulse.remove(stay);
        leaseMs = Math.max(leaseMs, Math.ceil((stay.leavesAt ?? now) - now));
      }
    }
    if (this.#isAwake) await store.renew({ ...this.#lease, leaseMs }).catch(() => undefined);
  }

  #show(stay: Stay, info: string | undefined): void {
    if (stay.info === info) return;
    stay.info = info;
    this.#deliveries.bring(stay, 'update');
  }

  #part(stay: Stay, afterMs: number): void {
    if (stay.leavesAt !== undefined) return;
    stay.leavesAt = this.#init.clock.monotonic() + afterMs;
    this.#init.pulse.schedule(stay, afterMs);
  }

  #done(errands: readonly Errand[]): void {
    for (const { stay, change } of errands) {
      if (change.kind !== 'leave') continue;
      const { crowd } = stay;
      if (crowd.stays.delete(stay)) this.#size--;
      if (crowd.stays.size === 0 && this.#crowds.get(crowd.channel) === crowd)
        this.#crowds.delete(crowd.channel);
    }
  }

  /** Whether others may have taken this instance for dead, and its rows away. */
  #hasLapsed(held: boolean): boolean {
    const hadLease = this.#hasLease;
    this.#hasLease = true;
    return hadLease && !held;
  }

  #failed(cause: unknown): void {
    if (this.#isClosed) return;
    this.#init.logger.debug({ err: cause }, `presence waits: ${messageOf(cause)}`);
    this.#init.pulse.schedule(this, this.#retryMs);
  }

  #tellAll(): void {
    for (const crowd of this.#crowds.values()) this.#deliveries.bringAll(crowd);
  }

  /** Never rejects. */
  async #renew(): Promise<void> {
    try {
      await this.#sweep(await this.#renewLease());
    } catch (cause) {
      this.#isInDoubt = true; // it may have been carried out, and would have said that the lease had ended
      this.#deliveries.hold();
      this.#failed(cause);
    }
  }

  /** Renews the lease, and tells everything again if need be; answers with whom to sweep. */
  async #renewLease(signal?: AbortSignal): Promise<readonly string[]> {
    const { store, pulse } = this.#init;
    const { held, ended } = await store.renew(this.#lease, { signal });
    if (this.#isClosed) return [];
    const wasAway = this.#hasLapsed(held) || this.#isInDoubt;
    // Others may have been cut off together with us, and need the time between two renewals to say that they live.
    if (wasAway) this.#sweepsFrom = pulse.now + this.#lease.leaseMs / 2;
    if (wasAway || pulse.now >= this.#repeatAt) {
      this.#isInDoubt = false;
      this.#repeatAt = pulse.now + REPEAT_MS;
      this.#tellAll();
    }
    if (this.#deliveries.isHeld) this.#deliveries.resume();
    return pulse.now < this.#sweepsFrom ? [] : ended;
  }

  /** Removes what dead lives left behind. */
  async #sweep(lives: readonly string[], signal?: AbortSignal): Promise<void> {
    for (const life of lives) await this.#sweeps.run(life, (given) => this.#sweepLife(life, given), signal);
  }

  async #sweepLife(life: string, signal: AbortSignal): Promise<void> {
    const { store, metrics, logger } = this.#init;
    const removed = await store.sweep(life, { signal });
    if (removed === 0) return; // another instance was faster
    metrics.swept.add(removed);
    logger.info(
      { removed },
      `an instance has gone: ${removed} of its connections left the lists they were on`,
    );
  }
}
