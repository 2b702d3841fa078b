import { describe, expect, it } from 'vitest';
import { ReplicaHealth } from './replica-health.js';

const create = () => new ReplicaHealth({ maxLagMs: 1_000, warmupMs: 10_000 });

describe('the health of a replica', () => {
  it('is down until it was seen, and up at once then', () => {
    const health = create();
    expect(health.state(0)).toBe('down');
    expect(health.reason).toBe('not reached yet');
    health.seen(0, 0);
    expect(health.state(0)).toBe('up');
    expect(health.share(0)).toBe(1);
  });

  it('begins lagging when it is too far behind already', () => {
    const health = create();
    health.seen(Number.POSITIVE_INFINITY, 0);
    expect(health.state(0)).toBe('lagging');
    expect(health.reason).toContain('first seen');
    expect(health.lagMs).toBeUndefined();
  });

  it('is up where nobody can tell how far it is behind', () => {
    const health = create();
    for (const now of [0, 100, 200]) health.seen(undefined, now);
    expect(health.state(200)).toBe('up');
    expect(health.lagMs).toBeUndefined();
  });

  it('lags after two looks in a row beyond the limit', () => {
    const health = create();
    health.seen(0, 0);
    health.seen(1_500, 100);
    health.seen(900, 200);
    health.seen(1_500, 300);
    expect(health.isInRotation).toBe(true);
    health.seen(1_600, 400);
    expect(health.isInRotation).toBe(false);
    expect(health.reason).toBe('1600 ms behind the primary, more than 1000 ms');
  });

  it('returns after two looks in a row below half of the limit, with a share that grows', () => {
    const health = create();
    health.seen(0, 0);
    health.seen(1_500, 100);
    health.seen(1_500, 200);
    health.seen(600, 300);
    health.seen(400, 400);
    expect(health.isInRotation).toBe(false);
    health.seen(400, 500);
    expect(health.state(500)).toBe('warming');
    expect(health.share(500)).toBe(0.1);
    expect(health.share(5_500)).toBe(0.5);
    expect(health.state(10_500)).toBe('up');
    expect(health.share(10_500)).toBe(1);
  });

  it('is down at the first failure, and warms up when it was up before', () => {
    const health = create();
    health.seen(0, 0);
    health.failed('connect ECONNREFUSED');
    expect(health.state(0)).toBe('down');
    expect(health.reason).toBe('connect ECONNREFUSED');
    health.seen(0, 1_000);
    expect(health.state(1_000)).toBe('warming');
    expect(health.reason).toBeUndefined();
  });

  it('needs no warm-up where none is wanted', () => {
    const health = new ReplicaHealth({ maxLagMs: 1_000, warmupMs: 0 });
    health.seen(0, 0);
    health.failed('gone');
    health.seen(0, 5);
    expect(health.state(5)).toBe('up');
  });
});
