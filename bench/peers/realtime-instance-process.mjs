/** One instance in a process of its own: says what it costs. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { serve } from '../harness/child.mjs';
import { instances } from './realtime-instances.mjs';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
const resolution = 10;
const delays = monitorEventLoopDelay({ resolution });
let instance;

serve({
  async open({ kind, ...app }) {
    instance = await instances[kind].open(app);
    return { port: instance.port };
  },

  /** Publishes so many events on each channel, packets of ten at a time. */
  async publish({ channels, count, text }) {
    for (let sent = 0; sent < count; sent += 10) {
      const size = Math.min(10, count - sent);
      const packet = channels.flatMap((channel) =>
        Array.from({ length: size }, () => instance.publish(channel, { text })),
      );
      await Promise.all(packet);
    }
  },

  /** What the process holds when it has nothing to do. */
  async memory() {
    for (let time = 0; time < 3; time++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      collectGarbage();
    }
    const { rss, heapUsed } = process.memoryUsage();
    return { rss, heapUsed };
  },

  async watch() {
    delays.enable();
    delays.reset();
  },

  /** How much later than asked for timers have fired since {@link watch}: the slowest in a hundred. */
  async watched() {
    return { delayMs: Math.max(0, delays.percentile(99) / 1e6 - resolution) };
  },
});
