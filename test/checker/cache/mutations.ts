import type { SharedLevel } from '../../../packages/core/src/cache/ports.js';
import { soundRules } from '../../../packages/core/src/cache/rules.js';
import { emptyToken, type Token } from '../../../packages/core/src/kernel/token.js';
import { instead } from '../instead.js';
import type { CachePlan } from './check.js';
import {
  announcementsAreLate,
  announcementsInDisorder,
  type CacheFault,
  instanceDies,
  instanceIsCut,
  invalidationIsHeld,
  loadsAreOvertaken,
  newLifeUnheard,
  nothingHeard,
  partsAreUnfit,
  replicaIsFarBehind,
  replicaStandsStill,
  stateGoesBack,
  stateIsLost,
  valuesExpire,
} from './faults.js';

/** A rule that is switched off, and the faults under which that shows. */
export interface CacheMutation extends Partial<CachePlan> {
  readonly rule: string;
  readonly what: string;
  readonly faults: readonly CacheFault[];
}

const { check, demand, reaches } = soundRules;

/** An invalidation is counted and acknowledged before its tags are moved. */
const tagsMovedLater = (sound: SharedLevel): SharedLevel =>
  instead(sound, {
    invalidate: async (request) => {
      const clock = await sound.invalidate({ ...request, tags: [] });
      setTimeout(() => void sound.invalidate(request).catch(() => undefined), 5);
      return clock;
    },
  });

/** Invalidations do not say what was written before them. */
const writtenForgotten = (sound: SharedLevel): SharedLevel =>
  instead(sound, { invalidate: (request) => sound.invalidate({ ...request, written: [] }) });

const withoutPending = (token: Token): Token => ({ ...token, pending: [] });
const withoutCache = (token: Token): Token => ({
  ...emptyToken,
  pending: token.pending,
  opaque: token.opaque,
});
const withCacheOf = (token: Token, epoch: string): Token => ({
  ...token,
  cache: token.cache.map(({ sequence }) => ({ epoch, sequence })),
});

export const cacheMutations: readonly CacheMutation[] = [
  {
    rule: 'C1',
    what: 'a key is no tag of its value',
    rules: { tagsOf: (_, named) => named },
    faults: [],
  },
  {
    rule: 'C1',
    what: 'what is not known to be invalid is taken for valid',
    rules: {
      check: (...about) => {
        const verdict = check(...about);
        return verdict === 'unknown' ? 'valid' : verdict;
      },
    },
    faults: [instanceDies],
  },
  {
    rule: 'C2',
    what: 'invalidations are acknowledged before their tags are moved',
    level: tagsMovedLater,
    faults: [],
  },
  {
    rule: 'C2',
    what: 'invalidations do not say what was written before them',
    level: writtenForgotten,
    faults: [replicaStandsStill],
  },
  {
    rule: 'C3',
    what: 'loads read wherever their caller may',
    rules: { raise: (caller) => caller },
    faults: [replicaIsFarBehind],
  },
  {
    rule: 'C3',
    what: 'what was read from a replica that is behind its invalidations is stored',
    rules: { coversWritten: () => true },
    faults: [replicaStandsStill],
    laxRatio: 0.3,
  },
  {
    rule: 'C3',
    what: 'values count as read when their load has ended',
    rules: { asOf: (_, applied) => applied },
    faults: [loadsAreOvertaken],
  },
  {
    rule: 'C4',
    what: 'values outlive the invalidation of their tags',
    rules: { check: () => 'valid' },
    faults: [],
  },
  {
    rule: 'C4',
    what: 'callers join loads that began before what they have seen',
    rules: { covers: () => true },
    faults: [loadsAreOvertaken],
  },
  {
    rule: 'C5',
    what: 'values outlive what they were made of',
    rules: { inherits: () => [] },
    faults: [],
  },
  {
    rule: 'C5',
    what: 'values are stored although a part of them was not fit for it',
    rules: { isStorable: () => true },
    faults: [partsAreUnfit],
  },
  {
    rule: 'C5',
    what: 'transactions use the cache',
    rules: { isApart: () => false },
    faults: [],
  },
  {
    rule: 'C6',
    what: 'copies in memory answer whoever has seen more',
    rules: { reaches: () => true },
    faults: [announcementsAreLate],
  },
  {
    rule: 'C6',
    what: 'copies in memory are believed for ever',
    rules: { isTrusted: () => true },
    faults: [nothingHeard],
  },
  {
    rule: 'C6',
    what: 'a missing announcement is passed over',
    rules: { isNext: () => true },
    faults: [announcementsInDisorder],
  },
  {
    rule: 'C7',
    what: 'values outlive the state that would know of their invalidation',
    rules: { isSameEpoch: () => true },
    faults: [stateIsLost],
  },
  {
    rule: 'C8',
    what: 'values are served past their expiry to whoever has seen that',
    rules: { mayServeExpired: () => true },
    faults: [valuesExpire],
    isShortLived: true,
  },
  {
    rule: 'T6',
    what: 'the counter of one epoch is compared with that of another',
    rules: { reaches: (token, epoch, known) => reaches(withCacheOf(token, epoch), epoch, known) },
    faults: [newLifeUnheard],
  },
  {
    rule: 'T6',
    what: 'values are served to whoever is ahead of the counter',
    rules: { demand: (token) => demand(withoutCache(token)) },
    faults: [stateGoesBack],
  },
  {
    rule: 'E3',
    what: 'values are served to whoever waits for an invalidation to be confirmed',
    rules: {
      demand: (token) => demand(withoutPending(token)),
      reaches: (token, ...known) => reaches(withoutPending(token), ...known),
    },
    faults: [instanceIsCut],
  },
  {
    rule: 'E3',
    what: 'an invalidation that nobody has confirmed does not hold where it was made',
    rules: { isUnconfirmed: () => false },
    faults: [invalidationIsHeld],
    isReplicaLate: false,
  },
];
