/** Many clients of one server, in a process of their own. */
import { serve } from '../harness/child.mjs';
import { Client, until } from './realtime-client.mjs';

const atOnce = 100;
const clients = [];
const countOf = (messages) => clients.filter((client) => client.messages === messages).length;

serve({
  /** Resolves when all of them have the head of their answer. */
  async open({ kind, port, count, channels }) {
    const added = Array.from(
      { length: count },
      (_, index) => new Client(kind, channels[index % channels.length]),
    );
    for (let from = 0; from < count; from += atOnce)
      await Promise.all(added.slice(from, from + atOnce).map((client) => client.open(port)));
    clients.push(...added);
  },

  /** How many have heard something, once all have or the time is over. */
  async listening({ durationMs }) {
    await until(() => countOf(0) === 0, performance.now() + durationMs);
    return clients.length - countOf(0);
  },

  async leave() {
    for (const client of clients) client.leave();
  },

  /** All come back, spread over a time; says how many have exactly what they have missed, and when the last had. */
  async comeBack({ port, spreadMs, messages, durationMs }) {
    const beganAt = performance.now();
    let next = 0;
    while (next < clients.length) {
      const part = Math.min(1, (performance.now() - beganAt) / spreadMs);
      for (const due = Math.ceil(clients.length * part); next < due; next++)
        clients[next].comeBack(port).catch(() => undefined); // who is not let in is not complete
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => countOf(messages) === clients.length, beganAt + durationMs);
    return { complete: countOf(messages), tookMs: performance.now() - beganAt };
  },
});
