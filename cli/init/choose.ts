// From what a dataset looks like to a job that runs as it is, with a reason for each choice.
// In: GET /v1/schema's answer, with the label; names. Out: the job, and what to tell its user.
// Why explained: who knows the data sees at a glance which guess is wrong, and corrects one line of JSON. Pure.

import { GristmillError } from '../../common/errors.ts';
import type { Show } from '../../common/objective/objective.ts';
import { OBJECTIVES } from '../../common/objective/objectives.ts';
import { quoteText } from '../../common/sql.ts';
import type { JobInput } from '../../common/wire/job/job.ts';
import type { ColumnView, DatasetView, LabelView } from '../../common/wire/survey.ts';
import { type ColumnChoice, chooseColumn, explainedOf } from './columns.ts';
import { columnSql, featureNames, figure, percent } from './names.ts';
import { chooseSplit, type SplitChoice, spanOf } from './split.ts';
import { chooseTraining } from './train.ts';

export type Choice = { readonly job: JobInput; readonly reasons: Reasons };

export type ChoiceOptions = {
  readonly name: string;
  readonly schemaUrl: string;
  /** Milliseconds since 1970: rows later than this have wrong times. */
  readonly now: number;
};

export type Reasons = {
  readonly label: string;
  /** In the order of the dataset, each column once. */
  readonly columns: readonly ColumnChoice[];
  readonly split: string;
  /** Null where nothing is cleaned. */
  readonly clean: string | null;
  readonly model: string;
  /** What should be looked at before the result is believed. */
  readonly warnings: readonly string[];
};

export function chooseJob(view: DatasetView, { name, schemaUrl, now }: ChoiceOptions): Choice {
  const label = checkLabel(view);
  const split = chooseSplit(view, label.columns);
  const columns = chooseColumns(view, label, split);
  const features = Object.assign({}, ...columns.map((column) => column.features)) as Record<
    string,
    string
  >;
  if (Object.keys(features).length === 0) throw noFeatures(view, columns);
  const labelled = view.rows * (1 - label.missing / view.sampledRows);
  const signal = signalOf(view, columns);
  const { model, train, why } = chooseTraining({
    rows: labelled,
    inputs: inputsOf(view, columns),
    signal,
  });
  const required = requiredColumns(view, label, split);
  const job: JobInput = {
    $schema: schemaUrl,
    specVersion: 1,
    name,
    seed: 1,
    dataset: view.uri,
    ...(required.length > 0 ? { clean: [{ require: required }] } : {}),
    label: label.expression,
    split: split.split,
    features,
    model,
    train,
    publish: { model: name },
  };
  return {
    job,
    reasons: {
      label: describeLabel(label, view),
      columns,
      split: split.why,
      clean: required.length > 0 ? `rows without ${required.join(', ')} are dropped` : null,
      model: why,
      warnings: [
        ...labelWarnings(label, view),
        ...split.warnings,
        ...futureWarnings(view, split, now),
        ...leakWarnings(view, columns),
        ...signalWarnings(signal),
        ...sampleWarnings(view),
      ],
    },
  };
}

/** Rows of the sample as a request takes them: raw columns that features read, and no others. */
export function sampleRows(view: DatasetView, { features }: JobInput): Record<string, unknown>[] {
  const used = view.columns.filter(({ name }) =>
    Object.values(features ?? {}).some((sql) => readsColumn(sql, name)),
  );
  return view.sample
    .slice(0, SAMPLE_ROWS)
    .map((row) => Object.fromEntries(used.map(({ name }) => [name, row[name] ?? null])));
}

const SAMPLE_ROWS = 3;

/** Of expressions that were written here: a name stands quoted, or alone between other characters. */
function readsColumn(sql: string, name: string): boolean {
  const written = columnSql(name);
  const at = sql.indexOf(written);
  if (at < 0 || written.startsWith('"')) return at >= 0;
  return new RegExp(`(^|[^\\w"])${written}($|[^\\w"(])`).test(sql.replace(/"[^"]*"/g, '""'));
}

const impossible = (message: string): GristmillError =>
  new GristmillError('INIT_IMPOSSIBLE', `Cannot write a job for ${message}`);

/** Fewer than so many leave a handful for validation and test each. */
const ROWS_MIN = 40;
const POSITIVES_MIN = 10;

function checkLabel(view: DatasetView): LabelView {
  const { label, sampledRows, rows } = view;
  if (label === null)
    throw impossible(`${view.uri}: no label was asked for, expected --label EXPR`);
  const { expression, missing, kind } = label;
  const of = `label ${JSON.stringify(expression)} of ${view.uri}`;
  const labelled = sampledRows - missing;
  const where = sampledRows < rows ? `the ${figure(sampledRows)} sampled rows` : 'all rows';
  if (labelled === 0) throw impossible(`${of}: it is missing in ${where}, expected a value`);
  if (rows < ROWS_MIN || (sampledRows === rows && labelled < ROWS_MIN)) {
    throw impossible(`${of}: ${figure(labelled)} rows have one, expected at least ${ROWS_MIN}`);
  }
  const objective = OBJECTIVES[kind].words;
  const value = objective.constant(label, SHOW);
  if (value !== null && sampledRows === rows) {
    const held = view.columns.filter((one) => label.columns.includes(one.name)).flatMap(valuesOf);
    throw impossible(
      `${of}: it is always ${value}, expected at least two values${held.map((text) => `; ${text}`).join('')}`,
    );
  }
  if (objective.rarer && sampledRows === rows) {
    const rarer = Math.round(objective.rarer(label).share * labelled);
    if (rarer < POSITIVES_MIN) {
      throw impossible(
        `${of}: the rarer class has ${rarer} rows, expected at least ${POSITIVES_MIN}, so that test rows hold some`,
      );
    }
  }
  return label;
}

/** What the first layer has weights for: a number counts once, a category once a value. */
function inputsOf(view: DatasetView, columns: readonly ColumnChoice[]): number {
  return columns.reduce((sum, { features, column }) => {
    const { distinct, kind } = view.columns.find(({ name }) => name === column)!;
    const sizes = Object.values(features).map((sql) => {
      if (kind !== 'text') return kind === 'time' ? 12 : 1;
      return Math.min(distinct, Number(/, (\d+)\)$/.exec(sql)?.[1] ?? 1));
    });
    return sum + sizes.reduce((a, b) => a + b, 0);
  }, 0);
}

/** What the best column says of the label; null where no such figure is known of any. */
function signalOf(view: DatasetView, columns: readonly ColumnChoice[]): number | null {
  const used = view.columns.filter((_, i) => Object.keys(columns[i]!.features).length > 0);
  const isKnown = used.every(({ labelExplained }) => typeof labelExplained === 'number');
  return isKnown ? Math.max(...used.map(explainedOf)) : null;
}

/** "weather holds 'rain', 'sun' …": what a label may be compared with. */
function valuesOf({ name, kind, top }: ColumnView): string[] {
  if (kind !== 'text' || top.length === 0) return [];
  const texts = top.slice(0, VALUES_SHOWN).map(({ value }) => quoteText(String(value)));
  return [`${name} holds ${texts.join(', ')}${top.length > VALUES_SHOWN ? ' …' : ''}`];
}

const VALUES_SHOWN = 5;

/** A text column given as a label: which condition may be meant. Undefined where the label is no such column. */
export function explainTextLabel(
  { columns }: DatasetView,
  label: string,
): GristmillError | undefined {
  const plain = label
    .trim()
    .replace(/^"(.*)"$/, '$1')
    .toLowerCase();
  const column = columns.find(({ name, kind }) => kind === 'text' && name.toLowerCase() === plain);
  const first = column?.top[0];
  if (!column || !first) return undefined;
  const example = `${columnSql(column.name)} = ${quoteText(String(first.value))}`;
  return impossible(
    `label ${JSON.stringify(label)}: it is text, expected a condition such as --label ${JSON.stringify(example)}, or a number; ${valuesOf(column)[0]}`,
  );
}

const FEATURES_MAX = 1000;

function chooseColumns(
  view: DatasetView,
  label: LabelView,
  { split }: SplitChoice,
): ColumnChoice[] {
  const names = featureNames();
  const column = split.by === 'time' && view.columns.find(({ name }) => name === split.column);
  const timeSpanDays = column ? spanOf(column).days : null;
  const context = { dataset: view, label, timeSpanDays, names };
  let count = 0;
  const chosen = new Map<string, ColumnChoice>();
  const byStrength =
    view.columns.length > FEATURES_MAX / 12
      ? [...view.columns].sort((a, b) => explainedOf(b) - explainedOf(a))
      : view.columns;
  for (const column of byStrength) {
    const choice = chooseColumn(column, context);
    count += Object.keys(choice.features).length;
    const isTooMany = count > FEATURES_MAX && Object.keys(choice.features).length > 0;
    const why = `a job has at most ${figure(FEATURES_MAX)} features, and others say more of the label`;
    chosen.set(column.name, isTooMany ? { ...choice, features: {}, why } : choice);
  }
  return view.columns.map(({ name }) => chosen.get(name)!);
}

/** Rows without a label or a split key are dropped anyway; said so, the count has a name. */
function requiredColumns(view: DatasetView, label: LabelView, split: SplitChoice): string[] {
  const ofLabel = view.columns.filter(
    ({ name, nulls }) => label.columns.includes(name) && nulls > 0 && nulls <= label.missing,
  );
  return [...new Set([...ofLabel.map(({ name }) => name), ...split.require])];
}

const SHOW: Show = { figure, share: percent };

function describeLabel(label: LabelView, view: DatasetView): string {
  const { kind, missing } = label;
  const absent = missing > 0 ? `, missing in ${percent(missing / view.sampledRows)}` : '';
  return OBJECTIVES[kind].words.describe(label, SHOW) + absent;
}

/** Fewer test rows than this say little. */
const ROWS_FEW = 400;

function labelWarnings(label: LabelView, view: DatasetView): string[] {
  const { kind, missing, expression } = label;
  const objective = OBJECTIVES[kind].words;
  const labelled = Math.round(view.rows * (1 - missing / view.sampledRows));
  const few =
    labelled < ROWS_FEW
      ? [
          `only ${figure(labelled)} rows: the test holds about ${Math.round(labelled * 0.15)}, and its figures are rough`,
        ]
      : [];
  if (objective.rarer) {
    const { share, hint } = objective.rarer(label);
    return share * labelled < 100
      ? [...few, `the rarer class has about ${figure(Math.round(share * labelled))} rows: ${hint}`]
      : few;
  }
  const hint = `the label has a long tail: its few largest values decide the error; consider --label 'ln(1 + (${expression}))'`;
  return objective.hasTail(label) ? [...few, hint] : few;
}

const DAY_MS = 86_400_000;

/** The newest rows are the test: wrong times come first. */
function futureWarnings(view: DatasetView, { split }: SplitChoice, now: number): string[] {
  const column = split.by === 'time' && view.columns.find(({ name }) => name === split.column);
  if (!column || !(Date.parse(String(column.max)) > now + DAY_MS)) return [];
  const { to } = spanOf(column);
  return [
    `${column.name} goes up to ${to}, in the future: rows with wrong times are in the test unless a filter such as ${columnSql(column.name)} < '${new Date(now).toISOString().slice(0, 10)}' in "clean" drops them`,
  ];
}

function leakWarnings(view: DatasetView, columns: readonly ColumnChoice[]): string[] {
  const left = columns
    .filter(({ suspect }) => suspect)
    .map(({ column, why }) => `${column} is left out: it ${why}`);
  const asked = columns.filter(({ isAsked }) => isAsked).map(({ column }) => column);
  const most = Math.max(
    ...view.columns.filter(({ name }) => asked.includes(name)).map(explainedOf),
  );
  if (asked.length === 0) return left;
  const [them, are] = asked.length === 1 ? ['it', 'is'] : ['they', 'are'];
  const told = `${asked.join(', ')} ${are} close to the label (up to ${percent(most)} of it): take ${asked.length === 1 ? 'it' : 'them'} out unless ${them} ${are} known when you predict`;
  return [...left, told];
}

/** Below this even the best column is near to chance. */
const SIGNAL_MIN = 0.01;

const signalWarnings = (signal: number | null): string[] =>
  signal !== null && signal < SIGNAL_MIN
    ? [
        `no column alone says more than ${percent(Math.max(signal, 0.001))} of the label: the model may be no better than always saying the mean`,
      ]
    : [];

function sampleWarnings({ rows, sampledRows }: DatasetView): string[] {
  return sampledRows < rows
    ? [`the figures are of ${figure(sampledRows)} sampled rows of ${figure(rows)}`]
    : [];
}

function noFeatures(view: DatasetView, columns: readonly ColumnChoice[]): GristmillError {
  const reasons = columns.slice(0, 5).map(({ column, why }) => `${column}: ${why}`);
  return impossible(
    `${view.uri}: none of its ${columns.length} columns makes a feature (${reasons.join('; ')}), expected at least one`,
  );
}
