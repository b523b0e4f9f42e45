// What a client that follows a job is told: every fact once, and the view as it changes.
// In: a job's record, the number of the last fact seen. Out: facts, a view, changes of it, and the last view whole.
// Why a view and its facts are taken at one moment: a fact that came between the two would be told by neither.
//
//   facts so far ─► view ─► facts, change ─► facts, change ─► … ─► last facts ─► view
import type { Clock } from '../../common/clock.ts';
import { LIMITS } from '../../common/limits.ts';
import { changeOf } from '../../common/wire/change.ts';
import type { JobStreamEvent, JobView } from '../../common/wire/view.ts';
import type { JobRecord } from './record.ts';
import { isEnded } from './view.ts';

export async function* jobEvents(
  record: JobRecord,
  of: { readonly after: number; readonly clock: Clock; readonly signal: AbortSignal },
): AsyncIterable<JobStreamEvent> {
  const { clock, signal } = of;
  let sent = of.after;
  let shown: JobView | undefined;
  await readAgain(record);
  while (!signal.aborted) {
    const { version, view } = record;
    for (const { n, value } of record.journal.entries.slice(sent)) {
      yield { kind: 'fact', n, event: value };
      sent = n;
    }
    if (isEnded(view.state)) {
      if (record.version === version) await readAgain(record);
      if (record.version !== version) continue; // told more while the client was slow, or by somebody else
      yield { kind: 'view', view };
      return;
    }
    if (!shown) yield { kind: 'view', view };
    else {
      const change = changeOf(shown, view);
      if (change) yield { kind: 'change', change };
    }
    shown = view;
    await news(record, version, of);
    await clock.sleep(LIMITS.viewMs, signal);
  }
}

/** Waits for news; now and then it asks the store, where another coordinator may have appended some. */
async function news(
  record: JobRecord,
  version: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  while (record.version === version && !signal.aborted) {
    const quiet = new AbortController();
    const stop = AbortSignal.any([quiet.signal, signal]);
    await Promise.race([
      record.changedSince(version, stop),
      clock.sleep(LIMITS.journalReadMs, stop),
    ]);
    quiet.abort();
    if (record.version === version && !signal.aborted) await readAgain(record);
  }
}

/** A store that is away is asked again later: the stream goes on with what is known. */
const readAgain = (record: JobRecord): Promise<void> => record.refresh().catch(() => {});
