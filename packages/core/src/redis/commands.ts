import { abortable } from '../kernel/abort.js';
import { type Clock, sleep } from '../kernel/clock.js';
import { ClosedError } from '../kernel/errors.js';
import type { CounterCell, HistogramCell, Meter } from '../kernel/meter.js';
import {
  isCluster,
  ownerOf,
  type RedisClient,
  type RedisClients,
  type RedisClusterClient,
} from './client.js';
import { Deadlines, type Wait } from './deadlines.js';
import { commandError, isDemotion, isReply, RedisUnavailableError, reasonOf } from './errors.js';
import { Link } from './link.js';
import { redisInstruments } from './metrics.js';
import type { RedisArgument, RedisCallOptions, RedisCommand } from './ports.js';

type Client = RedisClient | RedisClusterClient;

/** Silence, in command deadlines, after which a connection with commands on it counts as dead. */
const DEADLINES_UNTIL_DEAD = 3;

/** What the connection for commands needs of the clients: those of a floor, or of one node of a cluster. */
export type CommandClients = Pick<RedisClients, 'commands' | 'forCommands' | 'server' | 'attemptTimeoutMs'>;

/** What the connection for commands stands on, and who hears of it. */
export interface CommandsInit {
  readonly clock: Clock;
  readonly meter: Meter;
  readonly clients: CommandClients;
  readonly timeoutMs: number;
  /** A key of the slot that scripts use: its master is the one whose health counts. */
  readonly homeKey: string;
  readonly homeSlot: number;
  /** Learns the epoch of the data set behind a fresh connection, before any command is accepted. */
  verify(client: Client): Promise<string>;
  up(epoch: string): void;
  down(cause: unknown): void;
  failed(cause: unknown, refused: boolean): void;
}

/**
 * The connection for commands: refuses while there is none, answers or rejects within the deadline otherwise.
 *
 * In a cluster "the connection" is the one to the master of the home slot: when that master changes,
 * everything is verified anew before another reply is handed out.
 */
export class Commands {
  readonly #init: CommandsInit;
  readonly #link: Link;
  readonly #deadlines: Deadlines;
  readonly #seconds: HistogramCell;
  readonly #missed: CounterCell;
  readonly #connects: CounterCell;
  #up: Client | undefined;
  /** In a cluster: the connection to the home slot's master, as verified, and that master's `host:port`. */
  #home: RedisClient | undefined;
  #homeMaster: string | undefined;
  #lastFailure: unknown;
  /** Monotonic instant since which commands to the home master wait in vain; undefined when the last thing it did was to answer. */
  #waitingSince: number | undefined;
  #pinging = false;
  #closed = false;

  constructor(init: CommandsInit) {
    this.#init = init;
    this.#deadlines = new Deadlines(init.clock);
    this.#seconds = init.meter.histogram(redisInstruments.commandSeconds);
    this.#missed = init.meter.counter(redisInstruments.missedDeadlines);
    this.#connects = init.meter.counter(redisInstruments.connects, { connection: 'commands' });
    this.#link = new Link({
      clock: init.clock,
      attemptTimeoutMs: init.clients.attemptTimeoutMs,
      open: () => init.clients.forCommands(),
      ready: (client) => this.#ready(client),
      ended: (cause) => this.#ended(cause),
      failed: (cause, refused) => {
        this.#lastFailure = cause;
        init.failed(cause, refused);
      },
    });
    const { commands } = init.clients;
    if (isCluster(commands)) {
      commands.on('-node', (node: RedisClient) => {
        if (node === this.#home)
          this.#link.renew(new Error('the connection to the master of our slot ended'));
      });
    }
  }

  get isUp(): boolean {
    return this.#up !== undefined;
  }

  start(): void {
    this.#link.start();
  }

  /** The master is at this address now: leaves any other. */
  follow(host: string, port: number): void {
    this.#link.follow(host, port);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#link.close();
  }

  /** Sends one command. `home` says that its keys are in the home slot. */
  call([name, ...args]: RedisCommand, options: RedisCallOptions = {}, home = false): Promise<unknown> {
    // In capitals the library passes replies on as they are, instead of making objects of some.
    const command = name.toUpperCase();
    const send = (client: Client) =>
      options.buffers ? client.callBuffer(command, ...args) : client.call(command, ...args);
    return this.#dispatch(command, send, options, home);
  }

  /** Sends several commands in one write. */
  batch(commands: readonly RedisCommand[], options: RedisCallOptions = {}): Promise<readonly unknown[]> {
    if (commands.length === 0) return Promise.resolve([]);
    const { buffers = false } = options;
    const send = (client: Client) =>
      isCluster(client) ? pipelined(client, commands, buffers) : together(client, commands, buffers);
    return this.#dispatch(`a batch of ${commands.length} commands`, send, options, false) as Promise<
      readonly unknown[]
    >;
  }

  /** Announces; in a cluster at the master whose scripts announce, too, so that one order holds. */
  publish(channel: string, payload: RedisArgument, options: RedisCallOptions = {}): Promise<unknown> {
    return this.#dispatch(
      'PUBLISH',
      (client) => (this.#home ?? client).call('PUBLISH', channel, payload),
      options,
      true,
    );
  }

  #dispatch(
    what: string,
    send: (client: Client) => Promise<unknown>,
    { signal, timeoutMs = this.#init.timeoutMs }: RedisCallOptions,
    home: boolean,
  ): Promise<unknown> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const client = this.#up;
    if (client === undefined) return Promise.reject(this.#refusal(what));
    const isHome = home || this.#home === undefined;
    const outcome = new Promise<unknown>((resolve, reject) => {
      const call = new Call(this, this.#init.clock.monotonic(), timeoutMs, what, isHome, resolve, reject);
      this.#deadlines.begin(call, timeoutMs);
      if (isHome) this.#waitingSince ??= call.since;
      send(client).then(
        (reply) => call.succeed(reply),
        (cause) => call.fail(cause),
      );
    });
    return abortable(outcome, signal);
  }

  /** Writes in one go what `send` sends, all in its own turn. */
  together(send: () => void): void {
    const socket = (this.#home ?? this.#up)?.stream;
    socket?.cork();
    try {
      send();
    } finally {
      socket?.uncork();
    }
  }

  /** @internal A reply arrived. Tells whether it may be handed out. */
  accept(call: Call): boolean {
    this.#heard(call);
    if (this.#homeMaster === this.#currentMaster()) return true;
    this.#link.renew(new Error('another node is master of our slot now'));
    return false;
  }

  /** @internal The call failed: with an error reply, or with its connection. */
  errorOf(call: Call, cause: unknown): Error {
    if (isReply(cause)) this.#heard(call);
    else this.#deadlines.end(call, call.timeoutMs);
    if (this.#closed) return this.#refusal(call.what);
    if (isDemotion(cause)) this.#link.renew(cause);
    return commandError(this.#init.clients.server, call.what, cause);
  }

  /** @internal */
  unansweredError(call: Call): Error {
    const { server } = this.#init.clients;
    return new RedisUnavailableError(
      `${server} did not answer ${call.what} within ${call.timeoutMs} ms. Try again later.`,
      { sent: true },
    );
  }

  /** @internal The time of a call is up: find out whether the server is slow or gone. */
  missed(call: Call): void {
    this.#missed.add();
    const { clock, timeoutMs } = this.#init;
    const waitedMs = this.#waitingSince === undefined ? 0 : clock.monotonic() - this.#waitingSince;
    if (call.isHome && waitedMs >= timeoutMs * DEADLINES_UNTIL_DEAD) {
      this.#link.renew(new Error(`no reply for ${Math.round(waitedMs)} ms`));
    } else {
      this.#ping();
    }
  }

  /** Asks the home master for a sign of life, until it gives one or is given up. */
  #ping(): void {
    if (this.#pinging || this.#up === undefined) return;
    this.#pinging = true;
    const { clock, timeoutMs } = this.#init;
    const askedAt = clock.monotonic();
    const answered = () => {
      this.#pinging = false;
    };
    const unanswered = (cause: unknown) => {
      this.#pinging = false;
      if (this.#waitingSince === undefined || this.#up === undefined) return;
      // A socket that is ending takes nothing any more, and says so at once. Asked again at once, it would say so for ever, and
      // its end, which is an event, would never get a turn: nothing else would, in the whole process.
      if (clock.monotonic() - askedAt < timeoutMs) this.#link.renew(cause);
      else this.#ping();
    };
    this.call(['EXISTS', this.#init.homeKey], {}, true).then(answered, unanswered);
  }

  #heard(call: Call): void {
    this.#deadlines.end(call, call.timeoutMs);
    this.#seconds.record((this.#init.clock.monotonic() - call.since) / 1_000);
    if (call.isHome) this.#waitingSince = undefined;
  }

  async #ready(client: Client): Promise<void> {
    const epoch = await this.#init.verify(client);
    if (isCluster(client)) {
      await this.#greet(client);
      this.#home = ownerOf(client, this.#init.homeSlot);
      if (this.#home === undefined) throw new Error('no node of the cluster holds our slot');
      this.#homeMaster = this.#currentMaster();
    }
    this.#waitingSince = undefined;
    this.#up = client;
    this.#connects.add();
    this.#init.up(epoch);
  }

  /** Connects to the masters of a cluster now, so that the first command to each need not within its deadline; waits for no dead one. */
  async #greet(cluster: RedisClusterClient): Promise<void> {
    const greetings = cluster.nodes('master').map((master) => master.call('PING'));
    await Promise.race([Promise.allSettled(greetings), sleep(this.#init.clock, this.#init.timeoutMs)]);
  }

  #ended(cause: unknown): void {
    this.#up = undefined;
    this.#home = undefined;
    this.#homeMaster = undefined;
    this.#lastFailure = cause;
    if (!this.#closed) this.#init.down(cause);
  }

  /** In a cluster: who holds the home slot as far as the library knows; redirected commands teach it. */
  #currentMaster(): string | undefined {
    const { clients, homeSlot } = this.#init;
    return isCluster(clients.commands) ? clients.commands.slots[homeSlot]?.[0] : undefined;
  }

  #refusal(what: string): Error {
    if (this.#closed) return new ClosedError('The Redis connection');
    const { server } = this.#init.clients;
    const cause = this.#lastFailure;
    const why = cause === undefined ? 'not connected yet' : reasonOf(cause);
    return new RedisUnavailableError(
      `${server} is away (${why}); ${what} was not sent. Connecting goes on; try again later.`,
      { cause },
    );
  }
}

/** One command or batch on its way. Whatever comes after its first outcome is dropped. */
class Call implements Wait {
  readonly since: number;
  readonly timeoutMs: number;
  readonly what: string;
  /** Whether the master of the home slot answers it. */
  readonly isHome: boolean;
  readonly #commands: Commands;
  readonly #resolve: (reply: unknown) => void;
  readonly #reject: (cause: unknown) => void;

  constructor(
    commands: Commands,
    since: number,
    timeoutMs: number,
    what: string,
    isHome: boolean,
    resolve: (reply: unknown) => void,
    reject: (cause: unknown) => void,
  ) {
    this.#commands = commands;
    this.since = since;
    this.timeoutMs = timeoutMs;
    this.what = what;
    this.isHome = isHome;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  succeed(reply: unknown): void {
    if (this.#commands.accept(this)) this.#resolve(reply);
    else this.#reject(this.#commands.errorOf(this, new Error('the slot has moved')));
  }

  fail(cause: unknown): void {
    this.#reject(this.#commands.errorOf(this, cause));
  }

  expire(): void {
    this.#reject(this.#commands.unansweredError(this));
    this.#commands.missed(this);
  }
}

/** All at once: a pipeline of the library does the same for a tenth of what a read of a hundred values takes. */
function together(
  client: RedisClient,
  commands: readonly RedisCommand[],
  buffers: boolean,
): Promise<readonly unknown[]> {
  const { stream } = client;
  stream?.cork();
  try {
    return Promise.all(
      commands.map(([name, ...args]) =>
        buffers ? client.callBuffer(name.toUpperCase(), ...args) : client.call(name.toUpperCase(), ...args),
      ),
    );
  } finally {
    stream?.uncork();
  }
}

async function pipelined(
  client: RedisClusterClient,
  commands: readonly RedisCommand[],
  buffers: boolean,
): Promise<readonly unknown[]> {
  const pipeline = client.pipeline();
  for (const [name, ...args] of commands) {
    if (buffers) pipeline.callBuffer(name.toUpperCase(), ...args);
    else pipeline.call(name.toUpperCase(), ...args);
  }
  return unwrap((await pipeline.exec()) ?? []);
}

function unwrap(replies: readonly (readonly [Error | null, unknown])[]): readonly unknown[] {
  return replies.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}
