// The expendable child, from inside: a pool of threads that hold the engines, and perhaps a resident module.
// In: calls over IPC. Out: answers. It holds nothing that is not also elsewhere: it may be killed at any time.
import { Piscina } from 'piscina';
import { CODES, toWireError } from '../errors.ts';
import type { ChildAnswer, ChildRequest, ResidentContext } from './protocol.ts';

const setup = JSON.parse(process.env.GRISTMILL_CHILD ?? '{}') as {
  thread: string;
  resident?: string;
  threads: number;
};
const pool = new Piscina({
  filename: setup.thread,
  minThreads: 1,
  maxThreads: setup.threads,
  idleTimeout: Number.POSITIVE_INFINITY,
});
const postHandlers: ((message: unknown) => void)[] = [];

const send = (answer: ChildAnswer): void => {
  process.send?.(answer);
};

async function onCall(call: Extract<ChildRequest, { kind: 'call' }>): Promise<void> {
  try {
    send({
      kind: 'value',
      id: call.id,
      value: await pool.run({ method: call.method, args: call.args }),
    });
  } catch (error) {
    send({ kind: 'error', id: call.id, error: unwrap(error) });
  }
}

/** Errors lose their class on the way out of a thread; their code stays. */
function unwrap(error: unknown): ReturnType<typeof toWireError> {
  const { code, message, errors } = error as {
    code?: unknown;
    message?: unknown;
    errors?: unknown;
  };
  const wire = toWireError(error);
  if (wire.code !== 'INTERNAL' || typeof code !== 'string') return wire;
  if (!(code in CODES)) return { code: 'INTERNAL', message: String(message) };
  return {
    code: code as typeof wire.code,
    message: String(message),
    ...(errors ? { errors: errors as never } : {}),
  };
}

if (setup.resident) {
  const module = (await import(setup.resident)) as {
    startResident: (context: ResidentContext) => void;
  };
  module.startResident({
    threads: setup.threads,
    run: (method, args, transfer) =>
      pool.run({ method, args }, transfer ? { transferList: transfer as never } : {}),
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
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL')); // no orphans: engines may not stop by themselves
