/**
 * The process of one contender: builds what is measured, then works for as long as it is told, as often as it is told.
 *
 * Each contender has a process of its own, so that neither's compiled code, heap or CPU time shows in the other's figures.
 */
import { serve } from './child.mjs';

let contender;
let load;

serve({
  /** Builds the contender that `module` exports as `name`. */
  async open({ module, name, settings, load: asked }) {
    load = asked;
    contender = await (await import(module))[name](settings);
  },

  /** Works for that long and says how much was done. */
  async round({ durationMs }) {
    await contender.begin?.();
    const cpuBefore = process.cpuUsage();
    const beganAt = performance.now();
    const endsAt = beganAt + durationMs;
    const workers = Array.from({ length: load.workers }, () => work(contender.run, endsAt));
    const runs = (await Promise.all(workers)).reduce((sum, count) => sum + count, 0);
    const seconds = (performance.now() - beganAt) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    const operations = runs * load.batch * (load.each ?? 1);
    return { operations, seconds, cpuMicros: user + system, figures: await contender.figures?.() };
  },
});

/** The clock is read once for a batch: reading it may cost more than what is measured. */
async function work(run, endsAt) {
  let runs = 0;
  do {
    await run(load.batch);
    runs += 1;
  } while (performance.now() < endsAt);
  return runs;
}
