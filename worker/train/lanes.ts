// A thread of training: holds lanes' rows and computes their sums, round after round, until its port closes.
// In: messages of threads.ts. Out: sums in shared memory. Registered in the worker's thread file as `lanes`.
// Why one long call: rows and sessions stay where they are; a round costs two messages a thread.
import { mkdir } from 'node:fs/promises';
import type { MessagePort } from 'node:worker_threads';
import type { Partials } from '../../common/algorithm/algorithm.ts';
import { toWireError } from '../../common/errors.ts';
import { algorithmOf } from './algorithms/algorithms.ts';
import type { FromLanes, LanesArgs, ToLanes } from './messages.ts';
import { type LaneRows, loadLanes } from './rows.ts';

export async function runLanes(args: LanesArgs): Promise<void> {
  const { port } = args;
  const say = (message: FromLanes): void => port.postMessage(message);
  try {
    await mkdir(args.scratch, { recursive: true });
    await using partials = await algorithmOf(args.program).openPartials();
    for await (const message of messagesOf(port)) {
      if (message.kind === 'hold') {
        await hold(args, partials, message.lanes);
        say({ kind: 'held' });
      } else {
        partials.share(new Float32Array(message.state));
        for (const { node, sum } of message.nodes) await partials.sumInto(node, message.round, sum);
        say({ kind: 'computed' });
      }
    }
  } catch (error) {
    say({ kind: 'failed', error: toWireError(error) });
  } finally {
    port.close();
  }
}

async function hold(
  args: LanesArgs,
  partials: Partials<LaneRows>,
  lanes: readonly number[],
): Promise<void> {
  const missing = lanes.filter((lane) => !partials.lanes.includes(lane));
  partials.hold(new Map(), lanes); // first what goes, so that both are never in memory
  if (missing.length > 0) partials.hold(await loadLanes(args.program, missing, args), lanes);
}

/** Messages of a port in order, until the other side closes it. */
async function* messagesOf(port: MessagePort): AsyncGenerator<ToLanes> {
  const waiting: ToLanes[] = [];
  let wake = (): void => {};
  let closed = false;
  port.on('message', (message: ToLanes) => {
    waiting.push(message);
    wake();
  });
  port.on('close', () => {
    closed = true;
    wake();
  });
  for (;;) {
    const next = waiting.shift();
    if (next) yield next;
    else if (closed) return;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}
