import { context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { isPandoError } from '../../kernel/errors.js';
import type { CacheAnswer, CacheSpan, CacheSpans, ManySpan } from '../ports.js';

/**
 * Spans of the OpenTelemetry SDK that the app has registered, before or after.
 *
 * Without one, a call costs the question whether there is one. What the loader does belongs to the span of its call.
 */
export class OpenTelemetrySpans implements CacheSpans {
  /** A stand-in, which leads to the SDK once there is one. */
  readonly #tracer: Tracer = trace.getTracer('@pando/core');

  within<T>(key: string, work: (span: CacheSpan | undefined) => Promise<T>): Promise<T> {
    const span = this.#tracer.startSpan('cache.getOrLoad', internal);
    if (!span.isRecording()) return work(undefined);
    span.setAttribute('pando.cache.key', key);
    const answered = (answer: CacheAnswer) => void span.setAttribute('pando.cache.answer', answer);
    return this.#during(span, () => work({ answered }));
  }

  withinMany<T>(keys: number, work: (span: ManySpan | undefined) => Promise<T>): Promise<T> {
    const span = this.#tracer.startSpan('cache.getOrLoadMany', internal);
    if (!span.isRecording()) return work(undefined);
    span.setAttribute('pando.cache.keys', keys);
    const answered = (found: number) => void span.setAttribute('pando.cache.found', found);
    return this.#during(span, () => work({ answered }));
  }

  #during<T>(span: Span, work: () => Promise<T>): Promise<T> {
    return context.with(trace.setSpan(context.active(), span), work).then(
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
}

const internal = Object.freeze({ kind: SpanKind.INTERNAL });

function fail(span: Span, error: unknown): void {
  const type = isPandoError(error) ? error.code : error instanceof Error ? error.name : '_OTHER';
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, message: type }); // its words may quote values
  span.end();
}
