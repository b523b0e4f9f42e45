// Publishes what was trained and proved: blobs, then the manifest that claims the number.
// In: model.onnx, its figures, its golden rows. Out: a version; the one there is, if it was trained before.
// Why the train digest decides: the same rows, features, model and seed are the same version, whoever asks.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → [publish] → gate → predictions
import { isBitExact } from '../../common/engine/device/device.ts';
import { OBJECTIVES } from '../../common/objective/objectives.ts';
import type { MetricsResult } from '../../common/stage/evaluate.ts';
import type { PublishSpec } from '../../common/wire/job/training.ts';
import type { Manifest } from '../../common/wire/model.ts';
import type { Plan } from '../../common/wire/plan.ts';
import { found } from '../../common/wire/view.ts';
import { checkTestset, testsetDefinition } from '../registry/testset.ts';
import { publishVersion } from '../registry/version.ts';
import type { TrainingContext } from './context.ts';
import type { Fitted } from './fit.ts';
import { mendingReads } from './mending.ts';
import type { Proof } from './prove.ts';
import type { Trained } from './train.ts';

export async function publish(
  job: TrainingContext,
  given: {
    target: PublishSpec;
    plan: Plan;
    fitted: Fitted;
    trained: Trained;
    evaluation: MetricsResult;
    proof: Proof;
  },
): Promise<Manifest> {
  const { target, plan, fitted, trained, evaluation, proof } = given;
  const { model, environment } = target;
  const { training } = job.spec;
  await checkTestset(job.store, { model, environment }, testsetDefinition(job.spec));
  const { manifest, reused } = await mendingReads(job, () =>
    publishVersion(job.store, {
      model,
      onnx: trained.model,
      golden: { formatVersion: 1, rows: proof.golden },
      report: {
        formatVersion: 1,
        epochs: trained.epochs,
        evaluation,
        proof: { rows: proof.rows, maxDifference: proof.maxDifference },
        split: { ranges: fitted.ranges, counts: fitted.counts },
        fitted: fitted.values,
      },
      signature: trained.signature,
      label: { sql: training.label },
      trainDigest: trained.trainDigest,
      split: { definition: training.split, ranges: fitted.ranges },
      metrics: { validation: lastValidation(trained), test: evaluation.metrics },
      baseline: evaluation.baseline,
      lineage: {
        job: job.id,
        snapshot: plan.snapshot,
        spec: job.spec,
        seed: job.spec.seed,
        numerics: plan.numerics.train,
        createdAt: job.clock.now(),
      },
      bitExact: isBitExact(plan.numerics.train),
    }),
  );
  const published = { model, version: manifest.version, reused };
  await job.record(found('publish', { published }));
  return manifest;
}

/** The validation figures of the last epoch, under the names that test metrics have. */
function lastValidation({ epochs, signature }: Trained): Manifest['metrics']['validation'] {
  const last = epochs.at(-1);
  if (!last || last.validationLoss === null) return null;
  const { lossMetric, validation } = OBJECTIVES[signature.label];
  return {
    [lossMetric]: last.validationLoss,
    ...(validation.rank && last.validationAuc !== null
      ? { [validation.rank.metric]: last.validationAuc }
      : {}),
  };
}
