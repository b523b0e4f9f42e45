// Around every thread file of a child: errors leave a thread as data.
// In: a call. Out: a value, or a wire error: structured cloning would drop an error's code and class.
import { workerData } from 'node:worker_threads';
import { toWireError } from '../errors.ts';
import type { ThreadAnswer, ThreadCall } from './protocol.ts';

const { thread } = workerData as { readonly thread: string };
const module = (await import(thread)) as { default(call: ThreadCall): Promise<unknown> };

export default async function run(call: ThreadCall): Promise<ThreadAnswer> {
  try {
    return { ok: true, value: await module.default(call) };
  } catch (error) {
    return { ok: false, error: toWireError(error) };
  }
}
