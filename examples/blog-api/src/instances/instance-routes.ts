import type { Pando } from '@pando/core';
import type { Route } from '../http/route.js';

/** Who serves the blog right now. Their hosts and process ids are nobody else's business. */
export function instanceRoutes(pando: Pick<Pando, 'fleet'>): Route[] {
  return [
    {
      method: 'get',
      path: '/api/v1/instances',
      async handle() {
        const fleet = await pando.fleet();
        const data = fleet.map(({ id, version, state, connections, startedAt }) => {
          const started_at = startedAt && new Date(startedAt).toISOString();
          return { id, version, state, connections, started_at };
        });
        return { status: 200, headers: { 'cache-control': 'no-store' }, body: { data } };
      },
    },
  ];
}
