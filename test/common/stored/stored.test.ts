// readStored(): what e391da8 wrote comes in today's form; what nobody knows is refused by its number.
import { expect, test } from 'vitest';
import { digestOf } from '../../../common/ids.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { jsonBytes } from '../../../common/store/store.ts';
import {
  parseStoredAs,
  readStored,
  readStoredAfter,
  readStoredHead,
  type StoredKind,
} from '../../../common/stored/stored.ts';
import { sameForAll } from '../../../common/wire/plan.ts';
import { olderStore, recordedOf } from '../../support/older.ts';

/** Which kind lies under which key, some under two: they have two readers. */
const KINDS: readonly (readonly [RegExp, StoredKind])[] = [
  [/^jobs\/index\//, 'index'],
  [/^jobs\/[^/]+\/spec\.json$/, 'spec'],
  [/^jobs\/[^/]+\/plan\.json$/, 'plan'],
  [/^jobs\/[^/]+\/journal\//, 'event'],
  [/^snapshots\//, 'snapshot'],
  [/\/versions\//, 'manifest'],
  [/\/gate\//, 'gate'],
  [/\/testset\//, 'testset'],
  [/\/aliases\//, 'alias'],
  [/^triggers\/[^/]+\/spec\//, 'trigger'],
  [/^triggers\/[^/]+\/firings\//, 'firing'],
  [/^triggers\/[^/]+\/calls\//, 'call'],
  [/\/generations\//, 'generation'],
  [/^checkpoints\/[^/]+\/\d+\.json$/, 'checkpoint'],
  [/^failures\//, 'failure'],
  [/\/blobs\//, 'golden'],
  [/^parts\//, 'commit'],
  [/^parts\/train\/f55cf7/, 'trained'],
  [/^stages\//, 'program'],
  [/^stages\/81d8d7/, 'prepareProgram'],
  [/^stages\/f55cf7/, 'trainProgram'],
];
const recorded = Object.entries(recordedOf('e391da8').store).flatMap(([key, value]) =>
  KINDS.filter(([pattern]) => pattern.test(key)).map(([, kind]) => [kind, key, value] as const),
);
const JOB = 'jobs/j-f30ff5c940d873b11b64';

test('every kind stands among what e391da8 wrote', () => {
  expect(new Set(recorded.map(([kind]) => kind))).toEqual(new Set(KINDS.map(([, kind]) => kind)));
});

test.each(recorded)('readStored() takes a %s that e391da8 wrote: %s', (kind, key, value) => {
  expect(parseStoredAs(kind, key, jsonBytes(value))).toBeTruthy();
});

test('a spec without a kind becomes a training job, and its digest that of a submit today', async () => {
  const { store } = await olderStore('e391da8');
  const stored = await readStored(store, `${JOB}/spec.json`, 'spec');
  expect(stored?.spec).toMatchObject({
    kind: 'training',
    training: { model: { kind: 'linear' }, train: { epochs: 1, momentum: 0.9 }, slices: [] },
    publish: { model: 'trips', environment: 'dev', alias: 'champion' },
  });
  expect(stored?.bodyDigest).toBe(digestOf(stored?.spec));
});

test("a plan's profile becomes its numerics, and its tasks are to be made anew", async () => {
  const { store } = await olderStore('e391da8');
  const plan = await readStored(store, `${JOB}/plan.json`, 'plan');
  expect(plan).toMatchObject({
    formatVersion: 3,
    numerics: sameForAll('duckdb-1.5.6+onnxruntime-1.30.0+code-1+cpu-avx2'),
    prepare: null,
  });
  expect(plan).not.toHaveProperty('profile');
});

const listed = (prepare: unknown) =>
  parseStoredAs(
    'plan',
    'k.json',
    jsonBytes({
      ...{ formatVersion: 2, job: 'j-1', snapshot: 'aa', numerics: sameForAll('n'), prepare },
    }),
  );

test('a plan that lists its tasks becomes what they follow from', () => {
  const said = { program: 'bb', memoryBytes: 5, deadlineMs: 7 };
  const shard = (rowStart: number, rowEnd: number) => ({
    ...said,
    input: { kind: 'shard', shard: { rowStart, rowEnd } },
  });
  expect(listed([shard(0, 10), shard(10, 13), shard(0, 2)])).toMatchObject({
    formatVersion: 3,
    numerics: sameForAll('n'),
    prepare: { ...said, shardBytesMax: 67_108_864, taskCount: 3, rowCount: 15 },
  });
  expect(listed([])).toMatchObject({ formatVersion: 3, prepare: null });
});

test('a plan that lists no tasks at all is refused', () => {
  for (const prepare of [undefined, 7, {}, [{ program: 7 }], [{ program: 'bb' }]])
    expect(() => listed(prepare)).toThrow(expect.objectContaining({ code: 'FORMAT_UNKNOWN' }));
});

test("a version's profile becomes its numerics", async () => {
  const { store } = await olderStore('e391da8');
  const head = await readStoredHead(store, 'models/trips/versions', 'manifest');
  expect(head?.n).toBe(1);
  expect(head?.value.lineage.numerics).toMatch(/^duckdb-/);
  expect(head?.value.lineage).not.toHaveProperty('profile');
});

test('readStoredAfter() reads a journal from an entry on', async () => {
  const { store } = await olderStore('e391da8');
  const entries = await readStoredAfter(store, `${JOB}/journal`, { kind: 'event', after: 15 });
  expect(entries.map(({ n, value }) => [n, value.kind])).toEqual([
    [16, 'found'],
    [17, 'state'],
  ]);
});

test('what is not there is undefined', async () => {
  expect(await readStored(memoryStore(), 'jobs/j-1/spec.json', 'spec')).toBeUndefined();
});

test.each<[string, StoredKind, unknown, string]>([
  [
    'a newer form',
    'plan',
    { formatVersion: 5 },
    "Cannot read k.json as a job's plan: its formatVersion is 5, and this program knows 1 and 2 and 3 and 4",
  ],
  [
    'no form at all',
    'gate',
    { policy: {} },
    'its formatVersion is missing, and this program knows 1',
  ],
  ['a form as text', 'gate', { formatVersion: '1' }, 'its formatVersion is "1"'],
  ['a list', 'index', [1], 'as an entry of the index of jobs: it is no JSON object'],
  ['a missing field', 'index', { formatVersion: 1, name: 'a', at: 1 }, '/job is missing'],
  [
    'a spec that no program would take',
    'spec',
    { formatVersion: 1, job: 'j-f30ff5c940d873b11b64', at: 1, spec: { name: 'a', specVersion: 1 } },
    '/dataset is missing',
  ],
  ['a spec that is no object', 'spec', { formatVersion: 1, spec: null }, "as a job's spec: "],
  [
    'a spec of a kind that it is not',
    'spec',
    {
      formatVersion: 1,
      job: 'j-f30ff5c940d873b11b64',
      at: 1,
      spec: { kind: 'training', specVersion: 1, name: 'a', dataset: 'd' },
    },
    'it says that it is a training job, and its sections make a data job',
  ],
])('parseStoredAs() refuses %s', (_what, kind, value, message) => {
  expect(() => parseStoredAs(kind, 'k.json', jsonBytes(value))).toThrow(
    expect.objectContaining({ code: 'FORMAT_UNKNOWN', message: expect.stringContaining(message) }),
  );
});

test('parseStoredAs() refuses bytes that are no JSON', () => {
  const bytes = new TextEncoder().encode('{"formatVersion": 1');
  expect(() => parseStoredAs('gate', 'k.json', bytes)).toThrow(
    expect.objectContaining({ code: 'FORMAT_UNKNOWN' }),
  );
});

test('evidence of an older gate: what stood before a colon says which checks failed', () => {
  const evidence = {
    verdict: 'refused',
    reasons: ['passed: auc is 0.7', 'failed: mse is 9', 'there are no rows to judge by'],
  };
  const at = { kind: 'refused', version: null, candidate: 1, by: {}, at: 1, formatVersion: 1 };
  const { evidence: read } = parseStoredAs('alias', 'a', jsonBytes({ ...at, evidence }));
  expect(read).toMatchObject({
    ...evidence,
    checks: [
      { passed: true, words: 'auc is 0.7' },
      { passed: false, words: 'mse is 9' },
      { passed: false, words: 'there are no rows to judge by' },
    ],
  });
  const fact = { kind: 'gate', environment: 'dev', alias: 'champion', decision: 'refused', at: 1 };
  const told = parseStoredAs('event', 'e', jsonBytes({ ...fact, formatVersion: 1, evidence }));
  expect(told).toMatchObject({
    value: { gate: { evidence: { checks: [{ passed: true }, {}, {}] } } },
  });
});

test('a group of results must say whose they are, and hold some', () => {
  const one = { formatVersion: 1, task: 'a', stage: 'fit', result: {}, attempt: {} };
  const group = { formatVersion: 1, stage: 'fit', program: 'b', descriptors: [one] };
  const parse = (value: object) => parseStoredAs('group', 'parts/fit/groups/b/1', jsonBytes(value));
  expect(parse(group)).toEqual(group);
  const { task: _, ...nameless } = one;
  for (const wrong of [
    { ...group, formatVersion: 2 },
    { ...group, descriptors: [] },
    { ...group, descriptors: [nameless] },
    { ...group, descriptors: [{ ...one, formatVersion: 2 }] },
  ]) {
    expect(() => parse(wrong)).toThrow('as a group of results');
  }
});

const BLOB = { key: 'k', sha256: 'b'.repeat(64), bytes: 3 };
const DONE = { formatVersion: 1, task: 'a', stage: 'train', attempt: { worker: 'w-1' } };
const FIGURES = { rounds: 5, rows: 40, epochs: [{ loss: 0.5 }], checkpoint: BLOB };
/** What tasks leave and what they are made of, each with what it cannot do without. */
const LEFT: readonly (readonly [StoredKind, object, string, object])[] = [
  ['program', { kind: 'fit', where: null }, '/kind is missing', { where: null }],
  [
    'prepareProgram',
    { kind: 'prepare', reads: ['x'] },
    '/kind is "fit", expected "prepare"',
    { kind: 'fit', reads: ['x'] },
  ],
  [
    'trainProgram',
    { kind: 'train', lanes: 2, laneRows: [8, 8], parts: [{ ...BLOB, rows: 16 }] },
    '/parts/0/rows is missing',
    { kind: 'train', lanes: 2, laneRows: [8, 8], parts: [BLOB] },
  ],
  ['commit', { ...DONE, result: {} }, '/result is missing', DONE],
  [
    'trained',
    { ...DONE, result: FIGURES },
    '/result/checkpoint/bytes is "3"',
    { ...DONE, result: { ...FIGURES, checkpoint: { ...BLOB, bytes: '3' } } },
  ],
  [
    'failure',
    {
      ...{ task: 'a', stage: 'fit', worker: 'w-1', kind: 'lost', at: 1 },
      error: { code: 'WORKER_LOST', message: 'm' },
    },
    '/kind is "late"',
    {
      ...{ task: 'a', stage: 'fit', worker: 'w-1', kind: 'late', at: 1 },
      error: { code: 'WORKER_LOST', message: 'm' },
    },
  ],
  [
    'golden',
    { rows: [{ row: { x: 1 }, prediction: [0.5] }] },
    '/rows/0/prediction is missing',
    { rows: [{ row: { x: 1 } }] },
  ],
];

test.each(LEFT)('parseStoredAs() takes a %s of its form alone', (kind, right, message, wrong) => {
  const parse = (value: object) =>
    parseStoredAs(kind, 'k.json', jsonBytes({ formatVersion: 1, ...value }));
  expect(parse(right)).toMatchObject(right);
  const refused = (words: string) =>
    expect.objectContaining({ code: 'FORMAT_UNKNOWN', message: expect.stringContaining(words) });
  expect(() => parse(wrong)).toThrow(refused(message));
  const newer = jsonBytes({ ...right, formatVersion: 2 });
  expect(() => parseStoredAs(kind, 'k.json', newer)).toThrow(refused('its formatVersion is 2'));
});
