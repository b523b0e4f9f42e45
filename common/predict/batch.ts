// Runs a model file over columns, always in the one tensor shape.
// In: a session, columns of any length. Out: predictions, and the features on the way to them.
// Why padded to 32 rows: the same row in a batch of 1 and of 32 can give other bits (ReduceSum at N = 1).
import type { FeedTensor, Session } from '../engine/onnx.ts';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { OBJECTIVES } from '../objective/objectives.ts';
import type { ColumnType, Signature } from '../stage/terms.ts';
import { type Column, type ColumnBatch, TIME_MISSING } from './rows.ts';

export type Predictions = {
  /** Numbers of one prediction. */
  readonly width: number;
  /** Row-major [rows, width]. */
  readonly predictions: Float32Array;
  /** Row-major [rows, C]; null where the model has no categories. */
  readonly codes: BigInt64Array | null;
  /** Row-major [rows, D]; null where the model has no numbers. */
  readonly numbers: Float32Array | null;
};

export async function predictBatch(
  session: Session,
  signature: Signature,
  batch: ColumnBatch,
): Promise<Predictions> {
  const [codeWidth, numberWidth] = [signature.codes.length, signature.numbers.length];
  const { width } = OBJECTIVES[signature.label];
  const predictions = new Float32Array(batch.rows * width);
  const codes = codeWidth > 0 ? new BigInt64Array(batch.rows * codeWidth) : null;
  const numbers = numberWidth > 0 ? new Float32Array(batch.rows * numberWidth) : null;
  const outputs = ['prediction', ...(codes ? ['codes'] : []), ...(numbers ? ['numbers'] : [])];
  for (let start = 0; start < batch.rows; start += LIMITS.scoringRows) {
    const rows = Math.min(LIMITS.scoringRows, batch.rows - start);
    const out = await session.run(feedsOf(signature, batch, start), outputs);
    predictions.set(
      (out.prediction!.data as Float32Array).subarray(0, rows * width),
      start * width,
    );
    codes?.set((out.codes!.data as BigInt64Array).subarray(0, rows * codeWidth), start * codeWidth);
    numbers?.set(
      (out.numbers!.data as Float32Array).subarray(0, rows * numberWidth),
      start * numberWidth,
    );
  }
  return { width, predictions, codes, numbers };
}

/** LIMITS.scoringRows rows from `start`; rows beyond the batch are missing in every column. */
function feedsOf(
  signature: Signature,
  batch: ColumnBatch,
  start: number,
): Record<string, FeedTensor> {
  const feeds: Record<string, FeedTensor> = {};
  for (const { name, type } of signature.inputs) {
    const column = batch.columns[name];
    if (!column)
      throw new GristmillError('INTERNAL', `Cannot predict: column ${name} is not in the batch`);
    feeds[name] = tensorOf(type, column, start);
  }
  return feeds;
}

function tensorOf(type: ColumnType, column: Column, start: number): FeedTensor {
  const rows = LIMITS.scoringRows;
  const dims = [rows];
  switch (type) {
    case 'number': {
      const data = new Float64Array(rows).fill(Number.NaN);
      data.set((column as Float64Array).subarray(start, start + rows));
      return { type: 'double', dims, data };
    }
    case 'time': {
      const data = new BigInt64Array(rows).fill(TIME_MISSING);
      data.set((column as BigInt64Array).subarray(start, start + rows));
      return { type: 'int64', dims, data };
    }
    case 'string': {
      const data = (column as readonly string[]).slice(start, start + rows);
      while (data.length < rows) data.push('');
      return { type: 'string', dims, data };
    }
  }
}
