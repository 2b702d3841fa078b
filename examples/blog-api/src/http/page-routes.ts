import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { Route } from './route.js';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The page: the files of a folder, kept in memory, that browsers ask for anew each time and download once. */
export function pageRoutes(folder: URL): Route[] {
  return readdirSync(folder).map((file) => {
    const body = readFileSync(new URL(file, folder));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    const headers = { 'cache-control': 'no-cache', etag, 'content-security-policy': policy };
    const type = { 'content-type': types[extname(file)] ?? 'application/octet-stream' };
    return {
      method: 'get',
      path: file === 'index.html' ? '/' : `/${file}`,
      handle: ({ headers: { 'if-none-match': known } }) =>
        known?.includes(etag)
          ? { status: 304, headers }
          : { status: 200, headers: { ...headers, ...type }, body },
    };
  });
}
