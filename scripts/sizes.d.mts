/** What a subpath weighs. */
export interface Size {
  /** As it is imported: `@pando/core/cache`. */
  readonly subpath: string;
  /** Minified. */
  readonly bytes: number;
  /** Minified and compressed. */
  readonly gzipBytes: number;
  /** The sources in it, the largest first: `src/cache/cache.ts`. */
  readonly modules: readonly { readonly name: string; readonly bytes: number }[];
}

export function measureSizes(): Promise<readonly Size[]>;
/** For each subpath the most bytes that it may have, minified and compressed. */
export function readBudgets(): Readonly<Record<string, number>>;
