/** Publishes on a server that many listeners have come to. */
import { quantile } from '../harness/statistics.mjs';
import { Listeners } from './listeners.mjs';

/** The bar at the end is how the listeners count messages: nothing else that they are sent has one. */
const text = `${'x'.repeat(160)}|`;
const eventOf = (id) => ({ type: 'post.updated', id, text });

/** More messages than these on their way: the contender cannot keep up with the pace. */
const mostUnderWay = 200;

/** A contender that publishes so many at once, and waits until all listeners have everything. */
export async function publishing({ publish, ...connecting }) {
  const listeners = await Listeners.connect(connecting);
  let published = 0;
  return {
    async run(count) {
      const sent = Array.from({ length: count }, () => publish(eventOf(++published)));
      await Promise.all([...sent, listeners.received(published)]);
    },
  };
}

/** A contender that publishes at a steady pace, whether or not the last has arrived, and says how long they were under way. */
export async function publishingSteadily({ publish, everyMs, ...connecting }) {
  const listeners = await Listeners.connect(connecting);
  let published = 0;
  let underWay = 0;
  let times = [];
  let nextAt = 0;
  const send = async () => {
    const beganAt = performance.now();
    underWay += 1;
    await Promise.all([publish(eventOf(++published)), listeners.received(published)]);
    underWay -= 1;
    times.push(performance.now() - beganAt);
  };
  return {
    async begin() {
      times = [];
      nextAt = performance.now();
    },
    async run(count) {
      for (let n = 0; n < count; n++) {
        nextAt += everyMs;
        while (performance.now() < nextAt || underWay >= mostUnderWay)
          await new Promise((resolve) => setTimeout(resolve, 1));
        void send();
      }
    },
    async figures() {
      return { medianMs: quantile(times, 0.5), slowMs: quantile(times, 0.99) };
    },
  };
}
