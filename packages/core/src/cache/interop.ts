import { randomUUID } from 'node:crypto';
import { deadline } from '../kernel/abort.js';
import type { Histories } from '../kernel/histories.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import type { DbPosition } from '../kernel/token.js';
import type { Backlog } from './backlog.js';
import type { Follower } from './follower.js';
import { parseMessage, type ResolvedInteropOptions } from './interop-messages.js';
import { cacheInstruments } from './metrics.js';
import { checkTags } from './names.js';
import type { MessageBus, SharedLevel } from './ports.js';

/** Within this time one instance begins to invalidate for all that have heard a message: long enough for the others to hear of it. */
const SPREAD_MS = 20;
/** How long another instance is believed to be at it. */
const CLAIM_MS = 2_000;
/** Pause after an attempt that came to nothing. */
const RETRY_MS = 250;
/** How long a database may take to say how far it is. */
const ASK_MS = 1_000;
/** Tags waiting; with more, everything counts as invalidated. */
const MAX_WAITING = 10_000;

/** What interoperation stands on. */
export interface InteropInit {
  readonly options: ResolvedInteropOptions;
  readonly bus: MessageBus;
  readonly kernel: Kernel;
  readonly level: SharedLevel;
  readonly follower: Follower;
  readonly backlog: Backlog;
  readonly histories: Histories | undefined;
  readonly random: () => number;
}

/** What was asked to be invalidated: tags, each with the number of the last message that named it. */
type Asked = ReadonlyMap<string, number>;

/** One instance's word that it invalidates for all. */
interface Claim {
  /** Monotonic instant. */
  readonly at: number;
  /** What it covers here: of what was heard before it. */
  readonly asked: Asked;
}

/**
 * Invalidates what services outside the fleet say has changed, and tells them what the fleet has invalidated.
 *
 * Every instance hears a message and bars its tags at once. One of them invalidates for all: it claims so first, so that
 * who has heard the claim behind a message knows that this write was committed before the claimant asks the databases
 * how far they are. A claim that nobody makes good leaves its tags to the others. Nothing here outlasts a lost message: Pub/Sub
 * delivers at most once.
 */
export class Interop {
  readonly #init: InteropInit;
  readonly #subscriptions: { close(): Promise<void> }[] = [];
  readonly #counters: Readonly<Record<MessageOutcome, CounterCell>>;
  readonly #waiting = new Map<string, number>();
  readonly #claims = new Map<string, Claim>();
  #messages = 0;
  #timer: Disposable | undefined;
  #isClosed = false;

  constructor(init: InteropInit) {
    const counter = (outcome: MessageOutcome) =>
      init.kernel.meter.counter(cacheInstruments.interopMessages, { outcome });
    this.#init = init;
    this.#counters = {
      accepted: counter('accepted'),
      malformed: counter('malformed'),
      own: counter('own'),
      sent: counter('sent'),
      lost: counter('lost'),
    };
  }

  async start(): Promise<void> {
    const { bus, options: interop } = this.#init;
    if (!interop.accept) return;
    const hear = (payload: Buffer) => this.#counters[this.#hear(payload)].add();
    const heed = (payload: Buffer) => this.#heed(payload.toString('utf8'));
    // Claims first: a message that is heard without them would be carried out by everybody.
    this.#subscriptions.push(await bus.subscribe(bus.claims, heed));
    this.#subscriptions.push(await bus.subscribe(interop.channel, hear));
  }

  /** Tells others what was invalidated in this fleet; never rejects, and nobody waits for it. */
  send(tags: readonly string[]): void {
    const { options, bus, kernel } = this.#init;
    if (!options.send) return;
    const send = async (tag: string) => {
      const message = options.messageOf(tag);
      if (message === undefined) return;
      // Who hears itself must know it: `origin` is what tells our own messages from those of others.
      await bus.publish(options.channel, JSON.stringify({ ...message, origin: kernel.keys.name }));
      this.#counters.sent.add();
    };
    for (const tag of tags) send(tag).catch(() => this.#counters.lost.add());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close()));
  }

  /** Takes a message in, and tells what became of it. */
  #hear(payload: Buffer): MessageOutcome {
    const { options, kernel } = this.#init;
    const message = parseMessage(payload);
    if (message === undefined) return 'malformed';
    if ('origin' in message && message.origin === kernel.keys.name) return 'own';
    try {
      const tags = checkTags(options.tagsOf(message));
      if (tags.length === 0) return 'malformed';
      this.#wait(tags);
      return 'accepted';
    } catch (cause) {
      kernel.logger.warn({ err: cause }, `a message on "${options.channel}" names no tags`);
      return 'malformed';
    }
  }

  #wait(tags: readonly string[]): void {
    const { backlog, random } = this.#init;
    if (this.#waiting.size + tags.length > MAX_WAITING) {
      backlog.add({ tags: [...this.#waiting.keys(), ...tags], written: [], settles: [] });
      return;
    }
    backlog.bar(tags);
    this.#messages += 1;
    for (const tag of tags) this.#waiting.set(tag, this.#messages);
    this.#later(SPREAD_MS * random());
  }

  #later(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#init.kernel.clock.after(delayMs, () => {
      this.#timer = undefined;
      void this.#carryOut();
    });
  }

  /** Invalidates for all instances what none of them has claimed. */
  async #carryOut(): Promise<void> {
    const { bus, level, follower, kernel } = this.#init;
    const asked = this.#unclaimed();
    const tags = [...asked.keys()];
    let pauseMs = CLAIM_MS;
    if (tags.length > 0) {
      const id = randomUUID();
      this.#claims.set(id, { at: kernel.clock.monotonic(), asked });
      try {
        await bus.publish(bus.claims, `claim ${id} ${JSON.stringify(tags)}`);
        const written = await this.#positions();
        follower.hear(await level.invalidate({ tags, written, settles: [] }), tags);
        this.#release(asked);
        await bus.publish(bus.claims, `done ${id}`);
      } catch (cause) {
        kernel.logger.debug(
          { err: cause, tags: tags.length },
          'what another service has said is tried again',
        );
        pauseMs = RETRY_MS;
      }
      this.#claims.delete(id);
    }
    if (this.#waiting.size > 0) this.#later(pauseMs);
  }

  /** What is waiting and covered by nobody's claim, as far as claims are still believed. */
  #unclaimed(): Asked {
    const since = this.#init.kernel.clock.monotonic() - CLAIM_MS;
    for (const [id, { at }] of this.#claims) if (at < since) this.#claims.delete(id);
    const claims = [...this.#claims.values()];
    const isClaimed = (tag: string, message: number) =>
      claims.some(({ asked }) => asked.get(tag) === message);
    return new Map([...this.#waiting].filter(([tag, message]) => !isClaimed(tag, message)));
  }

  /** Notes who invalidates what, and that it is done: by then the announcement has gone before. */
  #heed(text: string): void {
    const [, verb, id = '', list = '[]'] = /^(claim|done) (\S+)(?: (\[.*\]))?$/s.exec(text) ?? [];
    if (verb === 'claim' && !this.#claims.has(id)) {
      const waiting = (JSON.parse(list) as string[]).flatMap((tag) => {
        const message = this.#waiting.get(tag);
        return message === undefined ? [] : [[tag, message] as const];
      });
      this.#claims.set(id, { at: this.#init.kernel.clock.monotonic(), asked: new Map(waiting) });
    } else if (verb === 'done') {
      this.#release(this.#claims.get(id)?.asked ?? new Map());
      this.#claims.delete(id);
    }
  }

  #release(asked: Asked): void {
    for (const [tag, message] of asked) {
      if (this.#waiting.get(tag) !== message) continue; // it was asked for again
      this.#waiting.delete(tag);
      this.#init.backlog.unbar(tag);
    }
  }

  /** How far the databases are: what others have told of was committed before. */
  async #positions(): Promise<readonly DbPosition[]> {
    const { histories, kernel } = this.#init;
    const late = () => new Error(`no answer within ${ASK_MS} ms`);
    const limit = deadline(kernel.clock, ASK_MS, late);
    try {
      const sources = [...(histories?.sources ?? [])];
      return await Promise.all(sources.map((source) => source.position({ signal: limit.signal })));
    } finally {
      limit[Symbol.dispose]();
    }
  }
}

type MessageOutcome = 'accepted' | 'malformed' | 'own' | 'sent' | 'lost';
