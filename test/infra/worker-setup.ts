// A test worker does not notice that vitest itself was killed, and would keep its servers until its test ends.
// SIGKILL and not exit, which vitest forbids in workers; the watchdog then ends the servers.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
