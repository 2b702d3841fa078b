// What is on display, read again when it may be out of date.

const loaders = new Map();
const stale = new Set();
let running;

/** Says how a part of the page is read: 'list', 'post', 'comments' or 'readers'. */
export function setLoader(part, load) {
  loaders.set(part, load);
}

/** Reads these parts again, and those that could not be read before. However many events arrive meanwhile, once more is enough. */
export function refresh(...parts) {
  for (const part of parts) stale.add(part);
  running ??= readAll().finally(() => {
    running = undefined;
  });
  return running;
}

async function readAll() {
  while (stale.size > 0) {
    const parts = [...stale];
    stale.clear();
    const ends = await Promise.allSettled(parts.map((part) => loaders.get(part)()));
    for (const [index, { reason }] of ends.entries()) if (reason) stale.add(parts[index]);
    const failed = ends.find(({ reason }) => reason);
    if (failed !== undefined) throw failed.reason;
  }
}
