// Follows one job from its submission to its end.
// In: a coordinator's URL and a spec. Out: facts as they happen, live views between, and the last view.
// Why it asks again: a stream may break (a coordinator restarts); the journal number says where to go on.
import { setTimeout as delay } from 'node:timers/promises';
import { CODES } from '../../common/errors.ts';
import { applyChange, type Change } from '../../common/wire/change.ts';
import type { JobEvent, JobView } from '../../common/wire/view.ts';
import { HttpError, requestEvents, requestJson } from '../cluster/http.ts';

export type Watcher = {
  onFact(event: JobEvent): void;
  onView(view: JobView): void;
};

/** The job ended otherwise than it should. */
export class JobError extends Error {}

const SILENT_MS_MAX = 60_000; // a coordinator that starts anew takes seconds

export async function submitJob(coordinatorUrl: string, spec: unknown): Promise<string> {
  const { id } = await requestJson<{ id: string }>(`${coordinatorUrl}/v1/jobs`, {
    method: 'POST',
    body: spec,
  });
  return id;
}

export async function followJob(
  coordinatorUrl: string,
  id: string,
  watcher: Watcher & { readonly signal: AbortSignal },
): Promise<JobView> {
  const url = `${coordinatorUrl}/v1/jobs/${id}`;
  const { signal } = watcher;
  let seen = 0;
  let heardMs = performance.now();
  for (;;) {
    try {
      let view: JobView | undefined;
      const headers: Record<string, string> = seen > 0 ? { 'last-event-id': String(seen) } : {};
      for await (const { event, data, id: number } of requestEvents(`${url}/events`, {
        headers,
        signal,
      })) {
        heardMs = performance.now();
        if (event === 'fact') {
          const n = Number(number);
          if (n <= seen) continue; // told before the stream broke
          seen = n;
          watcher.onFact(data as JobEvent);
          continue;
        }
        if (event === 'view') view = data as JobView;
        else if (event === 'change' && view) view = applyChange(view, data as Change<JobView>);
        if (view) watcher.onView(view);
      }
      const last = await requestJson<JobView>(url, { signal });
      if (isOver(last)) return checkSucceeded(last);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof HttpError) || (error.status !== 0 && error.status < 500)) throw error;
      if (performance.now() - heardMs > SILENT_MS_MAX) throw error;
    }
    await delay(200);
  }
}

const isOver = ({ state }: JobView): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'cancelled';

function checkSucceeded(view: JobView): JobView {
  if (view.state === 'succeeded') return view;
  const why = view.error ? `${view.error.code}: ${view.error.message}` : 'it names no error';
  const fields = (view.error?.errors ?? []).map(({ pointer, detail }) => `; ${pointer}: ${detail}`);
  const remedy = view.error ? `. ${CODES[view.error.code]?.remedy ?? ''}` : '';
  throw new JobError(`Job ${view.id} ${view.state}: ${why}${fields.join('')}${remedy}`);
}
