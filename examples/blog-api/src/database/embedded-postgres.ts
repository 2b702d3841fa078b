/** A Postgres that belongs to this process. */
export interface EmbeddedPostgres {
  readonly url: string;
  /** Ends it and removes its data. Repeatable. */
  close(): Promise<void>;
}

/** Starts a real Postgres from npm, empty, in about a second. However this process ends, it ends too. */
export async function startEmbeddedPostgres(): Promise<EmbeddedPostgres> {
  const { createTestCluster } = await import('@pando/core/testing'); // no other way of starting needs it
  const cluster = await createTestCluster({ replicas: 0, binaries: 'npm', database: 'blog' });
  return { url: cluster.primary.url, close: () => cluster.close() };
}
