// What a stage is, as data: one file a stage beside this one, and stages.ts holds them all.
// In: what a stage says of itself. Out: its row: words for a user, the programs its workers run, what it adds to a job's view.
// Why a schema for what it finds: the view's type, its fold and the API's documentation are one truth.
import Type, { type Static, type TSchema } from 'typebox';
import { METRICS_IN_WORDS } from '../objective/objectives.ts';
import type { BlobRef } from '../wire/task.ts';

export type StageRow = {
  /** What a user is told of it. */
  readonly words: string;
  /** What its progress counts. */
  readonly unit: 'task' | 'step';
  /** What workers run for it, by kind; none: the coordinator does it alone. */
  readonly programs: Readonly<Record<string, ProgramRow<never>>>;
  /** The fields that it contributes to a JobView. */
  readonly found: Readonly<Record<string, Field>>;
};

export type ProgramRow<P, R = unknown> = {
  /** The objects of the store that a program names, beside those of its input. */
  readonly blobsOf: (program: P) => readonly BlobRef[];
  /** For the compiler alone: what a task of it gives. */
  readonly result?: R;
};

export const program = <P extends { readonly kind: string }, R>(
  row: Partial<Pick<ProgramRow<P>, 'blobsOf'>> = {},
): ProgramRow<P, R> => ({ blobsOf: () => [], ...row });

/** A field of a JobView: its schema, what it is before anything was found, and how a later finding joins an earlier one. */
export type Field = {
  readonly schema: TSchema;
  readonly none: unknown;
  readonly fold: (before: never, told: never) => unknown;
};

export const field = <S extends TSchema>(
  schema: S,
  none: Static<S>,
  fold: (before: Static<S>, told: Static<S>) => Static<S> = (_before, told) => told,
) => ({ schema, none, fold });

/** Data as it is once it has left who made it. */
export type Frozen<T> = unknown extends T
  ? T
  : T extends string | number | boolean | null | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Frozen<Item>[]
      : { readonly [K in keyof T]: Frozen<T[K]> };

export const nullable = <T extends TSchema>(schema: T, description?: string) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description });

export const words = <const T extends string>(values: readonly T[], description?: string) =>
  Type.Unsafe<T>(
    Type.Union(
      values.map((value) => Type.Literal(value)),
      description === undefined ? {} : { description },
    ),
  );

export const Count = Type.Integer({ minimum: 0 });
export const Counts = Type.Record(Type.String(), Count);
export const Figures = Type.Record(Type.String(), Type.Number(), {
  description: METRICS_IN_WORDS,
});
export const Slices = Type.Record(
  Type.String(),
  Type.Array(Type.Object({ value: Type.String(), rows: Count, metrics: Figures })),
  { description: 'by column: each value with its rows and metrics, the largest first' },
);
