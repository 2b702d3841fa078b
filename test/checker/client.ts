import { setTimeout as delay } from 'node:timers/promises';
import { emptyToken, mergeTokens, type Pando, type Token } from '@pando/core';
import type { Message, Subscription } from '@pando/core/realtime';
import type { Instance } from './instance.js';
import { Known } from './known.js';
import type { Following, Ledger } from './ledger.js';
import {
  allRegisters,
  type Cached,
  cachedRegisters,
  channel,
  plainRegisters,
  read,
  readBoard,
  readCached,
  transact,
  type Written,
  write,
} from './registers.js';
import type { Report } from './report.js';

/**
 * Invalidations that are not confirmed make a token long. They are forgotten by who meets a cache; clients that went on
 * telling each other of them would never get rid of any.
 */
const maxToldChars = 1_000;

/** What clients share. */
export interface ClientWorld {
  readonly report: Report;
  readonly ledger: Ledger;
  readonly instances: readonly Instance[];
  /** Versions whose invalidations are known to have been carried out. */
  readonly settled: Known;
  /** Whether what was read may not go back either. */
  readonly isMonotonic: boolean;
  /** Share of the operations that write. */
  readonly writeRatio: number;
  /** Longest pause between two requests of one of the client's loops. */
  readonly pauseMs: number;
}

/** What one request may not fall behind. */
interface Floor {
  /** Whatever it reads. */
  readonly known: Known;
  /** When it reads the database: what was read. */
  readonly read: Known;
  /** When it reads from a cache: what was read from one, and had been invalidated. */
  readonly cached: Known;
}

/**
 * One client: it has several requests in flight, follows the channel, and brings along what it was given, wherever it goes.
 *
 * It knows itself which versions it must be shown, from acknowledgements and events alone: tokens are what is on trial.
 */
export class Client {
  readonly name: string;
  readonly #world: ClientWorld;
  readonly #random: () => number;
  readonly #known = new Known();
  readonly #read = new Known();
  readonly #cached = new Known();
  /** As text, like any client: replies replace what was sent with their request. */
  #tokens = new Set<string>();
  readonly #heard = new Set<string>();
  #following: Following | undefined;
  #subscription: { readonly instance: Instance; readonly subscription: Subscription } | undefined;
  #moving: Promise<void> | undefined;
  #refetching: Promise<void> | undefined;
  #transactions = 0;

  constructor(name: string, world: ClientWorld, random: () => number) {
    this.name = name;
    this.#world = world;
    this.#random = random;
  }

  /** Whether it was handed this event. */
  hasHeard(id: string): boolean {
    return this.#heard.has(id);
  }

  /** Follows the channel; goes on where it was. */
  async follow(instance = this.#anyInstance()): Promise<void> {
    const subscription = await instance.pando.realtime.subscribe(
      channel,
      (message) => this.#handed(instance, message),
      {
        since: this.#following?.position,
        signal: instance.death, // it waits for Redis as long as that takes
        onReset: ({ position }) => this.#following?.reset(position),
      },
    );
    this.#following ??= this.#world.ledger.follow(this.name, subscription.position);
    this.#subscription = { instance, subscription };
  }

  /** Follows on another instance where its own has died. */
  followOn(): Promise<void> {
    const last = this.#subscription;
    if (last === undefined || last.instance.isAlive) return Promise.resolve();
    this.#moving ??= last.subscription
      .close()
      .then(() => this.follow())
      .catch(() => undefined) // that one has died, too: the next time, then
      .finally(() => {
        this.#moving = undefined;
      });
    return this.#moving;
  }

  /** Sends one request after the other until told to stop. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#attempt(() => this.#anything());
      await delay(this.#random() * this.#world.pauseMs);
    }
  }

  /** One request: a few operations in one context, on any instance. */
  async request(
    chooseOperation: () => (pando: Pando, floor: Floor) => Promise<void>,
    { instance = this.#anyInstance(), operations = 1 + Math.floor(this.#random() * 3) } = {},
  ): Promise<void> {
    const sent = [...this.#tokens];
    const floor: Floor = {
      known: new Known(this.#known),
      read: new Known(this.#read),
      cached: new Known(this.#cached),
    };
    const { tokens } = instance.pando;
    const token = sent.reduce((merged, text) => {
      const decoded = tokens.decode(text);
      return decoded.kind === 'token' ? mergeTokens(merged, decoded.token) : this.#refuse(decoded.kind);
    }, emptyToken as Token);
    await instance.serve(token, async (context) => {
      // What fails in the middle has an answer, too, with what came before it.
      const answer = () => {
        const tokens = new Set(this.#tokens);
        for (const text of sent) tokens.delete(text);
        this.#tokens = tokens.add(instance.pando.tokens.encode(context.token));
        this.#known.merge(floor.known);
        this.#read.merge(floor.read);
        this.#cached.merge(floor.cached);
      };
      try {
        for (let n = 0; n < operations; n++) await chooseOperation()(instance.pando, floor);
      } finally {
        if (instance.isAlive) answer();
      }
    });
  }

  /** Hands all that this one knows to another, with what proves it; unless that is more than anybody carries along. */
  tell(other: Client): void {
    if ([...this.#tokens].join().length > maxToldChars) return;
    for (const text of this.#tokens) other.#tokens.add(text);
    other.#known.merge(this.#known);
    other.#read.merge(this.#read);
    other.#cached.merge(this.#cached);
  }

  /** Somebody who knows what this one knows because he has read it: his token says how far the database was, and no more. */
  witness(): Client {
    const { tokens } = this.#anyInstance().pando;
    const witness = new Client(`a witness of ${this.name}`, this.#world, this.#random);
    witness.#known.merge(this.#known);
    for (const text of this.#tokens) {
      const decoded = tokens.decode(text);
      if (decoded.kind === 'token')
        witness.#tokens.add(tokens.encode({ ...emptyToken, db: decoded.token.db }));
    }
    return witness;
  }

  /** Resolves when nothing is in flight any more that an event has called forth. */
  async idle(): Promise<void> {
    await this.#refetching;
  }

  /** Looks at every register in every way, with all requests in flight at once. */
  async lookAtAll(instance: Instance): Promise<void> {
    const looks = [
      ...allRegisters.map(
        (register) => (pando: Pando, floor: Floor) => this.#readPlain(pando, floor, register),
      ),
      ...cachedRegisters.map(
        (register) => (pando: Pando, floor: Floor) => this.#readCached(pando, floor, register),
      ),
      (pando: Pando, floor: Floor) => this.#readBoard(pando, floor),
    ];
    await Promise.all(looks.map((look) => this.#attempt(() => look, { instance, operations: 1 })));
  }

  /** Reads the database again and again, in one request. */
  async browse(instance: Instance): Promise<void> {
    const look = () => (pando: Pando, floor: Floor) =>
      this.#readPlain(pando, floor, this.#pick(allRegisters));
    await this.#attempt(look, { instance, operations: 40 });
  }

  /** Commits a transaction there, and tells what it wrote; undefined when it failed, as far as one knows. */
  async transactOn(instance: Instance): Promise<Written | undefined> {
    let written: Written | undefined;
    const transact = async (pando: Pando, floor: Floor) => {
      written = await this.#transact(pando, floor);
    };
    await this.#attempt(() => transact, { instance, operations: 1 });
    return written;
  }

  /** Learns what was written in another way than by writing it or hearing of it. */
  learn(register: string, version: number): void {
    this.#known.raise(register, version);
  }

  async #attempt(...request: Parameters<Client['request']>): Promise<void> {
    await this.request(...request).catch((error) => this.#world.report.refused(error));
  }

  #anything(): (pando: Pando, floor: Floor) => Promise<void> {
    const { writeRatio } = this.#world;
    const dice = this.#random();
    if (dice < writeRatio / 3) return (pando, floor) => this.#write(pando, floor, this.#pick(plainRegisters));
    if (dice < writeRatio) return async (pando, floor) => void (await this.#transact(pando, floor));
    const register = this.#pick(allRegisters);
    const share = (dice - writeRatio) / (1 - writeRatio);
    if (share < 0.5) return (pando, floor) => this.#readPlain(pando, floor, register);
    if (share < 0.9) return (pando, floor) => this.#readCached(pando, floor, this.#pick(cachedRegisters));
    return (pando, floor) => this.#readBoard(pando, floor);
  }

  async #write(pando: Pando, { known }: Floor, register: string): Promise<void> {
    known.raise(register, await write(pando, register));
    this.#world.report.done('writes');
  }

  async #transact(pando: Pando, { known }: Floor): Promise<Written> {
    const { report, settled } = this.#world;
    const id = `${this.name}/${++this.#transactions}`;
    const first = this.#pick(cachedRegisters);
    const second = this.#pick([...cachedRegisters, ...plainRegisters]);
    const effect = this.#random() < 0.2 ? 'note' : undefined;
    const written = await transact(pando, id, [...new Set([first, second])], effect);
    const isConfirmed = pando.kernel.contexts.current().written.pending.length === 0;
    for (const [register, version] of Object.entries(written.versions)) {
      known.raise(register, version);
      if (isConfirmed) settled.raise(register, version);
    }
    report.done('transactions');
    return written;
  }

  async #readPlain(pando: Pando, floor: Floor, register: string): Promise<void> {
    const least = Math.max(floor.known.of(register), floor.read.of(register));
    const version = await read(pando, register);
    this.#judge('read', pando, register, version, least);
    if (this.#world.isMonotonic) floor.read.raise(register, version);
    this.#world.report.done('reads');
  }

  async #readCached(pando: Pando, floor: Floor, register: string): Promise<void> {
    const least = this.#leastCached(floor, register);
    const cached = await readCached(pando, register, this.#world.settled);
    this.#judge('cached read', pando, register, cached.version, least);
    this.#sawCached(floor, register, cached);
    this.#world.report.done('cached reads');
  }

  async #readBoard(pando: Pando, floor: Floor): Promise<void> {
    const least = cachedRegisters.map((register) => this.#leastCached(floor, register));
    const all = await readBoard(pando, this.#world.settled);
    for (const [index, register] of cachedRegisters.entries()) {
      const cached = all[index] as Cached;
      this.#judge('cached read of all', pando, register, cached.version, least[index] as number);
      this.#sawCached(floor, register, cached);
    }
    this.#world.report.done('cached reads of all');
  }

  #leastCached({ known, cached }: Floor, register: string): number {
    return Math.max(known.of(register), cached.of(register));
  }

  #sawCached({ read, cached }: Floor, register: string, { version, settled }: Cached): void {
    if (!this.#world.isMonotonic) return;
    read.raise(register, version);
    cached.raise(register, Math.min(version, settled));
  }

  #judge(how: string, { instanceId }: Pando, register: string, version: number, least: number): void {
    if (version >= least) return;
    this.#world.report.violated(
      `${how} by ${this.name} on ${instanceId}: ${register} was ${version}, known ${least}`,
    );
  }

  #handed({ pando }: Instance, { position, data, token }: Message): void {
    const { id, versions } = data as Written;
    this.#following?.handed(position, id);
    this.#heard.add(id);
    if (token !== undefined) this.#tokens.add(pando.tokens.encode(token));
    for (const [register, version] of Object.entries(versions)) this.#known.raise(register, version);
    this.#world.report.done('events');
    this.#refetching ??= this.#refetch(Object.keys(versions)).finally(() => {
      this.#refetching = undefined;
    });
  }

  /** What pages do on an event. */
  async #refetch(registers: readonly string[]): Promise<void> {
    const looks = registers.map(
      (register) => (pando: Pando, floor: Floor) =>
        register.startsWith('cached')
          ? this.#readCached(pando, floor, register)
          : this.#readPlain(pando, floor, register),
    );
    await Promise.all(looks.map((look) => this.#attempt(() => look, { operations: 1 })));
  }

  #refuse(kind: string): Token {
    this.#world.report.violated(`a token of ${this.name} was ${kind}`);
    return emptyToken;
  }

  #anyInstance(): Instance {
    return this.#pick(this.#world.instances.filter(({ isAlive }) => isAlive));
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T;
  }
}
