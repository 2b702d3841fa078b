/** `ttl` is as near to `ttlMs` as can be: who leaves the unit out, or writes another, means the same. */
const unitSuffix = /(ms|sec|secs|seconds|bytes|ratio)$/;

/** The known name at the smallest edit distance, if it is near enough to be meant. */
export function nearestOf(
  name: string,
  known: Iterable<string>,
  farthest = Math.ceil(name.length / 3),
): string | undefined {
  const asked = name.toLowerCase();
  let nearest: string | undefined;
  let least: readonly [number, number] = [farthest + 1, 0];
  for (const candidate of known) {
    const whole = candidate.toLowerCase();
    const distance = editDistance(asked, whole);
    const bare = editDistance(asked.replace(unitSuffix, ''), whole.replace(unitSuffix, ''));
    const far = Math.min(distance, bare);
    // Equally near but for the unit: the whole names decide.
    if (far < least[0] || (far === least[0] && far <= farthest && distance < least[1])) {
      nearest = candidate;
      least = [far, distance];
    }
  }
  return nearest;
}

/** Edits between two words, neighbours that changed places counting as one: optimal string alignment, row by row. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const differs = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next.push(
        Math.min(
          (row[j - 1] ?? 0) + differs,
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
