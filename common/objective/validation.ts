// How good the model is on validation rows after each epoch: a loss, and for classes an AUC, from small partials.
// In: predictions and labels of some rows. Out: figures, close to the exact ones of `evaluate`.
// Why binned: a partial of 2 × 16,384 counts instead of all scores. Pairs inside a bin count as half; the AUC is
// off by less than 1e-4, also for rare classes (tested). Exact figures come from common/metric.
//
//   [ loss sum | rows | what the objective adds … ]
import { type LabelKind, OBJECTIVES } from './objectives.ts';

export type ValidationRows = {
  /** Predictions, row after row, as wide as the objective says. */
  readonly scores: Float32Array;
  readonly labels: Float32Array;
};

export type ValidationSummary = {
  /** Mean log loss, or mean squared error; null without rows. */
  readonly loss: number | null;
  /** Null where labels are numbers, and where a class is missing. */
  readonly auc: number | null;
};

export const validationLength = (label: LabelKind): number => OBJECTIVES[label].validation.length;

/** The partial of some rows. Partials are added with addValidation. */
export function validationPartial(label: LabelKind, rows: ValidationRows): Float64Array {
  const { width, validation } = OBJECTIVES[label];
  const partial = new Float64Array(validation.length);
  validation.add(partial, { width, ...rows });
  partial[1] = rows.labels.length;
  return partial;
}

/** into = left + right: the merge of the lane tree. */
export function addValidation(into: Float64Array, left: Float64Array, right: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = left[i]! + right[i]!;
}

export function summarizeValidation(label: LabelKind, sum: Float64Array): ValidationSummary {
  const [loss, rows] = [sum[0]!, sum[1]!];
  if (rows === 0) return { loss: null, auc: null };
  return { loss: loss / rows, auc: OBJECTIVES[label].validation.rank?.figure(sum) ?? null };
}
