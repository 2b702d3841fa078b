import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { StatementShapes } from '../statement-shape.js';
import { type Route, Trail } from '../trail.js';
import { OpenTelemetrySpans } from './open-telemetry.js';

const shapes = new StatementShapes();
const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const text = `select * from users where email = 'ann@example.com'`;

const early = new OpenTelemetrySpans();
const before = early.begin(text, shapes);
provider.register();

beforeEach(() => exporter.reset());
afterAll(async () => {
  trace.disable();
  await provider.shutdown();
});

function ended(route: Route, error?: unknown) {
  const trail = new Trail(route);
  trail.lent('/run/postgres:5432/blog', 2);
  trail.replicaWaitMs = 12;
  early.begin(text, shapes)?.end(trail, 3, error);
  const [span] = exporter.getFinishedSpans();
  exporter.reset();
  return span;
}

describe('a span of a statement', () => {
  it('is there only once an SDK is registered, whichever came first', () => {
    expect(before).toBeUndefined();
    expect(ended('replica')).toBeDefined();
  });

  it('says what was asked, where it went and what it waited for, without values', () => {
    const span = ended('waited');
    expect(span).toMatchObject({
      name: 'SELECT blog',
      kind: SpanKind.CLIENT,
      status: { code: SpanStatusCode.UNSET },
    });
    expect(span?.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.operation.name': 'SELECT',
      'db.query.text': 'select * from users where email = ?',
      'db.namespace': 'blog',
      'server.address': '/run/postgres',
      'server.port': 5432,
      'db.response.returned_rows': 3,
      'pando.db.role': 'replica',
      'pando.db.route': 'waited',
      'pando.db.wait.pool_ms': 2,
      'pando.db.wait.replica_ms': 12,
      'pando.db.detours': 0,
    });
  });

  it.each<[Route, string, string]>([
    ['replica', 'replica', 'covered'],
    ['waited', 'replica', 'waited'],
    ['single', 'primary', 'covered'],
    ['strong', 'primary', 'forced'],
    ['foreign', 'primary', 'forced'],
    ['transaction', 'primary', 'pinned'],
    ['write', 'primary', 'pinned'],
    ['behind', 'primary', 'fallback'],
    ['out', 'primary', 'fallback'],
  ])('calls the route %s one to the %s that is %s', (route, role, name) => {
    expect(ended(route)?.attributes).toMatchObject({ 'pando.db.role': role, 'pando.db.route': name });
  });

  it('of one that failed has the state of the server, not its words', () => {
    const error = Object.assign(new Error('Key (email)=(ann@example.com) exists'), {
      code: '23505',
      severity: 'ERROR',
    });
    const span = ended('write', error);
    expect(span?.attributes).toMatchObject({ 'error.type': '23505', 'db.response.status_code': '23505' });
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: '23505' });
    expect(ended('write', new TypeError('broken'))?.attributes['error.type']).toBe('TypeError');
  });

  it('belongs to what runs around it', () => {
    const tracer = trace.getTracer('app');
    const parent = tracer.startActiveSpan('GET /posts', (span) => {
      early.begin(text, shapes)?.end(new Trail('replica'), 1, undefined);
      span.end();
      return span.spanContext();
    });
    const [child] = exporter.getFinishedSpans();
    expect(child?.parentSpanContext?.spanId).toBe(parent.spanId);
    expect(child?.name).toBe('SELECT'); // of no database: it never came to one
  });
});
