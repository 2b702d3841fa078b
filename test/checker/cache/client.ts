import { setTimeout as delay } from 'node:timers/promises';
import { emptyToken, mergeTokens, type Token } from '@pando/core';
import type { LifetimeOptions } from '../../../packages/core/src/cache/lifetime.js';
import type { RequestContext } from '../../../packages/core/src/kernel/context.js';
import { Known } from '../known.js';
import { type CacheInstance, trustMs } from './instance.js';
import { anyLifetime, LoadFailed, longestGraceMs } from './lifetimes.js';
import type { CacheSite } from './site.js';
import { isNothing, madeView, manyViews, tagsOfWrite, uncertainViews, type View, views } from './views.js';
import { groups, type Level, type Reading, type Shown, type World } from './world.js';

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
  /** Whether values outlive their time. Where they do not, more of them are there to be served. */
  readonly isShortLived: boolean;
  /** Share of the loads that fail. */
  readonly failRatio: number;
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
  #making: Promise<unknown> = Promise.resolve();

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
  async write(instance: CacheInstance, group = this.#pick(groups), isSoft = false): Promise<void> {
    await this.#attempt(instance, this.#write(group, isSoft));
  }

  /** Reads everything there, in every way, all at once. */
  async lookAtAll(instance: CacheInstance): Promise<void> {
    await Promise.all(views.map((view) => this.#attempt(instance, this.#read(view))));
  }

  /** Reads everything there, and takes what databases happen to show. */
  async lookLaxly(instance: CacheInstance): Promise<void> {
    await Promise.all(views.map((view) => this.#attempt(instance, this.#read(view, 'eventual'))));
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
    if (dice < writeRatio) return this.#write(this.#pick(groups), random() < 0.3);
    if (dice < writeRatio + laxRatio) return this.#read(this.#pick(views), 'eventual');
    const share = (dice - writeRatio - laxRatio) / (1 - writeRatio - laxRatio);
    if (share < 0.1) return this.#readAsStranger(this.#pick(views));
    if (share < 0.15) return this.#transact(this.#pick(groups));
    if (share < 0.2) return this.#make;
    if (share < 0.3) return this.#readMade(this.#pick(this.#party.clients));
    if (share < 0.5) return this.#readMany(this.#pick(manyViews));
    if (share < 0.6) return this.#readUncertain(this.#pick(uncertainViews));
    return this.#read(this.#pick(views));
  }

  /** Writes one register or several of a group, and says so; softly: others may be shown what was there a little longer. */
  #write(group: readonly string[], isSoft: boolean): Operation {
    const { world, random } = this.#party;
    return async ({ cache, known: toldHere }, { known }, context) => {
      const members = random() < 0.5 ? group : [this.#pick(group)];
      const versions = new Map<string, number>();
      for (const register of members) {
        const version = world.registers.newest(register) + 1;
        versions.set(register, version);
        context.wrote(world.registers.commit(register, version));
      }
      const tags = tagsOfWrite(members, random);
      const { token, confirmed } = await (isSoft ? cache.expire(tags) : cache.invalidate(tags));
      for (const [register, version] of versions) {
        known.raise(register, version);
        if (!isSoft) toldHere.raise(register, version);
        if (confirmed) world.confirmed(register, version, isSoft ? longestGraceMs : 0);
      }
      if (random() < 0.3) this.#pick(this.#party.clients).#hear(token, versions);
      world.report.done(isSoft ? 'soft writes' : 'writes');
    };
  }

  /** Is told what somebody has written, and the token of the invalidation, which is all that it takes. */
  #hear(token: Token, versions: ReadonlyMap<string, number>): void {
    this.#tokens.add(token);
    for (const [register, version] of versions) this.#known.raise(register, version);
  }

  #read(view: View, level: Level = 'causal'): Operation {
    const { world } = this.#party;
    return async (instance, floor) => {
      const askedAt = world.now();
      const least = this.#least(view, floor);
      const shown = await this.#ask(view, instance, level);
      if (shown === undefined || world.isLax(shown, askedAt)) return;
      this.#judge('read', instance, view, shown, least);
      this.#saw(view, shown, floor);
    };
  }

  /** Reads all of a group with one call, one of them twice. */
  #readMany(members: readonly View[]): Operation {
    const { world } = this.#party;
    return async (instance, floor) => {
      const askedAt = world.now();
      const byKey = new Map(members.map((view) => [view.key, view]));
      const least = new Map(members.map((view) => [view, this.#least(view, floor)]));
      const how = { level: 'causal', lifetime: this.#anyLifetime(), mayFail: this.#mayFail } as const;
      const load = async (missing: readonly string[]) => {
        const loading = missing.map(async (key) => {
          const shown = await (byKey.get(key) as View).load(instance, world, how);
          return [key, shown as Shown] as const;
        });
        return new Map(await Promise.all(loading));
      };
      const keys = [...byKey.keys(), this.#pick(members).key];
      const options = { tags: this.#pick(members).tags, ...how.lifetime };
      const shownByKey = await instance.cache.getOrLoadMany(keys, load, options);
      world.report.done('reads of many');
      for (const [key, view] of byKey) {
        const shown = shownByKey.get(key);
        if (shown === undefined) this.#violated(`${this.name} on ${instance.name} was shown no ${key}`);
        else if (!world.isLax(shown, askedAt)) {
          this.#judge('read of many', instance, view, shown, least.get(view) as readonly number[]);
          this.#saw(view, shown, floor);
        }
      }
    };
  }

  /** Reads what may not be there: whoever is told so must be told by a version that he may be shown. */
  #readUncertain(view: View): Operation {
    const { world } = this.#party;
    return async (instance, floor) => {
      const [register] = view.registers as readonly [string];
      const [least] = this.#least(view, floor) as [number];
      const shown = await this.#load(view, instance, 'causal');
      world.report.done('reads of what may not be there');
      if (shown !== undefined) {
        this.#judge('read', instance, view, shown, [least]);
        return;
      }
      const newest = world.registers.newest(register);
      for (let version = least; version <= newest; version++) if (isNothing(version)) return;
      this.#violated(`${this.name} on ${instance.name} was shown no ${register}, known ${least}`);
    };
  }

  /** Reads in one of the ways that there are; undefined where that asks no loader, and there is nothing. */
  #ask(view: View, instance: CacheInstance, level: Level): Promise<Shown | undefined> | Shown | undefined {
    const { world, random } = this.#party;
    const { cache } = instance;
    const dice = random();
    if (dice < 0.1) {
      world.report.done('peeks');
      return cache.peek<Shown>(view.key);
    }
    if (dice < 0.2) {
      world.report.done('gets');
      return cache.get<Shown>(view.key);
    }
    world.report.done(level === 'causal' ? 'reads' : 'lax reads');
    return this.#load(view, instance, level);
  }

  #load({ key, tags, load }: View, instance: CacheInstance, level: Level): Promise<Shown | undefined> {
    const { world } = this.#party;
    const how = { level, lifetime: this.#anyLifetime(), mayFail: this.#mayFail };
    return instance.cache.getOrLoad(key, () => load(instance, world, how), { tags, ...how.lifetime });
  }

  #anyLifetime(): LifetimeOptions {
    const { random, manners } = this.#party;
    return anyLifetime(random, manners.isShortLived);
  }

  #mayFail = (): void => {
    const { random, manners } = this.#party;
    if (random() < manners.failRatio) throw new LoadFailed();
  };

  /** What is invalidated is gone in the end, whoever asks, and at once where that was said. */
  #readAsStranger(view: View): Operation {
    const { world, manners } = this.#party;
    return async (instance) => {
      const askedAt = world.now();
      const least = view.registers.map((register) =>
        Math.max(world.overdue(register, boundMs), manners.isReplicaLate ? 0 : instance.known.of(register)),
      );
      const shown = await instance.serve(emptyToken, () => this.#load(view, instance, 'causal'));
      world.report.done('reads without a token');
      if (shown !== undefined && !world.isLax(shown, askedAt))
        this.#judge('read without a token', instance, view, shown, least);
    };
  }

  /** Makes a version of its own, and puts it into the cache; one after the other. */
  #make: Operation = async (instance, floor, context) => {
    const { world } = this.#party;
    const made = this.#making.then(async () => {
      const version = world.registers.newest(this.name) + 1;
      context.wrote(world.registers.commit(this.name, version));
      const view = madeView(this.name);
      const value = await world.load('causal', async (load) => ({ [this.name]: [version, load] }));
      const { confirmed } = await instance.cache.set(view.key, value, this.#anyLifetime());
      floor.known.raise(this.name, version);
      instance.known.raise(this.name, version);
      if (confirmed) world.confirmed(this.name, version);
      world.report.done('values made');
    });
    this.#making = made.catch(() => undefined);
    await made;
  };

  #readMade({ name }: CacheClient): Operation {
    return this.#read(madeView(name));
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
        this.#violated(`a transaction of ${this.name} on ${name} was not shown what it had written`);
      }
      world.report.done('transactions');
    };
  }

  #least({ registers }: View, { known, seen }: Floor): readonly number[] {
    return registers.map((register) => Math.max(known.of(register), seen.of(register)));
  }

  #saw({ registers }: View, { readings }: Shown, { seen }: Floor): void {
    const { world, manners } = this.#party;
    if (!manners.isMonotonic) return;
    for (const register of registers)
      seen.raise(register, world.lasting(register, readings[register] as Reading));
  }

  #judge(
    how: string,
    { name }: CacheInstance,
    { key, registers }: View,
    { readings }: Shown,
    least: readonly number[],
  ): void {
    for (const [index, register] of registers.entries()) {
      const [version] = readings[register] as Reading;
      const known = least[index] as number;
      if (version >= known) continue;
      this.#violated(
        `${how} of ${key} by ${this.name} on ${name}: ${register} was ${version}, known ${known}`,
      );
    }
  }

  #violated(what: string): void {
    const { report, trouble } = this.#party.world;
    report.violated(`${what}; trouble: ${trouble}`);
  }

  #anyInstance(): CacheInstance {
    return this.#pick(this.#party.site.instances);
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#party.random() * list.length)] as T;
  }
}
