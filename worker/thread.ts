// The thread in which engines run: one call at a time, dispatched by its method.
// In: a program's kind with a Prepared, or a method of training. Out: an Outcome, or what training returns.
// Why training apart: its lanes are no task; all else is a runner's.
import type { ThreadCall } from '../common/child/protocol.ts';
import type { Prepared } from './stage/runner.ts';
import { runProgram } from './stage/runners.ts';
import type { LanesArgs } from './train/messages.ts';

export default async function run({ method, args }: ThreadCall): Promise<unknown> {
  if (method === 'lanes') return (await import('./train/lanes.ts')).runLanes(args as LanesArgs);
  return runProgram(method, args as Prepared);
}
