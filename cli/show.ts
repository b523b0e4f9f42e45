// All about a job that has a screen to itself.
// In: a JobView. Out: lines, section by section.
// Why not the frame of `watch`: what was found is read once and compared, not glanced at.
import { metricTitle } from '../common/metric/metrics.ts';
import { duration, figure, whole } from '../common/words/figures.ts';
import { snapshotWords, splitWords } from '../common/words/found.ts';
import type { JobView } from './api.ts';
import { errorLines } from './failure.ts';
import { age, moment, type Style, tableLines } from './print.ts';
import { gateLines } from './watch.ts';

export function showLines(view: JobView, style: Style, now: number): string[] {
  return [
    ...headLines(view, style, now),
    ...(view.error ? ['', ...errorLines(view.error, { style })] : []),
    ...rowLines(view, style),
    ...section('Stages', view.stages.length > 0 ? stageTable(view, style) : [], style),
    ...section('Features', view.features.length > 0 ? featureTable(view, style) : [], style),
    ...section('Epochs', view.epochs.length > 0 ? epochTable(view, style) : [], style),
    ...evaluationLines(view, style),
    ...proofLines(view, style),
    ...(view.gate
      ? section(
          'Gate',
          [...gateLines(view.gate, style).slice(0, 1), ...reasonLines(view.gate)],
          style,
        )
      : []),
  ];
}

function headLines(view: JobView, style: Style, now: number): string[] {
  const { id, name, state, decision, submittedAt, startedAt, finishedAt, snapshot } = view;
  const took =
    startedAt !== null && finishedAt !== null
      ? `, ran ${duration((finishedAt - startedAt) / 1000)}`
      : '';
  return [
    `${style('bold', `job ${id}`)}  ${name}`,
    field('state', stateOf({ state, decision }, style)),
    ...waitLines(view, style, now),
    field('submitted', `${moment(submittedAt)} (${age(submittedAt, now)})${took}`),
    ...(snapshot
      ? [field('snapshot', `${snapshotWords(snapshot)}, ${whole(snapshot.rows)} rows`)]
      : []),
    ...(snapshot ? [field('', style('dim', snapshot.digest))] : []),
  ];
}

/** For what it stands still, and for how long. */
function waitLines({ waiting, waitingFor }: JobView, style: Style, now: number): string[] {
  if (waiting === null) return [];
  const forSeconds = waitingFor ? Math.max(0, (now - waitingFor.since) / 1000) : 0;
  const so = forSeconds >= 1 ? ` (for ${duration(forSeconds)})` : '';
  return [field('waits', style('yellow', waiting) + so)];
}

/** "succeeded, refused": both at a glance. */
export function stateOf(
  { state, decision }: { readonly state: string; readonly decision: string },
  style: Style,
): string {
  const text = decision === 'none' ? state : `${state}, ${decision}`;
  if (state === 'failed' || decision === 'refused') return style('red', text);
  if (state === 'succeeded') return style('green', text);
  return state === 'running' ? style('cyan', text) : style('yellow', text);
}

function rowLines({ rows, split }: JobView, style: Style): string[] {
  if (!rows) return [];
  const lines = [
    field('read', whole(rows.rowsIn)),
    ...Object.entries(rows.dropped).map(([rule, n]) => field('dropped', `${whole(n)} by ${rule}`)),
    field('kept', whole(rows.rowsOut)),
    ...(split ? [field('split', splitWords(split)), ...edgeLines(split.edges)] : []),
  ];
  return section('Rows', lines, style);
}

function edgeLines(edges: Readonly<Record<string, number | string | null>>): string[] {
  const said = ['validationAfter', 'testAfter'].flatMap((name) => {
    const value = edges[name];
    return value === null || value === undefined
      ? []
      : [`${EDGE_WORDS[name]} ${String(value).replace(/\.000Z$/, 'Z')}`];
  });
  return said.length === 0 ? [] : [field('', said.join(', '))];
}

const EDGE_WORDS: Readonly<Record<string, string>> = {
  validationAfter: 'validation after',
  testAfter: 'test after',
};

const stageTable = ({ stages }: JobView, style: Style): string[] =>
  tableLines(
    {
      head: ['STAGE', 'DONE', 'REUSED', 'ROWS', 'WALL', 'CPU'],
      right: [1, 2, 3, 4, 5],
      rows: stages.map(({ stage, tasks, rows, seconds, cpuSeconds }) => [
        stage,
        `${whole(tasks.done)}/${whole(tasks.total)}`,
        whole(tasks.reused),
        rows > 0 ? whole(rows) : '',
        duration(seconds),
        duration(cpuSeconds),
      ]),
    },
    style,
  );

const featureTable = ({ features }: JobView, style: Style): string[] =>
  tableLines(
    {
      head: ['FEATURE', 'EXPRESSION', 'FITTED'],
      rows: features.map(({ name, expression, fitted }) => [name, expression, fitted]),
    },
    style,
  );

const maybe = (value: number | null): string => (value === null ? '' : figure(value));

const epochTable = ({ epochs }: JobView, style: Style): string[] => {
  const hasAuc = epochs.some(({ validationAuc }) => validationAuc !== null);
  return tableLines(
    {
      head: ['EPOCH', 'LOSS', 'VALIDATION LOSS', ...(hasAuc ? ['VALIDATION AUC'] : [])],
      right: [0, 1, 2, 3],
      rows: epochs.map(({ epoch, loss, validationLoss, validationAuc }) => [
        String(epoch),
        figure(loss),
        maybe(validationLoss),
        ...(hasAuc ? [maybe(validationAuc)] : []),
      ]),
    },
    style,
  );
};

function evaluationLines({ evaluation }: JobView, style: Style): string[] {
  if (!evaluation) return [];
  const { metrics, baseline, rows, slices } = evaluation;
  const names = Object.keys(metrics);
  const table = tableLines(
    {
      head: ['METRIC', 'MODEL', 'BASELINE'],
      right: [1, 2],
      rows: names.map((name) => [
        metricTitle(name),
        figure(metrics[name]!),
        maybe(baseline[name] ?? null),
      ]),
    },
    style,
  );
  const note = `on ${whole(rows)} test rows; the baseline always says the training mean`;
  return [
    ...section('Test', [...table, style('dim', note)], style),
    ...Object.entries(slices).flatMap(([column, found]) =>
      section(`Test by ${column}`, sliceTable(found, names, style), style),
    ),
  ];
}

const SLICES_MAX = 20;

function sliceTable(
  slices: NonNullable<JobView['evaluation']>['slices'][string],
  names: readonly string[],
  style: Style,
): string[] {
  const table = tableLines(
    {
      head: ['VALUE', 'ROWS', ...names.map((name) => metricTitle(name).toUpperCase())],
      right: [1, ...names.map((_, index) => index + 2)],
      rows: slices
        .slice(0, SLICES_MAX)
        .map(({ value, rows, metrics }) => [
          value,
          whole(rows),
          ...names.map((name) => maybe(metrics[name] ?? null)),
        ]),
    },
    style,
  );
  const more = slices.length - SLICES_MAX;
  return more > 0
    ? [...table, style('dim', `and ${whole(more)} more: --json has them all`)]
    : table;
}

function proofLines({ proof, published }: JobView, style: Style): string[] {
  const lines = [
    ...(proof
      ? [
          field(
            'proof',
            `${whole(proof.rows)} source rows as raw JSON through the serving path, largest difference ${proof.maxDifference}`,
          ),
        ]
      : []),
    ...(published
      ? [
          field(
            'model',
            `${published.model} version ${published.version}${published.reused ? ' (it was there already)' : ''}`,
          ),
        ]
      : []),
  ];
  return section('Version', lines, style);
}

const reasonLines = ({ evidence }: NonNullable<JobView['gate']>): string[] =>
  evidence
    ? [
        ...evidence.reasons.map((reason) => `         ${reason}`),
        `         on ${whole(evidence.testset.rows)} rows of the model's test set`,
      ]
    : [];

const section = (title: string, lines: readonly string[], style: Style): string[] =>
  lines.length === 0 ? [] : ['', style('bold', title), ...lines.map((line) => `  ${line}`)];

const field = (name: string, text: string): string => `${name.padEnd(10)} ${text}`;
