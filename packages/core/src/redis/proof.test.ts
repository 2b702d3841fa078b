import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.js';
import { Proof } from './proof.js';

/** A proof whose probes go nowhere until they are handed back. */
function setup() {
  const clock = createFakeClock();
  const heard: (string | number)[] = [];
  const published: string[] = [];
  let reachable = true;
  const proof: Proof = new Proof({
    clock,
    probeIntervalMs: 1_000,
    canPublish: () => reachable,
    publish: (probe) => {
      published.push(probe);
      return Promise.resolve();
    },
    proven: (number) => void heard.push(number),
    dead: ({ message }) => {
      heard.push(message);
      proof.end();
    },
  });
  const reach = (isReachable: boolean) => {
    reachable = isReachable;
  };
  const answer = (probe: string | undefined) => {
    proof.heard();
    proof.heardProbe(probe ?? '');
  };
  return { clock, heard, published, proof, reach, answer };
}

describe('Proof', () => {
  it('is given by the latest probe alone: an earlier one says nothing of what was subscribed after it', () => {
    const { heard, published, proof, answer } = setup();
    proof.begin();
    expect([proof.prove(), proof.prove()]).toEqual([1, 2]);
    answer(published[0]);
    expect(heard).toEqual([]);
    answer(published[1]);
    answer(published[1]);
    expect(heard).toEqual([2]);
  });

  it('breaks silence by a probe, and gives a connection up that stays silent', async () => {
    const { clock, heard, published, proof, answer } = setup();
    proof.begin();
    proof.prove();
    answer(published[0]);
    await clock.advance(900);
    proof.heard();
    await clock.advance(500); // a second has passed, but since then something was heard
    expect(published).toEqual(['1']);
    await clock.advance(600);
    expect(published).toEqual(['1', '2']);
    await clock.advance(2_000);
    expect(heard).toEqual([1, 'no announcement arrived for 2000 ms']);
    proof[Symbol.dispose]();
    expect(clock.pending).toBe(0);
  });

  it('gives a connection up whose first probe does not come back', async () => {
    const { clock, heard, proof } = setup();
    proof.begin();
    proof.prove();
    await clock.advance(2_000);
    expect(heard).toEqual(['an announcement to ourselves did not arrive']);
  });

  it('waits with its probe for a way to publish it, and blames nobody meanwhile', async () => {
    const { clock, heard, published, proof, reach, answer } = setup();
    reach(false);
    proof.begin();
    proof.prove();
    await clock.advance(5_000);
    expect([heard, published]).toEqual([[], []]);
    reach(true);
    await clock.advance(500);
    answer(published[0]);
    expect(heard).toEqual([1]);
  });

  it('asks for nothing while there is no connection', async () => {
    const { clock, heard, published, proof } = setup();
    proof.begin();
    proof.end();
    await clock.advance(10_000);
    expect([heard, published]).toEqual([[], []]);
  });
});
