import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Runs `work` while no other process holds the lock file at `path`. A lock whose owner died is taken over. */
export async function withFileLock(path, work) {
  while (!acquire(path)) await delay(100);
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function acquire(path) {
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    linkSync(mine, path); // atomic, and the file has its owner's pid from the first moment
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (!ownerLives(path)) rmSync(path, { force: true });
    return false;
  } finally {
    rmSync(mine, { force: true });
  }
}

function ownerLives(path) {
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 0);
    return true;
  } catch (error) {
    // ENOENT: released meanwhile. EPERM: it lives and belongs to another user.
    return error.code === 'ENOENT' || error.code === 'EPERM';
  }
}
