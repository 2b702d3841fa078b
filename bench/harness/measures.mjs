/** What a sample of work (operations, seconds, microseconds of CPU) is turned into: a figure with its unit. */

/** How many of them in a second. */
export const perSecond = (unit) => ({
  unit: `${unit}/s`,
  better: 'more',
  of: ({ operations, seconds }) => operations / seconds,
});

/** How long one takes. Only where they come one after another. */
export const milliseconds = (unit) => ({
  unit: `ms/${unit}`,
  better: 'less',
  of: ({ operations, seconds }) => (seconds * 1_000) / operations,
});

/** The CPU time of the process under test for each: steadier than speed on a machine that others use, too. */
export const cpuMicros = (unit) => ({
  unit: `µs CPU/${unit}`,
  better: 'less',
  of: ({ operations, cpuMicros: spent }) => spent / operations,
});

/** The CPU time that Redis spends for each, where the contender stands beside a `RedisTime`. */
export const redisMicros = (unit) => ({
  unit: `µs CPU of Redis/${unit}`,
  better: 'less',
  of: ({ operations, figures }) => figures.redisMicros / operations,
});
