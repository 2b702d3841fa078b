export { createJobs, createJobsWorld, type JobsWiring, type JobsWorld } from './create.js';
export { JobLostError, JobNameError } from './errors.js';
export type { Job, JobRun, JobWork } from './job.js';
export type { Jobs } from './jobs.js';
export { jobsInstruments } from './metrics.js';
export { type JobsOptions, jobsDefaults } from './options.js';
export { type RunOnceOptions, runOnceDefaults, type ScheduleOption } from './plan.js';
