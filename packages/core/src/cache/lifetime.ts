import { type OptionsReader, readOptions } from '../kernel/options.js';

/** How long a value is kept. What a call leaves out is as the cache has it. */
export interface LifetimeOptions {
  /** How long a value may be served. @defaultValue `60_000` */
  readonly ttlMs?: number | undefined;
  /** The part of a lifetime that varies, so that values stored together do not expire together. @defaultValue `0.1` */
  readonly jitterRatio?: number | undefined;
}

/** A lifetime with every default filled in. */
export interface Lifetime {
  readonly ttlMs: number;
  readonly jitterRatio: number;
}

/** What a cache has when nobody says otherwise. */
export const lifetimeDefaults = Object.freeze({ ttlMs: 60_000, jitterRatio: 0.1 } satisfies Lifetime);

const fields = Object.keys(lifetimeDefaults) as readonly (keyof Lifetime)[];

/** Reads the fields of a lifetime from options that hold them among others. */
export function readLifetime(reader: OptionsReader, defaults: Lifetime): Lifetime {
  return {
    ttlMs: reader.ms('ttlMs', defaults.ttlMs),
    jitterRatio: reader.ratio('jitterRatio', defaults.jitterRatio),
  };
}

/** The lifetime that one call asks for; costs next to nothing where it asks for none. Throws `PandoOptionsError`. */
export function lifetimeOf(verb: string, options: LifetimeOptions, defaults: Lifetime): Lifetime {
  if (fields.every((field) => options[field] === undefined)) return defaults;
  return readLifetime(readOptions(`cache.${verb}`, options), defaults);
}

/** For how long a value is stored that was loaded now: anything from the whole of it down to what jitter leaves. */
export function drawTtlMs({ ttlMs, jitterRatio }: Lifetime, random: () => number): number {
  return Math.max(1, ttlMs * (1 - jitterRatio * random()));
}
