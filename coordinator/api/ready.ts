// Whether the coordinator can work. In: its queue and store, and what jobs wait for. Out: a sentence, or why not.
// Why it waits so briefly: a probe that hangs is taken for a process that does.
// Why jobs that wait are told and change no status: who asks for them must still be answered.
import { GristmillError, toWireError } from '../../common/errors.ts';
import { newWorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { selfTest } from '../../common/store/store.ts';
import type { ApiDeps } from './deps.ts';

type Deps = Pick<
  ApiDeps,
  'registry' | 'queue' | 'clock' | 'storeHealth' | 'workers' | 'jobs' | 'waitsFor'
>;

export async function checkReady(deps: Deps): Promise<string> {
  const { queue, workers, jobs } = deps;
  const why = deps.waitsFor?.();
  if (why) throw why;
  if (!queue.isConnected()) {
    const message = `Cannot work: the queue at ${queue.uri} does not answer`;
    throw new GristmillError('QUEUE_UNAVAILABLE', message);
  }
  await checkAnswers(deps);
  await checkSpace(deps);
  const words = jobs
    .figures()
    .waiting.map(
      ({ jobs: n, words }) => `; ${n === 1 ? '1 job waits' : `${n} jobs wait`}: ${words}`,
    );
  const alone = workers.live().length === 0 && words.length === 0 ? '; no worker is alive' : '';
  return `Takes jobs${words.join('')}${alone}`;
}

async function checkAnswers({ registry: { store }, clock }: Deps): Promise<void> {
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
}

/** A store that somebody found full: the one who can tell that it is no longer is a write. */
async function checkSpace({ registry: { store }, storeHealth, workers }: Deps): Promise<void> {
  const isFull = ({ code }: { readonly code: string }): boolean => code === 'STORE_FULL';
  const full = (message: string): GristmillError =>
    new GristmillError('STORE_FULL', `Cannot work: the store is full: ${message}`);
  const theirs = workers
    .live()
    .flatMap(({ store: trouble }) => trouble ?? [])
    .find(isFull);
  if (theirs) throw full(theirs.message);
  const ours = storeHealth?.trouble();
  if (!ours || !isFull(ours)) return;
  void selfTest(store, newWorkerId()).catch(() => {}); // the next probe hears of it
  throw full(ours.message);
}
