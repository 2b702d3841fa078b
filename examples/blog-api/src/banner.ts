import type { Config } from './config.js';

/** What there is to tell once the app serves. */
export interface Welcome {
  readonly url: string;
  readonly instanceId: string;
  readonly config: Pick<Config, 'framework' | 'redisUrl' | 'databaseUrl' | 'replicaUrls'>;
  readonly startedInMs: number;
}

/** Says where the app is, what it stands on, and what to try. */
export function welcome({ url, instanceId, config, startedInMs }: Welcome): string {
  const here = url.replace('//127.0.0.1:', '//localhost:');
  const { replicaUrls } = config;
  const replicas =
    replicaUrls.length === 0
      ? ''
      : ` with ${replicaUrls.length} replica${replicaUrls.length === 1 ? '' : 's'}`;
  const postgres =
    config.databaseUrl === undefined ? 'an embedded Postgres (gone at the end)' : `your Postgres${replicas}`;
  const redis = config.redisUrl === undefined ? 'no Redis: one process' : 'your Redis';
  return `
blog-api is ready: ${here}

  ${config.framework}, instance ${instanceId}, ${postgres}, ${redis}; started in ${(startedInMs / 1000).toFixed(1)} s

Try:
  curl ${here}/api/v1/posts
  curl -N ${here}/api/notifications/sse
  curl -c /tmp/jar -H 'content-type: application/json' -d '{"email":"me@example.com","password":"correct horse"}' ${here}/api/auth/register
  curl -c /tmp/jar -b /tmp/jar -H 'content-type: application/json' -d '{"title":"Hello","body":"From curl."}' ${here}/api/v1/posts
  curl ${here}/health
  curl ${here}/metrics

Ctrl-C ends it.
`;
}
