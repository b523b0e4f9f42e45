// Takes a version through the gate: challenger against champion on the newest test rows, then the alias.
// In: a version, an alias. Out: evidence with a verdict, recorded in the alias's journal, moved or refused.
// Why the rows are prepared anew: they belong to the model, not to a job; what a job prepared already is reused.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → [gate → alias] → predictions
import { GristmillError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import { isMetric, METRICS } from '../../common/metric/metrics.ts';
import { type LabelKind, OBJECTIVES } from '../../common/objective/objectives.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import type { CompareResult, CurvePartial, MetricsResult } from '../../common/stage/evaluate.ts';
import type { Decision } from '../../common/stage/gate.ts';
import type { SplitRange } from '../../common/stage/terms.ts';
import type { Entry } from '../../common/store/journal.ts';
import {
  type AliasEntry,
  blobKey,
  type Evidence,
  type GatePolicy,
  type Manifest,
} from '../../common/wire/model.ts';
import type { Plan } from '../../common/wire/plan.ts';
import type { BlobRef, ResultRef } from '../../common/wire/task.ts';
import { found } from '../../common/wire/view.ts';
import { chooseNumerics } from '../dispatch/workers.ts';
import {
  type AliasPlace,
  aliasHead,
  aliasHistory,
  decisionOf,
  moveAlias,
  type Registry,
} from '../registry/alias.ts';
import { getGate, judge } from '../registry/gate.ts';
import { getTestset, moveTestset, testsetDefinition, whyNotScore } from '../registry/testset.ts';
import { getVersion } from '../registry/version.ts';
import { loadSnapshot } from '../snapshot/snapshot.ts';
import { checkTestRows, prepareProgram } from '../stage/check.ts';
import type { JobContext, Machinery, TaskContext, TrainingContext } from '../stage/context.ts';
import { measure, partsIn, scoreRows } from '../stage/evaluate.ts';
import { type Compute, groupsOf, leavesThenMerge, resultsOf } from '../stage/fan-in.ts';
import { cutOffs, fitParts } from '../stage/fit.ts';
import { sourceOf } from '../stage/pin.ts';
import { type PreparedPart, prepareParts } from '../stage/prepare.ts';
import { StageRun } from '../stage/run.ts';
import type { Trained } from '../stage/train.ts';

/** How often an alias may move under a hearing before it is given up. */
const HEARINGS_MAX = 5;
/** Scoring two versions on the newest test rows takes seconds; a client does not wait longer than this. */
const PROMOTION_DEADLINE_MS = 10 * 60_000;

export async function passGate(
  job: TrainingContext,
  {
    place,
    plan,
    version,
    trained,
  }: { place: AliasPlace; plan: Plan; version: Manifest; trained: Trained },
): Promise<Decision> {
  const { environment, alias } = place;
  const tell = async (decision: Decision, evidence: Evidence | null): Promise<Decision> => {
    await job.record(found('gate', { gate: { environment, alias, decision, evidence } }));
    return decision;
  };
  await moveTestset(job.store, place, {
    definition: testsetDefinition(job.spec),
    snapshot: plan.snapshot,
    job: job.id,
    at: job.clock.now(),
  });
  const served = (await aliasHead(job.store, place))?.value.version ?? null;
  const decided = decisionOf(await aliasHistory(job.store, place), {
    job: job.id,
    candidate: version.version,
  });
  if (!decided && served === version.version) {
    return tell('none', null);
  }
  const entry =
    decided ??
    (await holdHearing(job, {
      place,
      numerics: plan.numerics.evaluate,
      candidate: version,
      model: trained.model,
      slices: job.spec.training.slices,
    }));
  const decision = entry.value.kind === 'refused' ? 'refused' : 'accepted';
  return tell(decision, entry.value.evidence);
}

type Hearing = {
  readonly place: AliasPlace;
  readonly numerics: string;
  readonly candidate: Manifest;
  /** Where model.onnx of the candidate lies; the registry's copy by default. */
  readonly model?: BlobRef;
  readonly slices?: readonly string[];
};

/** Gathers evidence and moves or refuses; begins again where the alias moved meanwhile. */
async function holdHearing(job: JobContext, hearing: Hearing): Promise<Entry<AliasEntry>> {
  for (let round = 1; ; round++) {
    const head = await aliasHead(job.store, hearing.place);
    try {
      return await holdOnce(job, hearing, { head, job: job.id });
    } catch (error) {
      const moved = error instanceof GristmillError && error.code === 'PRECONDITION_FAILED';
      if (!moved || round === HEARINGS_MAX) throw error;
    }
  }
}

/** A version that shall have an alias, as the client saw it. */
export type Promotion = AliasPlace & { readonly version: number; readonly expected: number };

/** Asked for over HTTP: against the entry that the client saw, and no other. */
export async function promote(
  machinery: Machinery,
  promotion: Promotion,
): Promise<Entry<AliasEntry>> {
  const { version, expected, ...place } = promotion;
  const head = await aliasHead(machinery.store, place);
  if ((head?.n ?? 0) !== expected)
    throw new GristmillError(
      'PRECONDITION_FAILED',
      `Cannot move ${place.alias} of ${place.model}: its journal is at entry ${head?.n ?? 0}, expected ${expected}`,
    );
  const numerics = chooseNumerics(machinery.workers.live());
  if (numerics === undefined)
    throw new GristmillError(
      'WORKERS_NONE',
      `Cannot judge version ${version} of ${place.model}: no worker is alive, expected at least 1`,
    );
  const candidate = await getVersion(machinery.store, place.model, version);
  const signal = AbortSignal.timeout(PROMOTION_DEADLINE_MS);
  const context: TaskContext = { ...machinery, signal, record: async () => {}, show: () => {} };
  return holdOnce(context, { place, numerics, candidate }, { head });
}

async function holdOnce(
  context: TaskContext,
  hearing: Hearing,
  { head, job }: { head: Entry<AliasEntry> | undefined; job?: JobId },
): Promise<Entry<AliasEntry>> {
  const evidence = await gatherEvidence(context, {
    ...hearing,
    champion: head?.value.version ?? null,
  });
  return moveAlias(registryOf(context), hearing.place, {
    candidate: hearing.candidate.version,
    expected: head?.n ?? 0,
    evidence,
    ...(job === undefined ? {} : { job }),
  });
}

/** The registry as seen from here: gateways are told to look now. */
export const registryOf = ({
  store,
  clock,
  queue,
  tally,
}: Pick<Machinery, 'store' | 'clock' | 'queue' | 'tally'>): Registry => ({
  store,
  clock,
  count: (kind) => tally?.promotion(kind),
  hint: (moved) => queue.publish(CHANNELS.aliasMoved, moved),
});

/** Scores both on the newest test rows and judges; computes, moves nothing. */
export async function gatherEvidence(
  job: TaskContext,
  hearing: Hearing & { readonly champion: number | null },
): Promise<Evidence> {
  const { place, candidate, numerics, slices = [] } = hearing;
  const stage = new StageRun(job, 'evaluate');
  const champion =
    hearing.champion === null ? null : await getVersion(job.store, place.model, hearing.champion);
  const { policy } = await getGate(job.store, { ...place, label: candidate.signature.label });
  const rows = await testRows(job, stage, {
    place,
    numerics,
    versions: champion ? [candidate, champion] : [candidate],
  });
  const unfair = whyNotScore(candidate, rows);
  if (unfair !== undefined) return refusal({ rows, candidate, policy, why: unfair });

  const score = (version: Manifest, model: BlobRef) =>
    scoreVersion(stage, { version, model, rows, slices, numerics });
  const challenger = await score(candidate, hearing.model ?? registryModel(candidate));
  const incomparable = champion ? whyNotScore(champion, rows) : undefined;
  const rival =
    champion && incomparable === undefined
      ? { version: champion.version, ...(await score(champion, registryModel(champion))) }
      : null;
  const comparison =
    rival && policy.change
      ? await compareVersions(stage, {
          champion: rival.scores,
          challenger: challenger.scores,
          change: policy.change,
          candidate,
          numerics,
        })
      : null;
  const championFigures = rival ? { version: rival.version, metrics: rival.result.metrics } : null;
  const verdict = judge({
    policy,
    challenger: challenger.result.metrics,
    comparison,
    champion: championFigures ?? (champion ? { version: champion.version, metrics: {} } : null),
    ...(incomparable === undefined ? {} : { incomparable }),
  });
  return {
    testset: { snapshot: rows.snapshot, range: rows.range, rows: challenger.result.rows },
    challenger: { version: candidate.version, metrics: challenger.result.metrics },
    champion: championFigures,
    comparison,
    policy,
    ...verdict,
  };
}

type TestRows = Awaited<ReturnType<typeof testRows>>;

/** The model's newest test rows, with every raw column that one of the versions reads. */
async function testRows(
  job: TaskContext,
  stage: StageRun,
  of: { place: AliasPlace; numerics: string; versions: readonly Manifest[] },
) {
  const testset = await getTestset(job.store, of.place);
  if (!testset)
    throw new GristmillError(
      'NOT_FOUND',
      `Cannot judge ${of.place.model} in ${of.place.environment}: it has no test set there, expected a job that published to it`,
    );
  const { definition } = testset.value;
  const snapshot = await loadSnapshot(job.store, testset.value.snapshot, job.clock);
  const checked = await checkTestRows(job, definition, {
    schema: snapshot.schema,
    columns: of.versions.flatMap(({ signature }) => signature.inputs),
  });
  const source = await sourceOf(job, {
    snapshot,
    program: prepareProgram(checked),
    numerics: of.numerics,
  });
  const prepared = await prepareParts(stage, source);
  const ranges = await cutOffs(definition.split, prepared, (level) =>
    fitParts(stage, { numerics: of.numerics, prepared, ...level }),
  );
  return {
    snapshot: testset.value.snapshot,
    definition,
    range: ranges.test,
    parts: partsIn(prepared.parts, ranges.test),
  };
}

async function scoreVersion(
  stage: StageRun,
  of: {
    readonly version: Manifest;
    readonly model: BlobRef;
    readonly rows: { readonly range: SplitRange; readonly parts: readonly PreparedPart[] };
    readonly slices: readonly string[];
    readonly numerics: string;
  },
): Promise<{ scores: readonly ResultRef[]; result: MetricsResult }> {
  const { model, rows, slices, numerics } = of;
  const { signature } = of.version;
  const { parts, range: where } = rows;
  const scores = await scoreRows(stage, { model, signature, parts, slices, where, numerics });
  const result = await measure(stage, {
    scores,
    signature,
    slices,
    baseline: OBJECTIVES[signature.label].baseline(0),
    numerics,
  });
  return { scores, result };
}

/** By the metric of the gate, along the tree. */
export async function compareVersions(
  stage: Compute,
  of: {
    readonly champion: readonly ResultRef[];
    readonly challenger: readonly ResultRef[];
    readonly change: NonNullable<GatePolicy['change']>;
    readonly candidate: Manifest;
    readonly numerics: string;
  },
): Promise<NonNullable<Evidence['comparison']>> {
  const { metric, confidence } = of.change;
  const { numerics, candidate } = of;
  const { label } = candidate.signature;
  const champion = groupsOf(of.champion);
  const challenger = groupsOf(of.challenger);
  const isOne = champion.length === 1;
  const curveOf = (groups: typeof champion) =>
    mergedCurve(stage, groups, { label, metric, numerics });
  const curves =
    isOne || !isMetric(metric) || METRICS[metric].of !== 'curve'
      ? null
      : { champion: await curveOf(champion), challenger: await curveOf(challenger) };
  const same = { formatVersion: 1, label, metric, confidence } as const;
  const leaves = champion.map((tasks, i) => resultsOf([...tasks, ...challenger[i]!]));
  const seed = candidate.lineage.seed;
  const { result } = await leavesThenMerge<CompareResult>(stage, leaves, {
    leaf: (final) => ({ ...same, kind: 'compare', seed, curves, final }),
    merge: { numerics, program: (final) => ({ ...same, kind: 'compareMerge', final }) },
  });
  return { ...result, metric, confidence };
}

/** One version's scores in order, of all parts. */
async function mergedCurve(
  stage: Compute,
  groups: readonly (readonly ResultRef[])[],
  {
    label,
    metric,
    numerics,
  }: { readonly label: LabelKind; readonly metric: string; readonly numerics: string },
): Promise<BlobRef> {
  const same = { formatVersion: 1, label, metric } as const;
  const { result } = await leavesThenMerge<CurvePartial>(stage, groups.map(resultsOf), {
    leaf: () => ({ ...same, kind: 'curve' }),
    merge: { numerics, program: () => ({ ...same, kind: 'curveMerge' }) },
  });
  return result.curve;
}

const registryModel = ({ model, onnx }: Manifest): BlobRef => ({
  key: blobKey(model, onnx.sha256),
  ...onnx,
});

function refusal(of: {
  rows: TestRows;
  candidate: Manifest;
  policy: GatePolicy;
  why: string;
}): Evidence {
  const { snapshot, range } = of.rows;
  return {
    testset: { snapshot, range, rows: 0 },
    challenger: { version: of.candidate.version, metrics: {} },
    champion: null,
    comparison: null,
    policy: of.policy,
    verdict: 'refused',
    checks: [{ passed: false, words: of.why }],
    reasons: [of.why],
  };
}
