import { setTimeout as delay } from 'node:timers/promises';
import { type TestServer, waitFor } from '@pando/core/testing';
import pg from 'pg';
import type { Client } from './client.js';
import type { Instance } from './instance.js';
import type { Site } from './site.js';

/** Where and to whom things happen. */
export interface Stage {
  readonly site: Site;
  readonly clients: readonly Client[];
  /** Somebody who knows nothing yet, and is told nothing. */
  readonly stranger: () => Client;
  readonly random: () => number;
}

/** Something that goes wrong for a while; what it has broken is whole again when it resolves. */
export interface Fault {
  readonly name: string;
  /** Faults of different places strike at the same time. */
  readonly place: 'replicas' | 'fleet';
  strike(stage: Stage): Promise<void>;
}

const between = (random: () => number, least: number, most: number) => least + random() * (most - least);
const pick = <T>(list: readonly T[], random: () => number): T =>
  list[Math.floor(random() * list.length)] as T;

const shuffled = <T>(list: readonly T[], random: () => number): T[] =>
  list
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);

/** Has somebody look at everything on all instances. */
const lookEverywhere = (client: Client, { instances }: Site) =>
  Promise.all(instances.map((instance) => client.lookAtAll(instance)));

const onReplica = (name: string, strike: (replica: TestServer, stage: Stage) => Promise<void>): Fault => ({
  name,
  place: 'replicas',
  strike: (stage) => stage.site.withReplica(stage.random, (replica) => strike(replica, stage)),
});

/** Nothing is known of either replica that tells them apart, and one of them goes on. */
export const replayPauses = onReplica(
  'pause of replay',
  async (replica, { site, clients, stranger, random }) => {
    await replica.pauseReplay();
    try {
      await delay(between(random, 50, 200));
      await pick(clients, random).transactOn(pick(site.instances, random));
      const reader = stranger();
      for (let look = 0; look < 4; look++) await reader.lookAtAll(pick(site.instances, random));
    } finally {
      await replica.resumeReplay();
    }
  },
);

/** The replica stands right before the commit for a while. */
export const replayIsLate = onReplica('delay of replay', async (replica, { site, clients, random }) => {
  const lateMs = between(random, 80, 200);
  await replica.delayReplay(lateMs);
  await delay(lateMs);
  const writer = pick(clients, random);
  await writer.transactOn(pick(site.instances, random));
  await lookEverywhere(writer, site);
  await replica.delayReplay(0);
});

export const replicaDies = onReplica('kill of a replica', async (replica, { random }) => {
  await replica.kill();
  await delay(between(random, 0, 300));
  await replica.start();
});

export const replicaFreezes = onReplica('freeze of a replica', async (replica, { random }) => {
  replica.freeze();
  await delay(between(random, 50, 400));
  replica.thaw();
});

/** One backend is killed: all are, and the replica begins again at an earlier point, under the same start time. */
export const backendDies = onReplica('crash of a backend', async (replica, { site, clients, random }) => {
  await site.cluster.primary.query('checkpoint');
  await site.cluster.caughtUp();
  await replica.query('checkpoint'); // that is where it will begin again
  const writer = pick(clients, random);
  await writer.transactOn(pick(site.instances, random));
  await delay(100); // everybody learns that the replica has it
  const begins = () => replica.log().split('ready to accept read-only connections').length;
  const before = begins();
  await replica.delayReplay(10_000); // what it replays again it replays slowly
  await killOneBackend(replica);
  const isBack = async () => begins() > before && (await replica.query('select 1')).length > 0;
  await waitFor(isBack, { intervalMs: 5, message: 'the replica to begin again' });
  for (let look = 0; look < 5; look++) {
    await delay(between(random, 20, 100));
    await lookEverywhere(writer, site);
  }
  await replica.delayReplay(0);
});

async function killOneBackend(server: TestServer): Promise<void> {
  const client = new pg.Client(server.url);
  client.on('error', () => undefined); // that is its end
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  process.kill(rows[0]?.pid as number, 'SIGKILL');
}

const inFleet = (name: string, strike: Fault['strike']): Fault => ({ name, place: 'fleet', strike });

const dies = async (instance: Instance, { site, random }: Stage) => {
  await site.killInstance(instance);
  await delay(between(random, 50, 300));
  await site.addInstance();
};

export const instanceDies = inFleet('death of an instance', async (stage) => {
  const { site, clients, random } = stage;
  const instance = pick(site.instances, random);
  await pick(clients, random).transactOn(instance);
  await dies(instance, stage);
});

/** What it commits at last, nobody hears of from it. */
export const instanceDiesCutOff = inFleet('death of an instance cut off from Redis', async (stage) => {
  const { site, clients, random } = stage;
  const instance = pick(site.instances, random);
  await instance.cutRedis();
  const writer = pick(clients, random);
  await writer.transactOn(instance);
  await lookEverywhere(writer, site);
  await dies(instance, stage);
});

/** Others carry out what it has committed, and who hears of it looks at once. */
export const effectsAreTakenOver = inFleet('takeover of effects while a replica stands still', (stage) => {
  const { site, clients, stranger, random } = stage;
  return site.withReplica(random, async (replica) => {
    await replica.pauseReplay();
    try {
      const [instance, other] = shuffled(site.instances, random) as [Instance, Instance];
      const listener = stranger();
      await listener.follow(other);
      await instance.cutRedis();
      const written = await pick(clients, random).transactOn(instance);
      await dies(instance, stage);
      if (written === undefined) return;
      const isOut = waitFor(() => listener.hasHeard(written.id), { intervalMs: 5, timeoutMs: 3_000 });
      if (await isOut.catch(() => false)) await lookEverywhere(listener, site);
    } finally {
      await replica.resumeReplay();
    }
  });
});

export const redisIsCut = inFleet('cut between one instance and Redis', async ({ site, clients, random }) => {
  const instance = pick(site.instances, random);
  await instance.cutRedis();
  const writer = pick(clients, random);
  await writer.transactOn(instance);
  await lookEverywhere(writer, site);
  await delay(between(random, 100, 500));
  await instance.healRedis();
});

/** Redis is out of everybody's reach; what was committed meanwhile is known to somebody who has only read it. */
export const redisIsAway = inFleet('cut between all instances and Redis', async (stage) => {
  const { site, clients, random } = stage;
  const [writer, reader] = shuffled(clients, random) as [Client, Client];
  const [victim, ...others] = [...site.instances] as [Instance, ...Instance[]];
  await Promise.all(site.instances.map((instance) => instance.cutRedis()));
  await waitFor(() => site.instances.every(({ pando }) => !pando.redis?.isUp), { intervalMs: 5 });
  await writer.transactOn(victim);
  const witness = writer.witness();
  await delay(between(random, 0, 100));
  await site.killInstance(victim);
  await Promise.all(others.map((instance) => instance.healRedis()));
  await waitFor(() => others.every(({ pando }) => pando.redis?.isUp), { intervalMs: 1 });
  for (let look = 0; look < 3; look++) {
    await lookEverywhere(witness, site);
    await lookEverywhere(reader, site);
  }
  await site.addInstance();
});

export const redisFreezes = inFleet('freeze of Redis', async ({ site, random }) => {
  site.redis.freeze();
  await delay(between(random, 100, 500));
  site.redis.thaw();
});

export const announcementsGetLost = inFleet('loss of announcements', async ({ site, random }) => {
  for (let kill = 0; kill < 5; kill++) {
    await site.redis.command('client', 'kill', 'type', 'pubsub');
    await delay(between(random, 5, 60));
  }
});

export const writesAreCut = inFleet('cut between one instance and the primary', async ({ site, random }) => {
  pick(site.instances, random).resetPrimary();
  await delay(between(random, 20, 100));
});

export const slowReplays: readonly Fault[] = [replayPauses, replayIsLate];

/** Those that keep no instance from Redis. */
export const faultsBesideRedis: readonly Fault[] = [
  ...slowReplays,
  replicaDies,
  replicaFreezes,
  backendDies,
  instanceDies,
  announcementsGetLost,
  writesAreCut,
];

/** None of these loses anything that was acknowledged. */
export const allFaults: readonly Fault[] = [
  ...faultsBesideRedis,
  instanceDiesCutOff,
  effectsAreTakenOver,
  redisIsCut,
  redisIsAway,
  redisFreezes,
];
