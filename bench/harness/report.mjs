import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

/** The machine as it is now; taken before the first round. */
export function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(1)),
  };
}

/** The results for people: where they come from, the table, how to read it. */
export function formatMarkdown({ command, machine, versions, size, rows, tables }) {
  const { cpu, cores, memoryGiB, system, node, loadBefore } = machine;
  return `\
    ${command}

${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}; Node ${node}; ${versions.join(', ')}. Load average at the start: ${loadBefore}.

${[...(rows.length > 0 ? [formatComparisons(rows, size)] : []), ...tables.map(formatTable)].join('\n')}`;
}

function formatComparisons(rows, size) {
  return `\
| id | what | Pando | peer | unit | ratio | middle half |${rows.some(hasTarget) ? ' target |' : ''}
|---|---|---|---|---|---|---|${rows.some(hasTarget) ? '---|' : ''}
${rows.map((row) => formatRow(row, rows.some(hasTarget))).join('\n')}

Medians of ${size.rounds} interleaved rounds of ${size.roundMs} ms. A ratio above 1 is in favour of Pando, whatever the unit; half of the rounds gave a ratio within the middle half.
`;
}

/** What several packages do, one column for each. */
function formatTable({ columns, rows, note }) {
  const heads = columns.map(({ name, version }) => ` ${name} ${version} |`).join('');
  const lines = rows.map(
    ({ id, what, outcomes }) =>
      `| \`${id}\` | ${what} |${columns.map(({ name }) => ` ${outcomes[name]} |`).join('')}`,
  );
  return `\
| id | what |${heads}
|---|---|${columns.map(() => '---|').join('')}
${lines.join('\n')}

${note}
`;
}

const hasTarget = ({ target }) => target !== undefined;

function formatRow({ id, what, ours, theirs, peer, peerVersion, unit, ratio, spread, ...row }, withTarget) {
  const [low, high] = spread.map(formatRatio);
  const target = hasTarget(row) ? `${row.meets ? 'met' : 'missed'}: ${row.target}` : '';
  return `| \`${id}\` | ${what} | ${formatFigure(ours)} | ${formatFigure(theirs)} (${peer} ${peerVersion}) | ${unit} | **${formatRatio(ratio)}** | ${low} to ${high} |${withTarget ? ` ${target} |` : ''}`;
}

const formatRatio = (ratio) => ratio.toFixed(ratio < 10 ? 2 : 1);
const formatFigure = (figure) => figure.toLocaleString('en', { maximumSignificantDigits: 3 });
