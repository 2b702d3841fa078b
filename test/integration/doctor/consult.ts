import { runCli } from '../../../packages/core/src/cli/run-cli.js';

/** One finding, as `--json` has it. */
export interface ToldFinding {
  readonly check: string;
  readonly subject: string;
  readonly verdict: 'fine' | 'note' | 'problem' | 'unknown';
  readonly found: string;
  readonly todo?: string | undefined;
}

/** What the doctor has said, and ended with. */
export interface Consultation {
  readonly code: number;
  readonly output: string;
  readonly findings: readonly ToldFinding[];
  /** What was said under this name: `verdict found`, for each finding. */
  of(check: string): readonly string[];
  /** Names of the checks with this verdict. */
  named(verdict: ToldFinding['verdict']): readonly string[];
}

/** Runs `pando doctor --json`, without looking at a project, nor at how busy this machine is. */
export async function consult(...args: readonly string[]): Promise<Consultation> {
  let output = '';
  const write = (text: string): void => {
    output += text;
  };
  const console = { write, complain: write, isColoured: false };
  const code = await runCli(
    ['doctor', '--json', '--project', '/nowhere', '--skip', 'redis.round-trip', ...args],
    console,
  );
  const { findings } = JSON.parse(output) as { readonly findings: readonly ToldFinding[] };
  return {
    code,
    output,
    findings,
    of: (name) => findings.flatMap((one) => (one.check === name ? [`${one.verdict} ${one.found}`] : [])),
    named: (verdict) => findings.flatMap((one) => (one.verdict === verdict ? [one.check] : [])),
  };
}
