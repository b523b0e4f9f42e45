// What publishing writes and records, and that a second run finds its own version.
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../common/clock.ts';
import { type RunId, sha256Hex } from '../../../common/ids.ts';
import type { MetricsResult } from '../../../common/stage/evaluate.ts';
import { type MemoryStore, memoryStore } from '../../../common/store/memory.ts';
import { type Plan, sameForAll } from '../../../common/wire/plan.ts';
import type { JobFact } from '../../../common/wire/view.ts';
import type { TrainingContext } from '../../../coordinator/stage/context.ts';
import type { Fitted } from '../../../coordinator/stage/fit.ts';
import { publish } from '../../../coordinator/stage/publish.ts';
import type { Trained } from '../../../coordinator/stage/train.ts';
import { MODEL_BYTES } from '../../support/registry.ts';
import { NUMERICS } from '../../support/tasks.ts';

const ranges = {
  train: { after: null, upTo: 100 },
  validation: { after: 100, upTo: 200 },
  test: { after: 200, upTo: 300 },
};
const sha256 = sha256Hex(MODEL_BYTES);
const trained: Trained = {
  trainDigest: sha256Hex('run') as unknown as RunId,
  model: { key: `parts/train/t/${sha256}.onnx`, sha256, bytes: MODEL_BYTES.length },
  signature: { inputs: [], label: 'binary', codes: [], numbers: [] },
  epochs: [{ loss: 0.6, validationLoss: 0.5, validationAuc: 0.7 }],
};
const figures: MetricsResult = {
  rows: 20,
  metrics: { auc: 0.7 },
  baseline: { auc: 0.5 },
  slices: {},
};

test('publish() makes a version and says so; again it finds its own, and writes no second', async () => {
  const training = { label: 'y', split: { by: 'time', column: 'd' }, clean: [], slices: [] };
  const [store, facts]: [MemoryStore, JobFact[]] = [memoryStore(), []];
  const job = {
    ...{ store, clock, id: 'j-1', spec: { seed: 7, training } },
    record: async (fact: JobFact) => void facts.push(fact),
  } as unknown as TrainingContext;
  await store.create(trained.model.key, MODEL_BYTES);
  const of = {
    plan: { snapshot: 's', numerics: sameForAll(NUMERICS) } as unknown as Plan,
    fitted: { ranges, values: {}, counts: {} } as unknown as Fitted,
    trained,
    target: { model: 'm', environment: 'dev' } as never,
    evaluation: figures,
    proof: { rows: 20, maxDifference: 0, golden: [] },
  };
  const manifest = await publish(job, of);
  expect(manifest).toMatchObject({
    version: 1,
    metrics: { validation: { logLoss: 0.5, auc: 0.7 }, test: { auc: 0.7 } },
    lineage: { job: 'j-1', seed: 7, numerics: NUMERICS },
  });
  expect(await publish(job, of)).toEqual(manifest);
  expect(facts).toMatchObject([
    { kind: 'found', stage: 'publish', value: { published: { version: 1, reused: false } } },
    { kind: 'found', stage: 'publish', value: { published: { version: 1, reused: false } } },
  ]);
  expect(await store.listNames('models/m/versions/')).toHaveLength(1);
});
