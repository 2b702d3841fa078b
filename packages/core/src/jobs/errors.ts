import { PandoError } from '../kernel/errors.js';

/**
 * An instance has lost a run: Redis did not confirm its lease in time, and another instance may begin it again. It is the
 * reason in the signal that the job was given.
 *
 * Stop at once when the signal aborts, and let what you write to refuse tokens older than one it has seen.
 */
export class JobLostError extends PandoError {
  constructor(job: string) {
    super({
      code: 'PANDO_JOBS_LOST',
      message: `This run of the job "${job}" is not ours any more: its lease was not confirmed in time. Another instance may begin it again.`,
      retryable: true,
    });
  }
}

/**
 * There is a job of that name in this process already. Instances recognise a job by its name.
 *
 * Give each job a name of its own, or close the one that is there.
 */
export class JobNameError extends PandoError {
  constructor(job: string) {
    super({
      code: 'PANDO_JOBS_NAME',
      message: `There is a job "${job}" in this process already. Give each job a name of its own.`,
    });
  }
}
