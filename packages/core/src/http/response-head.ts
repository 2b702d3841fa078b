import type { OutgoingHttpHeader, ServerResponse } from 'node:http';

/** Sets on a response what was given to `writeHead`, in any of the forms that node:http takes. */
export function takeHead(response: ServerResponse, status: number, rest: readonly unknown[]): void {
  response.statusCode = status;
  const hasMessage = typeof rest[0] === 'string';
  if (hasMessage) response.statusMessage = rest[0] as string;
  setHeaders(response, rest[hasMessage ? 1 : 0]);
}

function setHeaders(response: ServerResponse, headers: unknown): void {
  if (headers === undefined || headers === null) return;
  if (!Array.isArray(headers)) {
    const given = headers as Readonly<Record<string, OutgoingHttpHeader | undefined>>;
    for (const name of Object.keys(given)) {
      const value = given[name];
      if (value !== undefined) response.setHeader(name, value);
    }
    return;
  }
  const pairs: [string, string | readonly string[]][] = Array.isArray(headers[0])
    ? headers
    : Array.from({ length: headers.length / 2 }, (_, index) => [headers[2 * index], headers[2 * index + 1]]);
  for (const [name] of pairs) response.removeHeader(name);
  for (const [name, value] of pairs) response.appendHeader(name, value);
}
