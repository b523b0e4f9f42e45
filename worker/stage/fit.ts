// Statistics of one part's training rows, and their merge.
// In: a part and a list of statistics; then partials of parts in key order. Out: a partial; at the end, fitted values.
// Why numbers are folded here and strings are counted in SQL: typed columns stream at 2–3 M rows/s, text does not.
// Flow: job → snapshot → plan → prepare → [fit] → train → evaluate → prove → publish → gate → predictions
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  checkVocabulary,
  compareUtf8,
  type FitPartial,
  fittedValues,
  HistogramAccumulator,
  MomentsAccumulator,
  mergeFit,
} from '../../common/algorithm/statistics.ts';
import { type Duck, openDuck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { quoteText } from '../../common/sql.ts';
import type {
  FitMergeProgram,
  FitProgram,
  FitResult,
  SplitCounts,
  Statistic,
} from '../../common/stage/fit.ts';
import type { SplitRange, SplitRanges } from '../../common/stage/terms.ts';
import type { BlobRef, PartRef } from '../../common/wire/task.ts';
import { type Outcome, type Prepared, type Runner, scratchFile, sealBlob } from './runner.ts';

/** A partial, in the descriptor itself or, above LIMITS.partialInlineBytes, in a file beside it. */
type PartialResult = { readonly partial: FitPartial } | { readonly blob: BlobRef };

export const runFit: Runner<FitProgram> = async (prepared) => {
  const { program } = prepared;
  const part = partOf(prepared);
  const path = prepared.files[part.key]!;
  await using duck = await openDuck({
    memoryBytes: prepared.memoryBytes,
    tempDir: join(prepared.scratch, 'spill'),
    files: [path],
  });
  const rows = `read_parquet(${quoteText(path)})`;
  const training = `${rows} WHERE ${rangeSql(program.where)}`;
  const partial: FitPartial = {
    ...(await foldNumbers(duck, training, program.statistics)),
    frequent: await countValues(duck, training, program.statistics),
    missing: await countMissing(duck, training, program.statistics),
    counts: program.count ? await countRows(duck, rows, part, program.count) : null,
  };
  return sealPartial(prepared, partial, part.rows);
};

export const runFitMerge: Runner<FitMergeProgram> = async (prepared) => {
  if (prepared.input.kind !== 'results') {
    throw new GristmillError('INTERNAL', `Cannot merge ${prepared.input.kind}, expected results`);
  }
  let sum: FitPartial | undefined; // one side and one partial at a time: all at once are fanIn vocabularies
  for (const { task } of prepared.input.tasks) {
    const partial = await openPartial(prepared, prepared.json[task]!.result as PartialResult);
    sum = sum ? mergeFit(sum, partial) : partial;
  }
  if (!sum) throw new GristmillError('INTERNAL', 'Cannot merge 0 partials, expected at least 1');
  if (!prepared.program.final) return sealPartial(prepared, sum, 0);
  const result: FitResult = {
    fitted: fittedValues(prepared.program.statistics, sum),
    missing: sum.missing,
    counts: sum.counts,
  };
  return { result, blobs: [], rows: 0 };
};

function partOf(prepared: Prepared): PartRef {
  if (prepared.input.kind === 'part') return prepared.input.part;
  throw new GristmillError('INTERNAL', `Cannot fit ${prepared.input.kind}, expected a part`);
}

/** SQL for "split key in (after, upTo]". */
export function rangeSql({ after, upTo }: SplitRange): string {
  const edges = [
    after === null ? [] : [`__split > ${after}`],
    upTo === null ? [] : [`__split <= ${upTo}`],
  ];
  return edges.flat().join(' AND ') || 'true';
}

async function foldNumbers(
  duck: Duck,
  from: string,
  statistics: readonly Statistic[],
): Promise<Pick<FitPartial, 'moments' | 'quantiles'>> {
  const numeric = statistics.filter((s) => s.kind === 'moments' || s.kind === 'quantile');
  const folds = numeric.map((s) =>
    s.kind === 'moments' ? new MomentsAccumulator() : new HistogramAccumulator(),
  );
  if (numeric.length > 0) {
    const columns = numeric.map((s) => `CAST((${s.sql}) AS DOUBLE)`).join(', ');
    await duck.scan(
      `SELECT ${columns} FROM ${from}`,
      numeric.map(() => 'float64' as const),
      (rows, data) => {
        folds.forEach((fold, i) => {
          fold.addAll(data[i] as Float64Array, rows);
        });
      },
    );
  }
  const moments: Record<string, FitPartial['moments'][string]> = {};
  const quantiles: Record<string, FitPartial['quantiles'][string]> = {};
  numeric.forEach(({ id }, i) => {
    const fold = folds[i]!;
    if (fold instanceof MomentsAccumulator) moments[id] = fold.result();
    else quantiles[id] = fold.result();
  });
  return { moments, quantiles };
}

async function countValues(
  duck: Duck,
  from: string,
  statistics: readonly Statistic[],
): Promise<FitPartial['frequent']> {
  const frequent: Record<string, (readonly [string, number])[]> = {};
  for (const { id, sql } of statistics.filter((s) => s.kind === 'frequent')) {
    const counts: [string, number][] = [];
    await duck.scan(
      `SELECT v, count(*)::DOUBLE FROM (SELECT (${sql}) AS v FROM ${from}) WHERE v IS NOT NULL AND v <> '' GROUP BY v ORDER BY v LIMIT ${LIMITS.vocabularyMax + 1}`,
      ['string', 'float64'],
      (rows, [values, ns]) => {
        for (let i = 0; i < rows; i++) counts.push([values![i] as string, ns![i] as number]);
      },
    );
    frequent[id] = checkVocabulary(counts).toSorted(([a], [b]) => compareUtf8(a, b));
  }
  return frequent;
}

async function countMissing(
  duck: Duck,
  from: string,
  statistics: readonly Statistic[],
): Promise<FitPartial['missing']> {
  const wanted = statistics.filter((s) => s.kind === 'missing');
  if (wanted.length === 0) return {};
  const columns = wanted.map((s, i) => `count(*) FILTER (WHERE ${s.sql}) AS m${i}`).join(', ');
  const [row] = await duck.rows(`SELECT ${columns} FROM ${from}`);
  return Object.fromEntries(wanted.map((s, i) => [s.id, Number(row![`m${i}`])]));
}

/** Rows lie in bucket order, so a row's bucket follows from where it lies. */
async function countRows(
  duck: Duck,
  rows: string,
  part: PartRef,
  ranges: SplitRanges,
): Promise<SplitCounts> {
  const buckets = part.bucketOffsets.length - 1;
  const zeros = (): number[] => new Array<number>(buckets).fill(0);
  const counts = { train: zeros(), validation: zeros(), test: zeros() };
  const labelSum = { train: 0, validation: 0, test: 0 };
  const names = ['train', 'validation', 'test'] as const;
  const choice = names.map((name, i) => `WHEN ${rangeSql(ranges[name])} THEN ${i}`).join(' ');
  let row = 0;
  let bucket = 0;
  await duck.scan(
    `SELECT CASE ${choice} ELSE 3 END::INTEGER, __label FROM ${rows}`,
    ['int32', 'float64'],
    (n, [split, label]) => {
      for (let i = 0; i < n; i++, row++) {
        while (row >= part.bucketOffsets[bucket + 1]!) bucket++;
        const name = names[split![i] as number];
        if (!name) continue;
        counts[name][bucket]! += 1;
        labelSum[name] += label![i] as number;
      }
    },
  );
  return { ...counts, labelSum };
}

async function sealPartial(
  prepared: Prepared,
  partial: FitPartial,
  rows: number,
): Promise<Outcome> {
  const json = JSON.stringify(partial);
  if (Buffer.byteLength(json) <= LIMITS.partialInlineBytes) {
    return { result: { partial } satisfies PartialResult, blobs: [], rows };
  }
  const path = scratchFile(prepared, 'partial.json');
  await writeFile(path, json);
  const { blob, ref } = await sealBlob(prepared, path, 'json');
  return { result: { blob: ref } satisfies PartialResult, blobs: [blob], rows };
}

async function openPartial(prepared: Prepared, result: PartialResult): Promise<FitPartial> {
  if ('partial' in result) return result.partial;
  return JSON.parse(await readFile(prepared.files[result.blob.key]!, 'utf8')) as FitPartial;
}
