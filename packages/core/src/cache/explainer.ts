import { messageOf } from '../kernel/errors.js';
import type { Codec } from './codecs.js';
import { type Expiry, firstExpiry } from './expiries.js';
import { type CacheExplanation, explanationOf, Findings, type LevelExplanation } from './explanation.js';
import { decodeFrame, type Frame } from './frame.js';
import type { KeyCodecs } from './key-codecs.js';
import type { LookupInit, Question } from './lookup.js';
import { withTags } from './names.js';
import type { CacheClock } from './ports.js';
import { type Use, useOf, usesAtOnce } from './staleness.js';

/** What explanations stand on: the same as lookups. */
export interface ExplainerInit extends LookupInit {
  readonly codecs: KeyCodecs;
}

const sayings: Readonly<Record<Use, string>> = {
  fresh: 'is fresh',
  due: 'is fresh, and due to be replaced',
  stale: 'is stale, and may be served while it is replaced',
  spare: 'is stale, and may be served instead of an error only',
  none: 'is past its time',
};

/**
 * Says which rules keep a value from being served.
 *
 * It goes through the rules one by one and does not stop at the first that fails, as a lookup does; what it finds holds for the
 * context in which it is asked.
 */
export class Explainer {
  readonly #init: ExplainerInit;

  constructor(init: ExplainerInit) {
    this.#init = init;
  }

  async explain(question: Question): Promise<CacheExplanation> {
    const { key, tags } = question;
    const levels = [this.#local(question), await this.#shared(question)];
    return explanationOf(key, tags, levels);
  }

  #local(question: Question): LevelExplanation {
    const { kernel, local, level, follower, trustMs, rules } = this.#init;
    const { key, context, lifetime } = question;
    const findings = new Findings('local');
    const entry = local?.get(key);
    if (local === undefined)
      findings.note('kept', false, 'There is no level inside the process: cache.local is false.');
    else
      findings.note(
        'kept',
        entry !== undefined,
        `This process has ${entry === undefined ? 'no' : 'a'} copy.`,
      );
    if (entry === undefined) return findings.end();

    const now = kernel.clock.monotonic();
    const leftMs = entry.expiresAt - now;
    findings.value = { tags: entry.tags, asOf: entry.asOf, leftMs, bytes: undefined };
    this.#general(findings, question);
    const sinceMs = Math.round(now - follower.provenAt);
    const isTrusted = rules.isTrusted(level.isLive, sinceMs, trustMs);
    const proof = Number.isFinite(sinceMs) ? `${sinceMs} ms ago` : 'not yet';
    const live = level.isLive ? 'arrive' : 'do not arrive';
    findings.note(
      'trust',
      isTrusted,
      `Announcements ${live}; that none is missing was proven ${proof} (cache.trustMs: ${trustMs}).`,
    );
    const { epoch, applied } = follower.positions;
    this.#epoch(findings, entry.epoch, epoch);
    const reaches = rules.reaches(context.token, entry.epoch, Math.max(applied, entry.asOf));
    findings.note(
      'token',
      reaches,
      `What the caller has seen is ${reaches ? '' : 'not '}covered by what is known here (${applied}).`,
    );
    this.#confirmed(findings, entry.tags);
    if (rules.check(follower.positions, entry.tags, entry.asOf) === 'unknown') {
      findings.note(
        'tags',
        false,
        'Whether its tags were invalidated since is forgotten here; the shared level knows.',
      );
    } else {
      this.#tags(findings, entry.tags, entry.asOf, (tag) => follower.positions.lastInvalidation(tag));
    }
    const expiry = follower.positions.expiry(entry.tags, entry.asOf);
    const pastMs = this.#expiry(findings, question, entry.epoch, expiry, -leftMs);
    this.#time(findings, question, useOf(pastMs, entry, lifetime), leftMs);
    return findings.end();
  }

  async #shared(question: Question): Promise<LevelExplanation> {
    const { level, follower } = this.#init;
    const { key, tags, context } = question;
    const findings = new Findings('shared');
    if (!findings.note('reachable', level.isUp, level.isUp ? 'It is reachable.' : 'It cannot be reached.'))
      return findings.end();
    this.#general(findings, question);
    this.#confirmed(findings, tags);
    try {
      const since = follower.now();
      const { clock = (await level.begin([])).clock, values } = await level.read([key], []);
      const hasMet = await follower.meet(clock, since);
      if (!hasMet)
        findings.note(
          'reachable',
          false,
          'It has lost what this instance knows, or does not tell what it missed.',
        );
      this.#token(findings, question, clock);
      const bytes = values[0];
      findings.note('kept', bytes !== undefined, `It has ${bytes === undefined ? 'no' : 'a'} value.`);
      if (bytes !== undefined) await this.#stored(findings, question, bytes, clock);
    } catch (cause) {
      context.signal.throwIfAborted();
      findings.note('reachable', false, `It did not answer: ${messageOf(cause)}.`);
    }
    return findings.end();
  }

  async #stored(findings: Findings, question: Question, bytes: Buffer, clock: CacheClock): Promise<void> {
    const { kernel, codecs, level } = this.#init;
    const frame = decodeFrame(bytes);
    if (!this.#readable(findings, frame, codecs.of(question.key))) return;
    const tags = withTags(frame.tags, question.tags);
    const leftMs = frame.expiresAt - kernel.clock.now();
    findings.value = { tags, asOf: frame.asOf, leftMs, bytes: bytes.length };
    this.#epoch(findings, frame.epoch, clock.epoch);
    const { moves } = await level.begin(tags);
    const known = new Map(moves.map(([tag, sequence, expiries]) => [tag, expiries?.hard ?? sequence]));
    this.#tags(findings, tags, frame.asOf, (tag) => known.get(tag) ?? clock.floor);
    const expiry = firstExpiry(
      moves.map(([, , expiries]) => expiries),
      frame.asOf,
    );
    const pastMs = this.#expiry(findings, question, frame.epoch, expiry, -leftMs);
    this.#time(findings, question, useOf(pastMs, frame, question.lifetime), leftMs);
  }

  #readable(findings: Findings, frame: Frame | undefined, codec: Codec): frame is Frame {
    if (frame === undefined) return findings.note('readable', false, 'The value is of another release.');
    const isReadable = frame.codec === codec.name;
    findings.note(
      'readable',
      isReadable,
      `The value is encoded as ${frame.codec}, and read as ${codec.name}.`,
    );
    return isReadable;
  }

  /** What keeps every value of a level back. */
  #general(findings: Findings, { context }: Question): void {
    const { rules, lineage, reopening } = this.#init;
    if (rules.isApart(context))
      findings.note('transaction', false, 'The caller is inside a transaction, where nothing is served.');
    if (!lineage.isSettled)
      findings.note('history', false, 'The cache is not bound to the present timeline of the database.');
    if (!reopening.isOpen)
      findings.note('outbox', false, 'Transactions from before the last outage wait for their effects.');
  }

  #epoch(findings: Findings, epoch: string, present: string | undefined): void {
    const isSame = this.#init.rules.isSameEpoch(epoch, present);
    findings.note(
      'epoch',
      isSame,
      isSame ? 'It is of the present epoch.' : 'It is from before the shared state was lost.',
    );
  }

  #token(findings: Findings, { context }: Question, { epoch, sequence }: CacheClock): void {
    const demand = this.#init.rules.demand(context.token);
    if (demand.kind === 'any') return;
    const isProven =
      demand.kind === 'at' && demand.position.epoch === epoch && demand.position.sequence <= sequence;
    const what = {
      beyond: 'an invalidation that is not confirmed',
      gone: 'an epoch that is gone',
      at: 'another epoch, or one ahead',
    };
    findings.note(
      'token',
      isProven,
      isProven ? 'What the caller has seen is covered.' : `The caller has seen ${what[demand.kind]}.`,
    );
  }

  #confirmed(findings: Findings, tags: readonly string[]): void {
    const { rules, backlog } = this.#init;
    const open = tags.filter((tag) => rules.isUnconfirmed(backlog, [tag]));
    if (open.length > 0)
      findings.note('confirmed', false, `Not confirmed yet is the invalidation of ${open.join(', ')}.`);
  }

  #tags(findings: Findings, tags: readonly string[], asOf: number, lastMove: (tag: string) => number): void {
    const moved = tags.filter((tag) => lastMove(tag) > asOf);
    const list = moved.map((tag) => `${tag} (${lastMove(tag)})`).join(', ');
    const says =
      moved.length === 0 ? `No tag was invalidated since (${asOf}).` : `Invalidated after ${asOf}: ${list}.`;
    findings.note('tags', moved.length === 0, says);
  }

  /** Gives for how long the value is past its time, or its expiry. */
  #expiry(
    findings: Findings,
    { context }: Question,
    epoch: string,
    expiry: Expiry | undefined,
    pastMs: number,
  ): number {
    if (expiry === undefined) return pastMs;
    const mayServe = this.#init.rules.mayServeExpired(context.token, epoch, expiry);
    const says = `It has expired (${expiry.sequence}), which the caller has ${mayServe ? 'not ' : ''}seen.`;
    findings.note('expiry', mayServe, says);
    return Math.max(pastMs, this.#init.kernel.clock.now() - expiry.at, 0);
  }

  #time(findings: Findings, question: Question, use: Use, leftMs: number): void {
    findings.use = use;
    const uses: readonly Use[] = usesAtOnce(question);
    const ms = Math.round(Math.abs(leftMs));
    const when = leftMs > 0 ? `its time is up in ${ms} ms` : `its time was up ${ms} ms ago`;
    findings.note('time', uses.includes(use), `It ${sayings[use]}: ${when}.`);
  }
}
