import { randomUUID } from 'node:crypto';
import { abortable } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import type { Fleet } from '../kernel/fleet.js';
import type { LaggardSource } from '../kernel/laggards.js';
import type { CachePosition, Token } from '../kernel/token.js';
import type { Follower } from './follower.js';
import type { MessageBus } from './ports.js';

/** What is asked once more when no answer has come: a question may be lost. */
const REPEAT_MS = 250;

/** What a roll call stands on. */
export interface RollCallInit {
  readonly clock: Clock;
  readonly follower: Pick<Follower, 'reach'>;
  /** Time after which nobody trusts copies in his memory who has not heard of an invalidation. */
  readonly trustMs: number;
  /** Absent: this process is alone. */
  readonly bus: MessageBus | undefined;
  readonly fleet: Fleet | undefined;
}

/**
 * Finds out whether every live instance has applied an invalidation.
 *
 * Asks over the same connections that announce invalidations, so an instance is asked after it was told, and answers once it has
 * caught up. Who does not answer has nothing that it could serve from its memory after the time for which it trusts it
 * unheard: so nobody is waited for longer.
 */
export class RollCall implements LaggardSource {
  readonly #init: RollCallInit;
  readonly #questions = new Map<string, Question>();
  readonly #subscriptions: { close(): Promise<void> }[] = [];

  constructor(init: RollCallInit) {
    this.#init = init;
  }

  async start(): Promise<void> {
    const { bus, fleet } = this.#init;
    if (bus === undefined || fleet === undefined) return;
    const listen = async (channel: string, hear: (words: readonly string[]) => void) => {
      const hearWords = (payload: Buffer) => hear(payload.toString('utf8').split(' '));
      this.#subscriptions.push(await bus.subscribe(channel, hearWords));
    };
    // Answers first: our own question is one that we answer.
    await listen(answersTo(bus, fleet.self), ([id = '', instance = '']) => {
      this.#questions.get(id)?.answered(instance);
    });
    await listen(bus.rollCalls, (words) => void this.#answer(words).catch(() => undefined)); // asked again
  }

  async caughtUp({ cache }: Token, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    // Two epochs are none that exists: nothing of either is served any more.
    const [position] = cache;
    if (position === undefined || cache.length > 1) return;
    const { bus, fleet, follower, clock, trustMs } = this.#init;
    if (bus === undefined || fleet === undefined)
      return void (await abortable(follower.reach(position), signal));
    const id = randomUUID();
    const question = new Question(fleet);
    this.#questions.set(id, question);
    const text = [id, fleet.self, position.sequence, encodeURIComponent(position.epoch)].join(' ');
    const ask = () => {
      question.look();
      bus.publish(bus.rollCalls, text).catch(() => undefined); // asked again
    };
    const repeated = clock.every(REPEAT_MS, ask);
    const distrusted = clock.after(trustMs, () => question.settle());
    try {
      ask();
      await abortable(question.settled, signal);
    } finally {
      this.#questions.delete(id);
      repeated[Symbol.dispose]();
      distrusted[Symbol.dispose]();
    }
  }

  async close(): Promise<void> {
    for (const question of this.#questions.values()) question.settle();
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close()));
  }

  async #answer([id = '', from = '', sequence = '', epoch = '']: readonly string[]): Promise<void> {
    const { bus, fleet, follower } = this.#init;
    if (bus === undefined || fleet === undefined) return;
    const position: CachePosition = { epoch: decodeURIComponent(epoch), sequence: Number(sequence) };
    if (await follower.reach(position)) await bus.publish(answersTo(bus, from), `${id} ${fleet.self}`);
  }
}

const answersTo = (bus: MessageBus, instance: string): string => `${bus.rollCalls}:${instance}`;

/** One question, and who has yet to answer. */
class Question {
  readonly settled: Promise<void>;
  readonly #fleet: Fleet;
  readonly #heard = new Set<string>();
  #settle: () => void = () => undefined;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  answered(instance: string): void {
    this.#heard.add(instance);
    this.look();
  }

  /** Who has gone meanwhile is not waited for. */
  look(): void {
    if (this.#fleet.instances().every((instance) => this.#heard.has(instance))) this.settle();
  }

  settle(): void {
    this.#settle();
  }
}
