// A job followed from its facts so far to its end, through streams that break and coordinators that start anew.
// In: a coordinator, a job. Out: facts, each once; views as they change; "away" while nobody answers.
// Why by the number of the last fact: whatever broke, the coordinator tells again from behind it.
import { LIMITS } from '../common/limits.ts';
import { applyChange, type Change } from '../common/wire/change.ts';
import type { JobEvent } from '../common/wire/view.ts';
import type { AliasView, CoordinatorCalls, JobView, PromotionView } from './api.ts';
import { ClientError, errorOf, type Service } from './call.ts';
import { eventsOf } from './stream.ts';

/** What happens to a job. `away`: nobody answers just now; it is asked again. */
export type JobNews =
  | { readonly kind: 'fact'; readonly n: number; readonly event: JobEvent }
  | { readonly kind: 'view'; readonly view: JobView }
  | { readonly kind: 'away'; readonly error: ClientError };

export type FollowOptions = {
  /** Tells from behind this fact; 0: from the start. */
  readonly after?: number;
  readonly signal?: AbortSignal | undefined;
  /** Between two tries, and how long nobody may answer. */
  readonly retryMs?: number;
  readonly awayMsMax?: number;
};

const RETRY_MS = 500;
const AWAY_MS_MAX = 60_000; // a coordinator that starts anew takes seconds

/** Goes on behind the last fact seen when a stream breaks; ends with the view of a job that has ended. */
export async function* followJob(
  coordinator: Service<CoordinatorCalls>,
  id: string,
  { after = 0, signal, retryMs = RETRY_MS, awayMsMax = AWAY_MS_MAX }: FollowOptions,
): AsyncGenerator<JobNews> {
  let seen = after;
  let heardMs = performance.now();
  for (;;) {
    try {
      for await (const news of openNews(coordinator, id, seen)) {
        heardMs = performance.now();
        if (news.kind === 'fact') {
          if (news.n <= seen) continue; // told before the stream broke
          seen = news.n;
        }
        yield news;
      }
      const view = await coordinator.ask('job', { path: { id } });
      if (isOver(view)) {
        yield { kind: 'view', view };
        return;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ClientError) || !isPassing(error)) throw error;
      if (performance.now() - heardMs > awayMsMax) throw error;
      yield { kind: 'away', error };
    }
    await pause(retryMs, signal);
  }
}

/** Asks until it is decided. What was refused or failed is the error that an answer at once would have been. */
export async function followPromotion(
  coordinator: Service<CoordinatorCalls>,
  begun: PromotionView,
  { signal, retryMs = RETRY_MS, awayMsMax = AWAY_MS_MAX }: Omit<FollowOptions, 'after'>,
): Promise<AliasView> {
  const { id, model: name, environment: env, alias } = begun;
  let heardMs = performance.now();
  for (let view = begun; ; ) {
    if (view.problem !== null) throw errorOf(view.problem, view.problem.status)!;
    if (view.entry !== null) return view.entry;
    await pause(retryMs, signal);
    try {
      view = await coordinator.ask('promotion', { path: { name, env, alias, id } });
      heardMs = performance.now();
    } catch (error) {
      if (!(error instanceof ClientError) || !isPassing(error)) throw error;
      if (performance.now() - heardMs > awayMsMax) throw error;
    }
  }
}

/** One stream, ended when it says nothing for longer than a coordinator would. */
async function* openNews(
  coordinator: Service<CoordinatorCalls>,
  id: string,
  seen: number,
): AsyncGenerator<JobNews> {
  const silence = new AbortController();
  const wait = (): NodeJS.Timeout =>
    setTimeout(() => silence.abort(), 3 * LIMITS.streamKeepAliveMs);
  let timer = wait();
  const headers = seen > 0 ? { 'last-event-id': String(seen) } : {};
  try {
    const { body } = await coordinator.open('jobEvents', { path: { id }, headers }, silence.signal);
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        timer = wait();
        yield piece;
      }
    };
    let view: JobView | undefined;
    for await (const { event, id, data } of eventsOf(pieces())) {
      if (event === 'fact') {
        yield { kind: 'fact', n: Number(id), event: JSON.parse(data) as JobEvent };
        continue;
      }
      if (event === 'view') view = JSON.parse(data) as JobView;
      else if (event === 'change' && view)
        view = applyChange(view, JSON.parse(data) as Change<JobView>);
      else continue;
      yield { kind: 'view', view };
    }
  } catch (cause) {
    throw cause instanceof ClientError ? cause : coordinator.unreachable(cause);
  } finally {
    clearTimeout(timer);
  }
}

export const isOver = ({ state }: Pick<JobView, 'state'>): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'cancelled';

/** Nobody answers, or somebody who cannot just now. */
const isPassing = ({ status }: ClientError): boolean => status === 0 || status >= 500;

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  signal?.throwIfAborted();
}
