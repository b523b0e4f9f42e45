// A host process to be killed: starts a child that computes for ever, and says which.
import { startChild } from '../../../common/child/host.ts';
import { systemClock } from '../../../common/clock.ts';
import { silentLog } from '../../../common/log.ts';

const child = startChild({
  thread: new URL('./thread.ts', import.meta.url),
  threads: 1,
  memoryBytes: 2 ** 31,
  clock: systemClock,
  log: silentLog,
});
console.log(await child.call('pid', undefined, { deadlineMs: 60_000 }));
void child.call('spin', undefined, { deadlineMs: 600_000 });
