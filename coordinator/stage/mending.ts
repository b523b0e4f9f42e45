// Rotten objects outside tasks: those that the coordinator reads itself, and those that a training reads.
// In: an act and where its mismatches are recorded. Out: what the act gives, once the objects are whole.
// Why not in the dispatcher: a training is no leased task, and a publication is no task at all.
import { GristmillError, toWireError } from '../../common/errors.ts';
import { type RunId, taskIdOfRun } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { corruptOf } from '../../common/store/verified.ts';
import { lastFailure, readFailures } from '../../common/stored/failures.ts';
import { mendBlob } from '../dispatch/offer.ts';
import type { TaskContext } from './context.ts';

/** Runs `act` again after what it found corrupt was computed again. */
export async function mendingReads<T>(job: TaskContext, act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      const corrupt = corruptOf(error);
      if (!corrupt) throw error;
      await mendBlob(job, corrupt);
    }
  }
}

/** As mendingReads, for a run whose workers record what they find. */
export async function mendingRun<T>(
  job: TaskContext,
  run: RunId,
  act: () => Promise<T>,
): Promise<T> {
  const id = taskIdOfRun(run);
  for (;;) {
    const after = await lastFailure(job.store, id);
    try {
      return await act();
    } catch (error) {
      if (toWireError(error).code !== 'CHECKSUM_MISMATCH') throw error;
      const failures = await readFailures(job.store, id, { after });
      const found = failures.flatMap(({ corrupt }) => corrupt ?? []);
      if (found.length === 0) throw error;
      job.log.warn('training begins again', { run, why: (error as GristmillError).message });
      for (const corrupt of found) await mendBlob(job, corrupt);
      await job.clock.sleep(LIMITS.trainAgainMs, job.signal);
      if (job.signal.aborted)
        throw new GristmillError('CANCELLED', `Training ${run} was cancelled`);
    }
  }
}
