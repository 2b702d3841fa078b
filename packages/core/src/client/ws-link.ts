import type { SocketConstructor } from './api.js';
import { ConnectionFailedError, refusedWith } from './errors.js';
import type { Frame } from './frames.js';
import type { LineInit } from './line.js';

/** Close codes after which nobody need come back; any other is a connection that was lost. */
const finalCodes = [1009, 4400, 4403];

/** Opens WebSockets that speak pando.v1. */
export function socketsOf(
  WebSocket: SocketConstructor,
  url: () => URL,
  headers: (credential: string) => Record<string, string>,
): LineInit['open'] {
  return ({ opened, frame, ended }, credential) => {
    let isLeaving = false;
    const socket = new WebSocket(url().href, ['pando.v1'], { headers: headers(credential) });
    socket.onopen = opened;
    socket.onmessage = ({ data }: { readonly data: string }) => {
      let received: Frame;
      try {
        received = JSON.parse(data);
      } catch (cause) {
        return ended(new ConnectionFailedError(`No frame: ${data}.`, cause));
      }
      isLeaving ||= received.t === 'bye';
      frame(received);
    };
    socket.onerror = () => {}; // the end follows
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      if (finalCodes.includes(code)) ended(refusedWith(code, reason));
      else ended(isLeaving ? undefined : new ConnectionFailedError(`Closed with ${code}.`));
    };
    return {
      send: (upward) => socket.send(JSON.stringify(upward)),
      // Nobody waits for the closing handshake: who is silent does not answer that either.
      close: () => socket.close(),
    };
  };
}
