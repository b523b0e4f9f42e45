// One task, from message to outcome: fetch in the supervisor, compute in the child.
// In: a task and its limits. Out: an outcome whose files live until it is disposed.
// Why one deadline over both: a download that crawls is as stuck as an engine that hangs.
import type { Child } from '../common/child/host.ts';
import type { Clock } from '../common/clock.ts';
import { crashPoint } from '../common/crash.ts';
import type { Fetcher } from './fetch.ts';
import type { Execute } from './loop.ts';
import type { Outcome } from './stage/runner.ts';

export function makeExecute(child: Child, fetcher: Fetcher, clock: Clock): Execute {
  return async (task, { deadlineMs, signal }) => {
    const startMs = clock.monotonicMs();
    const fetched = await fetcher.fetch(task);
    crashPoint('task.afterFetch');
    try {
      let cpuSeconds = 0;
      const outcome = await child.call<Outcome>(fetched.prepared.program.kind, fetched.prepared, {
        deadlineMs: Math.max(1, deadlineMs - (clock.monotonicMs() - startMs)),
        signal,
        onCpu: (seconds) => {
          cpuSeconds = seconds;
        },
      });
      const { bytesRead } = fetched;
      return {
        outcome,
        cpuSeconds,
        bytesRead,
        [Symbol.asyncDispose]: () => fetched[Symbol.asyncDispose](),
      };
    } catch (error) {
      await fetched[Symbol.asyncDispose]();
      throw error;
    }
  };
}
