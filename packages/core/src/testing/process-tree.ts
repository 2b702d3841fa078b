import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** All living descendants of a process, parents before their children. */
export function descendantsOf(root: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const [pid, parent] of readProcesses()) {
    const siblings = childrenOf.get(parent);
    if (siblings) siblings.push(pid);
    else childrenOf.set(parent, [pid]);
  }
  const found: number[] = [];
  for (let next = [root]; next.length > 0; ) {
    next = next.flatMap((pid) => childrenOf.get(pid) ?? []);
    found.push(...next);
  }
  return found;
}

/** Sends a signal to a process or, with a negative pid, to a process group; `false` when there is none. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function readProcesses(): [pid: number, parent: number][] {
  return existsSync('/proc/self/stat') ? readProcFolder() : readPs();
}

function readProcFolder(): [number, number][] {
  const found: [number, number][] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // pid (command, which may hold spaces and brackets) state parent …
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      found.push([Number(name), Number(parent)]);
    } catch {
      // it ended between the two reads
    }
  }
  return found;
}

function readPs(): [number, number][] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
}
