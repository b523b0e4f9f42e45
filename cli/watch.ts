// What a job looks like while it runs and once it has ended: a line a stage, as many as there are to tell.
// In: a JobView. Out: lines; for a log, the lines that one fact is worth.
// Why pure: what a terminal shows is read in a test from recorded views, without a cluster.
import { metricTitle } from '../common/metric/metrics.ts';
import { type Findings, STAGES, type Stage } from '../common/stage/stages.ts';
import type { JobFact } from '../common/wire/view.ts';
import { count, duration, figure, signed, whole } from '../common/words/figures.ts';
import {
  epochWords,
  evaluationWords,
  proofWords,
  publishedWords,
  rowsWords,
  snapshotWords,
  tellFound,
} from '../common/words/found.ts';
import type { JobView } from './api.ts';
import { EXIT } from './context.ts';
import { errorLines } from './failure.ts';
import type { Style } from './print.ts';

type StageView = JobView['stages'][number];
const BAR = 8;
const LABEL = 9;

/** The frame that a terminal shows now. */
export function watchLines(view: JobView, style: Style): string[] {
  const lines = [headLine(view, style)];
  for (const stage of view.stages) lines.push(stageLine(stage, view, style));
  if (view.published) lines.push(entry('publish', publishedWords(view.published), style));
  if (view.gate) lines.push(...gateLines(view.gate, style));
  if (view.waiting) lines.push(entry('waits', style('yellow', view.waiting), style));
  else if (view.state === 'queued') lines.push(entry('queued', 'until its turn comes', style));
  return [...lines, ...endLines(view, style)];
}

/** What a log says where a job begins to stand still, or goes on: once, not with every view. */
export function waitLines(
  before: Pick<JobView, 'waiting'> | undefined,
  view: Pick<JobView, 'waiting' | 'state'>,
  style: Style,
): string[] {
  if ((before?.waiting ?? null) === view.waiting) return [];
  if (view.waiting !== null) return [entry('waits', style('yellow', view.waiting), style)];
  return view.state === 'running' ? [entry('waits', 'no more', style)] : [];
}

/** What a log says of a fact: one line, or none. */
export function factLines(fact: JobFact, style: Style): string[] {
  const one = (label: string, text: string): string[] => [entry(label, text, style)];
  switch (fact.kind) {
    case 'state':
      return fact.error
        ? [...errorLines(fact.error, { style })]
        : one('job', stateWords(fact.state, style));
    case 'repinned':
      return one('job', `goes on under ${fact.numerics}`);
    case 'stage':
      return one(fact.view.stage, doneWords(fact.view));
    case 'found':
      return Object.entries(fact.value).flatMap(([name, value]) => foundLines(name, value, style));
  }
}

/** The gate has lines of its own, with colours. */
function foundLines(name: string, value: unknown, style: Style): string[] {
  if (name === 'gate' && value !== null)
    return gateLines(value as NonNullable<Findings['gate']>, style);
  return tellFound(name, value).map(({ label, line }) => entry(label, line, style));
}

/** 0 accepted or done, 1 failed or cancelled, 3 refused by the gate. */
export function exitOfJob({ state, decision }: Pick<JobView, 'state' | 'decision'>): number {
  if (state !== 'succeeded') return EXIT.failed;
  return decision === 'refused' ? EXIT.refused : EXIT.done;
}

function headLine({ id, name, snapshot }: JobView, style: Style): string {
  const what = snapshot ? `   snapshot ${snapshotWords(snapshot)}` : '';
  return `${style('bold', 'job')} ${id}  ${style('bold', name)}${what}`;
}

function stageLine(stage: StageView, view: JobView, style: Style): string {
  const isDone = stage.tasks.total > 0 && stage.tasks.done >= stage.tasks.total;
  const bar = barOf(stage, isRunning(stage, view), style);
  const parts = isDone || hasFailed(view) ? stageParts(stage, view) : runningParts(stage, view);
  return entry(stage.stage, [`${bar} ${tasksWords(stage)}`, ...parts].join('   '), style);
}

const isRunning = (stage: StageView, view: JobView): boolean =>
  view.state === 'running' && stage.tasks.done < stage.tasks.total;
const hasFailed = ({ state }: JobView): boolean => state === 'failed' || state === 'cancelled';

function tasksWords({ stage, tasks: { done, total } }: StageView): string {
  const figures = `${whole(done)}/${total === 0 ? '?' : whole(total)}`;
  const { unit } = STAGES[stage];
  return unit === 'task' ? figures : `${unit} ${figures}`;
}

/** While a stage runs: how it goes and how long it takes. */
function runningParts(stage: StageView, { training }: JobView): string[] {
  const eta = stage.etaSeconds === null ? [] : [`ETA ${duration(stage.etaSeconds)}`];
  if (stage.stage !== 'train' || !training) {
    const rows = stage.rows > 0 ? [count(stage.rows, 'row')] : [];
    return [...rows, ...eta];
  }
  if (training.round === 0) {
    return [
      training.workers === 0
        ? 'workers gather'
        : `rows load at ${count(training.workers, 'worker')}`,
    ];
  }
  const { loss, rowsPerSecond, workers } = training;
  return [
    ...(loss === null ? [] : [`loss ${figure(loss)}`]),
    count(workers, 'worker'),
    ...(rowsPerSecond ? [`${thousands(rowsPerSecond)} rows/s`] : []),
    ...eta,
  ];
}

/** What a stage that is over has found. */
function stageParts(stage: StageView, view: JobView): string[] {
  const { reused } = stage.tasks;
  const end = [...(reused > 0 ? [`reused ${whole(reused)}`] : []), duration(stage.seconds)];
  return [...(STAGE_WORDS[stage.stage]?.(view) ?? []), ...end];
}

/** What the line of a stage says that is over. */
const STAGE_WORDS: Readonly<Partial<Record<Stage, (view: JobView) => string[]>>> = {
  prepare: ({ rows }) => (rows ? [rowsWords(rows)] : []),
  fit: ({ split, features }) => [
    ...(features.length > 0 ? [count(features.length, 'feature')] : []),
    ...(split ? [`${whole(split.train)} training rows`] : []),
  ],
  train: ({ epochs }) => epochs.slice(-1).map(epochWords),
  evaluate: ({ evaluation }) => (evaluation ? [evaluationWords(evaluation)] : []),
  prove: ({ proof }) => (proof ? [proofWords(proof)] : []),
};

function endLines(view: JobView, style: Style): string[] {
  const took =
    view.finishedAt === null
      ? ''
      : ` after ${duration((view.finishedAt - view.submittedAt) / 1000)}`;
  switch (view.state) {
    case 'failed':
      return view.error ? errorLines(view.error, { style }) : [style('red', `failed${took}`)];
    case 'cancelled':
      return [style('yellow', `cancelled${took}; what it has computed stays`)];
    case 'cancelling':
      return [style('yellow', 'cancelling')];
    case 'succeeded':
      return [
        style(view.decision === 'refused' ? 'yellow' : 'green', `done${took}${outcomeOf(view)}`),
      ];
    default:
      return [];
  }
}

function outcomeOf({ decision, published }: JobView): string {
  if (!published) return '';
  const what = `: ${published.model} version ${published.version} is`;
  return decision === 'refused' ? `${what} kept, but not served` : `${what} served`;
}

type Gate = {
  readonly environment: string;
  readonly alias: string;
  readonly decision: string;
  readonly evidence: Evidence | null;
};
type Evidence = {
  readonly champion: object | null;
  readonly comparison: Comparison | null;
  readonly policy: { readonly change?: { readonly min: number } | undefined };
  readonly checks: readonly { readonly passed: boolean; readonly words: string }[];
};
type Comparison = {
  readonly metric: string;
  readonly champion: number;
  readonly challenger: number;
  readonly change: number;
  readonly low: number;
  readonly high: number;
};

export function gateLines(gate: Gate, style: Style): string[] {
  const { environment, alias, decision, evidence } = gate;
  const isRefused = decision === 'refused';
  const word = style(['bold', isRefused ? 'red' : 'green'], decision.toUpperCase());
  const head = `${environment}/${alias}  ${word}`;
  const comparison = evidence?.comparison ?? null;
  const isWorse = comparison !== null && changeFailed(comparison, evidence);
  const checks = isRefused ? (evidence?.checks ?? []) : [];
  const failed = checks.flatMap(({ passed, words }) => (passed ? [] : words));
  const others = isWorse ? failed.slice(0, -1) : failed; // the comparison says the last in figures
  if (comparison) {
    return [
      entry('gate', `${head}  ${changeWords(comparison, evidence)}`, style),
      ...others.map((reason) => entry('', reason, style)),
    ];
  }
  const first = evidence && !evidence.champion && !isRefused ? ['the first version'] : others;
  return [
    entry('gate', [head, ...first.slice(0, 1)].join('  '), style),
    ...first.slice(1).map((reason) => entry('', reason, style)),
  ];
}

/** auc 0.691 → 0.688  Δ −0.003 [−0.005, −0.001], needs ≥ −0.002 */
function changeWords(
  { metric, champion, challenger, change, low, high }: Comparison,
  evidence: Evidence | null,
): string {
  const min = evidence?.policy.change?.min;
  const needs = min === undefined ? '' : `, needs ≥ ${String(min).replace('-', '−')}`;
  return `${metricTitle(metric)} ${figure(champion)} → ${figure(challenger)}  Δ ${signed(change)} [${signed(low)}, ${signed(high)}]${needs}`;
}

const changeFailed = ({ low }: Comparison, evidence: Evidence | null): boolean =>
  low < (evidence?.policy.change?.min ?? Number.NEGATIVE_INFINITY);

const stateWords = (state: string, style: Style): string =>
  state === 'succeeded'
    ? style('green', state)
    : state === 'cancelled'
      ? style('yellow', state)
      : state;

function doneWords(stage: StageView): string {
  const { done, reused } = stage.tasks;
  return [
    count(done, STAGES[stage.stage].unit),
    ...(reused > 0 ? [`reused ${whole(reused)}`] : []),
    ...(stage.rows > 0 ? [count(stage.rows, 'row')] : []),
    duration(stage.seconds),
  ].join('   ');
}

function barOf({ tasks: { done, total } }: StageView, isLive: boolean, style: Style): string {
  const share = total === 0 ? 0 : Math.min(1, done / total);
  const halves = Math.floor(share * BAR * 2);
  const full = '█'.repeat(halves >> 1) + (halves % 2 === 1 ? '▌' : '');
  const rest = '─'.repeat(BAR - full.length);
  return style(isLive ? 'cyan' : 'green', full) + style('dim', rest);
}

const entry = (label: string, text: string, style: Style): string =>
  `${style('bold', label.padEnd(LABEL - 1))} ${text}`;

const thousands = (n: number): string => (n >= 10_000 ? `${whole(n / 1000)} k` : whole(n));
