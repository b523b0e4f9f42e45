// Whether the coordinator can work. In: its queue and store. Out: a sentence, or why not.
// Why it waits so briefly: a probe that hangs is taken for a process that does.
import { GristmillError, toWireError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { ApiDeps } from './deps.ts';

export async function checkReady({
  registry: { store },
  queue,
  clock,
}: Pick<ApiDeps, 'registry' | 'queue' | 'clock'>): Promise<string> {
  if (!queue.isConnected()) {
    const message = `Cannot work: the queue at ${queue.uri} does not answer`;
    throw new GristmillError('QUEUE_UNAVAILABLE', message);
  }
  const stop = new AbortController();
  const late = clock.sleep(LIMITS.readyTimeoutMs, stop.signal).then(() => {
    if (!stop.signal.aborted) throw new Error(`no answer within ${LIMITS.readyTimeoutMs} ms`);
  });
  try {
    await Promise.race([store.head('jobs/index/000000000001.json'), late]);
  } catch (cause) {
    const message = `Cannot work: the store at ${store.uri} does not answer: ${toWireError(cause).message}`;
    throw new GristmillError('STORE_UNAVAILABLE', message, { cause });
  } finally {
    stop.abort();
  }
  return 'Takes jobs';
}
