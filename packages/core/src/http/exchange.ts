import type { IncomingHttpHeaders } from 'node:http';
import type { Outlet } from '../kernel/outlet.js';

/** Headers of an answer, by name. */
export type AnswerHeaders = Readonly<Record<string, string>>;

/** Headers of an answer as they were set: names in lower case. */
export type HeaderValues = Readonly<Record<string, number | string | readonly string[] | undefined>>;

/** How an exchange ended: with a whole answer, or with a client that had gone. */
export type ExchangeOutcome = 'answered' | 'aborted';

/**
 * One HTTP request and the answer to it, whatever framework holds them: what an adapter fills, and all that handlers see.
 *
 * Nothing here throws because the client has gone; writes go nowhere then, and {@link Exchange.signal} aborts.
 */
export interface Exchange {
  readonly method: string;
  /** Path and query as the client sent them: mount prefixes are part of it. */
  readonly url: string;
  /** Request headers, names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** Whether the request has a body, or may have one. */
  readonly hasBody: boolean;
  /** The client's address, as `http.clients` or else the framework's proxy settings see it. */
  readonly ip: string;
  /** Whether the client speaks TLS, as the framework's proxy settings see it. */
  readonly secure: boolean;
  /** The name of the host that the client asks, without port, as the framework's proxy settings see it. */
  readonly host: string;
  /** The template of the route that answers, mount prefixes included; undefined until one was found. Never a raw path. */
  readonly route: string | undefined;
  /** Aborts when the client goes away before it has its whole answer, never on a normal end. */
  readonly signal: AbortSignal;
  /** The answer's status as far as it is decided. */
  readonly status: number;
  /** Whether the answer has turned into a stream. */
  readonly streaming: boolean;
  /** Whether the exchange is over, for whatever reason. */
  readonly isOver: boolean;

  /** All headers that the answer has so far. */
  readonly answerHeaders: HeaderValues;
  /** A header of the answer, whoever has set it. */
  answerHeader(name: string): string | undefined;
  /** Sets a header of the answer, replacing an earlier one. Only before the head is sent. */
  setAnswerHeader(name: string, value: string): void;
  /** Adds a header of the answer beside those of the same name. Only before the head is sent. */
  addAnswerHeader(name: string, value: string): void;
  /**
   * Sets the one listener called when the head is about to leave, on every answer: also on errors, on 304, and on what
   * the framework answers by itself. All headers of the answer are known by then, and may still be changed.
   */
  onHead(listener: () => void): void;
  /**
   * Lets the end of the answer wait for what `until` gives when it comes; undefined is no reason to wait. An answer that
   * is given whole waits with its head. The promise must not reject.
   */
  holdEnd(until: () => Promise<void> | undefined): void;
  /** Sets the one listener called once, when the exchange is over for whatever reason. */
  onEnd(listener: (outcome: ExchangeOutcome) => void): void;

  /** Gives the whole answer. To HEAD it gives the same headers and no body. Headers set earlier stay. */
  reply(status: number, headers: AnswerHeaders, body?: string | Uint8Array): void;
  /**
   * Turns the answer into a stream. The head leaves with the first bytes: until then the exchange can still end in
   * an ordinary error. Headers set earlier by the application stay.
   */
  stream(status: number, headers: AnswerHeaders): Outlet;
}
