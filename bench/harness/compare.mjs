import { ContenderProcess } from './contender-process.mjs';
import { compareRounds } from './statistics.mjs';

/** How much is measured. */
export const sizes = {
  quick: { rounds: 7, roundMs: 300, warmUpCpuMs: 400 },
  full: { rounds: 15, roundMs: 1_000, warmUpCpuMs: 2_000 },
};
/** Where the work is mostly waiting, the CPU time of a warm-up would take for ever. */
const maxWarmUpRounds = 6;

/**
 * Lets two contenders do the same work by turns, and returns one row for each figure that is asked for.
 *
 * While one works, the other's process is idle. Who begins changes from round to round, so that neither always works on a
 * machine that the other has warmed up.
 */
export async function compare(
  { what, ours, theirs, peer, load, rows },
  { module, settings, size, versionOf },
) {
  const contenders = [];
  try {
    for (const name of [ours, theirs]) {
      const contender = new ContenderProcess(name);
      contenders.push(contender);
      await contender.open(module, settings, load);
      await warmUp(contender, size);
    }
    const samples = [[], []];
    for (let round = 0; round < size.rounds; round++) {
      for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) {
        samples[side].push(await contenders[side].round(size.roundMs));
      }
    }
    return Object.entries(rows).map(([id, { unit, better, of, target, most }]) => {
      const figures = samples.map((series) => series.map(of));
      const outcome = compareRounds(...figures, better);
      const aim = aimOf(outcome, { target, most });
      return { id, what, peer, peerVersion: versionOf(peer), unit, ...outcome, ...aim };
    });
  } finally {
    for (const contender of contenders) contender.close();
  }
}

/** What was aimed at: a ratio, or a figure of ours that should not be larger. */
function aimOf({ ours, ratio }, { target, most }) {
  if (most !== undefined) return { target: `≤ ${most}`, meets: ours <= most };
  return target === undefined ? {} : { target, meets: ratio >= target };
}

/** Until its code is compiled: counted in CPU time, of which a busy machine gives little. */
async function warmUp(contender, { roundMs, warmUpCpuMs }) {
  let spentMs = 0;
  for (let round = 0; round < maxWarmUpRounds && spentMs < warmUpCpuMs; round++) {
    const { cpuMicros } = await contender.round(roundMs);
    spentMs += cpuMicros / 1_000;
  }
}
