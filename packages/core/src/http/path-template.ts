import { PandoOptionsError } from '../kernel/errors.js';

/** The values of a path's parameters, decoded. */
export type PathParams = Readonly<Record<string, string>>;

/** A path with `:name` segments. */
export interface PathTemplate {
  readonly source: string;
  /** The parameters of a path that fits, without its query; undefined for others. */
  match(path: string): PathParams | undefined;
}

/** Reads a template such as `/api/blogs/:id/ws`; throws {@link PandoOptionsError} when it is none. */
export function parsePathTemplate(source: string): PathTemplate {
  const segments = source.split('/').slice(1);
  const names = segments.filter((segment) => segment.startsWith(':')).map((segment) => segment.slice(1));
  const valid = segments.every((segment) => /^(:[A-Za-z_]\w*|[\w.~!$&'()+,;=@%-]*)$/.test(segment));
  if (!source.startsWith('/') || !valid || new Set(names).size !== names.length) {
    throw new PandoOptionsError({
      code: 'PANDO_HTTP_OPTIONS',
      message: `ws.path must be a path such as "/ws" or "/rooms/:id/ws", each parameter a whole segment, got ${JSON.stringify(source)}.`,
    });
  }
  return { source, match: (path) => matchSegments(segments, path) };
}

function matchSegments(segments: readonly string[], path: string): PathParams | undefined {
  const parts = path.split('/').slice(1);
  if (parts.length !== segments.length) return undefined;
  const params: Record<string, string> = Object.create(null);
  for (const [index, segment] of segments.entries()) {
    const part = parts[index] as string;
    if (!segment.startsWith(':')) {
      if (segment !== part) return undefined;
      continue;
    }
    const value = decode(part);
    if (value === undefined || value === '') return undefined;
    params[segment.slice(1)] = value;
  }
  return params;
}

/** Undefined for broken percent-encoding. */
function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
