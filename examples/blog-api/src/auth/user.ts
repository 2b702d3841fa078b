/** Who is asking, as the session says. */
export interface User {
  readonly id: number;
  readonly email: string;
  readonly name: string;
  /** Says how much may be written: a tier of the limit `write`. A session keeps that of when it began. */
  readonly plan: Plan;
}

/** The plans that there are, the one of newcomers first. */
export const plans = ['free', 'premium', 'enterprise'] as const;
export type Plan = (typeof plans)[number];
