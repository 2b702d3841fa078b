import type { DatabaseUrls } from '@pando/core/testing';

declare module 'vitest' {
  interface ProvidedContext {
    /** The run's Redis; absent when no project of the run needs servers. */
    redisUrl: string | undefined;
    /** The run's Postgres cluster: a primary and two replicas. */
    postgresUrls: DatabaseUrls | undefined;
  }
}
