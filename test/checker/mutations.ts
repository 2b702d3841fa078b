import { randomUUID } from 'node:crypto';
import { mergeTokens, type Token } from '@pando/core';
import { soundRules } from '../../packages/core/src/cache/rules.js';
import type { Connection, DatabaseDriver, Lease, Pool } from '../../packages/core/src/db/ports.js';
import { covers, type Position } from '../../packages/core/src/db/position.js';
import { Replica } from '../../packages/core/src/db/replica.js';
import type { KitRules } from '../../packages/core/src/pando.js';
import type { Plan } from './check.js';
import {
  announcementsGetLost,
  backendDies,
  effectsAreTakenOver,
  type Fault,
  instanceDies,
  instanceDiesCutOff,
  redisIsAway,
  redisIsCut,
  replayIsLate,
  replayPauses,
} from './faults.js';
import { instead } from './instead.js';

/** The sound driver, whose connections do something in another way. */
const withConnections =
  (change: (sound: Connection) => Partial<Connection>) =>
  (sound: DatabaseDriver): DatabaseDriver =>
    instead(sound, {
      pool: (...made) => {
        const pool = sound.pool(...made);
        const acquire: Pool['acquire'] = async (options) => {
          const lease = await pool.acquire(options);
          return instead<Lease>(lease, { connection: instead(lease.connection, change(lease.connection)) });
        };
        return instead<Pool>(pool, { acquire });
      },
    });

/** The position of a write is read before its commit. */
const positionBeforeTheCommit: KitRules = {
  db: {
    driver: withConnections((sound) => ({
      commit: async (last) => {
        const position = await sound.position();
        return { ...(await sound.commit(last)), position };
      },
      write: async (...statement) => {
        const position = await sound.position();
        return { ...(await sound.write(...statement)), position } as never;
      },
    })),
  },
};

/** What is known of a replica's position outlives its sessions: it is taken for something that only grows. */
const positionNotDropped: KitRules = {
  db: {
    createReplica: (...made) =>
      new (class extends Replica {
        #furthest: Position | undefined;
        override forget(): void {}
        override get position(): Position | undefined {
          const now = super.position;
          if (now !== undefined && !(this.#furthest !== undefined && covers(this.#furthest, now)))
            this.#furthest = now;
          return this.#furthest;
        }
        override provenFor(lease: Lease): Position {
          return this.position ?? lease.proof;
        }
      })(...made),
  },
};

/** What is known of a server is believed of whoever answers to its name. */
const readsWithoutProof: KitRules = { db: { needsInlineProof: () => false } };

/** Effects are carried out by the instance that committed them, or by nobody. */
const effectsNotWrittenDown: KitRules = { db: { rowOf: () => undefined } };

/** Each attempt publishes events anew. */
const eventsPublishedAnew: KitRules = { db: { attemptId: () => randomUUID() } };

/** Who takes effects over does not ask how far the database has come. */
const positionNotTakenOver: KitRules = { db: { asksPosition: false } };

/** Events are published before their invalidations are carried out. */
const eventsOvertake: KitRules = {
  effects: (sound) => async (effects, options) => {
    const published = await sound({ ...effects, tags: [] }, options);
    const invalidated = await sound({ ...effects, events: [] }, options);
    return { ...invalidated, token: mergeTokens(published.token, invalidated.token) };
  },
};

const withoutPending = (token: Token): Token => ({ ...token, pending: [] });

/** Caches serve whoever names an invalidation that is not confirmed. */
const pendingNotMinded: KitRules = {
  cache: {
    demand: (token) => soundRules.demand(withoutPending(token)),
    reaches: (token, ...known) => soundRules.reaches(withoutPending(token), ...known),
  },
};

/** Whatever is pending is taken for carried out. */
const pendingForgotten: KitRules = { cache: { carriedOut: (pending) => pending } };

/** Caches are used as soon as Redis is back. */
const reopenedAtOnce: KitRules = { cache: { mayReopen: () => true } };

/** Loads read wherever their caller may, and what they have read is stored. */
const refilledFromAnywhere: KitRules = { cache: { raise: (caller) => caller, coversWritten: () => true } };

/** Copies in memory answer whoever asks, whatever may have been missed. */
const copiesNotMinded: KitRules = { cache: { reaches: () => true, isTrusted: () => true } };

/** Reads tell what they are certain to have seen, not what they can have seen. */
const lowerBound: KitRules = { db: { upperBound: (seen) => seen } };

/** Caches keep what was read on a history that the database has left. */
export const historiesNotFollowed: KitRules = { cache: { followsHistories: false } };

/** A rule that is switched off, and the faults under which that shows. */
export interface Mutation extends Partial<Plan> {
  readonly rule: string;
  readonly what: string;
  readonly rules: KitRules;
  readonly faults: readonly Fault[];
}

export const mutations: readonly Mutation[] = [
  {
    rule: 'T2',
    what: 'the position of a write is read before its commit',
    rules: positionBeforeTheCommit,
    faults: [replayIsLate],
  },
  {
    rule: 'T3',
    what: 'reads tell what they are certain to have seen, not what they can have seen',
    rules: lowerBound,
    faults: [replayPauses],
    isMonotonic: true,
    db: { probeIntervalMs: 250 },
  },
  {
    rule: 'D1',
    what: 'what is known of a replica outlives its sessions',
    rules: positionNotDropped,
    faults: [backendDies],
  },
  {
    rule: 'D3',
    what: 'reads carry no proof where one name stands for several servers',
    rules: readsWithoutProof,
    faults: [replayPauses],
    hasOneName: true,
  },
  {
    rule: 'E1',
    what: 'effects are not written down',
    rules: effectsNotWrittenDown,
    faults: [instanceDiesCutOff],
    forMs: 1_500,
  },
  {
    rule: 'E2',
    what: 'each attempt publishes events anew',
    rules: eventsPublishedAnew,
    faults: [instanceDies],
  },
  {
    rule: 'E2',
    what: 'who takes effects over says no position',
    rules: positionNotTakenOver,
    faults: [effectsAreTakenOver],
  },
  {
    rule: 'E1',
    what: 'events overtake their invalidations',
    rules: eventsOvertake,
    faults: [],
    writeRatio: 0.2,
  },
  {
    rule: 'E3',
    what: 'caches serve whoever names an invalidation that is not confirmed',
    rules: pendingNotMinded,
    faults: [redisIsCut],
  },
  {
    rule: 'E3',
    what: 'whatever is pending is taken for carried out',
    rules: pendingForgotten,
    faults: [redisIsCut],
  },
  {
    rule: 'E4',
    what: 'caches are used as soon as Redis is back',
    rules: reopenedAtOnce,
    faults: [redisIsAway],
  },
  {
    rule: 'C3',
    what: 'caches are filled from a replica that is behind an invalidation',
    rules: refilledFromAnywhere,
    faults: [replayPauses],
    writeRatio: 0.1,
  },
  {
    rule: 'C6',
    what: 'copies in memory answer whoever has seen more',
    rules: copiesNotMinded,
    faults: [announcementsGetLost],
    writeRatio: 0.1,
  },
];
