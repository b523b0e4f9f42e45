// What a client that follows a job is told: no fact is lost, and the view it has is the view there is.
import { expect, test } from 'vitest';
import type { JobId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { applyChange } from '../../../common/wire/change.ts';
import {
  found,
  type JobFact,
  type JobStreamEvent,
  type JobView,
} from '../../../common/wire/view.ts';
import { JobJournal } from '../../../coordinator/job/journal.ts';
import { JobRecord } from '../../../coordinator/job/record.ts';
import { jobEvents } from '../../../coordinator/job/stream.ts';
import { createTestClock } from '../../support/clock.ts';

const JOB = 'j-1' as JobId;
const proved = (rows: number): JobFact => found('prove', { proof: { rows, maxDifference: 0 } });
const state = (to: 'queued' | 'running' | 'succeeded'): JobFact => ({ kind: 'state', state: to });

async function makeJob() {
  const store = memoryStore();
  const clock = createTestClock();
  const record = new JobRecord({ job: JOB, name: 'n', at: 1, after: null }, { store, clock });
  await record.journal.record(state('queued'));
  const follow = (after = 0, signal = new AbortController().signal) =>
    jobEvents(record, { after, clock, signal })[Symbol.asyncIterator]();
  /** The next event, time passing while it takes its time. */
  const next = async (
    events: AsyncIterator<JobStreamEvent>,
  ): Promise<JobStreamEvent | undefined> => {
    let done = false;
    const result = events.next().finally(() => {
      done = true;
    });
    while (!done) await clock.advance(LIMITS.viewMs);
    return (await result).value;
  };
  return { store, clock, record, follow, next };
}

/** What a client makes of events: the numbers of facts, and the view it would show. */
function client() {
  const facts: number[] = [];
  const at: { view: JobView | undefined } = { view: undefined };
  const hear = (event: JobStreamEvent | undefined): void => {
    if (event?.kind === 'fact') facts.push(event.n);
    else if (event?.kind === 'view') at.view = event.view;
    else if (event) at.view = applyChange(at.view!, event.change);
  };
  return { facts, at, hear };
}

test('a fact that comes between the facts and the view is in the next change, and is told', async () => {
  const { record, follow, next } = await makeJob();
  const { facts, at, hear } = client();
  const events = follow();
  hear(await next(events)); // fact 1
  await record.journal.record(proved(7)); // before the view is sent
  hear(await next(events));
  expect(facts).toEqual([1]);
  expect(at.view!.proof).toBeNull(); // the view of the moment of its facts
  hear(await next(events));
  hear(await next(events));
  expect(facts).toEqual([1, 2]);
  expect(at.view).toEqual(record.view);
});

test('a client that comes back from a slow write after the end is told all that was appended meanwhile', async () => {
  const { record, follow, next } = await makeJob();
  const { facts, at, hear } = client();
  const events = follow();
  hear(await next(events));
  await record.journal.record(state('running'));
  await record.journal.record(proved(7));
  await record.journal.record(state('succeeded'));
  for (let event = await next(events); event; event = await next(events)) hear(event);
  expect(facts).toEqual([1, 2, 3, 4]);
  expect(at.view).toEqual(record.view);
  expect(at.view!.state).toBe('succeeded');
});

test('what is appended behind the end, while the client reads the last facts, is told before the stream ends', async () => {
  const { record, follow, next } = await makeJob();
  const { hear } = client();
  await record.journal.record(state('succeeded'));
  const events = follow();
  hear(await next(events));
  hear(await next(events));
  await record.journal.record(proved(7));
  const rest: JobStreamEvent[] = [];
  for (let event = await next(events); event; event = await next(events)) rest.push(event);
  expect(rest.map(({ kind }) => kind)).toEqual(['fact', 'view']);
});

test('a client that comes back after the end goes on behind its last fact, and gets the last view', async () => {
  const { record, follow, next } = await makeJob();
  await record.journal.record(proved(7));
  await record.journal.record(state('succeeded'));
  const events = follow(2);
  expect(await next(events)).toMatchObject({ kind: 'fact', n: 3 });
  expect(await next(events)).toMatchObject({ kind: 'view', view: { state: 'succeeded' } });
  expect(await next(events)).toBeUndefined();
});

test('facts that another coordinator appends are told, also its end', async () => {
  const { store, clock, record, follow, next } = await makeJob();
  const { facts, at, hear } = client();
  const events = follow();
  hear(await next(events));
  hear(await next(events));
  const other = new JobJournal({ store, clock, job: JOB });
  await other.refresh();
  await other.record(proved(9));
  await other.record(state('succeeded'));
  for (let event = await next(events); event; event = await next(events)) hear(event);
  expect(facts).toEqual([1, 2, 3]);
  expect(at.view).toMatchObject({ state: 'succeeded', proof: { rows: 9 } });
  expect(record.view.state).toBe('succeeded');
});

test('progress is told as changes of what differs, at most one each LIMITS.viewMs', async () => {
  const { record, clock, follow, next } = await makeJob();
  const events = follow();
  await next(events);
  await next(events);
  const waiting = next(events);
  const startMs = clock.monotonicMs();
  for (const words of ['a', 'b', 'c'])
    record.show({ waiting: { code: 'NO_WORKER', words, since: 3 } });
  const set = { waiting: 'c', waitingFor: { code: 'NO_WORKER', since: 3 } };
  expect(await waiting).toEqual({ kind: 'change', change: { set, append: {} } });
  expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(LIMITS.viewMs);
});

test('a client that leaves is not told any more, and nothing is left waiting for it', async () => {
  const { record, clock, follow } = await makeJob();
  const stop = new AbortController();
  const events = follow(1, stop.signal);
  expect(await events.next()).toMatchObject({ value: { kind: 'view' } });
  const rest = events.next();
  stop.abort();
  await clock.advance(1);
  expect(await rest).toMatchObject({ done: true });
  record.touch();
});
