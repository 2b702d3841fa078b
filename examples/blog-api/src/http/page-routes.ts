import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Answer, Route } from './route.js';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/** What browsers may ask for, the smallest first. */
const encodings = { br: brotliCompressSync, gzip: gzipSync, identity: (bytes: Buffer) => bytes };
type Encoding = keyof typeof encodings;

/**
 * The page: the files of a folder and some from elsewhere, compressed once and kept in memory. Browsers ask each time whether a file is still
 * the same, and download it when it is not: their names say nothing of their content.
 */
export function pageRoutes(folder: URL, others: Readonly<Record<string, URL>>): Route[] {
  const files = readdirSync(folder).map((file): [string, URL] => [file, new URL(file, folder)]);
  return [...files, ...Object.entries(others)].map(([file, url]) => {
    const forms = formsOf(readFileSync(url), types[extname(file)]);
    return {
      method: 'get',
      path: file === 'index.html' ? '/' : `/${file}`,
      handle: ({ headers }) => {
        const { etag, answer } = forms[encodingFor(headers['accept-encoding'])];
        const isKnown = headers['if-none-match']?.includes(etag);
        return isKnown ? { status: 304, headers: answer.headers } : answer;
      },
    };
  });
}

interface Form {
  readonly etag: string;
  readonly answer: Answer;
}

/** A file in each encoding. They are different representations, so each has an entity tag of its own (RFC 9110, 8.8.3). */
function formsOf(bytes: Buffer, type = 'application/octet-stream'): Readonly<Record<Encoding, Form>> {
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  const formOf = (encoding: Encoding): Form => {
    const etag = `"${digest}.${encoding}"`;
    const headers = {
      'content-type': type,
      'cache-control': 'no-cache',
      'content-security-policy': policy,
      'referrer-policy': 'same-origin',
      vary: 'accept-encoding',
      etag,
      ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
    };
    return { etag, answer: { status: 200, headers, body: encodings[encoding](bytes) } };
  };
  return { br: formOf('br'), gzip: formOf('gzip'), identity: formOf('identity') };
}

/** Browsers accept these or do not; none of them weighs one against the other. */
function encodingFor(accepted = ''): Encoding {
  const isAccepted = (encoding: string) =>
    new RegExp(`\\b${encoding}\\b(?!\\s*;\\s*q=0(?:\\.0*)?\\s*(?:,|$))`).test(accepted);
  return isAccepted('br') ? 'br' : isAccepted('gzip') ? 'gzip' : 'identity';
}
