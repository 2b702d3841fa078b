import { type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { isPandoError, messageOf } from '../../kernel/errors.js';
import type { StatementSpan, StatementSpans } from '../ports.js';
import { sqlStateOf } from '../sql-state.js';
import type { StatementShape, StatementShapes } from '../statement-shape.js';
import type { Route, Trail } from '../trail.js';

/** How the route of a statement is called in spans. */
const routes: Readonly<Record<Route, string>> = {
  replica: 'covered',
  waited: 'waited',
  single: 'covered',
  strong: 'forced',
  foreign: 'forced',
  transaction: 'pinned',
  write: 'pinned',
  behind: 'fallback',
  out: 'fallback',
};

/**
 * Spans of the OpenTelemetry SDK that the app has registered, before or after.
 *
 * Without one, a statement costs the question whether there is one. Values of parameters are not recorded, and texts
 * only without theirs.
 */
export class OpenTelemetrySpans implements StatementSpans {
  /** A stand-in, which leads to the SDK once there is one. */
  readonly #tracer: Tracer = trace.getTracer('@pando/core');

  begin(text: string, shapes: StatementShapes): StatementSpan | undefined {
    const span = this.#tracer.startSpan('SQL', statementKind);
    return span.isRecording() ? new OpenTelemetrySpan(span, shapes.of(text)) : undefined;
  }
}

const statementKind = Object.freeze({
  kind: SpanKind.CLIENT,
  attributes: Object.freeze({ 'db.system.name': 'postgresql' }),
});

class OpenTelemetrySpan implements StatementSpan {
  readonly #span: Span;
  readonly #command: string;

  constructor(span: Span, { command, text }: StatementShape) {
    this.#span = span;
    this.#command = command;
    span.setAttributes({ 'db.operation.name': command, 'db.query.text': text });
  }

  end(
    { route, server, poolWaitMs, replicaWaitMs, detours }: Trail,
    rowCount: number | undefined,
    error: unknown,
  ): void {
    const span = this.#span;
    const { host, port, database } = partsOf(server);
    span.updateName(database === undefined ? this.#command : `${this.#command} ${database}`);
    span.setAttributes({
      'server.address': host,
      'server.port': port,
      'db.namespace': database,
      'db.response.returned_rows': rowCount,
      'pando.db.role': route === 'replica' || route === 'waited' ? 'replica' : 'primary',
      'pando.db.route': routes[route],
      'pando.db.wait.pool_ms': poolWaitMs,
      'pando.db.wait.replica_ms': replicaWaitMs,
      'pando.db.detours': detours,
    });
    if (error !== undefined) {
      const state = sqlStateOf(error);
      const type =
        state ?? (isPandoError(error) ? error.code : error instanceof Error ? error.name : '_OTHER');
      span.setAttributes({ 'error.type': type, 'db.response.status_code': state });
      // The server's message may quote values.
      span.setStatus({ code: SpanStatusCode.ERROR, message: state === undefined ? messageOf(error) : type });
    }
    span.end();
  }
}

/** Takes `host:port/database` apart; the host may be the folder of a socket. */
function partsOf(server: string | undefined): { host?: string; port?: number; database?: string } {
  const [, host, port, database] = /^(.*):(\d+)\/(.*)$/.exec(server ?? '') ?? [];
  return host === undefined || database === undefined ? {} : { host, port: Number(port), database };
}
