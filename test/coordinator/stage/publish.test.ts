// What publishing writes and records, and that a second run finds its own version.
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../common/clock.ts';
import type { MetricsResult } from '../../../common/stage/evaluate.ts';
import { type MemoryStore, memoryStore } from '../../../common/store/memory.ts';
import { type Plan, sameForAll } from '../../../common/wire/plan.ts';
import type { JobFact } from '../../../common/wire/view.ts';
import type { TrainingContext } from '../../../coordinator/stage/context.ts';
import type { Fitted } from '../../../coordinator/stage/fit.ts';
import { publish } from '../../../coordinator/stage/publish.ts';
import { MODEL_BYTES } from '../../support/registry.ts';
import { RANGES, TRAINED } from '../../support/stage-job.ts';
import { NUMERICS } from '../../support/tasks.ts';

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
  await store.create(TRAINED.model.key, MODEL_BYTES);
  const of = {
    plan: { snapshot: 's', numerics: sameForAll(NUMERICS) } as unknown as Plan,
    fitted: { ranges: RANGES, values: {}, counts: {} } as unknown as Fitted,
    trained: TRAINED,
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
