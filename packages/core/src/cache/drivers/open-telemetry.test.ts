import { SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { createKernel } from '../../kernel/kernel.js';
import { createCache, createMemoryWorld } from '../index.js';

const world = createMemoryWorld();
const kernel = createKernel();
const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const early = createCache({ local: false }, { kernel, world });
await early.start();
await early.getOrLoad('before', () => 1);
provider.register();

beforeEach(() => exporter.reset());
afterAll(async () => {
  trace.disable();
  await provider.shutdown();
  await early.close();
});

describe('a span of a call', () => {
  it('is there only once an SDK is registered, whichever came first', async () => {
    expect(exporter.getFinishedSpans()).toEqual([]);
    await early.getOrLoad('after', () => 1);
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(['cache.getOrLoad']);
  });

  it('says what was asked for, and what the cache had', async () => {
    for (let call = 0; call < 2; call++) await early.getOrLoad('post:1', () => 1);
    expect(exporter.getFinishedSpans().map(({ attributes }) => attributes)).toEqual([
      { 'pando.cache.key': 'post:1', 'pando.cache.answer': 'absent' },
      { 'pando.cache.key': 'post:1', 'pando.cache.answer': 'fresh' },
    ]);
  });

  it('is there for no value that the process has at hand', async () => {
    await using cache = createCache({}, { kernel, world: createMemoryWorld() });
    await cache.start();
    for (let call = 0; call < 3; call++) await cache.getOrLoad('post:1', () => 1);
    expect(exporter.getFinishedSpans()).toHaveLength(1);
  });

  it('holds what the loader does, and belongs to what runs around it', async () => {
    const tracer = trace.getTracer('app');
    await tracer.startActiveSpan('GET /posts', async (span) => {
      await early.getOrLoad('nested', async () => tracer.startActiveSpan('query', (inner) => inner.end()));
      span.end();
    });
    const [query, call, request] = exporter.getFinishedSpans();
    expect([query, call, request].map((span) => span?.name)).toEqual([
      'query',
      'cache.getOrLoad',
      'GET /posts',
    ]);
    expect(query?.parentSpanContext?.spanId).toBe(call?.spanContext().spanId);
    expect(call?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
  });

  it('of one that failed has the kind of the error, not its words', async () => {
    const load = () => {
      throw new TypeError('ann@example.com is no post');
    };
    await expect(early.getOrLoad('broken', load)).rejects.toThrow(TypeError);
    const [span] = exporter.getFinishedSpans();
    expect(span?.attributes['error.type']).toBe('TypeError');
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'TypeError' });
  });

  it('for many keys says how many were not at hand, and how many of these were found', async () => {
    const load = (missing: readonly string[]) => new Map(missing.map((key) => [key, 1]));
    await early.getOrLoadMany(['many:1', 'many:2'], load);
    await early.getOrLoadMany(['many:1', 'many:2', 'many:3'], load);
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name }) => name)).toEqual(['cache.getOrLoadMany', 'cache.getOrLoadMany']);
    expect(spans.map(({ attributes }) => attributes)).toEqual([
      { 'pando.cache.keys': 2, 'pando.cache.found': 0 },
      { 'pando.cache.keys': 3, 'pando.cache.found': 2 },
    ]);
  });

  it('can be turned off', async () => {
    await using cache = createCache({ spans: false }, { kernel, world: createMemoryWorld() });
    await cache.start();
    await cache.getOrLoad('post:1', () => 1);
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});
