// A prediction as JSON: a number where it is one wide, a list of numbers where it is wider.
// In: predictions, row after row, and their width. Out: what answers and golden rows say, and back.
// Why not always a list: today's objectives say one number, and clients read it as one.

export type Prediction = number | readonly number[];

export function listPredictions(predictions: Float32Array, width: number): Prediction[] {
  if (width === 1) return Array.from(predictions);
  return Array.from({ length: predictions.length / width }, (_, row) =>
    Array.from(predictions.subarray(row * width, (row + 1) * width)),
  );
}

/** All numbers of a prediction. */
export const numbersOf = (prediction: Prediction): readonly number[] =>
  typeof prediction === 'number' ? [prediction] : prediction;
