import type { IncomingHttpHeaders } from 'node:http';
import type { HeaderValues } from './exchange.js';
import { headerList } from './headers.js';

/** The codings in which answers are stored beside their plain form, the better one first. */
export const codings = ['br', 'gzip'] as const;
export type Coding = (typeof codings)[number];

/**
 * What a client can decode, in one form: clients of the same form can be given the same bytes, whichever coding a handler
 * has chosen for the first of them. Which they like better makes no difference, what they refuse does.
 */
export function acceptedCodings(headers: IncomingHttpHeaders): string {
  const forms = [...weightsOf(headers)].map(([name, weight]) => (weight > 0 ? name : `${name};q=0`));
  return forms.sort().join();
}

/** The best of the codings on offer that a client can decode; undefined for the plain form (RFC 9110, 12.5.3). */
export function bestCoding(headers: IncomingHttpHeaders): Coding | undefined {
  const weights = weightsOf(headers);
  const weightOf = (name: string): number => weights.get(name) ?? weights.get('*') ?? 0;
  const best = codings.reduce((one, other) => (weightOf(other) > weightOf(one) ? other : one));
  const plain = weights.get('identity') ?? 0; // unnamed it is accepted, but nobody's wish
  return weightOf(best) > 0 && weightOf(best) >= plain ? best : undefined;
}

function weightsOf(headers: IncomingHttpHeaders): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const item of headerList(headers, 'accept-encoding')) {
    const [name = '', ...parameters] = item
      .toLowerCase()
      .split(';')
      .map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    weights.set(name === 'x-gzip' ? 'gzip' : name, weight === undefined ? 1 : Number(weight) || 0);
  }
  return weights;
}

const text =
  /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|javascript|manifest|wasm)\b|image\/svg\+xml|font\/(?:otf|ttf))/i;

/** Whether the body of an answer is worth another form, and may have one. */
export function isCodable(headers: HeaderValues): boolean {
  return (
    text.test(String(headers['content-type'] ?? '')) &&
    headers['content-encoding'] === undefined &&
    !/\bno-transform\b/i.test(String(headers['cache-control'] ?? ''))
  );
}
