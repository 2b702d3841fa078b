import { setTimeout as delay } from 'node:timers/promises';
import { emptyToken, mergeTokens, type Token } from '@pando/core';
import type { RequestContext } from '../../../packages/core/src/kernel/context.js';
import { Known } from '../known.js';
import { type CacheInstance, trustMs } from './instance.js';
import type { CacheSite } from './site.js';
import { tagsOfWrite, type View, views } from './views.js';
import { groups, type Level, type Reading, type World } from './world.js';

/** What readers without a token are shown is no older than that. */
export const boundMs = 2 * trustMs;
/** Unconfirmed invalidations of an instance that has died keep a client from every cache: another comes in his place. */
const maxPending = 3;

/** How clients behave. */
export interface Manners {
  /** Whether what was read may not go back either. */
  readonly isMonotonic: boolean;
  /** Whether databases show less than was written. Where they do not, invalidations hold at once where they were made. */
  readonly isReplicaLate: boolean;
  /** Share of the requests that write. */
  readonly writeRatio: number;
  /** Share of the requests whose loads may read whatever they find. */
  readonly laxRatio: number;
  /** Longest pause between two requests of one of the client's loops. */
  readonly pauseMs: number;
}

/** What a client takes part in. */
export interface Party {
  readonly world: World;
  readonly site: CacheSite;
  readonly manners: Manners;
  /** All that stay for the whole party. */
  readonly clients: readonly CacheClient[];
  readonly random: () => number;
}

/** What one request may not fall behind. */
interface Floor {
  readonly known: Known;
  /** What was read, and had been invalidated. */
  readonly seen: Known;
}

type Operation = (instance: CacheInstance, floor: Floor, context: RequestContext) => Promise<void>;

/**
 * One client: it has several requests in flight, on any instance, and brings along what it was given.
 *
 * It knows itself which versions it must be shown, from acknowledgements alone: tokens and caches are what is on trial.
 */
export class CacheClient {
  readonly name: string;
  readonly #party: Party;
  /** As many as there were replies to requests that were in flight together. */
  #tokens = new Set<Token>();
  #known = new Known();
  #seen = new Known();

  constructor(name: string, party: Party) {
    this.name = name;
    this.#party = party;
  }

  /** Sends one request after the other until told to stop. */
  async run(isOver: () => boolean): Promise<void> {
    const { random, manners, site } = this.#party;
    while (!isOver()) {
      await site.turnstile.pass(() => this.#attempt(this.#anyInstance(), this.#anything()));
      await delay(random() * manners.pauseMs);
    }
  }

  /** Writes there. */
  async write(instance: CacheInstance, group = this.#pick(groups)): Promise<void> {
    await this.#attempt(instance, this.#write(group));
  }

  /** Reads everything there, in every way, all at once. */
  async lookAtAll(instance: CacheInstance): Promise<void> {
    await Promise.all(views.map((view) => this.#attempt(instance, this.#read(view))));
  }

  /** Reads everything there as somebody who has seen nothing. */
  async lookAsStranger(instance: CacheInstance): Promise<void> {
    await Promise.all(views.map((view) => this.#attempt(instance, this.#readAsStranger(view))));
  }

  /** Hands all that this one knows to another, with what proves it. */
  tell(other: CacheClient): void {
    for (const token of this.#tokens) other.#tokens.add(token);
    other.#known.merge(this.#known);
    other.#seen.merge(this.#seen);
  }

  /** What fails is no violation. Nothing but the death of an instance is expected to fail. */
  async #attempt(instance: CacheInstance, operation: Operation): Promise<void> {
    await this.#request(instance, operation).catch((error) => this.#party.world.report.refused(error));
  }

  async #request(instance: CacheInstance, operation: Operation): Promise<void> {
    const sent = [...this.#tokens];
    const floor: Floor = { known: new Known(this.#known), seen: new Known(this.#seen) };
    await instance.serve(sent.reduce(mergeTokens, emptyToken), async (context) => {
      try {
        await operation(instance, floor, context);
      } finally {
        if (instance.isAlive) this.#answered(sent, context.token, floor);
      }
    });
  }

  /** A reply takes the place of what was sent with its request. */
  #answered(sent: readonly Token[], reply: Token, { known, seen }: Floor): void {
    for (const token of sent) this.#tokens.delete(token);
    this.#tokens.add(reply);
    this.#known.merge(known);
    this.#seen.merge(seen);
    if (reply.pending.length <= maxPending) return;
    this.#tokens = new Set();
    this.#known = new Known();
    this.#seen = new Known();
  }

  #anything(): Operation {
    const { random, manners } = this.#party;
    const { writeRatio, laxRatio } = manners;
    const dice = random();
    if (dice < writeRatio) return this.#write(this.#pick(groups));
    if (dice < writeRatio + laxRatio) return this.#read(this.#pick(views), 'eventual');
    const share = (dice - writeRatio - laxRatio) / (1 - writeRatio - laxRatio);
    if (share < 0.1) return this.#readAsStranger(this.#pick(views));
    if (share < 0.15) return this.#transact(this.#pick(groups));
    return this.#read(this.#pick(views));
  }

  /** Writes one register or several of a group, and says so. */
  #write(group: readonly string[]): Operation {
    const { world, random } = this.#party;
    return async ({ cache, known: toldHere }, { known }, context) => {
      const members = random() < 0.5 ? group : [this.#pick(group)];
      const versions = new Map<string, number>();
      for (const register of members) {
        const version = world.registers.newest(register) + 1;
        versions.set(register, version);
        context.wrote(world.registers.commit(register, version));
      }
      const { token, confirmed } = await cache.invalidate(tagsOfWrite(members, random));
      for (const [register, version] of versions) {
        known.raise(register, version);
        toldHere.raise(register, version);
        if (confirmed) world.confirmed(register, version);
      }
      if (random() < 0.3) this.#pick(this.#party.clients).#hear(token, versions);
      world.report.done('writes');
    };
  }

  /** Is told what somebody has written, and the token of the invalidation, which is all that it takes. */
  #hear(token: Token, versions: ReadonlyMap<string, number>): void {
    this.#tokens.add(token);
    for (const [register, version] of versions) this.#known.raise(register, version);
  }

  #read(view: View, level: Level = 'causal'): Operation {
    const { world, manners } = this.#party;
    return async (instance, { known, seen }) => {
      const askedAt = world.now();
      const least = view.registers.map((register) => Math.max(known.of(register), seen.of(register)));
      const shown = await view.read(instance, world, level);
      world.report.done(level === 'causal' ? 'reads' : 'lax reads');
      if (world.isLax(shown, askedAt)) return;
      for (const [index, register] of view.registers.entries()) {
        const reading = shown.readings[register] as Reading;
        this.#judge('read', instance, register, reading, least[index] as number);
        if (manners.isMonotonic) seen.raise(register, world.lasting(register, reading));
      }
    };
  }

  /** What is invalidated is gone in the end, whoever asks, and at once where that was said. */
  #readAsStranger(view: View): Operation {
    const { world, manners } = this.#party;
    return async (instance) => {
      const askedAt = world.now();
      const least = view.registers.map((register) =>
        Math.max(world.overdue(register, boundMs), manners.isReplicaLate ? 0 : instance.known.of(register)),
      );
      const shown = await instance.serve(emptyToken, () => view.read(instance, world, 'causal'));
      world.report.done('reads without a token');
      if (world.isLax(shown, askedAt)) return;
      for (const [index, register] of view.registers.entries()) {
        const reading = shown.readings[register] as Reading;
        this.#judge('read without a token', instance, register, reading, least[index] as number);
      }
    };
  }

  /** Writes in a transaction, looks at that through the cache, and gives it up. Nobody else may ever see it. */
  #transact(registers: readonly string[]): Operation {
    const { world, random } = this.#party;
    return async ({ name, kernel, cache }, _, context) => {
      const own = Object.fromEntries(
        registers.map((register) => [register, [-1, 0] satisfies Reading] as const),
      );
      const load = async () => {
        await delay(random() * 5);
        return { load: 0, readings: own };
      };
      const read = () => cache.getOrLoad(`one:${registers[0]}`, load);
      const { readings } = await kernel.contexts.run(context.inside(), read);
      if (readings !== own) {
        world.report.violated(`a transaction of ${this.name} on ${name} was not shown what it had written`);
      }
      world.report.done('transactions');
    };
  }

  #judge(how: string, { name }: CacheInstance, register: string, [version]: Reading, least: number): void {
    if (version >= least) return;
    const { report, trouble } = this.#party.world;
    report.violated(
      `${how} by ${this.name} on ${name}: ${register} was ${version}, known ${least}; trouble: ${trouble}`,
    );
  }

  #anyInstance(): CacheInstance {
    return this.#pick(this.#party.site.instances);
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#party.random() * list.length)] as T;
  }
}
