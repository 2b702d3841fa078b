import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { createKernel } from '../../kernel/kernel.js';
import { waitFor } from '../../testing/wait-for.js';
import { createMemoryWorld, createRealtime } from '../create.js';

const world = createMemoryWorld();
const [one, two] = [createRealtime({}, { world }), createRealtime({}, { world })];
const tracer = trace.getTracer('app');
const heard: unknown[] = [];
await one.start();
await two.start();
await two.subscribe('c', ({ data }) => {
  heard.push(data);
  tracer.startActiveSpan('look', (span) => span.end());
});
await one.publish('c', 'before');
await waitFor(() => heard.length === 1);
const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();

beforeEach(() => exporter.reset());
afterAll(async () => {
  trace.disable();
  await provider.shutdown();
  await one.close();
  await two.close();
});

const named = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);

describe('spans of messages', () => {
  it('lead from who publishes to what listeners in other processes do', async () => {
    await tracer.startActiveSpan('POST /posts', async (span) => {
      await one.publish('c', 'traced');
      span.end();
    });
    await waitFor(() => named('process c').length === 1 && named('look').length === 1);
    const [request] = named('POST /posts');
    const [sent] = named('send c');
    const [received] = named('process c');
    const [look] = named('look');
    expect(sent?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
    expect(received?.parentSpanContext).toMatchObject({ spanId: sent?.spanContext().spanId, isRemote: true });
    expect(look?.parentSpanContext?.spanId).toBe(received?.spanContext().spanId);
    expect(new Set([request, sent, received, look].map((span) => span?.spanContext().traceId)).size).toBe(1);
    expect([sent?.kind, received?.kind]).toEqual([SpanKind.PRODUCER, SpanKind.CONSUMER]);
    expect(sent?.attributes).toMatchObject({
      'messaging.system': 'pando',
      'messaging.destination.name': 'c',
    });
  });

  it('of a publish that failed have the kind of the error, not its words', async () => {
    world.cut();
    await expect(one.publish('c', 'lost')).rejects.toThrow();
    world.restore();
    const [span] = named('send c');
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'PANDO_REALTIME_UNAVAILABLE' });
  });

  it('can be turned off, on either side', async () => {
    await using silent = createRealtime({ spans: false }, { kernel: createKernel(), world });
    await silent.start();
    const before = heard.length;
    await silent.publish('c', 'untraced');
    await waitFor(() => heard.length > before);
    expect(named('send c')).toEqual([]);
    expect(named('process c')[0]?.parentSpanContext).toBeUndefined();
  });
});
