import type { Instrument } from '../kernel/meter.js';

const job = 'each job of the application';

/** What the jobs room records. */
export const jobsInstruments = {
  runs: {
    name: 'pando_jobs_runs_total',
    help: 'Runs that this instance took, by how they ended: succeeded, failed (it threw), lost (the lease ended first), late and given-up (settled without being run).',
    type: 'counter',
    labels: ['job', 'outcome'],
    values: { job, outcome: ['succeeded', 'failed', 'lost', 'late', 'given-up'] },
  },
  duration: {
    name: 'pando_jobs_run_duration_seconds',
    help: 'Time that runs of this instance took.',
    type: 'histogram',
    labels: ['job'],
    values: { job },
    buckets: [0.01, 0.1, 1, 10, 60, 600, 3_600],
  },
  succeededAt: {
    name: 'pando_jobs_last_success_timestamp_seconds',
    help: "When a run last succeeded on this instance, in seconds since 1970; the fleet's is the greatest of all.",
    type: 'gauge',
    labels: ['job'],
    values: { job },
  },
} satisfies Record<string, Instrument>;
