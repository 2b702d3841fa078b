import { abortable } from '../kernel/abort.js';
import type { RequestContext } from '../kernel/context.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell, HistogramCell } from '../kernel/meter.js';
import { cacheToken, isEmptyToken, mergeTokens, type Token } from '../kernel/token.js';
import { type Refusal, refusals } from './admission.js';
import type { Loader } from './api.js';
import type { Backlog } from './backlog.js';
import type { Ride } from './batch.js';
import { type Call, chainAround, handOver } from './call.js';
import { Deadlines } from './deadlines.js';
import { Flight, type Landing } from './flight.js';
import type { Follower } from './follower.js';
import { Gate } from './gate.js';
import type { Lineage } from './lineage.js';
import { LoadChain } from './load-chain.js';
import { LoadRecord } from './load-record.js';
import { Lookout } from './lookout.js';
import { cacheInstruments } from './metrics.js';
import type { ResolvedCacheOptions } from './options.js';
import type { LoadStart, SharedLevel } from './ports.js';
import type { Reader } from './reader.js';
import type { CacheRules } from './rules.js';
import type { Shelf } from './shelf.js';
import { graceOf, keptMs, timesOf } from './staleness.js';

/** What loads stand on. */
export interface LoadsInit {
  readonly kernel: Kernel;
  readonly options: ResolvedCacheOptions;
  readonly level: SharedLevel;
  readonly reader: Reader;
  readonly follower: Follower;
  readonly backlog: Backlog;
  readonly shelf: Shelf;
  readonly lineage: Lineage;
  readonly rules: CacheRules;
  readonly random: () => number;
}

/** What a flight does; undefined where it has left its job to others. */
type Job = (flight: Flight) => Promise<Landing | undefined>;

/** Runs loaders: one per key and process wherever it can be shared, and about one per key among all instances. */
export class Loads {
  readonly #init: LoadsInit;
  readonly #gate: Gate;
  readonly #deadlines: Deadlines;
  readonly #lookout: Lookout;
  readonly #shared = new Map<string, Flight>();
  readonly #direct = new Map<string, Flight>();
  readonly #seconds: HistogramCell;
  readonly #loaded: CounterCell;
  readonly #joined: CounterCell;
  readonly #refused = new Map<Refusal, CounterCell>();

  constructor(init: LoadsInit) {
    const { meter } = init.kernel;
    this.#init = init;
    this.#gate = new Gate(init.options.maxLoads);
    this.#deadlines = new Deadlines(init.kernel.clock, init.options.loadTimeoutMs);
    this.#lookout = new Lookout(init);
    this.#seconds = meter.histogram(cacheInstruments.loadSeconds);
    this.#loaded = meter.counter(cacheInstruments.requests, { source: 'load' });
    this.#joined = meter.counter(cacheInstruments.requests, { source: 'join' });
    for (const reason of refusals) {
      this.#refused.set(reason, meter.counter(cacheInstruments.refusals, { reason }));
    }
  }

  /** Loads for everybody. */
  load(call: Call): Promise<unknown> {
    return this.#board(this.#shared, call, (flight) => this.#fly(flight, call, true));
  }

  /**
   * Loads what is still served, so that nobody has to wait for it later. Resolves to undefined where others are at it, in
   * this process or another.
   */
  async replace(call: Call): Promise<Landing | undefined> {
    if (this.#shared.get(call.key)?.isOpen) return undefined;
    const job: Job = (flight) => this.#fly(flight, call, false);
    return this.#begin(this.#shared, call, job).wait(call.signal);
  }

  /**
   * Loads past the cache: nothing is stored. Throttled, since the cache shields nobody: when Redis is away everybody comes
   * here at once, and when it has lost its data, everybody who has seen more than it knows.
   */
  direct(call: Call): Promise<unknown> {
    return this.#board(this.#direct, call, (flight) => this.#flyDirect(flight, call));
  }

  /** Joins the running load of the key if that is fresh enough, and does not wait for whoever asks; begins one otherwise. */
  async #board(flights: Map<string, Flight>, call: Call, job: Job): Promise<unknown> {
    const { key, tags, context, signal } = call;
    const { rules, backlog, follower } = this.#init;
    const chain = chainAround(context);
    chain?.assertNotWithin(this, key);
    const awaiting = (flight: Flight, outcome: Promise<Landing | undefined>) =>
      chain === undefined ? outcome : chain.awaiting(flight, outcome);
    for (let isFirst = true; ; isFirst = false) {
      const running = flights.get(key);
      const mayJoin = chain === undefined || !running?.isOpen || chain.mayAwait(running);
      if (running?.isOpen && mayJoin) {
        call.batch?.pass(key);
        const joined = running.join(
          (departure) =>
            rules.covers(departure, context.token, follower.positions, tags) &&
            !rules.isUnconfirmed(backlog, tags, running.stamp),
          signal,
        );
        const landing = await awaiting(running, joined);
        if (landing !== undefined && !(isFirst && this.#hasMoved(landing, tags))) {
          this.#joined.add();
          return handOver(call, landing);
        }
        if (flights.get(key) !== running) continue; // somebody has begun a newer one meanwhile
      }
      const flight = this.#begin(mayJoin ? flights : undefined, call, job);
      const landing = await awaiting(flight, flight.wait(signal));
      if (landing !== undefined) return handOver(call, landing);
    }
  }

  /**
   * Whether a tag that its joiner did not name has made a value old. Only of a load that was there before the joiner: one that
   * began after is new enough for him, whatever has been invalidated meanwhile.
   */
  #hasMoved(landing: Landing, named: readonly string[]): boolean {
    const { rules, follower } = this.#init;
    const late = landing.tags.filter((tag) => !named.includes(tag));
    return late.length > 0 && rules.check(follower.positions, late, landing.asOf) === 'moved';
  }

  /** Without `flights` nobody else comes to know of it. */
  #begin(flights: Map<string, Flight> | undefined, { key }: Call, job: Job): Flight {
    const { stamp } = this.#init.backlog;
    this.#loaded.add();
    const flight = new Flight({ key, stamp, isAside: flights === undefined }, (self) =>
      job(self).finally(() => {
        this.#deadlines.delete(self);
        if (flights?.get(key) === self) flights.delete(key);
      }),
    );
    flights?.set(key, flight);
    this.#deadlines.add(flight);
    return flight;
  }

  /** `isUrgent`: somebody waits, so that it may not be left to another instance for long. */
  async #fly(flight: Flight, call: Call, isUrgent: boolean): Promise<Landing | undefined> {
    const { follower } = this.#init;
    const lookout = this.#lookout;
    // Whoever holds the lease may be waiting for what is loaded aside.
    const lease = flight.isAside ? undefined : lookout.leaseOf(call);
    const settle = { release: () => lease && lookout.release(lease) };
    try {
      let start: LoadStart | undefined;
      try {
        let since = follower.now();
        const [begun, first] = await Promise.all([
          this.#start(call),
          lookout.look(flight, call, lease, isUrgent),
        ]);
        if (first === 'wait' && !isUrgent) return undefined;
        const looked = first === 'wait' ? await lookout.awaitOther(flight, call, lease) : first;
        if (typeof looked === 'object') return looked;
        start = begun;
        if (first === 'wait') {
          since = follower.now();
          start = await this.#start(call); // as late as can be: the value will be as new as this
        }
        if (!(await follower.meet(start.clock, since))) start = undefined;
      } catch (cause) {
        flight.signal.throwIfAborted();
        this.#init.kernel.logger.debug({ err: cause, key: call.key }, 'loading without the shared level');
        start = undefined;
      }
      if (start === undefined) return isUrgent ? await this.#flyDirect(flight, call) : undefined;
      return await this.#loadAndStore(flight, call, start, settle);
    } finally {
      settle.release();
    }
  }

  /** What must be known before a load begins; a batch asks for all of its own at once. */
  #start({ tags, batch }: Call): Promise<LoadStart> {
    return batch === undefined ? this.#init.level.begin(tags) : batch.inquiry.ask(tags);
  }

  async #loadAndStore(
    flight: Flight,
    call: Call,
    start: LoadStart,
    settle: { release: () => void },
    isAgain = false,
  ): Promise<Landing> {
    const { follower, shelf, lineage, random, rules } = this.#init;
    const { key, tags, lifetime } = call;
    const { clock } = start;
    follower.positions.learn(clock, tags, start.moves);
    const stamp = lineage.stamp(clock.epoch);
    const token = rules.raise(call.context.token, start);
    flight.depart({ epoch: clock.epoch, asOf: clock.sequence, token });
    const record = new LoadRecord(tags, rules);
    const value = await this.#run(flight, call, { record, token, isThrottled: start.inDoubt });
    const isNothing = value === undefined || (value === null && lifetime.negativeTtlMs > 0);
    const late = isNothing ? [] : (call.tagsOf?.(value) ?? []).filter((tag) => !tags.includes(tag));
    record.name(late);
    if (late.length > 0 && !isAgain) {
      const anew = await this.#startAnew(call, late, record, start);
      if (anew !== undefined) {
        return this.#loadAndStore(flight, { ...call, tags: [...tags, ...late] }, anew, settle, true);
      }
    }
    const seen = await this.#seenBy(record);
    const isOfOneHistory = stamp !== undefined && stamp === lineage.stamp(clock.epoch);
    const refusal = isOfOneHistory ? this.#refusal(record, start) : 'epoch';
    const isUnnamed = isNothing && call.tagsOf !== undefined; // nobody can tell what would end it
    const times = isUnnamed ? undefined : timesOf(value, call.lifetimeOf?.(value) ?? lifetime, random);
    if (refusal !== undefined || times === undefined) {
      this.#refused.get(refusal ?? 'empty')?.add();
      if (refusal === undefined && keptMs(graceOf(lifetime)) > 0) await shelf.drop(key);
      return { value, tags: record.tags, seen, asOf: clock.sequence, isStorable: refusal === undefined };
    }
    const asOf = rules.asOf(clock.sequence, follower.positions.applied);
    const from = { epoch: clock.epoch, asOf, tags: record.tags, seen };
    const payload = value === undefined ? undefined : shelf.encode(key, value);
    const { value: kept, stored } = shelf.put(key, payload, from, times);
    const { release } = settle;
    settle.release = () => void stored.then(release); // others look for the value when the lease ends
    return { value: kept, tags: record.tags, seen, asOf, isStorable: true };
  }

  /**
   * What a second load begins with, from the primary, where a tag that became known with the value demands more than was read,
   * or has moved since; undefined where the first one will do.
   */
  async #startAnew(
    call: Call,
    late: readonly string[],
    record: LoadRecord,
    { clock }: LoadStart,
  ): Promise<LoadStart | undefined> {
    const { follower, rules } = this.#init;
    call.batch?.stay(call.key);
    try {
      const asked = await this.#start({ ...call, tags: late });
      follower.positions.learn(asked.clock, late, asked.moves);
      const isValid = rules.check(follower.positions, late, clock.sequence) === 'valid';
      if (isValid && rules.coversWritten(record.bounds, asked)) return undefined;
      const since = follower.now();
      const start = await this.#start({ ...call, tags: [...call.tags, ...late] });
      return (await follower.meet(start.clock, since)) ? { ...start, inDoubt: true } : undefined;
    } catch (cause) {
      this.#init.kernel.logger.debug({ err: cause }, 'tags of a loaded value could not be asked about');
      record.taint();
      return undefined;
    }
  }

  /**
   * What the readers of a loaded value have seen with it. Where the load has told how much that can be, they have also seen
   * the writes whose invalidations were counted by now: nothing older may be shown to them.
   */
  async #seenBy({ seen }: LoadRecord): Promise<Token> {
    if (isEmptyToken(seen)) return seen;
    const reply = await this.#init.level.read([], []).catch(() => undefined);
    if (reply?.clock === undefined) return seen;
    const { epoch, sequence } = reply.clock;
    return mergeTokens(seen, cacheToken({ epoch, sequence }));
  }

  /** Why a loaded value may not be stored. */
  #refusal(record: LoadRecord, { clock, written, inDoubt }: LoadStart): Refusal | undefined {
    const { rules, follower, backlog } = this.#init;
    const { positions } = follower;
    if (!rules.isSameEpoch(clock.epoch, positions.epoch)) return 'epoch';
    if (!rules.isStorable(record.isStorable)) return 'nested';
    if (!rules.coversWritten(record.bounds, { written, inDoubt })) return 'behind';
    // Whoever read it would find it invalid: this only saves the storing.
    const asOf = rules.asOf(clock.sequence, positions.applied);
    const verdict = rules.check(positions, record.tags, asOf);
    if (verdict === 'moved' || verdict === 'unknown') return 'moved';
    return rules.isUnconfirmed(backlog, record.tags) ? 'moved' : undefined;
  }

  /** Loads without the shared level's help: shared by whoever needs nothing newer than its beginning, stored nowhere. */
  async #flyDirect(flight: Flight, call: Call): Promise<Landing> {
    const { follower, rules } = this.#init;
    const { positions } = follower;
    const { token } = call.context;
    const record = new LoadRecord(call.tags, rules);
    const asOf = positions.applied;
    flight.depart({ epoch: positions.epoch, asOf, token });
    const value = await this.#run(flight, call, { record, token, isThrottled: true });
    this.#refused.get('past')?.add();
    if (value !== undefined) record.name(call.tagsOf?.(value) ?? []);
    const seen = await this.#seenBy(record);
    return { value, tags: record.tags, seen, asOf, isStorable: false };
  }

  #run(flight: Flight, call: Call, terms: Omit<Ride, 'flights' | 'signal'>): Promise<unknown> {
    const ride = { ...terms, flights: [flight], signal: flight.signal };
    return call.batch === undefined ? this.run(call, ride) : call.batch.load(call.key, ride);
  }

  /** Runs a loader on behalf of a context. */
  async run<T>(
    { context: caller, load }: { readonly context: RequestContext; readonly load: Loader<T> },
    { record, token, signal, isThrottled, flights }: Ride,
  ): Promise<T> {
    const { contexts, clock } = this.#init.kernel;
    // A nested load must not wait for room that the load around it holds.
    const room = isThrottled && caller.load === undefined ? await this.#gate.enter(signal) : undefined;
    const startedAt = clock.monotonic();
    const keys = flights.map(({ key }) => key);
    const chain = new LoadChain(this, keys, chainAround(caller));
    record.chain = chain;
    for (const flight of flights) flight.carrier = chain;
    try {
      const context = contexts.openLoad({ id: caller.id, signal, token }, record);
      const loading = contexts.run(context, async () => load({ signal }));
      return await abortable(loading, signal); // a loader that ignores its signal keeps nobody
    } finally {
      chain.end();
      this.#seconds.record((clock.monotonic() - startedAt) / 1_000);
      room?.[Symbol.dispose]();
    }
  }
}
