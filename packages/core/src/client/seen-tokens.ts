/** More do not fit into a header: the oldest are forgotten. */
const maxTokens = 32;

/** What this client has seen, as the server says it in texts that only the server can put together. */
export interface SeenTokens {
  text(): string | undefined;
  observe(token: string | null | undefined): void;
  readonly fetch: typeof globalThis.fetch;
}

/** Remembers what answers and messages from `origin` have seen. */
export function rememberTokens(name: string, origin: string, fetch: typeof globalThis.fetch): SeenTokens {
  const header = `pando-token-${name.toLowerCase()}`;
  const seen = new Set<string>();
  const text = (): string | undefined => [...seen].join(', ') || undefined;
  const observe = (given: string | null | undefined): void => {
    for (const token of given?.split(', ') ?? []) {
      seen.delete(token); // it is the newest now
      seen.add(token);
    }
    for (const oldest of seen) if (seen.size > maxTokens) seen.delete(oldest);
  };
  return {
    text,
    observe,
    async fetch(input, init) {
      const { url = String(input), headers: own } = input as Partial<Request>;
      const base = (globalThis as { location?: { href: string } }).location?.href ?? origin;
      if (new URL(url, base).origin !== origin) return fetch(input, init);
      const headers = new Headers(init?.headers ?? own);
      const sent = [...seen];
      if (sent[0]) headers.set(header, sent.join(', '));
      // A copy that a browser holds may be older than what was seen: it is to ask whether it still holds.
      const response = await fetch(input, { ...{ cache: 'no-cache' }, ...init, headers });
      const token = response.headers.get(header);
      if (token) for (const included of sent) seen.delete(included);
      observe(token);
      return response;
    },
  };
}
