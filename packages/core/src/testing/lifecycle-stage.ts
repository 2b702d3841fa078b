import { createKernel } from '../kernel/kernel.js';
import type { LogMethod } from '../kernel/logger.js';
import {
  createLifecycle,
  type Lifecycle,
  type LifecycleOptions,
  type LifecyclePhase,
} from '../lifecycle/index.js';
import { createFakeClock, type FakeClock } from './fake-clock.js';

/** A lifecycle whose process is made of paper. */
export interface Stage {
  readonly lifecycle: Lifecycle;
  readonly clock: FakeClock;
  /** What happened, in order, with the time at which it did. */
  readonly log: string[];
  readonly lines: { readonly level: string; readonly fields: Record<string, unknown> }[];
  readonly exits: number[];
  held(): number;
  send(signal: NodeJS.Signals): void;
  heard(): readonly NodeJS.Signals[];
  /** An error that nobody caught. */
  fail(error: unknown): void;
  /** What the process ended of. */
  readonly crashes: unknown[];
  /** Registers a hook that takes so long; `Infinity` never ends, not even when aborted. */
  hook(name: string, phase: LifecyclePhase, durationMs?: number): void;
}

/** Creates a lifecycle with hooks that tell what they do. */
export function createStage(options: LifecycleOptions = {}): Stage {
  const clock = createFakeClock();
  const log: string[] = [];
  const lines: Stage['lines'] = [];
  const exits: number[] = [];
  const listeners = new Map<NodeJS.Signals, () => void>();
  const crashes: unknown[] = [];
  const uncaught = new Set<(error: unknown) => void>();
  let held = 0;
  const line =
    (level: string): LogMethod =>
    (fields) =>
      void lines.push({ level, fields });
  const logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const lifecycle = createLifecycle(options, {
    kernel: createKernel({ clock, logger }),
    signals: {
      on(signal, listener) {
        listeners.set(signal, listener);
        return { [Symbol.dispose]: () => void listeners.delete(signal) };
      },
    },
    process: {
      hold() {
        held++;
        return { [Symbol.dispose]: () => void held-- };
      },
      exit: (code) => void exits.push(code),
      onUncaught(listener) {
        uncaught.add(listener);
        return { [Symbol.dispose]: () => void uncaught.delete(listener) };
      },
      crash: (error) => void crashes.push(error),
    },
  });
  return {
    lifecycle,
    clock,
    log,
    lines,
    exits,
    held: () => held,
    crashes,
    fail(error) {
      for (const listener of uncaught) listener(error);
    },
    send: (signal) => listeners.get(signal)?.(),
    heard: () => [...listeners.keys()],
    hook(name, phase, durationMs = 0) {
      lifecycle.register({
        name,
        phase,
        async stop({ signal }) {
          log.push(`${name} begins at ${clock.monotonic()}`);
          signal.addEventListener('abort', () => log.push(`${name} aborted at ${clock.monotonic()}`));
          await new Promise<void>((resolve) => {
            if (durationMs === 0) resolve();
            else if (durationMs !== Number.POSITIVE_INFINITY) clock.after(durationMs, resolve);
          });
          log.push(`${name} ends at ${clock.monotonic()}`);
        },
      });
    },
  };
}
