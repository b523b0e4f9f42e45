// What a job's facts look like to a person.
// In: facts and views as the coordinator tells them. Out: lines of text.
// Why pure: what the quickstart says can be read in a test, without a cluster.
import type { JobView } from '../../cli/client.ts';
import { metricTitle } from '../../common/metric/metrics.ts';
import type { Findings } from '../../common/stage/stages.ts';
import type { Metrics } from '../../common/stage/terms.ts';
import type { JobFact, StageView } from '../../common/wire/view.ts';

/** The lines for one fact; none for those that say nothing new. */
export function describeFact(fact: JobFact, view: { readonly trainRows: number | null }): string[] {
  switch (fact.kind) {
    case 'state':
    case 'repinned':
      return [];
    case 'stage':
      return [entry(fact.view.stage, describeStage(fact.view, view))];
    case 'found':
      return Object.entries(fact.value).flatMap(([name, value]) => {
        const say = (FOUND as Readonly<Record<string, (found: never) => string[]>>)[name];
        return value === null || !say ? [] : say(value as never);
      });
  }
}

/** Each finding in words. */
const FOUND: { readonly [F in keyof Findings]: (found: NonNullable<Findings[F]>) => string[] } = {
  snapshot: ({ objects, rowGroups, rows, bytes }) => [
    entry(
      'snapshot',
      `${count(objects, 'object')}, ${count(rowGroups, 'row group')}, ${whole(rows)} rows, ${size(bytes)}`,
    ),
  ],
  rows: describeRows,
  split: ({ train, validation, test, edges }) => [
    entry(
      'split',
      `${whole(train)} rows to train on, ${whole(validation)} for validation, ${whole(test)} for the test${describeEdges(edges)}`,
    ),
  ],
  features: (features) =>
    features.flatMap(({ name, expression, fitted }, index) => [
      entry(index === 0 ? 'features' : '', `${name} = ${expression}`),
      ...(fitted ? [entry('', `  ${fitted}`)] : []),
    ]),
  epochs: (epochs) => epochs.map((one) => entry(`epoch ${one.epoch}`, describeEpoch(one))),
  evaluation: describeEvaluation,
  proof: ({ rows, maxDifference }) => [
    entry(
      'proof',
      `${whole(rows)} source rows as raw JSON through the serving path: ${maxDifference === 0 ? 'not one bit of difference' : `largest difference ${maxDifference.toExponential(1)}`}`,
    ),
  ],
  published: ({ model, version, reused }) => [
    entry(
      'published',
      `${model} version ${version}${reused ? ' (it was there already: same data, same job)' : ''}`,
    ),
  ],
  gate: describeGate,
};

/** Where a running job stands, in one line, and how far the stage is. */
export function describeProgress(view: JobView): { text: string; share?: number } {
  if (view.waiting) return { text: `waiting: ${view.waiting}` };
  const stage = view.stages.findLast(({ tasks }) => tasks.done < tasks.total) ?? view.stages.at(-1);
  if (!stage) return { text: view.state };
  const { done, total } = stage.tasks;
  const share = total > 0 ? done / total : 0;
  const training = stage.stage === 'train' ? view.training : null;
  if (training && training.rounds > 0) {
    const loss = training.loss === null ? '' : `, loss ${training.loss.toFixed(4)}`;
    const speed = training.rowsPerSecond ? `, ${whole(training.rowsPerSecond)} rows/s` : '';
    return {
      text: `train: round ${training.round} of ${training.rounds}${loss}${speed}`,
      share: training.round / training.rounds,
    };
  }
  const eta =
    stage.etaSeconds && stage.etaSeconds >= 1 ? `, ${stage.etaSeconds.toFixed(0)} s left` : '';
  return { text: `${stage.stage}: ${done} of ${count(total, 'task')}${eta}`, share };
}

function describeStage(stage: StageView, { trainRows }: { trainRows: number | null }): string {
  const { done, reused } = stage.tasks;
  const unit = stage.stage === 'train' ? 'round' : 'task';
  const tasks = `${count(done, unit)}${reused > 0 ? ` (${whole(reused)} reused, ${whole(done - reused)} computed)` : ''}`;
  const rows = stage.rows > 0 ? `, ${whole(stage.rows)} rows` : '';
  const samples = stage.stage === 'train' ? samplesPerSecond(stage, trainRows) : undefined;
  const speed = samples ? `, ${whole(samples)} samples/s` : '';
  return `${tasks}${rows}, ${stage.seconds.toFixed(1)} s (CPU ${stage.cpuSeconds.toFixed(1)} s)${speed}`;
}

/** Training rows, once an epoch, by wall time. */
export function samplesPerSecond(stage: StageView, seen: number | null): number | undefined {
  const rows = stage.rows > 0 ? stage.rows : (seen ?? 0);
  return rows > 0 && stage.seconds > 0 ? rows / stage.seconds : undefined;
}

function describeRows({ rowsIn, rowsOut, dropped }: NonNullable<Findings['rows']>): string[] {
  const gone = Object.entries(dropped).filter(([, n]) => n > 0);
  const lines = [
    entry(
      'rows',
      `${whole(rowsIn)} read, ${whole(rowsOut)} kept, ${whole(rowsIn - rowsOut)} dropped`,
    ),
  ];
  for (const [rule, n] of gone) lines.push(entry('', `  ${whole(n)} by ${rule}`));
  return lines;
}

/** Where one range ends the next begins: each edge is said once. */
function describeEdges(edges: Readonly<Record<string, number | string | null>>): string {
  const seen = new Set<number | string>();
  const said = Object.entries(edges).flatMap(([name, value]) => {
    if (value === null || seen.has(value)) return [];
    seen.add(value);
    const words = name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
    return [`${words} ${typeof value === 'string' ? value.replace(/\.000Z$/, 'Z') : value}`];
  });
  return said.length === 0 ? '' : ` (${said.join(', ')})`;
}

function describeEpoch({
  loss,
  validationLoss,
  validationAuc,
}: Findings['epochs'][number]): string {
  const validation =
    validationLoss === null ? '' : `, validation loss ${validationLoss.toFixed(4)}`;
  const auc = validationAuc === null ? '' : `, validation AUC ${validationAuc.toFixed(4)}`;
  return `loss ${loss.toFixed(4)}${validation}${auc}`;
}

function describeEvaluation({
  metrics,
  baseline,
  rows,
}: NonNullable<Findings['evaluation']>): string[] {
  const names = Object.keys(metrics);
  const figures = (of: Metrics): string =>
    names.map((name) => `${metricTitle(name)} ${(of[name] ?? Number.NaN).toFixed(4)}`).join('   ');
  return [
    entry('test', `${figures(metrics)}   (${whole(rows)} rows)`),
    entry('', `${figures(baseline)}   (a baseline that always says the mean)`),
  ];
}

function describeGate({
  environment,
  alias,
  decision,
  evidence,
}: NonNullable<Findings['gate']>): string[] {
  const lines = [entry('gate', `${decision} for ${alias} in ${environment}`)];
  for (const reason of evidence?.reasons ?? []) lines.push(entry('', `  ${reason}`));
  const comparison = evidence?.comparison;
  if (comparison && evidence?.champion) {
    const { metric, champion, challenger, rows } = comparison;
    const name = metricTitle(metric);
    const both = `version ${evidence.champion.version} ${champion.toFixed(4)}, version ${evidence.challenger.version} ${challenger.toFixed(4)}`;
    lines.push(entry('', `  ${name} on the same ${whole(rows)} rows: ${both}`));
  }
  return lines;
}

export const entry = (label: string, text: string): string => `  ${label.padEnd(10)} ${text}`;
export const whole = (n: number): string => Math.round(n).toLocaleString('en-US');
export const count = (n: number, noun: string): string =>
  `${whole(n)} ${noun}${n === 1 ? '' : 's'}`;
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e3).toFixed(1)} kB`;
}
