import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTemporaryFolder, GuardedProcess, waitFor } from '@pando/core/testing';
import { expect, test } from 'vitest';
import { bundleEntry } from '../../infra/bundle-entry.js';

const fixture = new URL('../../fixtures/guarded-run.ts', import.meta.url).pathname;

test('a run that is killed with SIGKILL leaves no process and no folder, not even of a frozen server', async () => {
  await using folder = await createTemporaryFolder('pando-guard-');
  const run = await GuardedProcess.start(process.execPath, [await bundleEntry(fixture)], {
    outputFile: join(folder.path, 'output.log'),
    env: { PATH: process.env.PATH },
  });
  const report = await waitFor(() => run.output(), { message: 'the run to tell what it started' });
  const { pids, folders } = JSON.parse(report) as { pids: number[]; folders: string[] };
  expect(pids.length).toBeGreaterThan(5);
  expect(pids.filter((pid) => !isAlive(pid))).toEqual([]);
  expect(folders.filter((path) => !existsSync(path))).toEqual([]);

  run.signal('SIGKILL');
  await waitFor(() => pids.every((pid) => !isAlive(pid)), {
    message: () => `these processes to end: ${pids.filter(isAlive).join(', ')}`,
  });
  await waitFor(() => folders.every((path) => !existsSync(path)), { message: 'the folders to be removed' });
});

/** A zombie is dead: where nobody collects orphans, it stays in the process table. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = existsSync('/proc/self') ? readFileSync(`/proc/${pid}/stat`, 'utf8') : ') S';
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
  } catch {
    return false;
  }
}
