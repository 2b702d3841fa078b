import {
  type Context,
  context,
  isSpanContextValid,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { isPandoError } from '../../kernel/errors.js';
import type { MessageSpans } from '../ports.js';

/**
 * Spans of the OpenTelemetry SDK that the app has registered, before or after.
 *
 * Without one, a publish costs the question whether there is one. A message carries the context of its publish in the form of
 * W3C Trace Context (`traceparent`); what listeners in other processes do belongs to that.
 */
export class OpenTelemetrySpans implements MessageSpans {
  /** A stand-in, which leads to the SDK once there is one. */
  readonly #tracer: Tracer = trace.getTracer('@pando/core');

  publishing<T>(channel: string, work: (traceparent: string) => Promise<T>): Promise<T> {
    const span = this.#tracer.startSpan(`send ${channel}`, optionsOf(SpanKind.PRODUCER, 'send', channel));
    if (!span.isRecording()) return work('');
    return context
      .with(trace.setSpan(context.active(), span), () => work(formatted(span)))
      .then(
        (value) => {
          span.end();
          return value;
        },
        (error: unknown) => {
          fail(span, error);
          throw error;
        },
      );
  }

  receiving(channel: string, traceparent: string, call: () => void): void {
    // Never of what happens to run here: an announcement arrives in the context of whoever connected.
    const parent = remote(traceparent);
    const options = optionsOf(SpanKind.CONSUMER, 'process', channel);
    const span = this.#tracer.startSpan(`process ${channel}`, options, parent);
    if (!span.isRecording()) {
      call();
      return;
    }
    try {
      context.with(trace.setSpan(parent, span), call);
      span.end();
    } catch (error) {
      fail(span, error);
      throw error;
    }
  }
}

const optionsOf = (kind: SpanKind, operation: 'send' | 'process', channel: string) => ({
  kind,
  attributes: {
    'messaging.system': 'pando',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': channel,
  },
});

function formatted(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** The context that a message names; the root where it names none. */
function remote(traceparent: string): Context {
  const [, traceId = '', spanId = '', flags = ''] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent) ?? [];
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  const root = trace.deleteSpan(context.active());
  return isSpanContextValid(spanContext) ? trace.setSpanContext(root, spanContext) : root;
}

function fail(span: Span, error: unknown): void {
  const type = isPandoError(error) ? error.code : error instanceof Error ? error.name : '_OTHER';
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, message: type }); // its words may quote values
  span.end();
}
