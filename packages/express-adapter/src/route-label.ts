import type { ExpressRequest } from './types.js';

/** What is used of a route: `request.route` is one. */
interface Route {
  readonly path: unknown;
}

/** A layer of a router of Express 4, which keeps of a mount path only what matches it. */
interface Layer {
  readonly route?: Route;
  readonly handle?: unknown;
  readonly regexp?: RegExp & { readonly fast_slash?: boolean };
  readonly keys?: readonly { readonly name: string | number }[];
}

/** A router: since Express 5.3 with a public way to ask for its routes. */
interface Router {
  readonly stack?: readonly Layer[];
  listRoutes?(): readonly { readonly path: unknown; readonly router?: Router | undefined }[];
}

/** One route in one place. */
interface Leaf {
  /** Undefined where the router tells of its routes, but does not show them. */
  readonly route: Route | undefined;
  readonly path: string;
  /** The template of the path under which its router is mounted; empty for the application's own. */
  readonly mount: string;
  readonly pattern: RegExp;
}

/**
 * Finds the template of the route that a request took: `/tenants/:id/users/:user`, never `/tenants/42/users/7`.
 *
 * Express knows only the last part of it. `baseUrl` holds the raw prefix, and is gone again after an error.
 */
export class RouteLabels {
  readonly #leaves = new WeakMap<object, readonly Leaf[]>();

  /** Undefined when no route matched. A router whose place cannot be known counts as `(mounted)`. */
  of(app: unknown, request: ExpressRequest): string | undefined {
    const route = request.route as (Route & object) | undefined;
    if (route === undefined) return undefined;
    const path = pathText(route.path);
    let places = this.#leaves.get(route);
    if (places === undefined) {
      const paths = [route.path].flat().map(pathText); // a list of paths is told as one route for each
      places = [...leavesOf(rootRouter(app))].filter((leaf) =>
        leaf.route === undefined ? paths.includes(leaf.path) : leaf.route === route,
      );
      this.#leaves.set(route, places);
    }
    const [url = ''] = request.originalUrl.split('?', 1);
    const place = places
      .filter(({ pattern }) => pattern.test(url))
      .reduce<Leaf | undefined>(
        (best, leaf) => (best && best.mount.length >= leaf.mount.length ? best : leaf),
        undefined,
      );
    return place === undefined ? `(mounted)${path}` : `${place.mount}${path}` || '/';
  }
}

/** Routers mounted in themselves would have no end. */
const maxDepth = 8;

function* leavesOf(router: Router | undefined, mount = '', depth = 0): Generator<Leaf> {
  if (router === undefined || depth > maxDepth) return;
  for (const { route, path, child } of entriesOf(router)) {
    if (child === undefined) {
      yield { route, path: pathText(path), mount, pattern: patternOf(mount) };
    } else if (typeof path === 'string' && /^[\w/:.~%-]*$/.test(path)) {
      yield* leavesOf(child, mount + path.replace(/\/$/, ''), depth + 1);
    }
  }
}

/** A route, or a router with its mount path. */
interface Entry {
  readonly route?: Route | undefined;
  readonly path: unknown;
  readonly child?: Router | undefined;
}

function* entriesOf(router: Router): Generator<Entry> {
  if (router.listRoutes !== undefined) {
    for (const { path, router: child } of router.listRoutes()) yield { path, child };
    return;
  }
  for (const layer of router.stack ?? []) {
    if (layer.route !== undefined) yield { route: layer.route, path: layer.route.path };
    const child = layer.handle as Router | undefined;
    if (layer.regexp !== undefined && Array.isArray(child?.stack)) yield { path: mountPathOf(layer), child };
  }
}

/** The path that Express 4 has turned into a pattern. */
function mountPathOf({ regexp, keys = [] }: Layer): string | undefined {
  if (regexp === undefined || regexp.fast_slash) return '';
  let parameter = 0;
  return regexp.source
    .replace(/^\^/, '')
    .replace(/\\\/\?\(\?=\\\/\|\$\)$/, '')
    .replace(/\(\?:(\\\/)?\(\[\^\\?\/\]\+\?\)\)/g, (_, slash = '') => `${slash}:${keys[parameter++]?.name}`)
    .replace(/\\(.)/g, '$1');
}

/** Matches URLs below a mount path. */
function patternOf(mount: string): RegExp {
  const source = mount.replace(/[.]/g, '\\.').replace(/:\w+/g, '[^/]+?');
  return new RegExp(`^${source}(?=/|$)`, 'i');
}

function rootRouter(app: unknown): Router | undefined {
  const holder = app as { readonly router?: Router; readonly _router?: Router };
  return holder._router ?? holder.router; // in this order: the getter `router` of Express 4 throws
}

/** Patterns and lists of paths are constants of the application, so their text is a closed set, too. */
function pathText(path: unknown): string {
  return path === '/' ? '' : String(path);
}
