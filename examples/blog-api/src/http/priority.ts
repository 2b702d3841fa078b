import type { ArrivingRequest } from '@pando/core/http';

/** Lists of posts. */
const listing = /^\/api\/(?:v1\/posts|posts|blogs)\/?(?:\?|$)/;

/**
 * How much a request matters when there is too much to do: who serves the blog is asked by those who mend it, and lists for
 * readers who have not signed in are the first that can wait.
 */
export function priorityOf({ method, url, headers }: Pick<ArrivingRequest, 'method' | 'url' | 'headers'>) {
  if (url.startsWith('/api/v1/instances')) return 'critical';
  const isSomebody = headers.authorization !== undefined || headers.cookie?.includes('session=') === true;
  return method === 'GET' && listing.test(url) && !isSomebody ? 'sheddable' : 'normal';
}
