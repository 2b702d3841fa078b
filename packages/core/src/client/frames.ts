/*
 * What the parts of the client say to each other: the frames of pando.v1, whatever the transport. `key` names one
 * subscription of one tab, and is not sent to servers. Plain objects: they go from tab to tab as they are.
 */

/** What a subscription or a caller asks. */
export type Ask =
  | {
      readonly t: 'sub';
      readonly key: string;
      readonly c: string;
      readonly since: string | undefined;
      readonly presence: boolean;
    }
  | { readonly t: 'unsub'; readonly key: string; readonly c: string }
  | Request
  | { readonly t: 'cancel'; readonly id: string };

/** What has an answer. */
export type Request =
  | { readonly t: 'pub'; readonly id: string; readonly c: string; readonly d: unknown; readonly key: string }
  | { readonly t: 'presence'; readonly id: string; readonly c: string };

/** What goes to a server. */
export type Upward =
  | Request
  | {
      readonly t: 'sub';
      readonly id: number;
      readonly c: readonly string[];
      readonly since: Readonly<Record<string, string>>;
      readonly presence: boolean;
    }
  | { readonly t: 'unsub'; readonly c: string }
  | { readonly t: 'auth'; readonly id: string; readonly credential: string }
  | { readonly t: 'ping' };

/** One message. `c` is absent in a raw stream, which has one channel and does not say which. */
export interface MessageFrame {
  readonly t: 'm';
  readonly key?: string | undefined;
  readonly c?: string | undefined;
  readonly i: string;
  readonly d: unknown;
  readonly token?: string | undefined;
}

/** What comes from a server, or from a tab that has the connection. Of what else may come nothing is known. */
export type Frame =
  | MessageFrame
  | {
      readonly t: 'sub';
      readonly key?: string | undefined;
      readonly c?: string | undefined;
      readonly i: string;
      readonly recovered: boolean;
      readonly reason?: string | undefined;
      readonly token?: string | undefined;
    }
  | {
      readonly t: 'reset';
      readonly c?: string | undefined;
      readonly i: string;
      readonly reason: string;
      readonly token?: string | undefined;
    }
  | { readonly t: 'unsub'; readonly c: string; readonly reason?: string | undefined }
  | {
      readonly t: 'ack';
      readonly id: string;
      readonly c: string;
      readonly i: string;
      readonly duplicate?: boolean | undefined;
    }
  | {
      readonly t: 'presence';
      readonly id: string;
      readonly c: string;
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
      readonly id?: string | number | undefined;
      readonly c?: string | undefined;
      readonly code: string;
      readonly message: string;
    }
  | { readonly t: 'bye'; readonly afterMs: number }
  | { readonly t: 'auth'; readonly id?: string | undefined; readonly expiresAt?: number | undefined }
  | { readonly t: 'cursor'; readonly i: string };
