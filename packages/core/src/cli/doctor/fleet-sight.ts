import type { FleetMember } from '../../kernel/fleet.js';

/** An instance that has answered over HTTP. */
export interface Sighting {
  readonly id: string;
  /** Whether it was asked itself, and not whoever a balancer chose. */
  readonly isDirect: boolean;
  /** Whether its metrics speak of Redis; undefined where they are not shown. */
  readonly hasRedis: boolean | undefined;
}

/** The instances of one kit, as Redis knows them and as they were met over HTTP. */
export interface FleetSight {
  /** The kit's name. */
  readonly name: string;
  /** Whether somebody said which Redis to look at. */
  readonly isRedisGiven: boolean;
  /** Undefined where Redis could not be asked. */
  readonly members: readonly FleetMember[] | undefined;
  readonly sightings: readonly Sighting[];
}

/** Ids of those that answered, each once. */
export function seenIds({ sightings }: FleetSight): readonly string[] {
  return [...new Set(sightings.map(({ id }) => id))].sort();
}

/** What several members say of themselves under one name, such as their versions; each once. */
export function saidBy(members: readonly FleetMember[], key: string): readonly string[] {
  const said = members.map(({ description }) => (description as Record<string, unknown> | undefined)?.[key]);
  return [...new Set(said.filter((value) => typeof value === 'string'))].sort();
}
