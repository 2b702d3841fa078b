/** What is measured, room by room: each module exports comparisons, a table to show with the ids of its rows, or both. */
export const rooms = {
  cache: ['./peers/cache.mjs', './peers/cache-many.mjs', './peers/cache-fleet.mjs', './micro/cache.mjs'],
  'cache-races': ['./peers/cache-races.mjs'],
  db: ['./micro/db.mjs', './peers/db.mjs', './peers/db-policies.mjs'],
  kernel: ['./micro/kernel.mjs'],
  limits: ['./peers/limits.mjs'],
  'limits-http': ['./peers/limits-http.mjs'],
  overload: ['./peers/overload.mjs'],
  realtime: ['./peers/realtime.mjs', './peers/realtime-log.mjs'],
  'realtime-cluster': ['./peers/realtime-cluster.mjs'],
  'realtime-faults': ['./peers/realtime-faults.mjs'],
  'realtime-fleet': ['./peers/realtime-fleet.mjs'],
  shutdown: ['./peers/shutdown.mjs'],
};

/** Where the modules of a room are. */
export const modulesOf = (room) => rooms[room].map((file) => new URL(file, import.meta.url).href);

/** The ids of all rows that a room can have. */
export async function rowIdsOf(room) {
  const modules = await Promise.all(modulesOf(room).map((module) => import(module)));
  return modules.flatMap(({ comparisons = [], tableIds = [] }) => [
    ...comparisons.flatMap(({ rows }) => Object.keys(rows)),
    ...tableIds,
  ]);
}
