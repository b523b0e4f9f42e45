// Proves serving: source rows, as they lie in the lake, replayed as raw JSON through the serving path.
// In: model.onnx, the batch SQL of its features, parts with the shards they came from. Out: a proof, or PROOF_FAILED.
// Why before any version exists: a model that serves other features than it was trained on must never be named.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → [prove] → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { spread } from '../../common/spread.ts';
import type { ProveProgram, ProveResult } from '../../common/stage/prove.ts';
import type { Plan, SchemaColumn } from '../../common/wire/plan.ts';
import type { PartRef, Shard, TaskInput } from '../../common/wire/task.ts';
import { found } from '../../common/wire/view.ts';
import { rawSql } from '../compile/sql.ts';
import { type PrepareSource, shardsOfParts } from '../plan/prepare.ts';
import { sourceColumn } from './check.ts';
import type { JobContext } from './context.ts';
import { partsIn } from './evaluate.ts';
import type { Fitted } from './fit.ts';
import type { PreparedRows } from './prepare.ts';
import { StageRun } from './run.ts';
import type { Trained } from './train.ts';

export type Proof = Pick<ProveResult, 'rows' | 'maxDifference' | 'golden'>;

export async function proveServing(
  job: JobContext,
  {
    plan,
    prepare,
    prepared,
    fitted,
    trained,
  }: {
    plan: Plan;
    prepare: PrepareSource;
    prepared: PreparedRows;
    fitted: Fitted;
    trained: Trained;
  },
): Promise<Proof> {
  const stage = new StageRun(job, 'prove');
  const parts = spread(partsIn(prepared.parts, fitted.ranges.test), LIMITS.proofRows).map(
    ({ part }) => part,
  );
  const program: ProveProgram = {
    formatVersion: 1,
    kind: 'prove',
    model: trained.model,
    signature: trained.signature,
    load: fitted.load,
    where: fitted.ranges.test,
    source: trained.signature.inputs.map(({ name }) => rawColumn(prepare.snapshot.schema, name)),
    rows: Math.ceil(LIMITS.proofRows / parts.length),
    seed: job.spec.seed,
    golden: Math.ceil(LIMITS.goldenRows / parts.length),
  };
  const sources = shardsOfParts(prepare, parts);
  const inputs = parts.map((part, i) => replayOf(part, sources[i]!));
  const { results } = await stage.compute<ProveResult>(
    { program, inputs, numerics: plan.numerics.prove },
    ({ rows }) => rows,
  );
  await stage.finish();
  for (const [i, { differences }] of results.entries())
    checkProof(parts[i]!.source.key, differences);
  const proof: Proof = {
    rows: results.reduce((sum, { rows }) => sum + rows, 0),
    maxDifference: results.reduce((most, { maxDifference }) => Math.max(most, maxDifference), 0),
    golden: results.flatMap(({ golden }) => golden).slice(0, LIMITS.goldenRows),
  };
  const { rows, maxDifference } = proof;
  await job.record(found('prove', { proof: { rows, maxDifference } }));
  return proof;
}

const replayOf = (part: PartRef, shards: readonly Shard[]): TaskInput =>
  shards.length === 1
    ? { kind: 'replay', part, shard: shards[0]! }
    : { kind: 'replayPack', part, shards };

/** A model's input as it lies in the lake. */
function rawColumn(
  schema: readonly SchemaColumn[],
  name: string,
): NonNullable<ProveProgram['source']>[number] {
  const column = schema.find((one) => one.name === name);
  if (column) return { ...sourceColumn(column), sql: rawSql(column) };
  throw new GristmillError(
    'INTERNAL',
    `Cannot prove input ${name}: the snapshot has no such column`,
  );
}

function checkProof(key: string, differences: ProveResult['differences']): void {
  const first = differences[0];
  if (!first) return;
  throw new GristmillError(
    'PROOF_FAILED',
    `Cannot publish: row ${first.row} of ${first.key ?? key} has ${first.feature} ${first.batch} in the batch and ${first.serving} when served, expected the same (${differences.length} such differences)`,
  );
}
