import type { HttpOptions } from '@pando/core/http';
import type { Config } from '../config.js';

/** Who clients are: behind our proxies, whom these have seen. */
export function clientsOf({ proxies }: Config): Pick<HttpOptions, 'clients'> {
  return { clients: { proxies } };
}
