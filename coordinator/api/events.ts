// A job's events as a stream of server-sent events.
// In: facts, views and changes as they come. Out: text; a comment in quiet times, so that no proxy closes the line.
// Why only facts have ids: a client that comes back asks for facts behind its last id, and gets a whole view anew.
import { Readable } from 'node:stream';
import type { Clock } from '../../common/clock.ts';
import { LIMITS } from '../../common/limits.ts';
import type { JobStreamEvent } from '../../common/wire/view.ts';

export const jobStream = (
  events: AsyncIterable<JobStreamEvent>,
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): Readable => Readable.from(eventTexts(events, options), { objectMode: false });

/** Ends with `events`, or when the signal says so. */
export async function* eventTexts(
  events: AsyncIterable<JobStreamEvent>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<string> {
  const source = events[Symbol.asyncIterator]();
  yield 'retry: 1000\n\n';
  try {
    for (let next = source.next(); !signal.aborted; ) {
      const quiet = new AbortController();
      const stop = AbortSignal.any([quiet.signal, signal]);
      const silence = clock.sleep(LIMITS.streamKeepAliveMs, stop).then(() => 'quiet' as const);
      const first = await Promise.race([next, silence]);
      quiet.abort();
      if (signal.aborted) return;
      if (first === 'quiet') yield ': still here\n\n';
      else if (first.done) return;
      else {
        yield eventText(first.value);
        next = source.next();
      }
    }
  } finally {
    await source.return?.();
  }
}

export function eventText(event: JobStreamEvent): string {
  switch (event.kind) {
    case 'fact':
      return `id: ${event.n}\nevent: fact\ndata: ${JSON.stringify(event.event)}\n\n`;
    case 'view':
      return `event: view\ndata: ${JSON.stringify(event.view)}\n\n`;
    case 'change':
      return `event: change\ndata: ${JSON.stringify(event.change)}\n\n`;
  }
}
