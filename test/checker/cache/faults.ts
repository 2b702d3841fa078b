import { setTimeout as delay } from 'node:timers/promises';
import { boundMs, type CacheClient } from './client.js';
import type { CacheSite } from './site.js';
import { groups, type World } from './world.js';

/** Where and to whom things happen. */
export interface Stage {
  readonly site: CacheSite;
  readonly world: World;
  readonly clients: readonly CacheClient[];
  /** Somebody who knows nothing yet, and is told nothing. */
  readonly stranger: () => CacheClient;
  readonly random: () => number;
}

/** Something that goes wrong for a while; what it has broken is whole again when it resolves. */
export interface CacheFault {
  readonly name: string;
  /** Whether the clients rest meanwhile, so that nothing happens but what the fault makes happen. */
  readonly isAlone?: boolean;
  strike(stage: Stage): Promise<void>;
}

const between = (random: () => number, least: number, most: number) => least + random() * (most - least);
const pick = <T>(list: readonly T[], random: () => number): T =>
  list[Math.floor(random() * list.length)] as T;

function two<T>(list: readonly T[], random: () => number): [T, T] {
  const first = Math.floor(random() * list.length);
  const second = (first + 1 + Math.floor(random() * (list.length - 1))) % list.length;
  return [list[first] as T, list[second] as T];
}

const lookEverywhere = (client: CacheClient, { instances }: CacheSite) =>
  Promise.all(instances.map((instance) => client.lookAtAll(instance)));

/** All have a copy of everything. */
const warmUp = async ({ site, stranger }: Stage) => {
  await lookEverywhere(stranger(), site);
  await lookEverywhere(stranger(), site);
};

export const redisIsEmptied: CacheFault = {
  name: 'restart of Redis, empty',
  async strike({ site, random }) {
    await site.redis.kill();
    await delay(between(random, 0, 300));
    await site.redis.restart();
    await site.recovered();
  },
};

export const redisGoesBack: CacheFault = {
  name: 'restart of Redis with what it had saved',
  async strike({ site, random }) {
    await site.redis.command('save');
    await delay(between(random, 0, 200));
    await site.redis.kill();
    await site.redis.restart({ keepData: true });
    await site.recovered();
  },
};

export const redisFreezes: CacheFault = {
  name: 'freeze of Redis',
  async strike({ site, random }) {
    site.redis.freeze();
    await delay(between(random, 50, 500));
    site.redis.thaw();
    await site.recovered();
  },
};

/** Everything goes under standing connections. */
export const redisIsFlushed: CacheFault = {
  name: 'flush of Redis',
  async strike({ site }) {
    await site.redis.command('flushall');
  },
};

/** As by an eviction: values are left that were stored before. */
export const stateIsLost: CacheFault = {
  name: 'loss of the state',
  async strike({ site, random }) {
    await site.redis.command('del', pick(site.stateKeys(), random));
  },
};

/** The state forgets its newest invalidations; who has seen one of them is the first to come. */
export const stateGoesBack: CacheFault = {
  name: 'setback of the state',
  isAlone: true,
  async strike(stage) {
    const { site, clients, random } = stage;
    await site.recovered(); // nothing is counted but what follows
    await warmUp(stage);
    for (const key of site.stateKeys()) await site.redis.command('copy', key, `${key}:before`, 'replace');
    const writer = pick(clients, random);
    await writer.write(pick(site.instances, random));
    for (const key of site.stateKeys()) {
      await site.redis.command('copy', `${key}:before`, key, 'replace');
      await site.redis.command('del', `${key}:before`);
    }
    await writer.lookAtAll(await site.addInstance());
    await lookEverywhere(writer, site);
    await site.killInstance(pick(site.instances, random));
  },
};

/** One instance does not hear that the state has begun another life; who has seen that comes to it. */
export const newLifeUnheard: CacheFault = {
  name: 'loss of the state while one instance hears nothing',
  isAlone: true,
  async strike(stage) {
    const { site, clients, random } = stage;
    const [deaf, other] = two(site.instances, random);
    const [first, second] = two(clients, random);
    for (let n = 0; n < 3; n++) await first.write(other); // the new life begins to count at zero
    await warmUp(stage);
    deaf.proxy.blackHole();
    await site.redis.command('flushall');
    const witness = stage.stranger();
    await second.lookAtAll(other);
    await witness.write(other);
    await witness.lookAtAll(deaf);
    await deaf.proxy.heal();
    await site.recovered();
  },
};

export const announcementsGetLost: CacheFault = {
  name: 'loss of announcements',
  async strike({ site, random }) {
    for (let kill = 0; kill < 5; kill++) {
      await site.redis.command('client', 'kill', 'type', 'pubsub');
      await delay(between(random, 5, 60));
    }
    await site.recovered();
  },
};

/** Announcements come late, in any order, twice or never, and nobody is told. */
export const announcementsInDisorder: CacheFault = {
  name: 'disorder of announcements',
  async strike({ site, random }) {
    const instance = pick(site.instances, random);
    instance.carry = (deliver) => {
      const dice = random();
      if (dice < 0.25) return;
      if (dice < 0.5) deliver();
      setTimeout(deliver, random() * 30);
    };
    await delay(between(random, 200, 500));
    instance.carry = (deliver) => deliver();
  },
};

/** What one instance has not heard yet, somebody who comes to it knows. */
export const announcementsAreLate: CacheFault = {
  name: 'delay of announcements',
  isAlone: true,
  async strike(stage) {
    const { site, clients, random } = stage;
    const [deaf, other] = two(site.instances, random);
    const late: (() => void)[] = [];
    await warmUp(stage);
    deaf.carry = (deliver) => void late.push(deliver);
    const writer = pick(clients, random);
    await writer.write(other);
    await writer.lookAtAll(deaf);
    deaf.carry = (deliver) => deliver();
    for (const deliver of late) deliver();
  },
};

/** One instance hears nothing, does not know it, and is asked by strangers alone. */
export const nothingHeard: CacheFault = {
  name: 'silence around one instance',
  isAlone: true,
  async strike(stage) {
    const { site, clients, random } = stage;
    const [deaf, other] = two(site.instances, random);
    await warmUp(stage);
    deaf.carry = () => undefined;
    await pick(clients, random).write(other);
    await delay(boundMs + 1);
    await stage.stranger().lookAsStranger(deaf);
    deaf.carry = (deliver) => deliver();
  },
};

export const instanceIsCut: CacheFault = {
  name: 'cut between one instance and Redis',
  async strike({ site, clients, random }) {
    const instance = pick(site.instances, random);
    await instance.proxy.refuse();
    instance.proxy.reset();
    const writer = pick(clients, random);
    await writer.write(instance);
    await lookEverywhere(writer, site);
    await delay(between(random, 50, 400));
    await instance.proxy.heal();
    await site.recovered();
  },
};

/** Nothing arrives any more, and nobody is told. */
export const instanceIsHeld: CacheFault = {
  name: 'standstill between one instance and Redis',
  async strike({ site, clients, random }) {
    const instance = pick(site.instances, random);
    instance.proxy.blackHole();
    const writer = pick(clients, random);
    await writer.write(pick(site.instances, random));
    await lookEverywhere(writer, site);
    await delay(between(random, 50, 400));
    await instance.proxy.heal();
    await site.recovered();
  },
};

/** One instance cannot say what is written there, and has not noticed that when others ask for it there. */
export const invalidationIsHeld: CacheFault = {
  name: 'standstill before an invalidation',
  isAlone: true,
  async strike(stage) {
    const { site, clients, stranger, random } = stage;
    const instance = pick(site.instances, random);
    await warmUp(stage);
    instance.proxy.blackHole();
    await pick(clients, random).write(instance);
    await stranger().lookAsStranger(instance);
    await instance.proxy.heal();
    await site.recovered();
  },
};

export const instanceIsFar: CacheFault = {
  name: 'slow network of one instance',
  async strike({ site, random }) {
    const instance = pick(site.instances, random);
    instance.proxy.latency(10, 20);
    await delay(between(random, 100, 400));
    instance.proxy.latency(0);
  },
};

export const instanceDies: CacheFault = {
  name: 'death of an instance',
  async strike({ site, random }) {
    const instance = pick(site.instances, random);
    if (random() < 0.5) await instance.proxy.refuse(); // it may owe an invalidation to the others
    await delay(between(random, 0, 50));
    await site.killInstance(instance);
    await site.addInstance();
    await site.recovered();
  },
};

/** The replica shows nothing new. */
export const replicaStandsStill: CacheFault = {
  name: 'standstill of the replica',
  async strike({ world, random }) {
    world.holdReplica = true;
    await delay(between(random, 100, 300));
    world.holdReplica = false;
  },
};

/** The replica lacks what was invalidated so long ago that everybody must know. */
export const replicaIsFarBehind: CacheFault = {
  name: 'a replica far behind',
  isAlone: true,
  async strike({ site, world, clients, stranger, random }) {
    world.holdReplica = true;
    await pick(clients, random).write(pick(site.instances, random));
    await delay(boundMs + 1);
    await Promise.all(site.instances.map((instance) => stranger().lookAsStranger(instance)));
    world.holdReplica = false;
  },
};

/** Somebody is content with a replica that is behind, and with what is made of it; whoever has written comes after him. */
export const partsAreUnfit: CacheFault = {
  name: 'values made of what may not be stored',
  isAlone: true,
  async strike({ site, world, clients, stranger, random }) {
    const [here, there] = two(site.instances, random);
    const writer = pick(clients, random);
    world.holdReplica = true;
    await writer.write(there);
    await stranger().lookLaxly(here);
    await writer.lookAtAll(here);
    world.holdReplica = false;
  },
};

/** Loads are under way when somebody writes what they read, and asks for the same at once. */
export const loadsAreOvertaken: CacheFault = {
  name: 'loads overtaken by a write',
  isAlone: true,
  async strike({ site, world, clients, stranger, random }) {
    const [here, there] = two(site.instances, random);
    const group = pick(groups, random);
    const writer = pick(clients, random);
    await writer.write(there, group);
    world.lingerMs = 30; // whoever comes behind the write finds them under way
    let isOver = false;
    const looking = stranger()
      .lookAtAll(here)
      .finally(() => {
        isOver = true;
      });
    while (world.loading < 2 && !isOver) await delay(1);
    await writer.write(there, group);
    await writer.lookAtAll(here);
    await looking;
    world.lingerMs = 0;
    await writer.lookAtAll(there);
  },
};

/** What somebody has expired is shown to others a little longer, and not to him. */
export const valuesExpire: CacheFault = {
  name: 'expiry of what all have',
  isAlone: true,
  async strike(stage) {
    const { site, clients, stranger, random } = stage;
    const [here, there] = two(site.instances, random);
    const writer = pick(clients, random);
    await warmUp(stage);
    await writer.write(there, pick(groups, random), true);
    await stranger().lookAtAll(here);
    await writer.lookAtAll(here);
  },
};

export const allFaults: readonly CacheFault[] = [
  redisIsEmptied,
  redisGoesBack,
  redisFreezes,
  redisIsFlushed,
  stateIsLost,
  stateGoesBack,
  newLifeUnheard,
  announcementsGetLost,
  announcementsInDisorder,
  announcementsAreLate,
  nothingHeard,
  instanceIsCut,
  instanceIsHeld,
  invalidationIsHeld,
  instanceIsFar,
  instanceDies,
  replicaStandsStill,
  replicaIsFarBehind,
  partsAreUnfit,
  loadsAreOvertaken,
  valuesExpire,
];

/** Those that keep no instance from Redis, and Redis from nothing. */
export const faultsBesideRedis: readonly CacheFault[] = [
  announcementsGetLost,
  announcementsInDisorder,
  announcementsAreLate,
  nothingHeard,
  instanceIsFar,
  replicaStandsStill,
  replicaIsFarBehind,
  partsAreUnfit,
  loadsAreOvertaken,
  valuesExpire,
];
