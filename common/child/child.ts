// The expendable child, from inside: a pool of threads that hold the engines, and perhaps a resident module.
// In: calls over IPC. Out: answers. It holds nothing that is not also elsewhere: it may be killed at any time.
// Why threads and a main thread apart: engines block; the main thread stays free to hear that its host is gone.
import { Piscina } from 'piscina';
import { entryOf } from '../entry.ts';
import { fromWireError, toWireError } from '../errors.ts';
import type { ChildSetup } from './environment.ts';
import { Meter } from './meter.ts';
import type { ChildAnswer, ChildRequest, ResidentContext, ThreadAnswer } from './protocol.ts';

const die = (): void => void process.kill(process.pid, 'SIGKILL');
process.on('disconnect', die); // the host is gone: engines may not stop by themselves
if (!process.connected) die();

const setup = JSON.parse(process.env.GRISTMILL_CHILD ?? '{}') as ChildSetup;
const pool = new Piscina({
  filename: entryOf(new URL('./thread.ts', import.meta.url)).href,
  workerData: { thread: setup.thread },
  minThreads: 1,
  maxThreads: setup.threads,
  idleTimeout: Number.POSITIVE_INFINITY,
});
const meter = new Meter();
const postHandlers: ((message: unknown) => void)[] = [];
let nextRun = -1; // runs of the resident module are metered under negative numbers

const send = (answer: ChildAnswer): void => {
  process.send?.(answer, undefined, undefined, (error) => {
    if (error) die(); // a pipe that takes nothing more has nobody at its other end
  });
};

async function runInThread(
  call: { method: string; args: unknown },
  transfer: readonly unknown[] = [],
): Promise<unknown> {
  const answer = (await pool.run(call, { transferList: transfer as never })) as ThreadAnswer;
  if (answer.ok) return answer.value;
  throw fromWireError(answer.error);
}

async function onCall(call: Extract<ChildRequest, { kind: 'call' }>): Promise<void> {
  const { id, method, args } = call;
  meter.begin(id);
  try {
    const value = await runInThread({ method, args });
    send({ kind: 'value', id, value, cpuSeconds: meter.end(id) });
  } catch (error) {
    meter.end(id);
    send({ kind: 'error', id, error: toWireError(error) });
  }
}

if (setup.resident) {
  const module = (await import(setup.resident)) as {
    startResident: (context: ResidentContext) => void;
  };
  module.startResident({
    threads: setup.threads,
    async run(method, args, transfer) {
      const id = nextRun--;
      meter.begin(id);
      try {
        return await runInThread({ method, args }, transfer);
      } finally {
        meter.end(id);
      }
    },
    post: (message) => send({ kind: 'post', message }),
    onPost: (handler) => {
      postHandlers.push(handler);
    },
  });
}

process.on('message', (request: ChildRequest) => {
  if (request.kind === 'call') void onCall(request);
  else for (const handler of postHandlers) handler(request.message);
});
