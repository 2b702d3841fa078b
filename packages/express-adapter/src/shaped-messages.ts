import { IncomingMessage, ServerResponse } from 'node:http';
import { type Visit, visitKey } from '@pando/core/http';

// Express gives each request and response another prototype, and then sets properties on it. V8 shares hidden classes up to
// that step and not beyond: each property that is new from there on makes a class for this one object, with a copy of the
// list of all its properties. That is some kilobytes of garbage a request, and a kilobyte or two that a stream keeps. What
// has a place from the start changes nobody's class.

/** A request with places for what Express and the door set on it. */
export class ShapedRequest extends IncomingMessage {
  res: unknown = undefined;
  next: unknown = undefined;
  baseUrl: unknown = undefined;
  originalUrl: unknown = undefined;
  params: unknown = undefined;
  route: unknown = undefined;
  _parsedUrl: unknown = undefined;
  [visitKey]: Visit | undefined = undefined;
}

/** A response with places for what Express, node:http and whoever hooks the head set on it. */
export class ShapedResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  override statusCode = 200;
  override statusMessage = '';
  locals: unknown = undefined;
  override writeHead = writeHeadOfPrototype;
}

/** What would be called if there were no place for another. */
function writeHeadOfPrototype(this: ServerResponse, ...given: unknown[]): never {
  const { writeHead } = Object.getPrototypeOf(this) as ServerResponse;
  return Reflect.apply(writeHead, this, given) as never;
}
