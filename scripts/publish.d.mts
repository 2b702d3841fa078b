/** What a manifest says about where its package lives. */
export interface Located {
  readonly homepage?: string;
  readonly bugs?: string;
  readonly repository?: { readonly type: string; readonly url: string; readonly directory: string };
}

export function withRepository<Manifest extends object>(
  manifest: Manifest,
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
): Manifest & Located;
