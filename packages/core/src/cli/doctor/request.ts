import { parseArgs } from 'node:util';
import { databaseDefaults } from '../../db/options.js';
import { httpDefaults } from '../../http/index.js';
import { PandoOptionsError } from '../../kernel/errors.js';
import { createKeys } from '../../kernel/keys.js';
import { nearestOf } from '../../kernel/nearest.js';

/** What to look at, and what to know of the app for it. */
export interface DoctorRequest {
  readonly name: string;
  readonly redis: readonly string[];
  readonly db: string | undefined;
  readonly replicas: readonly string[];
  /** The app as its clients reach it. */
  readonly url: string | undefined;
  /** Instances of it, as the balancer reaches them. */
  readonly instances: readonly string[];
  readonly readyPath: string;
  readonly metricsPath: string;
  readonly stream: string | undefined;
  readonly ws: string | undefined;
  /** Instances that share the database; undefined for those that are in the fleet. */
  readonly instanceCount: number | undefined;
  readonly pool: { readonly size: number; readonly overflow: number };
  readonly connectionBudget: number | undefined;
  readonly balancerIdleMs: number;
  /** Folder of the app. */
  readonly project: string;
  /** Names of checks that are left out. */
  readonly skip: readonly string[];
  readonly timeoutMs: number;
  readonly isJson: boolean;
  readonly isHelp: boolean;
}

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;
const flag = { type: 'boolean' } as const;

const options = {
  redis: texts,
  db: text,
  replica: texts,
  url: text,
  instance: texts,
  name: text,
  stream: text,
  ws: text,
  'ready-path': text,
  'metrics-path': text,
  instances: text,
  'pool-size': text,
  'pool-overflow': text,
  'connection-budget': text,
  'balancer-idle-ms': text,
  project: text,
  skip: texts,
  'timeout-ms': text,
  json: flag,
  help: { ...flag, short: 'h' },
} as const;

/** How to call it. */
export const usage = `pando doctor [options]

Looks at what an app of Pando stands on, says what is in the way of its promises, and changes nothing.

  --redis URL               a Redis server; may be given several times
  --db URL                  the Postgres primary
  --replica URL             a replica of it; may be given several times
  --url URL                 the app, as its clients reach it
  --instance URL            one instance, as the balancer reaches it; may be given several times
  --stream PATH             an event stream of the app that needs no sign-in: whether it begins at once
  --ws PATH                 its WebSockets: whether handshakes reach it
  --project FOLDER          the app's package.json: what it depends on that knows one process only (.)

What to know of the app, where it is not as it comes:
  --name NAME               the kit's name (app)
  --instances N             instances that share the database (those that Redis knows)
  --pool-size N             db.pool.size (${databaseDefaults.pool.size})
  --pool-overflow N         db.pool.overflow (${databaseDefaults.pool.overflow})
  --connection-budget N     db.connectionBudget, where it is a number
  --balancer-idle-ms N      how long the balancer keeps idle connections to instances (60000)
  --ready-path PATH         (${httpDefaults.health.ready})
  --metrics-path PATH       (${httpDefaults.metrics.path})

  --skip CHECK              leaves a check out, such as redis.output-buffers; may be given several times
  --timeout-ms N            how long to wait for each answer (5000)
  --json                    for programs
  --help

Ends with 0 when all is well, 1 when a promise is in danger, 2 when something could not be looked at.
`;

/** Reads the command line behind `doctor`; throws `PandoOptionsError`. */
export function readRequest(args: readonly string[]): DoctorRequest {
  const values = parsed(args);
  const name = values.name ?? 'app';
  if (!isName(name)) refuse('--name must be 1 to 64 letters, digits, "-" or "_".');
  return {
    name,
    redis: urls('redis', values.redis, /^(rediss?|unix):$/),
    db: values.db === undefined ? undefined : urls('db', [values.db], postgres)[0],
    replicas: urls('replica', values.replica, postgres),
    url: values.url === undefined ? undefined : urls('url', [values.url], web)[0],
    instances: urls('instance', values.instance, web),
    readyPath: path('ready-path', values['ready-path']) ?? httpDefaults.health.ready,
    metricsPath: path('metrics-path', values['metrics-path']) ?? httpDefaults.metrics.path,
    stream: path('stream', values.stream),
    ws: path('ws', values.ws),
    instanceCount: whole('instances', values.instances),
    pool: {
      size: whole('pool-size', values['pool-size']) ?? databaseDefaults.pool.size,
      overflow: whole('pool-overflow', values['pool-overflow'], 0) ?? databaseDefaults.pool.overflow,
    },
    connectionBudget: whole('connection-budget', values['connection-budget']),
    balancerIdleMs: whole('balancer-idle-ms', values['balancer-idle-ms']) ?? 60_000,
    project: values.project ?? '.',
    skip: values.skip ?? [],
    timeoutMs: whole('timeout-ms', values['timeout-ms']) ?? 5_000,
    isJson: values.json ?? false,
    isHelp: values.help ?? false,
  };
}

const postgres = /^postgres(ql)?:$/;
const web = /^https?:$/;

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (cause) {
    const { code, message } = cause as Error & { readonly code?: string };
    // What stands in the place of an option may be a URL, with a password in it.
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL')
      return refuse('every value needs its option in front, such as --redis. See pando doctor --help.');
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return refuse(message);
    const given = /'--?([a-z0-9-]+)'/i.exec(message)?.[1];
    if (given === undefined) return refuse('unknown option. See pando doctor --help.');
    const nearest = nearestOf(given, Object.keys(options));
    return refuse(
      `unknown option --${given}.${nearest === undefined ? ' See pando doctor --help.' : ` Did you mean --${nearest}?`}`,
    );
  }
}

function refuse(message: string): never {
  throw new PandoOptionsError({ code: 'PANDO_OPTIONS', message });
}

function isName(name: string): boolean {
  try {
    createKeys(name);
    return true;
  } catch {
    return false;
  }
}

/** Messages never repeat what was given: it may hold a password, wherever it was put. */
function urls(option: string, given: readonly string[] = [], scheme: RegExp): readonly string[] {
  for (const url of given) {
    if (!URL.canParse(url) || !scheme.test(new URL(url).protocol))
      refuse(
        `--${option} must be a URL whose scheme is ${examples[option]}; special characters of its password percent-encoded.`,
      );
    if (scheme !== web && hasLooseAt(url))
      refuse(
        `--${option} has an "@" behind its host: percent-encode "/", "?" and "#" of the password (%2F, %3F, %23).`,
      );
  }
  return given;
}

/** A password that was not encoded, and so ended the host too early: its rest would be taken for a path, its beginning for a port. */
function hasLooseAt(url: string): boolean {
  const { pathname, search, hash } = new URL(url);
  return pathname.includes('@') || hash.includes('@') || (search.includes('@') && !search.includes('='));
}

const examples: Readonly<Record<string, string>> = {
  redis: 'redis:, rediss: or unix:',
  db: 'postgres:',
  replica: 'postgres:',
  url: 'http: or https:',
  instance: 'http: or https:',
};

function path(option: string, given: string | undefined): string | undefined {
  if (given === undefined || given.startsWith('/')) return given;
  return refuse(`--${option} must be a path such as "/events".`);
}

function whole(option: string, given: string | undefined, least = 1): number | undefined {
  if (given === undefined) return undefined;
  const number = Number(given);
  if (/^\d+$/.test(given) && number >= least && number <= most) return number;
  return refuse(`--${option} must be a whole number from ${least} to ${most}.`);
}

/** As long as a timer can wait, in ms. */
const most = 2_147_483_647;
