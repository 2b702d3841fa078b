import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const folder = join(tmpdir(), 'pando-provision.lock');
const ownerFile = join(folder, 'pid');

/** Runs `work` while no other process on this machine does; waits its turn. A lock whose owner died is taken over. */
export async function withLock(work) {
  while (!acquire()) {
    if (!ownerLives()) rmSync(folder, { recursive: true, force: true });
    await delay(200);
  }
  try {
    return await work();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function acquire() {
  try {
    mkdirSync(folder); // atomic: exactly one of several processes creates it
    writeFileSync(ownerFile, String(process.pid));
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  }
}

function ownerLives() {
  try {
    process.kill(Number(readFileSync(ownerFile, 'utf8')), 0);
    return true;
  } catch (error) {
    // ENOENT: the owner has made the folder and is about to write its pid. EPERM: it lives and belongs to another user.
    return error.code === 'ENOENT' || error.code === 'EPERM';
  }
}
