import { fileURLToPath } from 'node:url';
import type { DatabaseUrls } from '@pando/core/testing';
import pg from 'pg';
import { type InstanceGroup, startInstances } from '../infra/instances.js';

const entry = fileURLToPath(new URL('../fixtures/fleet-app.ts', import.meta.url));

/** What the instances of a fleet share. */
export interface FleetServers {
  readonly kit: string;
  readonly redisUrl: string;
  readonly database?: DatabaseUrls | undefined;
}

/** Starts three instances of the fleet app: two on Express, one on Fastify. */
export async function startFleet({ kit, redisUrl, database }: FleetServers): Promise<InstanceGroup> {
  if (database !== undefined) await createTable(database.primary);
  return startInstances({
    count: 3,
    entry,
    env: (index) => ({
      KIT: kit,
      FRAMEWORK: index === 2 ? 'fastify' : 'express',
      REDIS_URL: redisUrl,
      DATABASE_URL: database?.primary,
      DATABASE_REPLICA_URLS: database?.replicas.join(','),
    }),
  });
}

async function createTable(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query('create table if not exists fleet_values (key text primary key, value text not null)');
  await client.end();
}

/** A client that returns its token, as the client library of an app or three lines of `fetch` would. */
export class FleetClient {
  readonly #header: string;
  #token: string | undefined;

  constructor(kit: string) {
    this.#header = `pando-token-${kit}`;
  }

  async request(url: string, init: RequestInit = {}): Promise<Response> {
    const token: Record<string, string> = this.#token === undefined ? {} : { [this.#header]: this.#token };
    const response = await fetch(url, { ...init, headers: { 'content-type': 'application/json', ...token } });
    this.#token = response.headers.get(this.#header) ?? this.#token;
    return response;
  }

  async get(url: string): Promise<{ readonly value: string | null; readonly loadedBy: string }> {
    const response = await this.request(url);
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as { value: string | null; loadedBy: string };
  }

  async put(url: string, value: string): Promise<void> {
    const response = await this.request(url, { method: 'PUT', body: JSON.stringify({ value }) });
    if (response.status !== 204)
      throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  }

  async publish(url: string, event: unknown): Promise<void> {
    const response = await this.request(url, { method: 'POST', body: JSON.stringify(event) });
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  }
}
