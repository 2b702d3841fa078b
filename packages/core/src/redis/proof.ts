import type { Clock } from '../kernel/clock.js';

/** Looks per probe interval: more looks notice silence sooner. */
const TICKS = 2;

/** What a proof of life stands on, and who hears of it. */
export interface ProofInit {
  readonly clock: Clock;
  readonly probeIntervalMs: number;
  /** Whether probes can be published. */
  canPublish(): boolean;
  /** Publishes a probe on the path that everybody's announcements take. */
  publish(probe: string): Promise<unknown>;
  /** The probe with this number has come back: what was subscribed before it was made is heard. */
  proven(number: number): void;
  /** Nothing arrives, although it should. */
  dead(cause: Error): void;
}

/** An announcement to ourselves whose arrival proves the whole way. */
interface Probe {
  readonly number: number;
  state: 'unsent' | 'sending' | 'sent';
  ticks: number;
}

/**
 * Whether announcements arrive on a connection.
 *
 * Silence is broken by probes, and counted in ticks of a timer: a process that was frozen does not mistake
 * its own absence for the server's.
 */
export class Proof implements Disposable {
  readonly #init: ProofInit;
  readonly #ticker: Disposable;
  #isConnected = false;
  #isProven = false;
  #probe: Probe | undefined;
  #probes = 0;
  #silentTicks = 0;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(init: ProofInit) {
    this.#init = init;
    this.#ticker = init.clock.every(init.probeIntervalMs / TICKS, () => this.#tick());
  }

  /** Monotonic instant of the last announcement. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** A fresh connection listens. */
  begin(): void {
    this.#isConnected = true;
    this.#silentTicks = 0;
  }

  /** The connection has ended. */
  end(): void {
    this.#isConnected = false;
    this.#isProven = false;
    this.#probe = undefined;
  }

  /** What was proven may not hold any more: another server took over. */
  doubt(): void {
    this.#isProven = false;
  }

  /** Demands a proof that what is published now arrives; gives the number of its probe. */
  prove(): number {
    this.#probe = { number: ++this.#probes, state: 'unsent', ticks: 0 };
    this.#send(this.#probe);
    return this.#probe.number;
  }

  /** An announcement has arrived. */
  heard(): void {
    this.#silentTicks = 0;
    this.#heardAt = this.#init.clock.monotonic();
  }

  /** A probe of ours has arrived. */
  heardProbe(text: string): void {
    const probe = this.#probe;
    // An earlier one proves nothing about the present publisher.
    if (probe === undefined || String(probe.number) !== text) return;
    this.#probe = undefined;
    this.#isProven = true;
    this.#init.proven(probe.number);
  }

  [Symbol.dispose](): void {
    this.#ticker[Symbol.dispose]();
    this.end();
  }

  #tick(): void {
    if (!this.#isConnected) return;
    this.#silentTicks++;
    const silenceMs = (this.#silentTicks / TICKS) * this.#init.probeIntervalMs;
    if (this.#isProven && this.#silentTicks >= 2 * TICKS) {
      this.#init.dead(new Error(`no announcement arrived for ${silenceMs} ms`));
    } else if (this.#probe === undefined) {
      if (this.#silentTicks >= TICKS) this.prove();
    } else if (this.#probe.state === 'unsent') {
      this.#send(this.#probe);
    } else if (this.#probe.state === 'sent' && ++this.#probe.ticks > TICKS) {
      this.#init.dead(new Error('an announcement to ourselves did not arrive'));
    }
  }

  #send(probe: Probe): void {
    if (!this.#init.canPublish()) return;
    probe.state = 'sending';
    this.#init.publish(String(probe.number)).then(
      () => {
        probe.state = 'sent';
      },
      () => {
        probe.state = 'unsent';
      },
    );
  }
}
