/**
 * The watchdog's program, run by `node -e` so that it needs no file of its own in a bundle.
 *
 * Reads one JSON array a line: `["process", pid, signal]`, `["folder", path]`, `["release", pid or path]`.
 * The end of the input means that the guarded process is gone.
 */
export const watchdogProgram = `
const { rmSync } = require('node:fs');
const processes = new Map();
const folders = new Set();
let rest = '';

process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n');
  rest = lines.pop();
  for (const line of lines) {
    const [verb, held, signal] = JSON.parse(line);
    if (verb === 'process') processes.set(held, signal);
    else if (verb === 'folder') folders.add(held);
    else { processes.delete(held); folders.delete(held); }
  }
});
process.stdin.on('error', () => {});
process.stdin.on('close', end);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

function send(pid, signal) {
  try { process.kill(pid, signal); return true; } catch { return false; }
}

function end() {
  for (const [pid, signal] of processes) {
    send(-pid, 'SIGCONT');
    send(pid, signal);
  }
  const patienceEndsAt = Date.now() + 1000;
  (function look() {
    const alive = [...processes.keys()].some((pid) => send(pid, 0));
    if (alive && Date.now() < patienceEndsAt) return setTimeout(look, 20);
    for (const pid of processes.keys()) { send(-pid, 'SIGKILL'); send(pid, 'SIGKILL'); }
    setTimeout(() => {
      for (const folder of folders) {
        try { rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }); } catch {}
      }
      process.exit();
    }, 20);
  })();
}
`;
