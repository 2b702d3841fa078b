import { describe, expect, it } from 'vitest';
import type { DueRun, JobStore } from '../../jobs/ports.js';
import { waitFor } from '../wait-for.js';

/** What the suite needs of a driver. */
export interface JobStoreSetup {
  /** Another store in the same world, as another instance would have it; closed by whoever made it. */
  store(): Promise<JobStore>;
}

const minute = 60_000;

/** What holds for every store of jobs. */
export function jobStoreSuite(name: string, setup: () => Promise<JobStoreSetup>): void {
  describe(name, () => {
    let jobs = 0;
    /** Two instances, and a run of a new job that is due. */
    const due = async (differs: Partial<DueRun> = {}) => {
      const world = await setup();
      const [a, b] = [await world.store(), await world.store()];
      const job = `job-${++jobs}`;
      const { last } = await a.look(job);
      const run: DueRun = {
        claimId: 'first',
        last,
        dueAt: last,
        leaseMs: minute,
        startWithinMs: undefined,
        maxAttempts: 3,
        ...differs,
      };
      return { a, b, job, run };
    };

    it('begins to count when it is first asked, and says the same to all', async () => {
      const { a, b, job, run } = await due();
      expect(await a.look(job)).toMatchObject({ last: run.last, owner: '' });
      expect(await b.look(job)).toMatchObject({ last: run.last, owner: '' });
      expect(await b.look('another')).not.toMatchObject({ owner: undefined });
    });

    it('gives a run to one of many', async () => {
      const { a, b, job, run } = await due();
      const claims = await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          (at % 2 === 0 ? a : b).claim(job, { ...run, claimId: `claim-${at}` }),
        ),
      );
      expect(claims.filter(({ outcome }) => outcome === 'taken')).toHaveLength(1);
      expect(claims.filter(({ outcome }) => outcome === 'stands')).toHaveLength(19);
      const { owner, until, now } = await b.look(job);
      expect(owner).not.toBe('');
      expect(until).toBeGreaterThan(now + minute / 2);
    });

    it('gives no run before it is due, none that is settled, and none that somebody has', async () => {
      const { a, b, job, run } = await due();
      expect(await a.claim(job, { ...run, dueAt: run.last + minute })).toMatchObject({ outcome: 'stands' });
      expect(await a.claim(job, { ...run, last: run.last - 1 })).toMatchObject({ outcome: 'stands' });
      const { token } = await a.claim(job, run);
      const another = { ...run, claimId: 'another' };
      expect(await b.claim(job, another)).toMatchObject({ outcome: 'stands' });
      expect(await a.finish(job, token)).toBe(true);
      expect(await b.claim(job, another)).toMatchObject({ outcome: 'stands', owner: '' });
    });

    it('gives who asks again, since no answer came, what it has taken, as often as it asks, until it has ended', async () => {
      const { a, b, job, run } = await due({ startWithinMs: minute });
      const { token, until } = await a.claim(job, run);
      expect(await b.claim(job, { ...run, claimId: 'another' })).toMatchObject({ outcome: 'stands' });
      const again = await a.claim(job, { ...run, leaseMs: 2 * minute });
      expect(again).toMatchObject({ outcome: 'taken', token, attempt: 1 });
      expect(again.until).toBeGreaterThan(until);
      expect(await a.finish(job, token)).toBe(true);
      expect(await a.claim(job, run)).toMatchObject({ outcome: 'stands', owner: '' });
    });

    it('takes back what was not begun, for anybody, as if nobody had had it', async () => {
      const { a, b, job, run } = await due({ maxAttempts: 1 });
      const { token } = await a.claim(job, run);
      expect(await b.giveBack(job, token - 1)).toBe(false);
      expect(await a.giveBack(job, token)).toBe(true);
      expect(await a.giveBack(job, token)).toBe(false);
      expect(await a.renew(job, token, minute)).toBe(false);
      const next = await b.claim(job, { ...run, claimId: 'another' });
      expect(next).toMatchObject({ outcome: 'taken', attempt: 1 });
      expect(next.token).toBeGreaterThan(token);
    });

    it('gives a run again when its lease has ended, with a greater token, which the first has lost then', async () => {
      const { a, b, job, run } = await due({ leaseMs: 1 });
      const first = await a.claim(job, run);
      const second = await waitFor(async () => {
        const claim = await b.claim(job, { ...run, leaseMs: minute, claimId: 'second' });
        return claim.outcome === 'taken' && claim;
      });
      expect(first).toMatchObject({ outcome: 'taken', attempt: 1 });
      expect(second.attempt).toBe(2);
      expect(second.token).toBeGreaterThan(first.token);
      expect(await a.renew(job, first.token, minute)).toBe(false);
      expect(await a.finish(job, first.token)).toBe(false);
      expect(await b.renew(job, second.token, minute)).toBe(true);
      expect(await b.finish(job, second.token)).toBe(true);
      expect(await b.finish(job, second.token)).toBe(false);
    });

    it('keeps a lease that is renewed', async () => {
      const { a, b, job, run } = await due({ leaseMs: 1 });
      const { token } = await a.claim(job, run);
      expect(await a.renew(job, token, minute)).toBe(true);
      expect(await b.claim(job, { ...run, claimId: 'another' })).toMatchObject({ outcome: 'stands' });
    });

    it('leaves out what is too late, and begins to count anew', async () => {
      const { a, b, job, run } = await due({ startWithinMs: 1 });
      await waitFor(async () => (await a.look(job)).now > run.dueAt + 1);
      const late = await a.claim(job, run);
      expect(late).toMatchObject({ outcome: 'late', owner: '' });
      expect(late.last).toBe(late.now);
      expect(await b.look(job)).toMatchObject({ last: late.last });
    });

    it('leaves out a run that was begun as often as it may be', async () => {
      const { a, job, run } = await due({ leaseMs: 1, maxAttempts: 2 });
      const outcomes: string[] = [];
      let claims = 0;
      await waitFor(async () => {
        const { outcome } = await a.claim(job, { ...run, claimId: `claim-${++claims}` });
        if (outcome !== 'stands') outcomes.push(outcome);
        return outcome === 'given up';
      });
      expect(outcomes).toEqual(['taken', 'taken', 'given up']);
      const { last } = await a.look(job);
      expect(last).toBeGreaterThan(run.last);
      expect(await a.claim(job, { ...run, last, dueAt: last })).toMatchObject({
        outcome: 'taken',
        attempt: 1,
      });
    });

    it('keeps jobs apart', async () => {
      const { a, job, run } = await due();
      const other = await a.look(`${job}-other`);
      await a.claim(job, run);
      expect(await a.claim(`${job}-other`, { ...run, last: other.last, dueAt: other.last })).toMatchObject({
        outcome: 'taken',
      });
    });
  });
}
