import { messageOf } from '../../kernel/errors.js';
import type { Kernel } from '../../kernel/kernel.js';
import { isCluster, type RedisClient, type RedisClients, type RedisClusterClient } from '../client.js';
import { Commands } from '../commands.js';
import { ConfirmedScripts } from '../confirmed-scripts.js';
import { RedisUnavailableError } from '../errors.js';
import type { RedisArgument, RedisCallOptions, RedisCopies, RedisScript } from '../ports.js';
import { Scripts } from '../scripts.js';
import { NodeSubscriber } from './node-subscriber.js';
import type { NodeLife, NodeTimes, Resident } from './resident.js';

/** What a node stands on, and who hears of its troubles. */
export interface NodeInit {
  readonly kernel: Kernel;
  readonly times: NodeTimes;
  readonly clients: RedisClients;
  /** A key to ask about for a sign of life: a reply that it is elsewhere is one, too. */
  readonly signKey: string;
  /** The node cannot be reached, or does not answer: another may hold its slots by now. */
  troubled(cause: unknown): void;
  failed(cause: unknown, refused: boolean): void;
}

/** One node of a cluster: a connection for commands and one for announcements, however many places it holds. */
export class ClusterNode {
  readonly address: string;
  readonly server: string;
  readonly subscriber: NodeSubscriber;
  readonly #init: NodeInit;
  readonly #residents = new Map<string, Resident>();
  readonly #commands: Commands;
  readonly #scripts: Scripts;
  readonly #confirmed: ConfirmedScripts;
  #life: NodeLife | undefined;
  #confirmedRunId: string | undefined;

  constructor(address: string, init: NodeInit) {
    const { kernel, times, clients } = init;
    this.address = address;
    this.server = `Redis cluster node ${address}`;
    this.#init = init;
    this.#commands = this.#connect('commands', {
      up: (runId) => this.#up(runId),
      down: (cause) => this.#down(cause),
    });
    this.#scripts = this.#scriptsOn(this.#commands);
    this.#confirmed = new ConfirmedScripts({
      clock: kernel.clock,
      server: this.server,
      commandTimeoutMs: times.commandTimeoutMs,
      connectTimeoutMs: times.connectTimeoutMs,
      connect: (up) => {
        const commands = this.#connect('commands', {
          up: (runId) => {
            this.#confirmedRunId = runId;
            up();
          },
          down: () => undefined, // calls there are refused until it is back
        });
        return { commands, scripts: this.#scriptsOn(commands) };
      },
    });
    this.subscriber = new NodeSubscriber({
      kernel,
      times,
      server: this.server,
      residents: this.#residents,
      open: async () => clients.ofNode(address, 'subscriber', await clients.credentials()),
      canPublish: () => this.#life !== undefined,
      publish: (channel, payload) => this.#commands.call(['SPUBLISH', channel, payload]),
      troubled: (cause) => init.troubled(cause),
      failed: (cause, refused) => this.#failed(cause, refused),
    });
  }

  /** The present life of the connection for commands; undefined while there is none. */
  get life(): NodeLife | undefined {
    return this.#life;
  }

  get isEmpty(): boolean {
    return this.#residents.size === 0;
  }

  start(): void {
    this.#commands.start();
    this.subscriber.start();
  }

  admit(resident: Resident): void {
    this.#residents.set(resident.tag, resident);
  }

  dismiss(resident: Resident): void {
    this.#residents.delete(resident.tag);
    this.subscriber.forget(resident);
  }

  /** Runs a script and waits for copies, if the same process answers as in the given life. */
  async runConfirmed(
    life: NodeLife,
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    copies: RedisCopies,
    options?: RedisCallOptions,
  ): Promise<unknown> {
    const reply = await this.#confirmed.run(script, keys, args, copies, options);
    if (this.#confirmedRunId === life.runId) return reply;
    throw new RedisUnavailableError(
      `${this.server} was replaced while ${script.name} was on its way. It may be carried out or not.`,
      { sent: true },
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.#commands.close(), this.#confirmed.close(), this.subscriber.close()]);
  }

  #connect(purpose: string, heard: { up(runId: string): void; down(cause: unknown): void }): Commands {
    const { kernel, times, clients, signKey } = this.#init;
    const client = clients.ofNode(this.address, purpose);
    return new Commands({
      clock: kernel.clock,
      meter: kernel.meter,
      clients: {
        commands: client,
        server: this.server,
        attemptTimeoutMs: times.connectTimeoutMs,
        forCommands: async () => {
          Object.assign(client.options, await clients.credentials());
          return client;
        },
      },
      timeoutMs: times.commandTimeoutMs,
      homeKey: signKey,
      homeSlot: -1, // of no consequence to a connection to one node
      verify: readRunId,
      ...heard,
      failed: (cause, refused) => this.#failed(cause, refused),
    });
  }

  #scriptsOn(commands: Commands): Scripts {
    const { kernel, times } = this.#init;
    return new Scripts(commands, kernel.clock, times.commandTimeoutMs);
  }

  #up(runId: string): void {
    this.#life = { commands: this.#commands, scripts: this.#scripts, runId };
    for (const resident of this.#residents.values()) resident.nodeUp();
  }

  #down(cause: unknown): void {
    this.#life = undefined;
    const { logger } = this.#init.kernel;
    logger.warn({ err: cause }, `${this.server} is away: ${messageOf(cause)}`);
    for (const resident of this.#residents.values()) resident.nodeDown(cause);
    this.#init.troubled(cause);
  }

  #failed(cause: unknown, refused: boolean): void {
    this.#init.failed(cause, refused);
    this.#init.troubled(cause);
  }
}

/** Which process is at the other end; nobody knows where the user may not ask. */
async function readRunId(client: RedisClient | RedisClusterClient): Promise<string> {
  const info = isCluster(client) ? '' : await client.call('INFO', 'server').catch(() => '');
  return /run_id:([0-9a-f]+)/.exec(String(info))?.[1] ?? '';
}
