import type { IncomingHttpHeaders } from 'node:http';
import { expect, test } from 'vitest';
import { systemClock } from '../kernel/clock.js';
import { createContexts } from '../kernel/context.js';
import type { Instrument, Labels, Meter } from '../kernel/meter.js';
import { noopMeter } from '../kernel/meter.js';
import { cacheToken, emptyToken, mergeTokens, type Token } from '../kernel/token.js';
import { createTokenCodec } from '../kernel/token-codec.js';
import type { Exchange } from './exchange.js';
import { TokenTransport, type TokenTransportOptions } from './token-transport.js';

const codec = createTokenCodec('app', () => 'a secret of the fleet');
const at = (sequence: number): Token => cacheToken({ epoch: 'e1', sequence });

/** The part of an exchange that tokens pass through. */
class Answer {
  readonly headers: IncomingHttpHeaders;
  readonly secure: boolean;
  readonly sent = new Map<string, string>();
  readonly cookies: string[] = [];

  constructor(headers: IncomingHttpHeaders = {}, secure = false) {
    this.headers = headers;
    this.secure = secure;
  }

  answerHeader(name: string): string | undefined {
    return this.sent.get(name);
  }

  setAnswerHeader(name: string, value: string): void {
    this.sent.set(name, value);
  }

  addAnswerHeader(name: string, value: string): void {
    expect(name).toBe('set-cookie');
    this.cookies.push(value);
  }
}

function transport({
  meter = noopMeter,
  cookie = { maxAgeMs: 30_000 } as TokenTransportOptions['cookie'],
} = {}) {
  const tokens = new TokenTransport('app', codec, meter, { cookie });
  const contexts = createContexts(systemClock);
  /** Reads a request, writes in its context, and answers. */
  const serve = (answer: Answer, written: Token = emptyToken) => {
    const token = tokens.read(answer.headers);
    const context = contexts.open({ id: '1', signal: new AbortController().signal, token });
    context.wrote(written);
    return tokens.write(answer as unknown as Exchange, context);
  };
  return { tokens, serve };
}

function countingMeter(): { readonly meter: Meter; readonly counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  const counter = (_instrument: Instrument, { reason = '' }: Labels = {}) => ({
    add() {
      counts[reason] = (counts[reason] ?? 0) + 1;
    },
  });
  return { meter: { ...noopMeter, counter }, counts };
}

const decoded = (text: string | undefined): Token => {
  const outcome = codec.decode(text ?? '');
  if (outcome.kind !== 'token') throw new Error(`${outcome.kind}: ${text}`);
  return outcome.token;
};
const cookieValue = (cookie = ''): string => cookie.slice(cookie.indexOf('=') + 1, cookie.indexOf(';'));

test('the header and all cookies are merged', () => {
  const { tokens } = transport();
  const headers = {
    'pando-token-app': `${codec.encode(at(1))}, ${codec.encode(at(4))}`,
    cookie: `pando.app.a=${codec.encode(at(3))}; theme=dark; pando.app.b=${codec.encode(at(2))}`,
  };
  expect(tokens.read(headers)).toEqual(at(4));
});

test('what is malformed or foreign is ignored and counted', () => {
  const { meter, counts } = countingMeter();
  const { tokens } = transport({ meter });
  const foreign = createTokenCodec('app', () => 'another secret').encode(at(9));
  expect(
    tokens.read({ 'pando-token-app': 'garbage', cookie: `pando.app.a=${foreign}; pando.app.b=` }),
  ).toEqual(emptyToken);
  expect(counts).toEqual({ malformed: 2, foreign: 1 });
});

test('a request without tokens gets an answer without tokens', () => {
  const answer = new Answer();
  expect(transport().serve(answer)).toEqual([]);
  expect(answer.sent.size + answer.cookies.length).toBe(0);
});

test('an answer that only read carries the header and no cookie', () => {
  const answer = new Answer({ 'pando-token-app': codec.encode(at(7)) });
  expect(transport().serve(answer)).toEqual(['pando-token-app']);
  expect(decoded(answer.sent.get('pando-token-app'))).toEqual(at(7));
  expect(answer.cookies).toEqual([]);
});

test('an answer that wrote carries a cookie of its own, which no other answer overwrites', () => {
  const [first, second] = [new Answer(), new Answer()];
  const { serve } = transport();
  serve(first, at(8));
  serve(second, at(9));
  expect(first.cookies[0]).toMatch(/^pando\.app\.[0-9a-z]+=.+; Max-Age=30; Path=\/; HttpOnly; SameSite=Lax$/);
  expect(decoded(cookieValue(first.cookies[0]))).toEqual(at(8));
  expect(first.cookies[0]?.split('=')[0]).not.toBe(second.cookies[0]?.split('=')[0]);
});

test('the cookie is secure where the client speaks TLS', () => {
  const answer = new Answer({}, true);
  transport().serve(answer, at(1));
  expect(answer.cookies[0]).toMatch(/; Secure$/);
});

test('an answer with a cookie is kept from shared caches', () => {
  const { serve } = transport();
  const withPolicy = (policy?: string) => {
    const answer = new Answer();
    if (policy !== undefined) answer.sent.set('cache-control', policy);
    serve(answer, at(1));
    return answer.sent.get('cache-control');
  };
  expect(withPolicy()).toBe('private');
  expect(withPolicy('public, max-age=60, s-maxage=600')).toBe('max-age=60, private');
  expect(withPolicy('private, max-age=60')).toBe('private, max-age=60');
  expect(withPolicy('no-store')).toBe('no-store');
});

test('more than four cookies become one at the next write, and nothing they say is lost', () => {
  const other = mergeTokens(at(3), cacheToken({ epoch: 'e2', sequence: 5 }));
  const tokens = [at(1), at(2), other, at(4), at(6)];
  const cookie = tokens.map((token, index) => `pando.app.c${index}=${codec.encode(token)}`).join('; ');
  const answer = new Answer({ cookie });
  transport().serve(answer, at(5));
  expect(answer.cookies).toHaveLength(6);
  for (const index of [0, 1, 2, 3, 4]) {
    expect(answer.cookies[index]).toMatch(new RegExp(`^pando\\.app\\.c${index}=; Max-Age=0; Path=/;`));
  }
  expect(decoded(cookieValue(answer.cookies[5]))).toEqual(mergeTokens(at(6), other));
});

test('up to four cookies are left alone, so that answers set nothing they need not', () => {
  const cookie = [1, 2, 3, 4].map((n) => `pando.app.c${n}=${codec.encode(at(n))}`).join('; ');
  const answer = new Answer({ cookie });
  transport().serve(answer, at(5));
  expect(answer.cookies).toHaveLength(1);
});

test('cookies can be switched off', () => {
  const answer = new Answer();
  expect(transport({ cookie: false }).serve(answer, at(1))).toEqual(['pando-token-app']);
  expect(answer.cookies).toEqual([]);
});
