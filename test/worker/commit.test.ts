// What a task leaves in the store, in which order, and what a second attempt adds: nothing.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { GristmillError } from '../../common/errors.ts';
import type { WorkerId } from '../../common/ids.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import { createMemoryQueue } from '../../common/queue/memory.ts';
import type { Queue } from '../../common/queue/queue.ts';
import { memoryStore } from '../../common/store/memory.ts';
import type { Store } from '../../common/store/store.ts';
import { readFailures } from '../../common/stored/failures.ts';
import { dataKey } from '../../common/wire/task.ts';
import { commit, fetchCommit } from '../../worker/commit.ts';
import { Committer } from '../../worker/group.ts';
import type { Outcome } from '../../worker/stage/runner.ts';
import { sealBlob } from '../../worker/stage/runner.ts';
import { createTestClock } from '../support/clock.ts';
import { listLog } from '../support/job-service.ts';
import { makeTask, NUMERICS } from '../support/tasks.ts';
import { countCommits, startTestWorker } from '../support/work.ts';

const SPENT = { seconds: 2, cpuSeconds: 1, bytesRead: 10 };
const by = (worker: string, store: Store) => {
  const committer = new Committer({ store, clock: createTestClock(), onGroup() {} });
  return { worker: worker as WorkerId, committer, ...listLog() };
};

/** What happens, in order; the store may fail a write before or after it took place. */
function recorded() {
  const memory = memoryStore();
  const events: string[] = [];
  const faults = new Map<string, 'before' | 'after'>();
  const away = new GristmillError('STORE_UNAVAILABLE', 'Cannot reach the store');
  const kindOf = (key: string): string => (key.endsWith('.json') ? 'descriptor' : 'data');
  async function write<T>(key: string, act: () => Promise<T>): Promise<T> {
    const kind = kindOf(key);
    const fault = faults.get(kind);
    faults.delete(kind);
    if (fault === 'before') throw away;
    const result = await act();
    events.push(`${kind} ${result}`);
    if (fault === 'after') throw away;
    return result;
  }
  const store: Store = {
    ...memory,
    create: (key, bytes) => write(key, () => memory.create(key, bytes)),
    createFromFile: (key, path) => write(key, () => memory.createFromFile(key, path)),
  };
  return { memory, store, events, faults };
}

async function outcomeOf(task: ReturnType<typeof makeTask>, text = 'rows'): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-commit-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.bin');
  await writeFile(path, text);
  const { blob, ref } = await sealBlob(task, path, 'bin');
  return { result: { data: ref }, blobs: [blob], rows: 1 };
}

test('commit() writes data, then the descriptor with what was asked and what it took', async () => {
  const { store, memory, events } = recorded();
  const task = makeTask(1);
  const outcome = await outcomeOf(task);
  expect(await commit(store, task, { outcome, ...SPENT }, by('w-a', store))).toEqual({
    created: 'created',
  });
  expect(events).toEqual(['data created', 'descriptor created']);
  const [{ sha256 }] = outcome.blobs as [Outcome['blobs'][number]];
  expect(await memory.get(dataKey(task.stage, task.task, `${sha256}.bin`))).toEqual(
    new TextEncoder().encode('rows'),
  );
  expect(await fetchCommit(store, task)).toEqual({
    formatVersion: 1,
    task: task.task,
    stage: 'prepare',
    result: outcome.result,
    attempt: { worker: 'w-a', ...SPENT, bytesWritten: 4 },
    message: task,
  });
});

test('commit() of a second attempt that agrees writes nothing over it, and says nothing', async () => {
  const { store, events } = recorded();
  const task = makeTask(1);
  const outcome = await outcomeOf(task);
  await commit(store, task, { outcome, ...SPENT }, by('w-a', store));
  const second = by('w-b', store);
  expect(await commit(store, task, { outcome, ...SPENT, seconds: 9 }, second)).toEqual({
    created: 'exists',
  });
  expect(events.slice(2)).toEqual(['data exists', 'descriptor exists']);
  expect((await fetchCommit(store, task))!.attempt).toMatchObject({ worker: 'w-a', seconds: 2 });
  expect(second.lines).toEqual([]);
});

test('commit() of a second attempt that differs keeps the first, and logs who made it', async () => {
  const { store } = recorded();
  const task = makeTask(1);
  const first = await outcomeOf(task);
  await commit(store, task, { outcome: first, ...SPENT }, by('w-a', store));
  const second = by('w-b', store);
  const outcome = await outcomeOf(task, 'other rows');
  expect(await commit(store, task, { outcome, ...SPENT }, second)).toEqual({ created: 'exists' });
  expect((await fetchCommit(store, task))!.result).toEqual(first.result);
  expect(second.lines).toEqual([
    ['error', 'two attempts differ', { task: task.task, stage: 'prepare', by: 'w-a' }],
  ]);
});

test('commit() puts a later copy beside the first, under a descriptor of its own', async () => {
  const { store, memory } = recorded();
  const task = makeTask(1);
  const outcome = await outcomeOf(task);
  await commit(store, task, { outcome, ...SPENT }, by('w-a', store));
  const again = { ...task, commit: 2 };
  expect(await commit(store, again, { outcome, ...SPENT }, by('w-b', store))).toEqual({
    created: 'created',
  });
  const [{ sha256 }] = outcome.blobs as [Outcome['blobs'][number]];
  expect([...(await memory.listNames(`parts/prepare/${task.task}/`))].sort()).toEqual(
    ['1.json', '2.json', `2-${sha256}.bin`, `${sha256}.bin`].sort(),
  );
});

test('commit() whose data do not reach the store leaves no descriptor', async () => {
  const { store, faults, events } = recorded();
  const task = makeTask(1);
  faults.set('data', 'before');
  const outcome = await outcomeOf(task);
  await expect(commit(store, task, { outcome, ...SPENT }, by('w-a', store))).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  });
  expect(events).toEqual([]);
  expect(await fetchCommit(store, task)).toBeUndefined();
});

/** A worker on a queue that tells of hints and acks in the same list as the store of its writes. */
function startRecorded() {
  const of = recorded();
  const clock = createTestClock();
  const memory = createMemoryQueue(clock);
  const queue: Queue = {
    ...memory,
    publish(channel, message) {
      if (channel === CHANNELS.taskSettled) of.events.push('hint');
      memory.publish(channel, message);
    },
    async pull(...args) {
      const lease = await memory.pull(...args);
      if (!lease) return undefined;
      const ack = async (): Promise<void> => {
        of.events.push('ack');
        await lease.ack();
      };
      return { ...lease, ack };
    },
  };
  const worker = startTestWorker({ clock, queue, store: of.store, blob: true });
  return { ...of, clock, queue: memory, worker };
}

/** The files of a task are real ones: time moves by hand, and they take theirs. */
async function settled(w: ReturnType<typeof startRecorded>): Promise<void> {
  for (let i = 0; i < 400 && (await w.queue.waiting(NUMERICS)).size > 0; i++) {
    await w.clock.advance(100);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test('a task ends as data → descriptor → hint → ack', async () => {
  const w = startRecorded();
  await w.queue.offer(makeTask(1), 1);
  await settled(w);
  expect(w.events).toEqual(STEPS);
});

const STEPS = ['data created', 'descriptor created', 'hint', 'ack'];

test('a descriptor that was written, though the store said it was away, is found and not computed again', async () => {
  const w = startRecorded();
  w.faults.set('descriptor', 'after');
  await w.queue.offer(makeTask(1), 1);
  await settled(w);
  expect([...w.worker.runs.values()]).toEqual([1]);
  expect(await countCommits(w.memory, [makeTask(1)])).toEqual({ 1: 1 });
  expect(w.events).toEqual(STEPS);
  expect(await readFailures(w.memory, makeTask(1).task)).toEqual([]);
});

test('a descriptor that was not written is computed again, and no attempt is held against the task', async () => {
  const w = startRecorded();
  w.faults.set('descriptor', 'before');
  await w.queue.offer(makeTask(1), 1);
  await settled(w);
  expect([...w.worker.runs.values()]).toEqual([2]);
  expect(await countCommits(w.memory, [makeTask(1)])).toEqual({ 1: 1 });
  expect(w.events).toContain('data exists');
  expect(await readFailures(w.memory, makeTask(1).task)).toEqual([]);
});
