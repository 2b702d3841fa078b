import { messageOf, PandoOptionsError } from '../../kernel/errors.js';
import { nearestOf } from '../../kernel/nearest.js';
import { unknown } from './check.js';
import { checkNames, checks, type reachNames } from './checks.js';
import { type DatabaseSight, lookAtDatabase } from './database-server.js';
import { type Diagnosis, type Entry, entriesOf } from './diagnosis.js';
import type { FleetSight } from './fleet-sight.js';
import { type HttpServer, lookAtHttp } from './http-server.js';
import { lookAtProject } from './project.js';
import { lookAtRedis, type RedisServer } from './redis-server.js';
import type { DoctorRequest } from './request.js';
import { placeOf, withoutSecrets } from './words.js';

/** Looks at all that was named, and changes nothing; throws `PandoOptionsError` for a check that does not exist. */
export async function diagnose(request: DoctorRequest): Promise<Diagnosis> {
  for (const name of request.skip) refuseUnknown(name);
  return new Examination(request).run();
}

function refuseUnknown(name: string): void {
  if (checkNames.includes(name)) return;
  const nearest = nearestOf(name, checkNames);
  const hint = nearest === undefined ? `They are: ${checkNames.join(', ')}.` : `Did you mean ${nearest}?`;
  throw new PandoOptionsError({
    code: 'PANDO_OPTIONS',
    message: `--skip names a check that does not exist. ${hint}`,
  });
}

/** What was seen of one thing, or why it was not. */
type Look<Seen> =
  | { readonly label: string; readonly seen: Seen }
  | { readonly label: string; readonly failure: string };

async function look<Seen>(label: string, url: string, looking: Promise<Seen>): Promise<Look<Seen>> {
  try {
    return { label, seen: await looking };
  } catch (cause) {
    return { label, failure: withoutSecrets(messageOf(cause), url) };
  }
}

/** To one name: enough to meet each of a few servers behind it. */
const replicaVisits = 4;

/** Each server behind one name once, or why one could not be looked at. */
function distinct(looks: readonly Look<DatabaseSight>[]): readonly Look<DatabaseSight>[] {
  const nodes = new Map(
    looks.map((one) => ['seen' in one ? (one.seen.server?.started ?? one.label) : one.failure, one]),
  );
  const found = [...nodes.values()];
  if (found.length === 1) return found;
  return found.map((one, at) => ({ ...one, label: `${one.label} (${at + 1} of ${found.length})` }));
}

const seenIn = <Seen>(looks: readonly Look<Seen>[]): readonly Seen[] =>
  looks.flatMap((one) => ('seen' in one ? [one.seen] : []));

/** One run of the doctor. */
class Examination {
  readonly #request: DoctorRequest;
  readonly #skip: ReadonlySet<string>;

  constructor(request: DoctorRequest) {
    this.#request = request;
    this.#skip = new Set(request.skip);
  }

  async run(): Promise<Diagnosis> {
    const [redis, databases, http] = await Promise.all([
      this.#lookAtRedis(),
      this.#lookAtDatabases(),
      this.#lookAtHttp(),
    ]);
    const fleet = this.#fleetOf(seenIn(redis), seenIn(http));
    const entries = [
      ...(await this.#redisEntries(redis)),
      ...(await this.#databaseEntries(databases, fleet)),
      ...(await this.#httpEntries(http)),
      ...(await entriesOf(fleet, `Fleet ${fleet.name}`, checks.fleet, this.#skip)),
      ...(await this.#projectEntries()),
    ];
    return { entries };
  }

  #lookAtRedis(): Promise<readonly Look<RedisServer>[]> {
    const { redis, name, timeoutMs } = this.#request;
    return Promise.all(
      redis.map((url) => look(`Redis ${placeOf(url, 6_379)}`, url, lookAtRedis({ url, name, timeoutMs }))),
    );
  }

  /** The primary first, since replicas are measured by it; then its replicas. */
  async #lookAtDatabases(): Promise<readonly Look<DatabaseSight>[]> {
    const { db, replicas, name, timeoutMs } = this.#request;
    const at = (kind: string, url: string, awaited?: string) =>
      look(`${kind} ${placeOf(url, 5_432)}`, url, lookAtDatabase({ url, name, timeoutMs, awaited }));
    const primary = db === undefined ? undefined : await at('Postgres', db);
    const awaited = primary !== undefined && 'seen' in primary ? primary.seen.lsn : undefined;
    const others = await Promise.all(
      replicas.map(async (url) =>
        distinct(await Promise.all(Array.from({ length: replicaVisits }, () => at('Replica', url, awaited)))),
      ),
    );
    return primary === undefined ? others.flat() : [primary, ...others.flat()];
  }

  #lookAtHttp(): Promise<readonly Look<HttpServer>[]> {
    const { url, instances, readyPath, metricsPath, stream, ws, timeoutMs } = this.#request;
    const paths = { readyPath, metricsPath, stream, ws, timeoutMs };
    const at = (target: string, isDirect: boolean) =>
      look(
        `${isDirect ? 'Instance' : 'App'} ${placeOf(target, target.startsWith('https:') ? 443 : 80)}`,
        target,
        lookAtHttp({ ...paths, url: target, isDirect }),
      );
    return Promise.all([
      ...(url === undefined ? [] : [at(url, false)]),
      ...instances.map((instance) => at(instance, true)),
    ]);
  }

  #fleetOf(redis: readonly RedisServer[], http: readonly HttpServer[]): FleetSight {
    const known = redis.flatMap(({ members }) => (members === undefined ? [] : [members]));
    const all = new Map(known.flat().map((member) => [member.id, member]));
    return {
      name: this.#request.name,
      isRedisGiven: this.#request.redis.length > 0,
      members: known.length === 0 ? undefined : [...all.values()],
      sightings: http.flatMap(({ sightings }) => sightings),
    };
  }

  async #redisEntries(looks: readonly Look<RedisServer>[]): Promise<readonly Entry[]> {
    return this.#each(looks, 'redis.connection', (server, label) =>
      entriesOf(server, label, checks.redis, this.#skip),
    );
  }

  async #databaseEntries(
    looks: readonly Look<DatabaseSight>[],
    { members = [] }: FleetSight,
  ): Promise<readonly Entry[]> {
    const { db, instanceCount, pool, connectionBudget: budget } = this.#request;
    const instances = instanceCount ?? Math.max(1, members.length);
    const isCounted = instanceCount !== undefined || members.length > 0;
    const [first] = looks;
    const primary =
      db !== undefined && first !== undefined && 'seen' in first ? first.seen.server : undefined;
    return this.#each(looks, 'db.connection', async ({ greeting, server }, label) => {
      const entries = await entriesOf(greeting, label, checks.database, this.#skip);
      if (server === undefined) return entries;
      const shared = { server, instances, isCounted, pool, budget };
      return [
        ...entries,
        ...(server === primary
          ? await entriesOf(server, label, checks.primary, this.#skip)
          : await entriesOf({ replica: server, primary }, label, checks.replica, this.#skip)),
        ...(await entriesOf(shared, label, checks.shared, this.#skip)),
      ];
    });
  }

  async #httpEntries(looks: readonly Look<HttpServer>[]): Promise<readonly Entry[]> {
    const { balancerIdleMs } = this.#request;
    return this.#each(looks, 'http.connection', async (server, label) => [
      ...(await entriesOf(server, label, checks.http, this.#skip)),
      ...(await entriesOf({ server, balancerIdleMs }, label, checks.behindBalancer, this.#skip)),
    ]);
  }

  async #projectEntries(): Promise<readonly Entry[]> {
    const project = await lookAtProject(this.#request.project);
    if (project === undefined) return [];
    if ('failure' in project) {
      const [{ name, why }] = checks.project;
      const finding = unknown(project.failure, 'Correct it.');
      return this.#skip.has(name)
        ? []
        : [{ check: name, subject: `Project ${project.label}`, why, ...finding }];
    }
    return entriesOf(project, `Project ${project.label}`, checks.project, this.#skip);
  }

  /** Looks closer at what was seen, and tells what was not. */
  async #each<Seen>(
    looks: readonly Look<Seen>[],
    check: (typeof reachNames)[number],
    closer: (seen: Seen, label: string) => Promise<readonly Entry[]>,
  ): Promise<readonly Entry[]> {
    const found = await Promise.all(
      looks.map((one) => ('seen' in one ? closer(one.seen, one.label) : [this.#outOfReach(check, one)])),
    );
    return found.flat().filter((entry) => !this.#skip.has(entry.check));
  }

  #outOfReach(
    check: string,
    { label, failure }: { readonly label: string; readonly failure: string },
  ): Entry {
    return {
      check,
      subject: label,
      why: 'What cannot be reached from here cannot be looked at.',
      verdict: 'unknown',
      found: failure,
      todo: /certificate|self-signed/i.test(failure)
        ? 'Name the file of the authority that signed it in NODE_EXTRA_CA_CERTS.'
        : 'Start it, correct the URL and its credentials, or run this where the app runs.',
    };
  }
}
