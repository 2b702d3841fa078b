import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { LagMeter, LoopWatch, OverloadGuard } from './ports.js';

const resolutionMs = 10;

/** The event loop of this process. */
export function measureNodeLag(): LagMeter {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  return {
    take() {
      // In nanoseconds from one look of its timer to the next, what lies between two looks in any case included.
      const ms = histogram.count === 0 ? 0 : histogram.percentile(90) / 1e6 - resolutionMs;
      histogram.reset();
      return Math.max(0, ms);
    },
    [Symbol.dispose]: () => void histogram.disable(),
  };
}

/** The turns of the event loop of this process. */
export function watchNodeLoop(): LoopWatch {
  return {
    restedMs: () => performance.eventLoopUtilization().idle,
    afterTurn(listener) {
      const immediate = setImmediate(listener).unref(); // or the loop would never rest
      return { [Symbol.dispose]: () => clearImmediate(immediate) };
    },
  };
}

/** The heap of this process. */
export function guardNodeHeap(maxRatio: number): OverloadGuard {
  return {
    reason: 'memory',
    isOver() {
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
      return used > maxRatio * limit;
    },
  };
}
