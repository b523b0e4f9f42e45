// What a version is worth on the rows that its score tasks scored, as a whole and by slice; and the merge of such partials.
// In: score files of up to LIMITS.fanIn parts, in order; or partials, in order. Out: a partial, or the figures at the root.
// Why a tree: AUC is exact only over all rows at once, and all rows fit no memory; sorted runs of scores merge.
// Flow: job → snapshot → plan → prepare → fit → train → [evaluate] → prove → publish → gate → predictions
import {
  finishGroups,
  foldTable,
  type GroupedBlocks,
  type Groups,
  joinGroups,
  type Spill,
  sourcesOf,
  TABLE_ALL,
  TABLE_BASELINE,
  TABLE_SLICES,
  type Table,
} from '../../common/metric/groups.ts';
import { assertFinite, constantScores } from '../../common/metric/measure.ts';
import type { Numbers } from '../../common/metric/metric.ts';
import { METRICS, type MetricName } from '../../common/metric/metrics.ts';
import { OBJECTIVES } from '../../common/objective/objectives.ts';
import type {
  MetricsMergeProgram,
  MetricsPartial,
  MetricsProgram,
} from '../../common/stage/evaluate.ts';
import { readGroups, spillTo, writeGroups } from './group-file.ts';
import { type Outcome, type Prepared, scratchFile, sealBlob } from './runner.ts';
import { ScoreFiles, tasksOf } from './scores.ts';

export async function runMetrics(prepared: Prepared<MetricsProgram>): Promise<Outcome> {
  const { program } = prepared;
  const { metrics, width } = OBJECTIVES[program.label];
  const files = new ScoreFiles(prepared, { tasks: tasksOf(prepared.input), width });
  assertAllFinite(files);
  const spill = spillIn(prepared, metrics);
  const table = (number: number, blocks: GroupedBlocks): Table =>
    foldTable(metrics, { table: number, blocks, spill });
  const groups = joinGroups(
    metrics,
    sourcesOf([
      table(TABLE_ALL, (start) => files.blocks({ start })),
      table(TABLE_BASELINE, (start) => constantBlocks(files, { start, says: program.baseline })),
      ...program.slices.map((slice, i) =>
        table(TABLE_SLICES + i, (start) => files.blocks({ start, slice })),
      ),
    ]),
    { spill },
  );
  return sealGroups(prepared, groups, { ...program, metrics, rows: files.rows });
}

export async function runMetricsMerge(prepared: Prepared<MetricsMergeProgram>): Promise<Outcome> {
  const { program } = prepared;
  const { metrics } = OBJECTIVES[program.label];
  const sources = tasksOf(prepared.input).map((task) => {
    const { partial } = prepared.json[task]!.result as MetricsPartial;
    return readGroups(prepared.files[partial.key]!, { curves: curvesOf(metrics) });
  });
  const groups = joinGroups(metrics, sources, { spill: spillIn(prepared, metrics) });
  return sealGroups(prepared, groups, { ...program, metrics, rows: 0 });
}

async function sealGroups(
  prepared: Prepared,
  groups: Groups,
  of: {
    readonly metrics: readonly MetricName[];
    readonly slices: readonly string[];
    readonly final: boolean;
    readonly rows: number;
  },
): Promise<Outcome> {
  if (of.final) return { result: finishGroups(of, groups()), blobs: [], rows: of.rows };
  const path = scratchFile(prepared, 'partial.bin');
  writeGroups(path, groups());
  const { blob, ref } = await sealBlob(prepared, path, 'bin');
  return { result: { partial: ref } satisfies MetricsPartial, blobs: [blob], rows: of.rows };
}

const curvesOf = (metrics: readonly MetricName[]): number =>
  metrics.filter((name) => METRICS[name].of === 'curve').length;

const spillIn = (prepared: Prepared, metrics: readonly MetricName[]): Spill =>
  spillTo((name) => scratchFile(prepared, name), curvesOf(metrics));

function assertAllFinite(files: ScoreFiles): void {
  let first = 0;
  for (const block of files.blocks()) {
    assertFinite(block, first);
    first += block.labels.length;
  }
}

/** The same rows, as a model sees them that says one thing. */
function* constantBlocks(
  files: ScoreFiles,
  { start, says }: { readonly start: number; readonly says: Numbers },
): ReturnType<GroupedBlocks> {
  for (const block of files.blocks({ start })) {
    yield { ...block, scores: constantScores(says, block.labels.length) };
  }
}
