// What a task needs, on local disk: checked before it has a name, and never under a name from outside.
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Digest, digestOf, sha256Hex } from '../../common/ids.ts';
import { memoryStore } from '../../common/store/memory.ts';
import { createJson } from '../../common/store/store.ts';
import {
  commitKey,
  groupsPrefix,
  programKey,
  type Task,
  type TaskInput,
} from '../../common/wire/task.ts';
import { Fetcher } from '../../worker/fetch.ts';
import { makeTask, makeTasks } from '../support/tasks.ts';

const BYTES = new TextEncoder().encode('a part');
const PART = {
  key: 'parts/prepare/t/part',
  sha256: sha256Hex(BYTES),
  bytes: BYTES.length,
  rows: 1,
  bucketOffsets: [0, 1],
  source: { key: 'a.parquet', rowStart: 0 },
};

async function world(kind = 'fit') {
  const store = memoryStore();
  await store.create(PART.key, BYTES);
  const program = digestOf({ formatVersion: 1, kind });
  await createJson(store, programKey(program), { formatVersion: 1, kind });
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-fetch-'));
  const fetcher = new Fetcher({ store, lake: memoryStore(), scratch: join(folder, 'scratch') });
  const fetch = (input: TaskInput) => fetcher.fetch(makeTask('x', { program, input }));
  const files = async () =>
    (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  return { fetch, files, folder, store };
}

test('Fetcher.fetch() gives a part by its key, whole, and lets its folder go', async () => {
  const { fetch } = await world();
  await using fetched = await fetch({ kind: 'part', part: PART });
  expect(await readFile(fetched.prepared.files[PART.key]!)).toEqual(Buffer.from(BYTES));
  expect(fetched.bytesRead).toBe(BYTES.length);
});

test('Fetcher.fetch() reads a part once for two tasks that run together', async () => {
  const { fetch } = await world();
  await using first = await fetch({ kind: 'part', part: PART });
  await using second = await fetch({ kind: 'part', part: PART });
  expect([first.bytesRead, second.bytesRead]).toEqual([BYTES.length, 0]);
});

test('Fetcher.fetch() finds results alone and in groups, each group read once, and one that its group lacks', async () => {
  const { fetch, store } = await world();
  const tasks = makeTasks(6);
  const [{ stage, program }] = tasks as [Task];
  const descriptors = tasks.map(({ task }, index) => ({
    ...{ formatVersion: 1, task, stage, result: { index }, attempt: {} },
  }));
  const group = `${groupsPrefix({ stage, program })}00000000000001-a.json`;
  const grouped = { formatVersion: 1, stage, program, descriptors: descriptors.slice(0, 4) };
  await createJson(store, group, grouped);
  for (const one of descriptors.slice(4)) {
    await createJson(store, commitKey(stage, one.task, 1), one);
  }
  const refs = tasks.map(({ task }, index) => ({ stage, task, ...(index < 5 ? { group } : {}) }));
  const { reads } = store;
  await using fetched = await fetch({ kind: 'results', tasks: refs });
  expect(tasks.map(({ task }) => fetched.prepared.json[task]?.result)).toEqual(
    tasks.map((_, index) => ({ index })),
  );
  expect(store.reads - reads).toBe(4); // the program, the group, two alone
});

test('Fetcher.fetch() writes nothing under a name from outside', async () => {
  const { fetch, files, folder } = await world();
  const sha256 = '../../../../escaped' as Digest;
  await expect(fetch({ kind: 'part', part: { ...PART, sha256 } })).rejects.toMatchObject({
    code: 'CHECKSUM_MISMATCH',
  });
  expect(await files()).toEqual([]);
  expect(await readdir(join(folder, '..'))).not.toContain('escaped');
});

test('Fetcher.fetch() leaves no file of what is not what it should be', async () => {
  const { fetch, files } = await world();
  const part = { ...PART, sha256: 'b'.repeat(64) as Digest };
  await expect(fetch({ kind: 'part', part })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  expect(await files()).toEqual([]);
});

test('Fetcher.fetch() says so where no stage has programs of this kind', async () => {
  const { fetch } = await world('shuffle');
  await expect(fetch({ kind: 'none' })).rejects.toThrow('of kind "shuffle"');
});
