import type { LifetimeOptions } from '../cache/index.js';
import type { AnswerHeaders } from './exchange.js';

/**
 * For how long an answer is kept and served past its time, as far as its handler says so in `Cache-Control`: by what is
 * meant for caches between it and the browser (RFC 9111, 5.2.2; RFC 5861).
 */
export function ownLifetime(headers: AnswerHeaders): LifetimeOptions {
  const directives = new Map(
    (headers['cache-control'] ?? '').split(',').map((directive) => {
      const [name = '', value] = directive.split('=', 2).map((part) => part.trim());
      return [name.toLowerCase(), value] as const;
    }),
  );
  const msOf = (name: string): number | undefined => {
    const seconds = /^"?(\d{1,9})"?$/.exec(directives.get(name) ?? '')?.[1];
    return seconds === undefined ? undefined : 1_000 * Number(seconds);
  };
  const mustRevalidate = directives.has('must-revalidate') || directives.has('proxy-revalidate');
  return {
    ttlMs: msOf('s-maxage') || undefined,
    staleMs: mustRevalidate ? 0 : msOf('stale-while-revalidate'),
    staleIfErrorMs: mustRevalidate ? 0 : msOf('stale-if-error'),
  };
}
