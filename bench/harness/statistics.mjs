/** The arithmetic of a comparison: one figure for each of us from each round, in the order of the rounds. */

/**
 * Compares two series of figures that were taken by turns.
 *
 * Each round gives one ratio, of two figures taken one right after the other, so that what slows the machine down for a
 * while slows both. A ratio above 1 is always in favour of `ours`, whichever way the figure is better.
 *
 * `ratio`, `ours` and `theirs` are medians, `spread` the middle half of the ratios: from the first quartile to the third.
 */
export function compareRounds(ours, theirs, better) {
  if (ours.length === 0 || ours.length !== theirs.length) {
    throw new RangeError(`Rounds come in pairs, got ${ours.length} of ours and ${theirs.length} of theirs.`);
  }
  const bad = [...ours, ...theirs].find((figure) => !(figure > 0 && Number.isFinite(figure)));
  if (bad !== undefined) throw new RangeError(`A round must give a positive figure, got ${bad}.`);
  const ratios = ours.map((mine, round) => (better === 'more' ? mine / theirs[round] : theirs[round] / mine));
  return {
    ours: quantile(ours, 0.5),
    theirs: quantile(theirs, 0.5),
    ratio: quantile(ratios, 0.5),
    spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  };
}

/** The value below which that part of the values lies, with a straight line between neighbours. */
export function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const below = sorted[Math.floor(at)];
  return below + (at % 1) * (sorted[Math.ceil(at)] - below);
}
