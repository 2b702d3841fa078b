import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Keeps a process on one core, so that what is measured and what loads it never share one. Does nothing where that cannot be. */
export function pin(pid, core) {
  if (core < availableParallelism()) spawnSync('taskset', ['-acp', String(core), String(pid)]);
}
