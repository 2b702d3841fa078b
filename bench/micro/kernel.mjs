/** Tokens as text: every response encodes one, every request may bring one. */
import { perSecond } from '../harness/measures.mjs';

const load = { workers: 1, batch: 1_000 };

export const comparisons = [
  {
    what: 'a token into signed text, for one database and the cache; the peer is the signature alone',
    ours: 'pandoEncodes',
    theirs: 'signs',
    peer: 'node:crypto',
    load,
    rows: { 'kernel.token.encode.vs-hmac': perSecond('tokens') },
  },
  {
    what: 'signed text into a token; the peer is the signature alone',
    ours: 'pandoDecodes',
    theirs: 'signs',
    peer: 'node:crypto',
    load,
    rows: { 'kernel.token.decode.vs-hmac': perSecond('tokens') },
  },
];

export async function open() {
  return {};
}

const secret = 'a secret of the benchmarks';
const token = {
  db: [{ shard: 'main', system: '7412345678901234567', timeline: 1, lsn: 0x16_b374_d848n }],
  cache: [{ epoch: 'q3Vx1yZkT0mE', sequence: 123_456 }],
  pending: [],
  opaque: [],
};

async function openTokens() {
  const { createPando } = await import('@pando/core');
  const { tokens } = await createPando({ name: 'bench', secret, lifecycle: { signals: false } });
  return tokens;
}

export async function pandoEncodes() {
  const tokens = await openTokens();
  return {
    run(count) {
      for (let i = 0; i < count; i++) tokens.encode(token);
    },
  };
}

export async function pandoDecodes() {
  const tokens = await openTokens();
  const text = tokens.encode(token);
  return {
    run(count) {
      for (let i = 0; i < count; i++) {
        if (tokens.decode(text).kind !== 'token') throw new Error('Our own token was refused.');
      }
    },
  };
}

/** HMAC-SHA256 over as many bytes as a token has, which nobody who signs can do without. */
export async function signs() {
  const { createHmac } = await import('node:crypto');
  const text = (await openTokens()).encode(token);
  return {
    run(count) {
      for (let i = 0; i < count; i++) createHmac('sha256', secret).update(text).digest();
    },
  };
}
