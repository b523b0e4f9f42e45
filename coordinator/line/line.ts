// The lines that jobs run: each kind of job is a small graph of steps, as data, and one executor runs them all.
// In: a job's context. Out: facts in its journal; what each step made.
// Why it can be run again at any point: each step finds what it made before, by content or by name.
//
//   pin ─► prepare ─► fit ─► train ─┬► evaluate ─┬► publish ─► gate
//                                   └► prove ────┘
import type { MetricsResult } from '../../common/stage/evaluate.ts';
import type { Decision } from '../../common/stage/gate.ts';
import type { Manifest } from '../../common/wire/model.ts';
import { passGate } from '../hearing/hearing.ts';
import { checkPublishes } from '../registry/testset.ts';
import {
  type CheckedSpec,
  type CheckedTraining,
  checkSpec,
  checkTraining,
} from '../stage/check.ts';
import {
  isPublishing,
  isTraining,
  type JobContext,
  type PublishingContext,
  type TrainingContext,
} from '../stage/context.ts';
import { evaluateVersion } from '../stage/evaluate.ts';
import { type Fitted, fitFeatures } from '../stage/fit.ts';
import { type Pinned, pinPlan } from '../stage/pin.ts';
import { countRows, type PreparedRows, prepareRows, type RowCounts } from '../stage/prepare.ts';
import { type Proof, proveServing } from '../stage/prove.ts';
import { publish } from '../stage/publish.ts';
import { type Trained, trainModel } from '../stage/train.ts';
import { runLine, type Step, stepsOf } from './steps.ts';

export async function runJob(job: JobContext): Promise<void> {
  await checkPublishes(job.store, job.spec);
  if (isPublishing(job)) await runLine(PUBLISHING, job);
  else if (isTraining(job)) await runLine(TRAINING, job);
  else await runLine(DATA, job);
}

type DataMade = { readonly pin: Pinned<CheckedSpec>; readonly prepare: RowCounts };

const data = stepsOf<JobContext, DataMade>();
export const DATA = [
  data('pin', [], (job) => pinPlan(job, (schema) => checkSpec(job, job.spec, schema))),
  data('prepare', ['pin'], (job, { pin }) => countRows(job, pin.prepare)),
];

type TrainingMade = {
  readonly pin: Pinned<CheckedTraining>;
  readonly prepare: PreparedRows;
  readonly fit: Fitted;
  readonly train: Trained;
  readonly evaluate: MetricsResult;
  readonly prove: Proof;
};

const training = stepsOf<TrainingContext, TrainingMade>();
export const TRAINING = [
  training('pin', [], (job) => pinPlan(job, (schema) => checkTraining(job, job.spec, schema))),
  training('prepare', ['pin'], (job, { pin }) => prepareRows(job, pin.prepare)),
  training('fit', ['pin', 'prepare'], (job, { pin, prepare: prepared }) =>
    fitFeatures(job, { plan: pin.plan, ...pin.checked, prepared }),
  ),
  training('train', ['pin', 'prepare', 'fit'], (job, { pin, prepare: prepared, fit: fitted }) =>
    trainModel(job, { plan: pin.plan, ...pin.checked, prepared, fitted }),
  ),
  training('evaluate', ['pin', 'prepare', 'fit', 'train'], (job, made) =>
    evaluateVersion(job, trainedOf(made)),
  ),
  training('prove', ['pin', 'prepare', 'fit', 'train'], (job, made) =>
    proveServing(job, trainedOf(made)),
  ),
];

const trainedOf = (made: Pick<TrainingMade, 'pin' | 'prepare' | 'fit' | 'train'>) => ({
  plan: made.pin.plan,
  prepare: made.pin.prepare,
  prepared: made.prepare,
  fitted: made.fit,
  trained: made.train,
});

type PublishingMade = TrainingMade & { readonly publish: Manifest; readonly gate: Decision };

const publishing = stepsOf<PublishingContext, PublishingMade>();
export const PUBLISHING: readonly Step<PublishingContext, PublishingMade>[] = [
  ...TRAINING,
  publishing('publish', ['pin', 'fit', 'train', 'evaluate', 'prove'], (job, made) =>
    publish(job, {
      target: job.spec.publish,
      plan: made.pin.plan,
      fitted: made.fit,
      trained: made.train,
      evaluation: made.evaluate,
      proof: made.prove,
    }),
  ),
  publishing('gate', ['pin', 'train', 'publish'], (job, made) =>
    passGate(job, {
      place: job.spec.publish,
      plan: made.pin.plan,
      version: made.publish,
      trained: made.train,
    }),
  ),
];
