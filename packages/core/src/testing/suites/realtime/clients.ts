import type { Realtime } from '../../../realtime/api.js';
import type { Observation } from './ledger.js';
import { TestOutlet, TestSocket } from './wires.js';

/** A client that comes and goes, and remembers what it saw, channel by channel. */
export abstract class Client {
  readonly name: string;
  readonly channels: readonly string[];
  readonly seen = new Map<string, Observation[]>();
  isConnected = false;

  constructor(name: string, followed: readonly string[]) {
    this.name = name;
    this.channels = followed;
    for (const channel of followed) this.seen.set(channel, []);
  }

  protected saw(channel: string, observation: Observation): void {
    this.seen.get(channel)?.push(observation);
  }

  protected lastPosition(channel: string): string | undefined {
    return this.seen.get(channel)?.findLast((seen) => seen.kind !== 'fresh')?.position;
  }

  /** Opens a connection and goes on from where it was. */
  abstract connect(room: Realtime): Promise<void>;
  /** The connection breaks; what had not arrived is lost. */
  abstract cut(): void;
  /** It stops reading. */
  abstract hold(): void;
  /** It reads one of the writes that wait. */
  abstract take(): void;
  /** It reads all there is, and goes on reading. */
  abstract release(): void;
  /** Whether the server has ended the connection. */
  abstract readonly hasEnded: boolean;
}

/** A browser with a plain `EventSource`. */
export class Browser extends Client {
  #outlet = new TestOutlet();
  #read = 0;
  #lastEventId = '';

  async connect(room: Realtime): Promise<void> {
    this.#outlet = new TestOutlet({ highWaterBytes: 512 });
    this.#read = 0;
    this.isConnected = true;
    if (this.#lastEventId === '') for (const channel of this.channels) this.saw(channel, { kind: 'fresh' });
    await room.openSse(this.#outlet, { channels: this.channels, lastEventId: this.#lastEventId });
  }

  cut(): void {
    this.#collect();
    this.isConnected = false;
    this.#outlet.cut();
  }

  hold(): void {
    this.#outlet.hold();
  }

  take(): void {
    this.#outlet.take(1);
    this.#collect();
  }

  release(): void {
    this.#outlet.release();
    this.#collect();
  }

  get hasEnded(): boolean {
    return this.isConnected && this.#outlet.ended !== undefined;
  }

  #collect(): void {
    const { events } = this.#outlet.client;
    for (; this.#read < events.length; this.#read++) {
      const { type, data, lastEventId } = events[this.#read] as (typeof events)[number];
      const parsed = data === '' ? undefined : JSON.parse(data);
      const [only] = this.channels;
      if (type === 'reset') this.saw(parsed.c, { kind: 'reset', reason: parsed.reason, position: parsed.i });
      else if (type === 'message' && this.channels.length > 1) {
        this.saw(parsed.c, { kind: 'message', position: parsed.i, value: parsed.d });
      } else if (type === 'message')
        this.saw(only ?? '', { kind: 'message', position: lastEventId, value: parsed });
    }
    if (this.#outlet.client.lastEventId !== '') this.#lastEventId = this.#outlet.client.lastEventId;
  }
}

/** A client of the WebSocket protocol. */
export class Peer extends Client {
  #socket = new TestSocket();
  #read = 0;
  readonly #start = new Map<string, string>();

  async connect(room: Realtime): Promise<void> {
    this.#socket = new TestSocket({ highWaterBytes: 512 });
    this.#read = 0;
    this.isConnected = true;
    room.openSocket(this.#socket, { authorize: () => true });
    const since = Object.fromEntries(
      this.channels.flatMap((channel) => {
        const position = this.lastPosition(channel) ?? this.#start.get(channel);
        if (position === undefined) this.saw(channel, { kind: 'fresh' });
        return position === undefined ? [] : [[channel, position]];
      }),
    );
    this.#socket.say({ t: 'sub', c: this.channels, since });
  }

  cut(): void {
    this.#collect();
    this.isConnected = false;
    this.#socket.cut();
  }

  hold(): void {
    this.#socket.hold();
  }

  take(): void {
    this.#socket.take(1);
    this.#collect();
  }

  release(): void {
    this.#socket.release();
    this.#collect();
  }

  get hasEnded(): boolean {
    return this.isConnected && this.#socket.closed !== undefined;
  }

  #collect(): void {
    const { frames } = this.#socket;
    for (; this.#read < frames.length; this.#read++) {
      const { t, c, i, d, reason } = frames[this.#read] as Record<string, string>;
      const [channel, position] = [String(c), String(i)];
      if (t === 'm') this.saw(channel, { kind: 'message', position, value: d });
      else if (reason !== undefined) this.saw(channel, { kind: 'reset', reason, position });
      else if (t === 'sub') this.#start.set(channel, position);
    }
  }
}
