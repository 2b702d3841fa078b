/*
 * What the parts of the client say to each other, whatever the transport, and tabs to each other: the frames of pando.v1.
 */

/** What has an answer. */
export type Request =
  | { readonly t: 'pub'; readonly id: string; readonly c: string; readonly d: unknown; readonly key: string }
  | { readonly t: 'presence'; readonly id: string; readonly c: string };

/** What goes to a server. */
export type Upward =
  | Request
  | {
      readonly t: 'sub';
      readonly c: readonly string[];
      readonly since: Readonly<Record<string, string>>;
      readonly presence?: boolean | undefined;
    }
  | { readonly t: 'unsub'; readonly c: string }
  | { readonly t: 'auth'; readonly id: string; readonly credential: string }
  | { readonly t: 'ping' };

/** One message. */
export interface MessageFrame {
  readonly t: 'm';
  readonly c: string;
  readonly i: string;
  readonly d: unknown;
  readonly token?: string | undefined;
}

/** Where a channel goes on: at its beginning, or behind messages that may be missing. */
export interface StartFrame {
  readonly t: 'sub' | 'reset';
  readonly c: string;
  readonly i: string;
  readonly recovered?: boolean | undefined;
  readonly reason?: string | undefined;
  readonly token?: string | undefined;
}

/** The answer to a request. */
export type Answer =
  | {
      readonly t: 'ack';
      readonly id: string;
      readonly i: string;
      readonly duplicate?: boolean | undefined;
    }
  | {
      readonly t: 'presence';
      readonly id: string;
      readonly c?: string | undefined;
      readonly i: string;
      readonly users: number;
      readonly connections: number;
      readonly members: readonly {
        readonly id: string;
        readonly connections: number;
        readonly info?: unknown;
      }[];
      readonly truncated: boolean;
    }
  | {
      readonly t: 'err';
      readonly id?: string | undefined;
      readonly c?: string | undefined;
      readonly code: string;
      readonly message: string;
    };

/** An answer of one kind. */
export type AnswerOf<T extends Answer['t']> = Extract<Answer, { readonly t: T }>;

/** What comes from a server. Of what else may come nothing is known. */
export type Frame =
  | MessageFrame
  | StartFrame
  | Answer
  | { readonly t: 'unsub'; readonly c: string; readonly reason?: string | undefined }
  | { readonly t: 'bye'; readonly afterMs: number }
  | { readonly t: 'auth'; readonly id?: string | undefined; readonly expiresAt?: number | undefined };
