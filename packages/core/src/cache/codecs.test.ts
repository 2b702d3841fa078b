import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { jsonCodec } from '../kernel/codec.js';
import { PandoOptionsError } from '../kernel/errors.js';
import { createKernel } from '../kernel/kernel.js';
import { CacheFleet } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { binaryCodec, compressed } from './codecs.js';
import { CacheValueError } from './errors.js';
import { createCache, createMemoryWorld } from './index.js';
import { resolveCacheOptions } from './options.js';

const seeds = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

describe('binary', () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const holes = new Array(3);
  holes[1] = 1;

  it.each<[string, unknown]>([
    ['dates', [new Date(0), new Date(Number.NaN)]],
    ['maps and sets', new Map([[{ any: 'key' }, new Set([1, 'two', null])]])],
    ['big integers', [2n ** 70n, -1n]],
    ['numbers that JSON does not know', [Number.NaN, Number.POSITIVE_INFINITY, -0]],
    ['buffers and typed arrays', [Buffer.from('pixels'), new Float64Array([1.5, 2]), new Uint8Array(3)]],
    ['holes', holes],
    ['cycles', cycle],
    ['plain data', { title: 'ünï 🌳', nested: [{ deep: true }, [[]], ''] }],
  ])('keeps %s', (_, value) => {
    expect(binaryCodec.decode(binaryCodec.encode(value))).toStrictEqual(value);
  });

  it('keeps undefined, which is a value in it', () => {
    expect(binaryCodec.decode(binaryCodec.encode(undefined))).toBeUndefined();
    expect(binaryCodec.decode(binaryCodec.encode({ a: undefined }))).toStrictEqual({ a: undefined });
  });

  it('gives buffers that lie on memory of their own', () => {
    const received = Buffer.alloc(64_000);
    const encoded = binaryCodec.encode({ image: Buffer.from('pixels') });
    encoded.copy(received, 1_000);
    const { image } = binaryCodec.decode(received.subarray(1_000, 1_000 + encoded.length)) as {
      image: Buffer;
    };
    received.fill(0);
    expect(image).toEqual(Buffer.from('pixels'));
    expect(image.buffer.byteLength).toBe(encoded.length);
  });

  it.each([() => 1, Symbol('mine'), { nested: [() => 1] }])('refuses what cannot be cloned: %s', (value) => {
    expect(() => binaryCodec.encode(value)).toThrow('could not be cloned');
  });

  it('throws for bytes of another codec', () => {
    for (const value of [{ a: 1 }, 'text', [], undefined]) {
      expect(() => binaryCodec.decode(jsonCodec.encode(value))).toThrow();
    }
  });
});

describe('compressed', () => {
  const codec = compressed(jsonCodec, { minBytes: 100 });

  it('gives back what went in, whatever its size', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 400 }), (value, minBytes) => {
        const one = compressed(jsonCodec, { minBytes });
        expect(one.decode(one.encode(value))).toEqual(jsonCodec.decode(jsonCodec.encode(value)));
      }),
    );
    expect(codec.decode(codec.encode(undefined))).toBeUndefined();
  });

  it('makes large values smaller, and leaves small ones alone', () => {
    const large = Array.from({ length: 100 }, (_, id) => ({ id, title: 'A post' }));
    expect(codec.encode(large).length).toBeLessThan(jsonCodec.encode(large).length / 3);
    expect(codec.encode('small')).toEqual(Buffer.from('\0"small"'));
  });

  it('leaves alone what does not get smaller', () => {
    const raw = {
      name: 'raw',
      encode: (value: unknown) => value as Buffer,
      decode: (bytes: Buffer) => bytes,
    };
    fc.assert(
      fc.property(seeds, (bytes) => {
        const one = compressed(raw, { minBytes: 1 });
        expect(one.encode(bytes).length).toBeLessThanOrEqual(bytes.length + 1);
        expect(one.decode(one.encode(bytes))).toEqual(bytes);
      }),
    );
  });

  it('compresses whatever codec there is', () => {
    const dates = Array.from({ length: 50 }, (_, day) => new Date(day * 86_400_000));
    const one = compressed(binaryCodec, { minBytes: 1 });
    expect(one.decode(one.encode(dates))).toStrictEqual(dates);
    expect(one.encode(dates).length).toBeLessThan(binaryCodec.encode(dates).length);
  });

  it('throws for bytes that it did not make', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('{"a":1}'), Buffer.from([1, 2, 3])]) {
      expect(() => codec.decode(bytes)).toThrow();
    }
  });

  it('has a name of its own, which a cache takes', () => {
    expect(compressed().name).toBe('json+z');
    expect(resolveCacheOptions({ codec: compressed(binaryCodec) }).codec.name).toBe('v8+z');
  });

  it('refuses options that cannot be right', () => {
    expect(() => compressed(jsonCodec, { minBytes: 0 })).toThrow(PandoOptionsError);
    expect(() => compressed(jsonCodec, { minByte: 10 } as object)).toThrow(
      'unknown option "minByte" in cache.codec. Did you mean "minBytes"?',
    );
  });
});

describe('a cache', () => {
  const clock = createFakeClock();

  it('gives dates back as dates, from every level, with the binary codec', async () => {
    const fleet = new CacheFleet({ clock, options: { codec: binaryCodec } });
    const [a, b] = [await fleet.instance(), await fleet.instance()];
    const at = new Date(0);
    for (const { cache } of [a, a, b, b]) expect(await cache.getOrLoad('at', () => at)).toEqual(at);
  });

  it('rejects with an error of its own for what its codec cannot encode, and keeps nothing', async () => {
    const fleet = new CacheFleet({ clock, options: { codec: binaryCodec } });
    const { cache } = await fleet.instance();
    const load = () => ({ format: () => 'never' });
    await expect(cache.getOrLoad('formatter', load)).rejects.toThrow(CacheValueError);
    await expect(cache.getOrLoad('formatter', load)).rejects.toThrow(
      'The value of "formatter" cannot be encoded as v8',
    );
    expect(await cache.getOrLoad('formatter', () => 1)).toBe(1);
  });

  it('loads what an instance with another codec has stored', async () => {
    const world = createMemoryWorld({ clock });
    const caches = [jsonCodec, compressed(), binaryCodec, compressed(binaryCodec)].map((codec) =>
      createCache({ codec, local: false }, { kernel: createKernel({ clock }), world }),
    );
    const load = vi.fn(() => ({ title: 'aspen' }));
    for (const cache of caches) expect(await cache.getOrLoad('post', load)).toEqual({ title: 'aspen' });
    expect(load).toHaveBeenCalledTimes(caches.length);
    await caches.at(-1)?.getOrLoad('post', load);
    expect(load).toHaveBeenCalledTimes(caches.length);
    for (const cache of caches) await cache.close();
  });
});
