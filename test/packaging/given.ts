/**
 * What the reader's own app has already: names that examples may use without saying where they come from.
 * A page adds to them in a comment of its own: see CONTRIBUTING.md.
 */
import type { Server, ServerResponse } from 'node:http';
import type { Pando, PandoOptions } from '@pando/core';
import type { Cache, CacheOptions } from '@pando/core/cache';
import type {
  DoorwayOptions,
  HttpOptions,
  ListenAddress,
  ResponseCacheOptions,
  SsePlan,
  WsRoute,
} from '@pando/core/http';
import type { LimitsOptions } from '@pando/core/limits';
import type { RealtimeOptions } from '@pando/core/realtime';
import type { SuiteAnswer, SuiteRequest } from '@pando/core/testing/suites';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface Post {
  readonly id: string;
  readonly title: string;
}

export declare const pando: Pando;
export declare const cache: Cache;
export declare const server: Server;
export declare const response: ServerResponse;
export declare const replicaUrls: string[];
export declare const id: string;
export declare const ids: readonly string[];
export declare const query: Readonly<Record<string, unknown>>;
export declare const authorId: string;
export declare const user: { readonly id: string };
export declare const posts: { all(): Promise<Post[]>; byId(id: string): Promise<Post> };
export declare function findPost(id: string | number, options?: { signal?: AbortSignal }): Promise<Post>;
export declare function findPosts(
  ids: readonly string[],
  options?: { signal?: AbortSignal },
): Promise<readonly Post[]>;
export declare function updatePost(): Promise<void>;
export declare function freeSpace(): Promise<boolean>;
export declare function closeServer(server: Server, signal: AbortSignal): Promise<void>;
export declare const mailer: { finish(options: { signal: AbortSignal }): Promise<void> };
export declare const error: unknown;
export declare function shedLoad(): void;
export declare function tryLater(): void;
export declare const authenticate: NonNullable<WsRoute<{ id: string }>['authenticate']>;
export declare const authorize: NonNullable<WsRoute<{ id: string }>['authorize']>;

/** What an adapter's harness does in the way of its framework. */
export declare function requestOf(request: FastifyRequest): SuiteRequest;
export declare function send(reply: FastifyReply, answer: SuiteAnswer): unknown;

/** What prose may name as `db.pool.size` or `realtime.publish`: options and members of a kit, of its rooms, and of the door. */
export type Named =
  | PandoOptions
  | Pando
  | { readonly cache: CacheOptions; readonly realtime: RealtimeOptions; readonly limits: LimitsOptions }
  | { readonly http: HttpOptions | (ListenAddress & DoorwayOptions) }
  | { readonly http: { readonly ws: WsRoute; readonly sse: SsePlan; readonly cache: ResponseCacheOptions } };
