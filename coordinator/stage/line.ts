// The whole line, top to bottom: one job from snapshot to alias.
// In: a job's context. Out: facts in its journal; the version and the alias it ends in.
// Why it can be run again at any point: each step finds what it made before, by content or by name.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import { passGate } from '../registry/hearing.ts';
import { checkPublishes } from '../registry/testset.ts';
import { checkSpec } from './check.ts';
import { isTraining, type JobContext } from './context.ts';
import { evaluateVersion } from './evaluate.ts';
import { fitFeatures } from './fit.ts';
import { pinPlan } from './pin.ts';
import { prepareRows } from './prepare.ts';
import { proveServing } from './prove.ts';
import { publish } from './publish.ts';
import { trainModel } from './train.ts';

export async function runJob(job: JobContext): Promise<void> {
  await checkPublishes(job.store, job.spec);
  const { snapshot, plan } = await pinPlan(job);
  const checked = await checkSpec(job, job.spec, snapshot.schema);
  const prepared = await prepareRows(job, plan);
  if (!isTraining(job)) return;
  if (!checked.features || !checked.label) {
    throw new GristmillError(
      'INTERNAL',
      'Cannot train: the spec has training and its check has no features',
    );
  }
  const { features, label } = checked;
  const fitted = await fitFeatures(job, { plan, prepared, features, label });
  const trained = await trainModel(job, { plan, prepared, features, label, fitted });
  const evaluation = await evaluateVersion(job, { plan, prepared, fitted, trained });
  const proof = await proveServing(job, { plan, prepared, fitted, trained });
  const { publish: target } = job.spec;
  if (!target) return;
  const version = await publish(job, { target, plan, fitted, trained, evaluation, proof });
  await passGate(job, { place: target, plan, version, trained });
}
