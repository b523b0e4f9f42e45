// Hearings over a real registry, with a worker that answers from a table: what is scored, decided, written and told.
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../common/clock.ts';
import { GristmillError } from '../../../common/errors.ts';
import { type Digest, type RunId, sha256Hex } from '../../../common/ids.ts';
import { CHANNELS } from '../../../common/queue/channels.ts';
import type { CompareResult } from '../../../common/stage/evaluate.ts';
import { createJson, type Store } from '../../../common/store/store.ts';
import type { AliasMoved } from '../../../common/wire/event.ts';
import type { Split } from '../../../common/wire/job/training.ts';
import { aliasPrefix, type GatePolicy, type Manifest } from '../../../common/wire/model.ts';
import { passGate, promote } from '../../../coordinator/hearing/hearing.ts';
import { hashRanges } from '../../../coordinator/plan/split.ts';
import { aliasHead, aliasHistory, overrideAlias } from '../../../coordinator/registry/alias.ts';
import { putGate } from '../../../coordinator/registry/gate.ts';
import { getTestset } from '../../../coordinator/registry/testset.ts';
import { publishVersion } from '../../../coordinator/registry/version.ts';
import { saveSnapshot } from '../../../coordinator/snapshot/snapshot.ts';
import type { TrainingContext } from '../../../coordinator/stage/context.ts';
import { makeDraft } from '../../support/registry.ts';
import { tempFolder } from '../../support/runner.ts';
import { snapshotOf } from '../../support/snapshots.ts';
import { GIVEN, partOf, stageJob } from '../../support/stage-job.ts';
import { NUMERICS } from '../../support/tasks.ts';

const place = { model: 'flight-delay', environment: 'dev', alias: 'champion' };
const split = { by: 'hash', columns: ['b'], validation: 0.1, test: 0.2 } as const satisfies Split;
const training = { label: 'a > 1', split, slices: [] };
const POLICY: GatePolicy = {
  min: { auc: 0.6 },
  change: { metric: 'auc', min: -0.01, confidence: 0.95 },
};
const BETTER: CompareResult = {
  ...{ rows: 10, champion: 0.7, challenger: 0.71, change: 0.01 },
  ...{ low: 0.005, high: 0.015 },
};
const WORSE: CompareResult = { ...BETTER, challenger: 0.6, change: -0.1, low: -0.2, high: 0 };

/** A model with as many versions as there are figures, whose AUC they are; the last is the candidate. */
async function court(
  aucs: readonly number[],
  {
    comparison = BETTER,
    policy = POLICY,
  }: { comparison?: CompareResult; policy?: GatePolicy } = {},
) {
  const aucOf = new Map<string, number>();
  const scoredBy = new Map<string, string>();
  const w = await stageJob(
    {
      prepare: () => ({
        ...{ rowsIn: 10, rowsOut: 10, dropped: {}, labels: null, part: partOf('a', [0, 9]).part },
        ...{ splitMin: 0, splitMax: 9999 },
      }),
      score: ({ model }, { task }) => {
        scoredBy.set(task, model.sha256);
        return { rows: 10, scores: null, slices: [], sliceValues: {} };
      },
      metrics: (_, { input }) => {
        const auc = input.kind === 'results' && aucOf.get(scoredBy.get(input.tasks[0]!.task)!);
        return { rows: 10, metrics: { auc }, baseline: {}, slices: {} };
      },
      compare: () => comparison,
    },
    training,
  );
  const { store } = w;
  await putGate(store, { ...place, policy, at: 1 });
  const snapshot = await saveSnapshot(
    store,
    snapshotOf({ 'a.parquet': [{ rows: 10, bytes: 20 }] }),
    tempFolder(),
  );
  const versions: Manifest[] = [];
  for (const [i, auc] of aucs.entries()) {
    const draft = await makeDraft(store, {
      trainDigest: sha256Hex(`train ${i}`),
      signature: {
        ...{ inputs: [{ name: 'a', type: 'number' }], label: 'binary' },
        ...{ codes: [], numbers: ['a'] },
      },
      split: { definition: split, ranges: hashRanges(split) },
    });
    versions.push((await publishVersion(store, draft)).manifest);
    aucOf.set(draft.onnx.sha256, auc);
  }
  const hints: AliasMoved[] = [];
  w.queue.subscribe(CHANNELS.aliasMoved, (moved) => void hints.push(moved));
  const version = versions.at(-1)!;
  const override = (to: number, expected: number) =>
    overrideAlias({ store, clock, hint: () => {} }, place, { version: to, expected, reason: 'r' });
  const { plan } = GIVEN;
  const given = {
    ...{ place, version, plan: { ...plan, snapshot } },
    trained: {
      ...GIVEN.trained,
      model: { key: 'parts/train/t/m.onnx', ...version.onnx },
      trainDigest: version.trainDigest as unknown as RunId,
    },
  };
  return {
    ...{ ...w, versions, hints, snapshot, override, given },
    pass: (job: TrainingContext = w.job) => passGate(job, given),
    head: () => aliasHead(store, place),
  };
}

test('passGate() accepts a first version that reaches the floors: it moves the alias, tells gateways, records the evidence', async () => {
  await using w = await court([0.7]);
  expect(await w.pass()).toBe('accepted');
  const head = await w.head();
  expect(head).toMatchObject({
    n: 1,
    value: { kind: 'moved', version: 1, candidate: 1, by: { job: 'j-1' } },
  });
  expect(head!.value.evidence).toMatchObject({
    testset: { snapshot: w.snapshot, range: { after: null, upTo: 1999 }, rows: 10 },
    ...{ challenger: { version: 1, metrics: { auc: 0.7 } }, champion: null, comparison: null },
    ...{ policy: POLICY, verdict: 'accepted' },
  });
  expect(w.hints).toEqual([place]);
  expect(w.kinds()).toEqual(['prepare', 'score', 'metrics']);
  expect(w.facts).toEqual([
    {
      ...{ kind: 'found', stage: 'gate' },
      value: {
        gate: {
          ...{ environment: 'dev', alias: 'champion', decision: 'accepted' },
          evidence: head!.value.evidence,
        },
      },
    },
  ]);
  expect(await getTestset(w.store, place)).toMatchObject({
    value: { snapshot: w.snapshot, job: 'j-1', definition: { label: 'a > 1', split, clean: [] } },
  });
});

test('passGate() compares with the champion on the same rows, and moves the alias to the better one', async () => {
  await using w = await court([0.7, 0.71]);
  await w.override(1, 0);
  expect(await w.pass()).toBe('accepted');
  expect((await w.head())!.value).toMatchObject({
    ...{ kind: 'moved', version: 2, candidate: 2 },
    evidence: {
      challenger: { version: 2, metrics: { auc: 0.71 } },
      champion: { version: 1, metrics: { auc: 0.7 } },
      comparison: { ...BETTER, metric: 'auc', confidence: 0.95 },
    },
  });
  expect(w.programsOf('score').map(({ where }) => where.upTo)).toEqual([1999, 1999]);
  const read = w.programsOf('score').map(({ model }) => model.key);
  expect(read).toContain('parts/train/t/m.onnx'); // the candidate, as its training left it
  expect(read).toContain(`models/flight-delay/blobs/${w.versions[0]!.onnx.sha256}`);
  // the champion's scores first: a change is the challenger's gain over them
  const scored = w.ran.flatMap(({ program, task }) =>
    program.kind === 'score' ? [[program.model.key, task.task] as const] : [],
  );
  const taskOf = new Map(scored);
  const compared = w.ran.find(({ program }) => program.kind === 'compare')!.task.input;
  expect(compared.kind === 'results' && compared.tasks.map(({ task }) => task)).toEqual([
    taskOf.get(read.find((key) => key.startsWith('models/'))!),
    taskOf.get('parts/train/t/m.onnx'),
  ]);
});

test('passGate() records a refusal with its reasons, and leaves the alias where it is', async () => {
  await using w = await court([0.7, 0.55], { comparison: WORSE });
  await w.override(1, 0);
  expect(await w.pass()).toBe('refused');
  const { value } = (await w.head())!;
  expect(value).toMatchObject({ kind: 'refused', version: 1, candidate: 2, by: { job: 'j-1' } });
  expect(value.evidence!.reasons).toEqual([
    'failed: auc is 0.55, needed at least 0.6',
    'failed: auc −0.1 against champion 1, with 95 % confidence above −0.2, needed above −0.01',
  ]);
  expect(w.hints).toEqual([]);
  expect(w.facts).toMatchObject([{ value: { gate: { decision: 'refused' } } }]);
});

test('passGate() refuses a first version below the floor, and the alias then serves none', async () => {
  await using w = await court([0.59]);
  expect(await w.pass()).toBe('refused');
  expect(await w.head()).toMatchObject({ n: 1, value: { kind: 'refused', version: null } });
});

test('passGate() run again by the job finds its decision: it computes and writes nothing', async () => {
  await using w = await court([0.59]);
  await w.pass();
  const { length } = w.ran;
  expect(await w.pass()).toBe('refused');
  expect(w.ran).toHaveLength(length);
  expect(await aliasHistory(w.store, place)).toHaveLength(1);
  expect(w.facts[1]).toEqual(w.facts[0]);
});

test('passGate() decides nothing about a version that the alias already serves', async () => {
  await using w = await court([0.7]);
  await w.override(1, 0);
  expect(await w.pass()).toBe('none');
  expect(w.facts).toMatchObject([{ value: { gate: { decision: 'none', evidence: null } } }]);
  expect(w.ran).toEqual([]);
  expect(await aliasHistory(w.store, place)).toHaveLength(1);
});

test('passGate() by another job asks again about a version that was refused', async () => {
  await using w = await court([0.59]);
  await w.pass();
  await w.pass({ ...w.job, id: 'j-2' as TrainingContext['id'] });
  const history = await aliasHistory(w.store, place);
  expect(history.map(({ value }) => value.by)).toEqual([{ job: 'j-1' }, { job: 'j-2' }]);
  expect(w.kinds()).toEqual(['prepare', 'score', 'metrics']); // of what the first has computed
});

test('passGate() refuses where the champion cannot be scored on these rows, and says why', async () => {
  await using w = await court([0.7]);
  const seen = hashRanges({ ...split, test: 0.1, validation: 0.2 });
  const old = await makeDraft(w.store, {
    ...{ trainDigest: sha256Hex('of another split'), signature: w.given.version.signature },
    split: { definition: split, ranges: seen },
  });
  const { manifest } = await publishVersion(w.store, old);
  await w.override(manifest.version, 0);
  expect(await w.pass()).toBe('refused');
  const { evidence, version } = (await w.head())!.value;
  expect(version).toBe(2);
  expect(evidence).toMatchObject({ champion: null, comparison: null, verdict: 'refused' });
  expect(evidence!.reasons).toEqual([
    'passed: auc is 0.7, needed at least 0.6',
    'failed: not compared with champion 2: version 2 may have seen these rows: its validation rows reach into the test rows',
  ]);
  expect(w.kinds()).toEqual(['prepare', 'score', 'metrics']); // the champion is not scored
});

test('passGate() refuses a candidate that may have seen the test rows, and scores nothing', async () => {
  await using w = await court([0.7]);
  const ranges = { ...hashRanges(split), train: { after: 1998, upTo: null } };
  const version = { ...w.given.version, split: { definition: split, ranges } };
  expect(await passGate(w.job, { ...w.given, version })).toBe('refused');
  expect((await w.head())!.value.evidence).toMatchObject({
    testset: { rows: 0 },
    challenger: { version: 1, metrics: {} },
    ...{ champion: null, comparison: null, policy: POLICY },
    reasons: ['version 1 may have seen these rows: its train rows reach into the test rows'],
  });
  expect(w.kinds()).toEqual(['prepare']);
});

test('passGate() compares nothing where the gate asks for no change', async () => {
  await using w = await court([0.9, 0.7], { policy: { min: { auc: 0.6 } } });
  await w.override(1, 0);
  expect(await w.pass()).toBe('accepted');
  expect(w.programsOf('compare')).toEqual([]);
  expect((await w.head())!.value.evidence).toMatchObject({
    ...{ champion: { version: 1, metrics: { auc: 0.9 } }, comparison: null },
    reasons: ['passed: auc is 0.7, needed at least 0.6'],
  });
});

test('passGate() refuses a job whose test rows would be others than those of the model', async () => {
  await using w = await court([0.7]);
  await w.pass();
  const other = { ...w.job.spec, training: { ...training, label: 'a > 2' } };
  const job = { ...w.job, spec: other } as unknown as TrainingContext;
  await expect(w.pass(job)).rejects.toMatchObject({ code: 'TESTSET_INCOMPARABLE' });
  expect(await aliasHistory(w.store, place)).toHaveLength(1);
});

/** A store in which somebody else writes the alias's next entry just before us, `times` times. */
function contested(
  store: Store,
  times: number,
  version: number,
): { store: Store; lost: () => number } {
  let lost = 0;
  const prefix = `${aliasPrefix(place.model, place.environment, place.alias)}/`;
  const other = {
    ...{ formatVersion: 1, kind: 'overridden', version, candidate: version, evidence: null },
    ...{ by: { reason: 'somebody else' }, at: 1 },
  };
  return {
    lost: () => lost,
    store: {
      ...store,
      async create(key, bytes) {
        if (key.startsWith(prefix) && lost < times) {
          lost += 1;
          await createJson(store, key, other);
        }
        return store.create(key, bytes);
      },
    },
  };
}

test('passGate() that loses the alias to another begins again, against the champion of now', async () => {
  await using w = await court([0.7, 0.71]);
  const { store, lost } = contested(w.store, 1, 1);
  expect(await w.pass({ ...w.job, store })).toBe('accepted');
  expect(lost()).toBe(1);
  const history = await aliasHistory(w.store, place);
  expect(history.map(({ value }) => value.kind)).toEqual(['overridden', 'moved']);
  expect(history[1]!.value.evidence!.champion).toMatchObject({ version: 1 });
  expect(w.programsOf('compare')).toHaveLength(1); // not against nobody, and against version 1 once
});

test('passGate() gives up an alias that moves under each of five hearings', async () => {
  await using w = await court([0.7, 0.71]);
  const { store, lost } = contested(w.store, Number.POSITIVE_INFINITY, 1);
  await expect(w.pass({ ...w.job, store })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  expect(lost()).toBe(5);
  expect(w.facts).toEqual([]);
});

test('passGate() ends with any other error at once', async () => {
  await using w = await court([0.7]);
  const prefix = aliasPrefix(place.model, place.environment, place.alias);
  let tried = 0;
  const create: Store['create'] = async (key, bytes) => {
    if (!key.startsWith(prefix)) return w.store.create(key, bytes);
    tried += 1;
    throw new GristmillError('INTERNAL', 'no');
  };
  const failing = w.pass({ ...w.job, store: { ...w.store, create } });
  await expect(failing).rejects.toMatchObject({ code: 'INTERNAL' });
  expect(tried).toBe(1);
});

/** The same machinery where one worker is known to live. */
const manned = (job: TrainingContext): TrainingContext => {
  const live = () => [{ worker: 'w', numerics: NUMERICS, threads: 1 }] as never;
  return { ...job, workers: { ...job.workers, live } };
};

test('promote() judges a version for an operator: the entry names no job', async () => {
  await using w = await court([0.7, 0.71]);
  await w.pass({ ...w.job, id: 'j-1' as TrainingContext['id'] });
  const entry = await promote(manned(w.job), { ...place, version: 1, expected: 1 });
  expect(entry).toMatchObject({ n: 2, value: { kind: 'moved', version: 1, candidate: 1, by: {} } });
  expect(entry.value.evidence).toMatchObject({ champion: { version: 2 } });
  expect(await w.head()).toEqual(entry);
});

test('promote() refuses an entry that is not the one that the client saw, before it computes', async () => {
  await using w = await court([0.7]);
  await w.override(1, 0);
  const late = promote(manned(w.job), { ...place, version: 1, expected: 0 });
  await expect(late).rejects.toMatchObject({
    code: 'PRECONDITION_FAILED',
    message: 'Cannot move champion of flight-delay: its journal is at entry 1, expected 0',
  });
  expect(w.ran).toEqual([]);
});

test('promote() that loses the alias while it computes is too late: an operator decides anew', async () => {
  await using w = await court([0.7, 0.71]);
  await w.pass();
  const { store, lost } = contested(w.store, 1, 1);
  const late = promote({ ...manned(w.job), store }, { ...place, version: 1, expected: 1 });
  await expect(late).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  expect(lost()).toBe(1);
  expect((await w.head())!.value.kind).toBe('overridden');
});

test('promote() says what is missing: a worker, the version, the test set', async () => {
  await using w = await court([0.7]);
  const ask = (machinery: object, version = 1) =>
    promote({ ...manned(w.job), ...machinery }, { ...place, version, expected: 0 });
  await expect(ask({ workers: { live: () => [] } })).rejects.toMatchObject({
    code: 'WORKERS_NONE',
  });
  await expect(ask({}, 2)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(ask({})).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('it has no test set there'),
  });
  expect(await w.head()).toBeUndefined();
});

test('passGate() names a snapshot that is not in the store', async () => {
  await using w = await court([0.7]);
  const plan = { ...w.given.plan, snapshot: 'd'.repeat(64) as Digest };
  const lost = passGate(w.job, { ...w.given, plan });
  await expect(lost).rejects.toMatchObject({
    code: 'INTERNAL',
    message: expect.stringContaining(`Cannot read snapshot ${'d'.repeat(64)}`),
  });
});
