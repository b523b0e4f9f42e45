// gristmill workers.
// In: heartbeats as the coordinator heard them. Out: a line a worker.
// Why numerics stand there: workers of unlike numerics do not share a job's tasks.

import { sayParts, unlikeParts } from '../../common/wire/numerics.ts';
import { count, size } from '../../common/words/figures.ts';
import { EXIT, type Run } from '../context.ts';
import { age } from '../print.ts';

export const run: Run = async ({ client, out, clock }) => {
  const workers = await client.workers();
  if (out.isJson) out.json({ workers });
  if (workers.length === 0) out.line('No worker is alive: start one with "gristmill worker".');
  if (workers.length === 0) return EXIT.done;
  const unlike = unlikeParts(workers.map(({ numerics }) => numerics));
  out.table({
    head: [
      'WORKER',
      'HOST',
      'THREADS',
      'FREE',
      'MEMORY',
      'DOES',
      'SINCE',
      ...(unlike.length > 0 ? ['NUMERICS'] : []),
    ],
    right: [2, 3, 4],
    rows: workers.map((worker) => [
      worker.worker,
      `${worker.host}:${worker.pid}`,
      String(worker.threads),
      String(worker.threadsFree),
      size(worker.memoryBytes),
      doing(worker),
      age(worker.startedAt, clock.now()),
      ...(unlike.length > 0 ? [sayParts(worker.numerics, unlike)] : []),
    ]),
  });
  if (unlike.length === 0) out.line(out.style('dim', `Numerics of all: ${workers[0]!.numerics}`));
  return EXIT.done;
};

function doing(worker: {
  readonly draining: boolean;
  readonly tasks: readonly string[];
  readonly runs: readonly { readonly phase: string }[];
}): string {
  if (worker.draining) return 'ends';
  const parts = [
    ...(worker.tasks.length > 0 ? [count(worker.tasks.length, 'task')] : []),
    ...(worker.runs.some(({ phase }) => phase === 'running' || phase === 'loading')
      ? ['trains']
      : []),
  ];
  return parts.length > 0 ? parts.join(', ') : 'idle';
}
