import pg from 'pg';
import type { Signalled } from '../kernel/abort.js';
import { queryOnce } from './postgres-query.js';
import { waitFor } from './wait-for.js';

/** The same database on the primary and on each replica, as connection URLs. */
export interface DatabaseUrls {
  readonly primary: string;
  readonly replicas: readonly string[];
}

/**
 * Makes an empty database through the servers' URLs, and waits until every replica has it.
 *
 * For processes that know a running cluster by its URLs only. A database of that name must not exist.
 */
export async function createTestDatabase(
  servers: DatabaseUrls,
  name: string,
  { signal }: Signalled = {},
): Promise<DatabaseUrls> {
  await queryOnce(servers.primary, `create database ${pg.escapeIdentifier(name)}`, [], { signal });
  await Promise.all(
    servers.replicas.map((url) =>
      waitFor(
        async () =>
          (await queryOnce(url, 'select from pg_database where datname = $1', [name], { signal })).length > 0,
        {
          signal,
          message: `the replica ${new URL(url).host} to have the database "${name}"`,
        },
      ),
    ),
  );
  return {
    primary: withDatabase(servers.primary, name),
    replicas: servers.replicas.map((url) => withDatabase(url, name)),
  };
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.href;
}
