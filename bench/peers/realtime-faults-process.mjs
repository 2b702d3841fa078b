/** One process of an app with the library that it is told to use. */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { serve } from '../harness/child.mjs';
import { libraries } from './realtime-faults-libraries.mjs';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
/** A text of its own for each event: one for all would be in memory once. */
const textOf = (bytes) => Buffer.alloc(bytes, 'x').latin1Slice();
let app;
let redisPort;

serve({
  async open({ library, redisUrl }) {
    redisPort = Number(new URL(redisUrl).port);
    app = await libraries[library]({ redisUrl });
    return { port: app.port };
  },

  /** Numbered events, so many in a turn; `everyMs` apart where that is wanted. */
  async publish({ channel, from = 0, count, bytes = 20, inTurn = 10, everyMs }) {
    for (let sent = 0; sent < count; sent += inTurn) {
      const numbers = Array.from(
        { length: Math.min(inTurn, count - sent) },
        (_, index) => from + sent + index,
      );
      await Promise.all(numbers.map((n) => app.publish(channel, { n, text: textOf(bytes) })));
      await (everyMs === undefined ? turn() : new Promise((resolve) => setTimeout(resolve, everyMs)));
    }
  },

  async publishExcept({ channel, n, sender }) {
    await app.publishExcept(channel, { n }, sender);
  },

  /** Bytes that have come from Redis. */
  async redisBytes() {
    const sockets = process._getActiveHandles().filter(({ remotePort }) => remotePort === redisPort);
    return sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  },

  /** Bytes that are in use. */
  async memory() {
    for (let time = 0; time < 2; time++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      collectGarbage();
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
});
