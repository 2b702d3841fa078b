import type { Policy } from './decision.js';
import { Desk, type Office } from './desk.js';
import { UnknownTierError } from './errors.js';
import type { AskKind, LimitStore } from './ports.js';

/** The desks of one policy: one for each tier that has a limit. */
export class PolicyDesks {
  readonly policy: Policy;
  /** Of the default tier, or of all. */
  readonly desk: Desk;
  readonly #tiers = new Map<string, Desk | false>();

  constructor(policy: Policy, store: LimitStore, office: Office) {
    this.policy = policy;
    const [standard] = policy.tiers?.keys() ?? [];
    this.desk = new Desk(policy, store, office, standard);
    for (const [tier, windows] of policy.tiers ?? []) {
      const desk = tier === standard ? this.desk : new Desk(policy, store, office, tier);
      this.#tiers.set(tier, windows && desk);
    }
  }

  /** False for a tier without limit. */
  at(tier: string | undefined): Desk | false {
    if (tier === undefined) return this.desk;
    const desk = this.#tiers.get(tier);
    if (desk === undefined) throw new UnknownTierError(this.policy.name, tier, this.#tiers.keys());
    return desk;
  }

  forget(key: string | undefined, kind: AskKind | undefined): void {
    for (const desk of this.#all()) desk.forget(key, kind);
  }

  /** Gives back what was lent. */
  async close(): Promise<void> {
    await Promise.all(this.#all().map((desk) => desk.close()));
  }

  #all(): readonly Desk[] {
    const others = [...this.#tiers.values()].filter((desk) => desk !== this.desk);
    return [this.desk, ...others.filter((desk) => desk !== false)];
  }
}
