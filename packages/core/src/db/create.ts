import type { EffectsRunner } from '../kernel/effects.js';
import type { Kernel } from '../kernel/kernel.js';

/** What a kit hands to its database. */
export interface DatabaseWiring {
  /** Shared by the rooms of a kit; without it the database makes its own. */
  readonly kernel?: Kernel | undefined;
  /** Carries out what transactions want done after their commit. */
  readonly effects?: EffectsRunner | undefined;
}
