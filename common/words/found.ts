// What the stages of a job have found, in words: one table by field of the view, for every screen and log of ours.
// In: a finding. Out: its label, a line, a longer one where there is room, and what more there is to tell.
// Why a table by field: a stage that finds something new is told of by a row here, and by nothing else.
import { metricTitle } from '../metric/metrics.ts';
import { mainMetric } from '../objective/objectives.ts';
import type { Findings } from '../stage/stages.ts';
import { count, figure, size, whole } from './figures.ts';

export type Told = {
  readonly label: string;
  readonly line: string;
  /** Everything in one line, where there is room. */
  readonly long?: string;
  readonly more?: readonly string[];
};
type Found<F extends keyof Findings> = NonNullable<Findings[F]>;
type Figures = Readonly<Record<string, number>>;

type Snapshot = Found<'snapshot'>;

function skippedWords({ skipped }: Snapshot): string[] {
  if (!skipped) return [];
  const said = [
    [skipped.empty, 'empty'],
    [skipped.hidden, 'whose name begins with "_" or "."'],
    [skipped.foreign, 'not called .parquet'],
  ] as const;
  return said.flatMap(([n, why]) => (n > 0 ? [`${count(n, 'object')} skipped: ${why}`] : []));
}

function differenceWords(of: NonNullable<Snapshot['differences']>[number]): string {
  const types = of.types.length > 0 ? [`is also ${of.types.join(' and ')}`] : [];
  const absent = of.absent > 0 ? [`is not in ${count(of.absent, 'object')}`] : [];
  return `column ${of.column} ${[...types, ...absent].join(', ')} (first ${of.object})`;
}

const FOUND: { readonly [F in keyof Findings]: (found: Found<F>) => readonly Told[] } = {
  snapshot: (found) => [
    {
      label: 'snapshot',
      line: snapshotWords(found),
      long: `${count(found.objects, 'object')}, ${count(found.rowGroups, 'row group')}, ${whole(found.rows)} rows, ${size(found.bytes)}`,
      more: [...skippedWords(found), ...(found.differences ?? []).map(differenceWords)],
    },
  ],
  rows: (found) => [
    {
      label: 'rows',
      line: rowsWords(found),
      long: `${whole(found.rowsIn)} read, ${whole(found.rowsOut)} kept, ${whole(found.rowsIn - found.rowsOut)} dropped`,
      more: Object.entries(found.dropped).flatMap(([rule, n]) =>
        n > 0 ? [`${whole(n)} by ${rule}`] : [],
      ),
    },
  ],
  split: (found) => [
    { label: 'split', line: splitWords(found), long: splitWords(found) + edgesWords(found.edges) },
  ],
  features: (found) => [
    {
      label: 'features',
      line: found.map(({ name }) => name).join(', '),
      more: found.flatMap(({ name, expression, fitted }) => [
        `${name} = ${expression}`,
        ...(fitted ? [`  ${fitted}`] : []),
      ]),
    },
  ],
  epochs: (found) =>
    found.map(({ epoch, ...losses }) => ({
      label: 'epoch',
      line: `${epoch}  ${epochWords(losses)}`,
      long: `${epoch}  ${everyLoss(losses)}`,
    })),
  evaluation: (found) => [
    {
      label: 'test',
      line: evaluationWords(found),
      long: `${figuresWords(found.metrics)}   (${whole(found.rows)} rows)`,
      more: [`${figuresWords(found.baseline)}   (a baseline that always says the mean)`],
    },
  ],
  proof: (found) => [{ label: 'proof', line: proofWords(found) }],
  published: (found) => [{ label: 'publish', line: publishedWords(found) }],
  gate: (found) => [
    {
      label: 'gate',
      line: `${found.decision} for ${found.alias} in ${found.environment}`,
      more: evidenceLines(found.evidence),
    },
  ],
};

/** A finding that this program does not know has nothing to tell. */
export function tellFound(name: string, value: unknown): readonly Told[] {
  const tell = (FOUND as Readonly<Record<string, (found: never) => readonly Told[]>>)[name];
  return value === null || !tell ? [] : tell(value as never);
}

export const snapshotWords = (of: Omit<Found<'snapshot'>, 'digest'>): string =>
  `${count(of.objects, 'object')}, ${count(of.rowGroups, 'row group')}, ${size(of.bytes)}`;

/** 2,497,778 rows   1,204 dropped (filter 1,200, require 4): rules of a kind together; `show` has each. */
export function rowsWords({ rowsIn, rowsOut, dropped }: Found<'rows'>): string {
  const kinds = new Map<string, number>();
  for (const [rule, n] of Object.entries(dropped)) {
    const kind = rule.replace(/\(.*$/s, '');
    if (n > 0) kinds.set(kind, (kinds.get(kind) ?? 0) + n);
  }
  const said = [...kinds].map(([kind, n]) => `${kind} ${whole(n)}`).join(', ');
  return `${count(rowsOut, 'row')}   ${whole(rowsIn - rowsOut)} dropped${said ? ` (${said})` : ''}`;
}

export const splitWords = ({ train, validation, test }: Found<'split'>): string =>
  `${whole(train)} rows to train on, ${whole(validation)} for validation, ${whole(test)} for the test`;

export function epochWords({
  loss,
  validationLoss,
  validationAuc,
}: Omit<Findings['epochs'][number], 'epoch'>): string {
  return [
    `loss ${figure(loss)}`,
    ...(validationAuc === null
      ? validationLoss === null
        ? []
        : [`validation loss ${figure(validationLoss)}`]
      : [`validation AUC ${figure(validationAuc)}`]),
  ].join('   ');
}

export function evaluationWords({
  metrics,
  baseline,
  rows,
}: {
  metrics: Figures;
  baseline: Figures;
  rows: number;
}): string {
  const main = mainMetric(metrics);
  const other = Object.keys(metrics).find((name) => name !== main);
  return [
    `${metricTitle(main)} ${figure(metrics[main]!)} (baseline ${figure(baseline[main]!)})`,
    ...(other === undefined ? [] : [`${metricTitle(other)} ${figure(metrics[other]!)}`]),
    count(rows, 'row'),
  ].join('   ');
}

export const proofWords = ({
  rows,
  maxDifference,
}: {
  rows: number;
  maxDifference: number;
}): string =>
  `${count(rows, 'raw row')} as served: ${maxDifference === 0 ? 'not one bit of difference' : `differ by at most ${maxDifference.toExponential(1)}`}`;

export const publishedWords = ({ model, version, reused }: Found<'published'>): string =>
  `${model} version ${version}${reused ? ' (it was there already: same data, same job)' : ''}`;

/** Every figure of an epoch; `epochWords` has those that tell two epochs apart. */
function everyLoss({
  loss,
  validationLoss,
  validationAuc,
}: Omit<Findings['epochs'][number], 'epoch'>): string {
  return [
    `loss ${figure(loss)}`,
    ...(validationLoss === null ? [] : [`validation loss ${figure(validationLoss)}`]),
    ...(validationAuc === null ? [] : [`validation AUC ${figure(validationAuc)}`]),
  ].join('   ');
}

const figuresWords = (metrics: Figures): string =>
  Object.entries(metrics)
    .map(([name, value]) => `${metricTitle(name)} ${figure(value)}`)
    .join('   ');

/** Where one range ends the next begins: each edge is said once. */
function edgesWords(edges: Readonly<Record<string, number | string | null>>): string {
  const seen = new Set<number | string>();
  const said = Object.entries(edges).flatMap(([name, value]) => {
    if (value === null || seen.has(value)) return [];
    seen.add(value);
    const words = name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
    return [`${words} ${typeof value === 'string' ? value.replace(/\.000Z$/, 'Z') : value}`];
  });
  return said.length === 0 ? '' : ` (${said.join(', ')})`;
}

function evidenceLines(evidence: Found<'gate'>['evidence']): string[] {
  const lines = [...(evidence?.reasons ?? [])];
  const comparison = evidence?.comparison;
  if (comparison && evidence?.champion) {
    const { metric, champion, challenger, rows } = comparison;
    const both = `version ${evidence.champion.version} ${figure(champion)}, version ${evidence.challenger.version} ${figure(challenger)}`;
    lines.push(`${metricTitle(metric)} on the same ${whole(rows)} rows: ${both}`);
  }
  return lines;
}
