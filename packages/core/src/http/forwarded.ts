import { plainAddress } from './client-address.js';

/** Where proxies write whom they have got a request from. */
export type ForwardingHeader = 'x-forwarded-for' | 'forwarded';

/**
 * Whom proxies have got a request from, the nearest proxy's word first; undefined where one has said nothing that is an address.
 *
 * From the right: each proxy writes behind what it was given, so that a client's own inventions are on the left, and
 * cannot change how anything to their right is read.
 */
export function* forwardedAddresses(header: ForwardingHeader, text: string): Generator<string | undefined> {
  for (let end = text.length; end >= 0; ) {
    const comma = header === 'forwarded' ? unquotedComma(text, end) : text.lastIndexOf(',', end - 1);
    const start = end === 0 ? -1 : comma;
    const entry = text.slice(start + 1, end).trim();
    yield header === 'forwarded' ? addressOfElement(entry) : addressOfNode(entry);
    end = start;
  }
}

/** Where the last comma before the place is that is no part of a quoted string; -1 where none is. */
function unquotedComma(text: string, end: number): number {
  let isQuoted = false;
  for (let place = end - 1; place >= 0; place--) {
    const char = text.charCodeAt(place);
    if (char === quote && !isEscaped(text, place)) isQuoted = !isQuoted;
    else if (char === comma && !isQuoted) return place;
  }
  return -1;
}

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;

function isEscaped(text: string, place: number): boolean {
  let first = place;
  while (first > 0 && text.charCodeAt(first - 1) === backslash) first--;
  return (place - first) % 2 === 1;
}

const pair = /\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*))\s*(?:;|$)/gy;

/** The `for` of one element of RFC 7239; undefined where it has none, or more than one. */
function addressOfElement(element: string): string | undefined {
  const nodes: string[] = [];
  let read = 0;
  for (const [whole, name = '', quoted, token = ''] of element.matchAll(pair)) {
    read += whole.length;
    if (name.toLowerCase() === 'for') nodes.push(quoted ?? token);
  }
  const [node, ...others] = nodes;
  if (node === undefined || others.length > 0 || read < element.length) return undefined;
  return addressOfNode(node);
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`. */
function addressOfNode(text: string): string | undefined {
  if (text.length > longest) return undefined;
  const [, inBrackets, v4] = /^(?:\[([^\]]*)\](?::\w+)?|([\d.]+):\w+)$/.exec(text) ?? [];
  if (inBrackets !== undefined) return inBrackets.includes(':') ? plainAddress(inBrackets) : undefined;
  return plainAddress(v4 ?? text);
}

/** An IPv6 address with a zone, brackets and a port. */
const longest = 80;
