// Every kind of model, once.
// In: the files beside this. Out: the section "model" of a job: its schema, its filled form; parameters and network by spec.
// Why a table: the job's schema, its defaults and the compiler all follow from these lines.
import Type, { type Static } from 'typebox';
import type { GraphBuilder } from '../onnx/build.ts';
import type { ParameterSpec } from '../stage/train.ts';
import { linear } from './linear.ts';
import { mlp } from './mlp.ts';
import type { ModelKind, Widths } from './model.ts';

export const MODELS = { linear, mlp } as const;
type Models = typeof MODELS;
export type ModelSpec = { [K in keyof Models]: ReturnType<Models[K]['fill']> }[keyof Models];

export const ModelSchema = Type.Union([MODELS.linear.schema, MODELS.mlp.schema]);
export type ModelInput = Static<typeof ModelSchema>;

/** With every default filled in; where nothing is said, the simplest. */
export const fillModel = (input: ModelInput | undefined): ModelSpec =>
  input ? rowOf(input).fill(input) : linear.fill();

export const modelParameters = (spec: ModelSpec, widths: Widths): ParameterSpec[] =>
  rowOf(spec).parameters(spec, widths);

/** Appends the network; its name is the last layer's, [n, outputs]. */
export const writeModel = (b: GraphBuilder, spec: ModelSpec, widths: Widths): string =>
  rowOf(spec).write(b, spec, widths);

/** The table ties each kind to its row; TypeScript cannot follow one lookup through a union. */
const rowOf = ({ kind }: Pick<ModelSpec, 'kind'>): ModelKind<ModelSpec, ModelInput> => MODELS[kind];
