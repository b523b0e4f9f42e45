// A training job: a label, a split and features make a model of the rows, which may be published.
// In: its sections. Out: their schema, the checks across them, and a TrainingJob with every default filled in.
// Why its own file: what only training needs stands nowhere else, so another kind of job is another file beside it.

import Type, { type Static } from 'typebox';
import type { FieldError } from '../../errors.ts';
import { NAME_PATTERN } from '../../ids.ts';
import { fillModel, ModelSchema, type ModelSpec } from '../../model/models.ts';
import { DEFAULT_ALIAS, DEFAULT_ENVIRONMENT } from '../environment.ts';
import { show } from '../explain.ts';
import {
  Column,
  checkBytes,
  checkRepeats,
  closed,
  DURATION,
  Duration,
  Name,
  nameRule,
  Share,
  Sql,
  type SqlText,
} from './fields.ts';
import { fillHead, type HeadInput, type JobHead } from './head.ts';

export const Split = Type.Union([
  Type.Object(
    {
      by: Type.Literal('time'),
      column: Type.String({ minLength: 1, maxLength: 256, description: 'a column of times' }),
      validation: Type.Union([Duration, Share]),
      test: Type.Union([Duration, Share]),
      gap: Type.Optional(
        Type.String({
          pattern: DURATION,
          description: 'rows left out before validation and before test, a duration such as "1d"',
        }),
      ),
    },
    {
      ...closed,
      title: 'time',
      description:
        'the newest rows are test, those before them validation; durations count back from the newest row kept',
    },
  ),
  Type.Object(
    {
      by: Type.Literal('hash'),
      columns: Type.Array(Column, {
        minItems: 1,
        maxItems: 16,
        description: 'rows that agree in these stay together',
      }),
      validation: Share,
      test: Share,
    },
    {
      ...closed,
      title: 'hash',
      description: 'by a salted hash of these columns: stable when rows are added',
    },
  ),
]);

export const TrainSpec = Type.Object(
  {
    optimizer: Type.Optional(
      Type.Union([Type.Literal('adam'), Type.Literal('sgd')], { default: 'adam' }),
    ),
    learningRate: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 100,
        default: 0.001,
        description: 'size of a step',
      }),
    ),
    momentum: Type.Optional(
      Type.Number({ minimum: 0, exclusiveMaximum: 1, default: 0.9, description: 'sgd only' }),
    ),
    batchRows: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_048_576,
        default: 4096,
        description: 'rows per step over all lanes; a multiple of lanes',
      }),
    ),
    epochs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 3, description: 'passes over all rows' }),
    ),
    lanes: Type.Optional(
      Type.Union(
        [1, 2, 4, 8, 16, 32, 64].map((n) => Type.Literal(n)),
        { default: 32, description: 'virtual ranks: also the most threads that can train' },
      ),
    ),
  },
  { ...closed, description: 'how the model learns' },
);

export const Publish = Type.Object(
  {
    model: Name,
    environment: Type.Optional(
      Type.String({ pattern: NAME_PATTERN, default: DEFAULT_ENVIRONMENT, description: nameRule }),
    ),
    alias: Type.Optional(
      Type.String({ pattern: NAME_PATTERN, default: DEFAULT_ALIAS, description: nameRule }),
    ),
  },
  { ...closed, description: 'where the version goes: absent, the job ends with its evaluation' },
);

export const TRAINING_SECTIONS = {
  label: Type.Optional(Sql('SQL; BOOLEAN: binary classification, a number: regression')),
  split: Type.Optional(Split),
  features: Type.Optional(
    Type.Record(
      Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,62}$' }),
      Sql('a feature expression'),
      {
        ...closed,
        minProperties: 1,
        maxProperties: 1000,
        description: 'name → expression: a letter or "_", then letters, digits and "_"',
      },
    ),
  ),
  model: Type.Optional(ModelSchema), // absent: linear
  train: Type.Optional(TrainSpec),
  evaluate: Type.Optional(
    Type.Object(
      {
        slices: Type.Optional(
          Type.Array(Column, {
            maxItems: 8,
            default: [],
            description: 'columns: metrics are told for each of their values, too',
          }),
        ),
      },
      { ...closed, description: 'what is measured on test rows beside the metrics' },
    ),
  ),
  publish: Type.Optional(Publish),
};

const SectionsSchema = Type.Object(TRAINING_SECTIONS);
export type TrainingSections = Static<typeof SectionsSchema>;
/** Sections without which nothing can be trained. */
const NEEDED = ['label', 'split', 'features'] as const;
type Trainable = HeadInput &
  TrainingSections &
  Required<Pick<TrainingSections, (typeof NEEDED)[number]>>;

export type Split = Static<typeof Split>;
export type TrainSpec = {
  readonly optimizer: 'adam' | 'sgd';
  readonly learningRate: number;
  readonly momentum: number;
  readonly batchRows: number;
  readonly epochs: number;
  readonly lanes: number;
};
export type PublishSpec = {
  readonly model: string;
  readonly environment: string;
  readonly alias: string;
};

export type TrainingJob = JobHead & {
  readonly kind: 'training';
  readonly training: {
    readonly label: string;
    readonly split: Split;
    readonly features: Readonly<Record<string, string>>;
    readonly model: ModelSpec;
    readonly train: TrainSpec;
    readonly slices: readonly string[];
  };
  /** Absent: the job ends with its evaluation. */
  readonly publish?: PublishSpec;
};

export function checkTraining(job: HeadInput & TrainingSections): FieldError[] {
  return [
    ...checkNeeded(job),
    ...checkSplit(job.split),
    ...checkTrain(job.train),
    ...(job.split?.by === 'hash' ? checkRepeats('/split/columns', job.split.columns) : []),
    ...checkRepeats('/evaluate/slices', job.evaluate?.slices ?? []),
    ...checkCases(Object.keys(job.features ?? {})),
    ...checkBytes(trainingTexts(job)),
  ];
}

function trainingTexts(job: TrainingSections): readonly SqlText[] {
  const label = job.label === undefined ? [] : [{ pointer: '/label', sql: job.label }];
  const features = Object.entries(job.features ?? {}).map(([name, sql]) => ({
    pointer: `/features/${name}`,
    sql,
  }));
  return [...label, ...features];
}

function checkNeeded(job: TrainingSections): FieldError[] {
  const names = Object.keys(TRAINING_SECTIONS) as (keyof TrainingSections)[];
  const because = names
    .filter((name) => job[name] !== undefined)
    .map(show)
    .join(', ');
  return NEEDED.filter((name) => job[name] === undefined).map((name) => ({
    pointer: `/${name}`,
    detail: `is missing: a job with ${because} trains a model, which needs "label", "split" and "features"`,
  }));
}

function checkSplit(split: Split | undefined): FieldError[] {
  if (!split) return [];
  const { validation, test } = split;
  if (typeof validation !== typeof test) {
    const detail = `is ${show(test)} while validation is ${show(validation)}`;
    return [
      { pointer: '/split/test', detail: `${detail}, expected two durations or two fractions` },
    ];
  }
  if (typeof validation === 'number' && typeof test === 'number' && validation + test >= 1) {
    const detail = `is ${test}, and with validation ${validation} nothing is left to train on`;
    return [{ pointer: '/split/test', detail: `${detail}, expected a sum below 1` }];
  }
  return [];
}

function checkTrain(train: TrainingSections['train']): FieldError[] {
  const { batchRows, lanes, optimizer } = { ...TRAIN_DEFAULTS, ...train };
  const errors: FieldError[] = [];
  if (batchRows % lanes !== 0) {
    const detail = `is ${batchRows}, expected a multiple of lanes (${lanes})`;
    const near = Math.max(lanes, Math.round(batchRows / lanes) * lanes);
    errors.push({ pointer: '/train/batchRows', detail: `${detail}, for example ${near}` });
  }
  if (train?.momentum !== undefined && optimizer !== 'sgd') {
    const detail = `belongs to optimizer "sgd", but the optimizer is ${show(optimizer)}`;
    errors.push({ pointer: '/train/momentum', detail });
  }
  return errors;
}

/** SQL names do not tell "Hour" from "hour". */
function checkCases(names: readonly string[]): FieldError[] {
  const firsts = new Map<string, string>();
  return names.flatMap((name) => {
    const first = firsts.get(name.toLowerCase());
    if (first === undefined) {
      firsts.set(name.toLowerCase(), name);
      return [];
    }
    const detail = `differs from the feature ${show(first)} only in case, expected another name`;
    return [{ pointer: `/features/${name}`, detail }];
  });
}

const TRAIN_DEFAULTS = {
  optimizer: 'adam',
  learningRate: 0.001,
  momentum: 0.9,
  batchRows: 4096,
  epochs: 3,
  lanes: 32,
} as const satisfies TrainSpec;

/** Of a job that checkTraining found nothing wrong with. */
export function fillTraining(job: HeadInput & TrainingSections): TrainingJob {
  const { label, split, features, publish, model, train, evaluate } = job as Trainable;
  return {
    kind: 'training',
    ...fillHead(job),
    training: {
      label,
      split: structuredClone(split),
      features: { ...features },
      model: fillModel(model),
      train: { ...TRAIN_DEFAULTS, ...train },
      slices: [...(evaluate?.slices ?? [])],
    },
    ...(publish
      ? {
          publish: {
            environment: DEFAULT_ENVIRONMENT,
            alias: DEFAULT_ALIAS,
            ...publish,
          } satisfies PublishSpec,
        }
      : {}),
  };
}

/** The sections of which a filled training part was made: what does not belong to the optimizer is not said again. */
export function inputOfTraining({ slices, train, ...sections }: TrainingJob['training']): object {
  const { momentum, ...others } = train;
  return {
    ...structuredClone(sections),
    train: train.optimizer === 'sgd' ? { ...others, momentum } : others,
    evaluate: { slices: [...slices] },
  };
}
