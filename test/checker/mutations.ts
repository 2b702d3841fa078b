import { randomUUID } from 'node:crypto';
import { emptyToken } from '@pando/core';
import type { Connection, DatabaseDriver, Lease, Pool } from '../../packages/core/src/db/ports.js';
import { covers, type Position } from '../../packages/core/src/db/position.js';
import { Replica } from '../../packages/core/src/db/replica.js';
import type { KitRules } from '../../packages/core/src/pando.js';
import type { Plan } from './check.js';
import {
  backendDies,
  effectsAreTakenOver,
  type Fault,
  instanceDies,
  instanceDiesCutOff,
  replayIsLate,
} from './faults.js';

/** The same object, some of its members replaced. */
function instead<T extends object>(original: T, members: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      if (Object.hasOwn(members, name)) return members[name as keyof T];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

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

/** Effects are carried out by the instance that committed them, or by nobody. */
const effectsNotWrittenDown: KitRules = {
  db: {
    driver: (sound) =>
      instead(sound, {
        outbox: (...made) =>
          instead(sound.outbox(...made), { insert: () => ({ text: 'select', params: [] }) }),
      }),
  },
};

/** Each attempt publishes events anew. */
const eventsNotTold: KitRules = {
  effects: (sound) => (effects, options) => sound(effects, { ...options, id: randomUUID() }),
};

/** Who takes effects over does not say how far the database has come. */
const positionNotTakenOver: KitRules = {
  effects: (sound) => (effects, options) =>
    sound(effects, { ...options, token: options.isRepeated ? emptyToken : options.token }),
};

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
    rule: 'D1',
    what: 'what is known of a replica outlives its sessions',
    rules: positionNotDropped,
    faults: [backendDies],
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
    rules: eventsNotTold,
    faults: [instanceDies],
  },
  {
    rule: 'E2',
    what: 'who takes effects over says no position',
    rules: positionNotTakenOver,
    faults: [effectsAreTakenOver],
  },
];
