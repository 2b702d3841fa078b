import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { isPandoError } from '../../../packages/core/src/kernel/errors.js';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import {
  createRealtime,
  type Realtime,
  type RealtimeOptions,
} from '../../../packages/core/src/realtime/index.js';
import type { RedisOption } from '../../../packages/core/src/redis/index.js';
import { Browser, type Client, Peer } from '../../../packages/core/src/testing/suites/realtime/clients.js';
import { Ledger, type Violation } from '../../../packages/core/src/testing/suites/realtime/ledger.js';
import { waitFor } from '../../../packages/core/src/testing/wait-for.js';

/** What a fleet is made of. */
export interface FleetInit {
  readonly redis: RedisOption;
  readonly instances?: number;
  readonly browsers?: number;
  readonly peers?: number;
  readonly options?: RealtimeOptions;
}

export const channels = ['news', 'room:1', 'room:2'] as const;

/** Several instances on one Redis, each with connections of its own, and clients that may go to any of them. */
export class RealtimeFleet implements AsyncDisposable {
  /** The kit's name. */
  readonly name: string;
  readonly rooms: readonly Realtime[];
  readonly clients: readonly Client[];
  readonly ledger = new Ledger();
  /** Publishes that were refused, by error code. */
  readonly refusals = new Map<string, number>();
  /** How long the slowest publish took to be answered or refused. */
  slowestMs = 0;
  #published = 0;

  private constructor(name: string, rooms: readonly Realtime[], { browsers = 6, peers = 6 }: FleetInit) {
    this.name = name;
    this.rooms = rooms;
    this.clients = [
      ...Array.from(
        { length: browsers },
        (_, n) => new Browser(`browser ${n}`, n % 2 ? channels : channels.slice(n % 3, (n % 3) + 1)),
      ),
      ...Array.from({ length: peers }, (_, n) => new Peer(`peer ${n}`, channels.slice(0, 1 + (n % 3)))),
    ];
  }

  static async start(init: FleetInit): Promise<RealtimeFleet> {
    const name = `fleet-${randomBytes(4).toString('hex')}`;
    const rooms = await Promise.all(
      Array.from({ length: init.instances ?? 3 }, async () => {
        const room = createRealtime(
          { redis: init.redis, ...init.options },
          { kernel: createKernel({ name }) },
        );
        await room.start();
        return room;
      }),
    );
    return new RealtimeFleet(name, rooms, init);
  }

  room(index: number): Realtime {
    return this.rooms[index % this.rooms.length] as Realtime;
  }

  async connectAll(): Promise<void> {
    for (const [index, client] of this.clients.entries()) {
      if (!client.isConnected) await client.connect(this.room(index));
    }
  }

  /** Resolves once every client has had a message of each of its channels, so that it knows where it stands. */
  async settled(): Promise<void> {
    const [room] = this.rooms as [Realtime];
    await waitFor(async () => {
      for (const channel of channels) await this.publish(room, channel);
      await this.caughtUp();
      return this.clients.every(({ seen }) =>
        [...seen.values()].every((list) => list.some(({ kind }) => kind === 'message')),
      );
    });
  }

  /** Publishes one event; when it is refused, again and again under the same id until it is not. */
  async publish(room: Realtime, channel: string, isWanted: () => boolean = () => true): Promise<void> {
    const value = `event ${++this.#published}`;
    while (isWanted()) {
      const startedAt = performance.now();
      try {
        const { position } = await room.publish(channel, value, { id: value });
        this.ledger.note(channel, position, value);
        return;
      } catch (cause) {
        this.ledger.noteAttempt(value);
        const code = isPandoError(cause) ? cause.code : String(cause);
        this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, 10));
      } finally {
        this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
      }
    }
  }

  /** Publishes on every instance and channel until told to stop; the answer resolves when all of it is confirmed. */
  load(): { stop(): Promise<void> } {
    let isStopped = false;
    const publishers = this.rooms.flatMap((room) =>
      channels.map(async (channel) => {
        while (!isStopped) {
          await Promise.all([this.publish(room, channel), this.publish(room, channel)]);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }),
    );
    return {
      stop: async () => {
        isStopped = true;
        await Promise.all(publishers);
      },
    };
  }

  /** Resolves once every client has everything; what is missing then is in the error. */
  async caughtUp(): Promise<void> {
    await waitFor(() => this.violations({ isCaughtUp: true }).length === 0, {
      intervalMs: 50,
      message: () =>
        `all clients to see everything:\n${this.violations({ isCaughtUp: true }).slice(0, 10).join('\n')}`,
    });
  }

  violations({ isCaughtUp }: { readonly isCaughtUp: boolean }): readonly Violation[] {
    return this.clients.flatMap((client) => {
      client.release();
      return [...client.seen].flatMap(([channel, seen]) =>
        this.ledger.judge(client.name, channel, seen, { isCaughtUp }),
      );
    });
  }

  /** Reasons of the resets that each client saw, channel by channel; or of those on one channel. */
  resets(only?: string): readonly (readonly string[])[] {
    return this.clients.flatMap((client) =>
      [...client.seen].flatMap(([channel, seen]) =>
        only === undefined || only === channel
          ? [seen.flatMap((one) => (one.kind === 'reset' ? [one.reason] : []))]
          : [],
      ),
    );
  }

  get messagesSeen(): number {
    return this.clients.reduce(
      (sum, { seen }) =>
        sum +
        [...seen.values()].reduce(
          (all, list) => all + list.filter(({ kind }) => kind === 'message').length,
          0,
        ),
      0,
    );
  }

  /** Whether no server has ended a connection. */
  get areAllConnected(): boolean {
    return this.clients.every((client) => client.isConnected && !client.hasEnded);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.rooms.map((room) => room.close()));
    await turn();
  }
}
