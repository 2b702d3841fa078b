import type { Signalled } from '../kernel/abort.js';
import { type Clock, sleep } from '../kernel/clock.js';
import { accountName, addressName } from './account.js';
import type { Bans } from './bans.js';
import type { Decision } from './decision.js';
import { Desk, type Office } from './desk.js';
import { counterKey } from './key.js';
import type { AskKind, LimitStore } from './ports.js';
import type { Protection } from './protection-options.js';

/** Who tries to get in, and where. */
export interface AttemptSubject extends Signalled {
  /** As it was typed: however it is written, it is one account. Whether there is such an account makes no difference. */
  readonly account: string;
  /** The client's. An IPv6 address counts with its /64. */
  readonly address: string;
}

/** An attempt to get in, counted as a failure until it is known how it ended. */
export interface Attempt {
  /** Whether the password may be looked at. If not, answer as for any limit: 429 and when to come back. */
  readonly allowed: boolean;
  readonly decision: Decision;
  /** The password was wrong, or there is no such account. Resolves in any case. */
  failed(): Promise<void>;
  /** It could not be found out: this attempt alone is forgotten. Resolves in any case. */
  abandoned(): Promise<void>;
  /** It was right: this attempt is forgotten, and the failures of this address at this account. Resolves in any case. */
  succeeded(): Promise<void>;
}

/** The keys of an attempt in the counters. Accounts are hashed: nobody reads them in Redis. */
interface AttemptKeys {
  readonly address: string;
  readonly account: string;
  readonly pair: string;
}

/**
 * One protection at work.
 *
 * An attempt pays before the password is looked at, and gets it back when that was right: of a thousand at once no more pass
 * than there is room for. The address and the pair refuse. The account alone only slows: else whoever knows its name could
 * lock its owner out.
 */
export class Attempts {
  readonly #protection: Protection;
  readonly #address: Desk;
  readonly #account: Desk;
  readonly #pair: Desk;
  readonly #blocks: Desk;
  readonly #bans: Bans;
  readonly #clock: Clock;

  constructor(protection: Protection, store: LimitStore, office: Office, bans: Bans) {
    this.#protection = protection;
    this.#address = new Desk(protection.address, store, office);
    this.#account = new Desk(protection.account, store, office);
    this.#pair = new Desk(protection.pair, store, office);
    this.#blocks = new Desk(protection.blocks, store, office);
    this.#bans = bans;
    this.#clock = office.kernel.clock;
  }

  /** Somebody changed a counter in this way; of undefined: somebody may have. */
  forget(rule: string | undefined, key: string | undefined, kind: AskKind | undefined): void {
    for (const desk of [this.#address, this.#account, this.#pair, this.#blocks])
      if (rule === undefined || desk.rule.id === rule) desk.forget(key, kind);
  }

  async begin({ account, address, signal }: AttemptSubject): Promise<Attempt> {
    const keys = keysOf(account, address);
    const { pair } = this.#protection;
    const ban =
      this.#bans.refusal(pair, account, address) ?? this.#bans.refusal(pair, accountName(account), address);
    if (ban !== undefined) this.#bans.count(ban);
    // Who is known to be refused costs nobody a word, and none of the other counters.
    const known = ban ?? this.#pair.denial(keys.pair) ?? this.#address.denial(keys.address);
    if (known !== undefined) return this.#refused(keys, known);
    const [byAddress, byPair] = await Promise.all([
      this.#address.decide('spend', keys.address, 1),
      this.#pair.decide('spend', keys.pair, 1),
    ]);
    if (!byAddress.allowed || !byPair.allowed) {
      if (byAddress.allowed) await this.#address.decide('reward', keys.address, 1);
      if (byPair.allowed) await this.#pair.decide('reward', keys.pair, 1);
      return this.#refused(keys, byPair.retryAfterMs > byAddress.retryAfterMs ? byPair : byAddress);
    }
    const byAccount = await this.#account.decide('spend', keys.account, 1);
    if (byAccount.source === 'closed') {
      await this.#abandoned(keys, false);
      return this.#refused(keys, byAccount);
    }
    if (!byAccount.allowed) await sleep(this.#clock, this.#protection.slowMs, { signal });
    return new OpenAttempt(this.#named(byPair), {
      failed: () => this.#failed(keys, byPair),
      succeeded: () => this.#succeeded(keys, byAccount.allowed),
      abandoned: () => this.#abandoned(keys, byAccount.allowed),
    });
  }

  #refused(keys: AttemptKeys, decision: Decision): Attempt {
    return new OpenAttempt(this.#named(decision), {
      failed: async () => undefined,
      abandoned: async () => undefined,
      succeeded: () => this.#forgive(keys),
    });
  }

  /** Nobody outside need know which counter it was. */
  #named(decision: Decision): Decision {
    return { ...decision, policy: this.#protection.name };
  }

  /** The attempt is counted already; the last one that had room begins a block. */
  async #failed({ pair }: AttemptKeys, { remaining, source }: Decision): Promise<void> {
    const { blockMs } = this.#protection;
    if (remaining > 0 || blockMs.length === 0 || source === 'open') return;
    const blocks = await this.#blocks.decide('penalize', pair, 1);
    const isCounted = blocks.source !== 'open' && blocks.source !== 'closed'; // else: it may be the first
    const count = isCounted ? blocks.limit - blocks.remaining : 1;
    const duration = blockMs[Math.min(count, blockMs.length) - 1] as number;
    await Promise.all([
      this.#pair.decide('reset', pair, 0), // who comes back after the block has all attempts again
      this.#pair.decide('block', pair, duration * 1_000),
    ]);
  }

  async #succeeded(keys: AttemptKeys, hasPaidAccount: boolean): Promise<void> {
    await Promise.all([
      this.#forgive(keys),
      this.#address.decide('reward', keys.address, 1),
      hasPaidAccount ? this.#account.decide('reward', keys.account, 1) : undefined,
    ]);
  }

  async #abandoned(keys: AttemptKeys, hasPaidAccount: boolean): Promise<void> {
    await Promise.all([
      this.#pair.decide('reward', keys.pair, 1),
      this.#address.decide('reward', keys.address, 1),
      hasPaidAccount ? this.#account.decide('reward', keys.account, 1) : undefined,
    ]);
  }

  async #forgive({ pair }: AttemptKeys): Promise<void> {
    await Promise.all([this.#pair.decide('reset', pair, 0), this.#blocks.decide('reset', pair, 0)]);
  }
}

/** What is to be done at each end. */
type Ends = Pick<Attempt, 'failed' | 'abandoned' | 'succeeded'>;

/** An attempt whose end is told once: what is said later changes nothing. */
class OpenAttempt implements Attempt {
  readonly allowed: boolean;
  readonly decision: Decision;
  readonly #ends: Ends;
  #end: Promise<void> | undefined;

  constructor(decision: Decision, ends: Ends) {
    this.allowed = decision.allowed;
    this.decision = decision;
    this.#ends = ends;
  }

  failed(): Promise<void> {
    this.#end ??= this.#ends.failed();
    return this.#end;
  }

  abandoned(): Promise<void> {
    this.#end ??= this.#ends.abandoned();
    return this.#end;
  }

  succeeded(): Promise<void> {
    this.#end ??= this.#ends.succeeded();
    return this.#end;
  }
}

function keysOf(account: string, address: string): AttemptKeys {
  const [place, name] = [addressName(address), accountName(account)];
  return {
    address: counterKey(place),
    account: counterKey(`\n${name}`), // no counter is called that, so it is hashed
    pair: counterKey(`${place}\n${name}`),
  };
}
