/** More do not fit into a header: the oldest are forgotten. */
const maxTokens = 32;
/** A copy that a browser holds may be older than what was seen: it is to ask whether it still holds. */
const asked = Object.freeze({ cache: 'no-cache' });

/** What this client has seen, as the server says it in texts that only the server can put together. */
export class SeenTokens {
  readonly header: string;
  readonly #origin: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #seen = new Set<string>();

  constructor(name: string, origin: string, fetch: typeof globalThis.fetch) {
    this.header = `pando-token-${name.toLowerCase()}`;
    this.#origin = origin;
    this.#fetch = fetch;
  }

  get text(): string | undefined {
    return this.#seen.size === 0 ? undefined : [...this.#seen].join(', ');
  }

  observe(token: string | null | undefined): void {
    if (!token) return;
    this.#seen.delete(token); // it is the newest now
    this.#seen.add(token);
    for (const oldest of this.#seen) if (this.#seen.size > maxTokens) this.#seen.delete(oldest);
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const { url = String(input), headers: own } = input as Partial<Request>;
    const base = (globalThis as { location?: { href: string } }).location?.href ?? this.#origin;
    if (new URL(url, base).origin !== this.#origin) return this.#fetch(input, init);
    const headers = new Headers(init?.headers ?? own);
    const sent = [...this.#seen];
    if (sent.length > 0) headers.set(this.header, sent.join(', '));
    const response = await this.#fetch(input, { ...asked, ...init, headers });
    const token = response.headers.get(this.header);
    if (token !== null) {
      for (const included of sent) this.#seen.delete(included);
      this.observe(token);
    }
    return response;
  };
}
