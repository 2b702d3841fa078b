import { randomUUID } from 'node:crypto';
import { abortable, deadline, type Signalled } from '../kernel/abort.js';
import { ClosedError, messageOf } from '../kernel/errors.js';
import { Events } from '../kernel/events.js';
import type { FleetRoster } from '../kernel/fleet.js';
import type { Kernel } from '../kernel/kernel.js';
import { createKeys, type Keys } from '../kernel/keys.js';
import { isCluster, RedisClients } from './client.js';
import { ClusterPlaces } from './cluster/places.js';
import { Commands } from './commands.js';
import { ConfirmedScripts } from './confirmed-scripts.js';
import { epochArguments, epochScript, readEpoch } from './epoch.js';
import { RedisRefusedError, RedisVersionError } from './errors.js';
import { LeasedFleet } from './fleet.js';
import { redisInstruments } from './metrics.js';
import { type RedisOption, type ResolvedRedisOptions, resolveRedisOptions } from './options.js';
import type {
  RedisArgument,
  RedisCallOptions,
  RedisCommand,
  RedisCopies,
  RedisEvents,
  RedisFloor,
  RedisPlace,
  RedisScript,
  RedisSubscription,
} from './ports.js';
import { Scripts } from './scripts.js';
import { SentinelWatch } from './sentinels.js';
import { slotOf } from './slot.js';
import { Subscriber } from './subscriber.js';

/**
 * Puts the Redis floor of one kit together; `start()` connects it.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 */
export function createRedisFloor(
  option: RedisOption,
  kernel: Kernel,
  { instanceId = randomUUID() }: { readonly instanceId?: string | undefined } = {},
): RedisFloor {
  return new Floor(resolveRedisOptions(option), kernel, instanceId);
}

class Floor implements RedisFloor {
  readonly keys: Keys;
  readonly tag: string;
  readonly isSharded = false;
  readonly epochKey: string;
  readonly events: Events<RedisEvents>;
  readonly client: unknown;
  readonly #kernel: Kernel;
  readonly #options: ResolvedRedisOptions;
  readonly #server: string;
  readonly #commands: Commands;
  readonly #scripts: Scripts;
  readonly #confirmed: ConfirmedScripts;
  readonly #subscriber: Subscriber;
  readonly #sentinels: SentinelWatch;
  /** In a cluster: all places but the home. */
  readonly #places: ClusterPlaces | undefined;
  readonly #fleet: LeasedFleet;
  readonly #gauges: readonly Disposable[];
  #epoch: string | undefined;
  #lastFailure: unknown;
  #refused: ((cause: Error) => void) | undefined;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedRedisOptions, kernel: Kernel, instanceId: string) {
    const { clock, meter, logger } = kernel;
    const clients = new RedisClients(options, kernel.keys.name);
    const keys = createKeys(kernel.keys.name, clients.database);
    const failed = (cause: unknown, refused: boolean) => this.#failed(cause, refused);
    this.#kernel = kernel;
    this.#options = options;
    this.#server = clients.server;
    this.keys = keys;
    this.tag = keys.name;
    this.epochKey = keys.atomic('epoch');
    this.client = clients.commands;
    this.events = new Events((cause) => logger.error({ err: cause }, 'a listener of Redis events threw'));
    const homeSlot = slotOf(keys.name);
    this.#commands = new Commands({
      clock,
      meter,
      clients,
      timeoutMs: options.commandTimeoutMs,
      homeKey: this.epochKey,
      homeSlot,
      verify: (client) => readEpoch(client, this.epochKey),
      up: (epoch) => this.#up(epoch),
      down: (cause) => {
        logger.warn({ err: cause }, `${this.#server} is away: ${messageOf(cause)}`);
        this.events.emit('down', { cause });
      },
      failed,
    });
    this.#scripts = new Scripts(this.#commands, clock, options.commandTimeoutMs);
    this.#confirmed = new ConfirmedScripts({
      clock,
      server: this.#server,
      commandTimeoutMs: options.commandTimeoutMs,
      connectTimeoutMs: clients.attemptTimeoutMs,
      connect: (up) => {
        const commands = new Commands({
          clock,
          meter,
          clients: new RedisClients(options, kernel.keys.name),
          timeoutMs: options.commandTimeoutMs,
          homeKey: this.epochKey,
          homeSlot,
          verify: (client) => readEpoch(client, this.epochKey),
          up: (epoch) => {
            this.#adopt(epoch);
            up();
          },
          down: () => undefined, // calls there are refused until it is back
          failed,
        });
        return { commands, scripts: new Scripts(commands, clock, options.commandTimeoutMs) };
      },
    });
    this.#subscriber = new Subscriber({
      clock,
      meter,
      logger,
      server: this.#server,
      attemptTimeoutMs: clients.attemptTimeoutMs,
      ackTimeoutMs: options.connectTimeoutMs,
      probeIntervalMs: options.probeIntervalMs,
      probeChannel: keys.atomic('probe', instanceId),
      open: () => clients.forAnnouncements(homeSlot),
      canPublish: () => this.#commands.isUp,
      publish: (channel, payload) => this.#commands.publish(channel, payload),
      live: () => {
        logger.info({}, `announcements of ${this.#server} arrive`);
        this.events.emit('live', {});
      },
      blind: (cause) => {
        logger.warn({ err: cause }, `announcements of ${this.#server} may be missed: ${messageOf(cause)}`);
        this.events.emit('blind', { cause });
      },
      failed,
    });
    this.#sentinels = new SentinelWatch({
      clock,
      clients,
      switched: (host, port) => {
        this.#commands.follow(host, port);
        this.#confirmed.follow(host, port);
        this.#subscriber.follow(host, port);
      },
    });
    if (isCluster(clients.commands)) {
      const { commands: cluster } = clients;
      const homeKey = this.epochKey;
      this.#places = new ClusterPlaces({
        kernel,
        times: options,
        clients,
        cluster,
        instanceId,
        homeKey,
        failed,
      });
    }
    this.#fleet = new LeasedFleet(
      { isUp: () => this.isUp, call: (command) => this.call(command), run: (...call) => this.run(...call) },
      {
        self: instanceId,
        keys: [keys.atomic('fleet'), keys.atomic('fleet-descriptions')],
        leaseMs: options.leaseMs,
        clock,
      },
    );
    this.#gauges = [
      meter.observe(redisInstruments.up, () => Number(this.isUp)),
      meter.observe(redisInstruments.live, () => Number(this.isLive && (this.#places?.isLive ?? true))),
    ];
  }

  get isUp(): boolean {
    return this.#commands.isUp;
  }

  get isLive(): boolean {
    return this.#subscriber.isLive;
  }

  get heardAt(): number {
    return this.#subscriber.heardAt;
  }

  get epoch(): string | undefined {
    return this.#epoch;
  }

  get fleet(): FleetRoster {
    return this.#fleet;
  }

  start({ signal }: Signalled = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The Redis connection'));
    this.#starting ??= this.#open();
    return abortable(this.#starting, signal);
  }

  place(tag: string): RedisPlace {
    return tag === this.tag ? this : (this.#places?.place(tag) ?? this);
  }

  async provePlaces(options: Signalled = {}): Promise<boolean> {
    options.signal?.throwIfAborted();
    if (this.#places === undefined) return true;
    if (!this.isUp) return false;
    const [known] = (await this.call(['COMMAND', 'INFO', 'SPUBLISH'], options)) as readonly unknown[];
    if (known === null) throw new RedisVersionError(this.#server);
    return true;
  }

  key(room: string, ...parts: readonly string[]): string {
    return this.keys.atomic(room, ...parts);
  }

  call(command: RedisCommand, options?: RedisCallOptions): Promise<unknown> {
    return this.#commands.call(command, options);
  }

  batch(commands: readonly RedisCommand[], options?: RedisCallOptions): Promise<readonly unknown[]> {
    return this.#commands.batch(commands, options);
  }

  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    options?: RedisCallOptions,
  ): Promise<unknown> {
    return this.#scripts.run(script, keys, args, options);
  }

  together(send: () => void): void {
    const atHome = () => this.#commands.together(send);
    if (this.#places === undefined) atHome();
    else this.#places.together(atHome);
  }

  runConfirmed(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    copies: RedisCopies,
    options?: RedisCallOptions,
  ): Promise<unknown> {
    return this.#confirmed.run(script, keys, args, copies, options);
  }

  subscribe(
    channel: string,
    listener: (payload: Buffer) => void,
    options?: Signalled,
  ): Promise<RedisSubscription> {
    return this.#subscriber.subscribe(channel, listener, options);
  }

  async publish(channel: string, payload: Buffer | string, options?: Signalled): Promise<void> {
    await this.#commands.publish(channel, payload, options);
  }

  async renewEpoch(seen: string, options?: Signalled): Promise<string> {
    const epoch = String(await this.run(epochScript, [this.epochKey], epochArguments(seen), options));
    this.#adopt(epoch);
    return epoch;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(): Promise<void> {
    const { clock } = this.#kernel;
    const { startTimeoutMs } = this.#options;
    const refused = new Promise<never>((_, reject) => {
      this.#refused = reject;
    });
    const connected = new Promise<void>((resolve) => {
      const check = () => this.isUp && this.isLive && resolve();
      this.events.on('live', check);
      this.events.on('up', check);
    });
    // Instances tell each other when one of them begins a new epoch.
    await this.#subscriber.subscribe(this.epochKey, (payload) => this.#hearEpoch(payload.toString()));
    const patience = deadline(
      clock,
      startTimeoutMs,
      () => new Error(`no answer within ${startTimeoutMs} ms`),
    );
    const late = new Promise<void>((resolve) => {
      patience.signal.addEventListener('abort', () => resolve(this.#goOnWithout()));
    });
    // Clock timers do not keep a process alive, and one that waits here may hold nothing else that does.
    const awake = setInterval(() => undefined, startTimeoutMs);
    this.#commands.start();
    this.#subscriber.start();
    this.#sentinels.start();
    try {
      await Promise.race([connected, refused, late]);
    } finally {
      this.#refused = undefined;
      patience[Symbol.dispose]();
      clearInterval(awake);
    }
  }

  #goOnWithout(): void {
    const cause = this.#lastFailure;
    const what = this.isUp ? 'no announcements arrive' : `no connection`;
    const why = cause === undefined ? '' : ` (${messageOf(cause)})`;
    this.#kernel.logger.warn(
      { err: cause },
      `starting without ${this.#server}: ${what} yet${why}; trying goes on`,
    );
  }

  async #close(): Promise<void> {
    this.#refused?.(new ClosedError('The Redis connection'));
    await this.#fleet.leave();
    await Promise.all([
      this.#commands.close(),
      this.#confirmed.close(),
      this.#subscriber.close(),
      this.#sentinels.close(),
      this.#places?.close(),
    ]);
    for (const gauge of this.#gauges) gauge[Symbol.dispose]();
  }

  /** A fresh connection is verified; or the epoch changed under one. */
  #up(epoch: string): void {
    const previousEpoch = this.#epoch;
    const isOther = previousEpoch !== undefined && previousEpoch !== epoch;
    this.#epoch = epoch;
    this.#kernel.logger.info({ epoch, previousEpoch }, `${this.#server} is up`);
    // Another master may answer our commands than the one whose announcements we hear.
    this.#subscriber.prove(
      isOther ? new Error('the data set behind the connection is another one') : undefined,
    );
    this.events.emit('up', { epoch, previousEpoch });
    this.#fleet.renew();
  }

  #adopt(epoch: string): void {
    if (epoch !== this.#epoch && this.isUp) this.#up(epoch);
  }

  /** Somebody says that another epoch has begun: ask, for announcements are hints. */
  #hearEpoch(epoch: string): void {
    if (epoch === this.#epoch || !this.isUp) return;
    this.run(epochScript, [this.epochKey], epochArguments()).then(
      (valid) => this.#adopt(String(valid)),
      () => undefined,
    );
  }

  #failed(cause: unknown, refused: boolean): void {
    this.#lastFailure = cause;
    if (!refused) {
      this.#kernel.logger.debug({ err: cause }, `cannot connect to ${this.#server}: ${messageOf(cause)}`);
      return;
    }
    const error = new RedisRefusedError(this.#server, cause);
    this.#kernel.logger.error({ err: error }, error.message);
    this.#refused?.(error);
  }
}
