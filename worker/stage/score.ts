// Scores rows of one part through a model file, in the shape in which it is served.
// In: a part, model.onnx, a range of the split. Out: score, label and slice codes of each row, in row order.
// Why through the raw columns: a version of any age can be scored on the same rows, whatever its features are.
// Flow: job → snapshot → plan → prepare → fit → train → [evaluate] → prove → publish → gate → predictions

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ColumnData, type ColumnKind, openDuck } from '../../common/engine/duckdb.ts';
import { openSession } from '../../common/engine/onnx.ts';
import { GristmillError } from '../../common/errors.ts';
import { predictBatch } from '../../common/predict/batch.ts';
import { columnsFromScan, scanColumns } from '../../common/predict/scan.ts';
import { quoteName, quoteText } from '../../common/sql.ts';
import type { ScoreProgram, ScoreResult } from '../../common/wire/program.ts';
import { rangeSql } from './fit.ts';
import { type Prepared, type Runner, scratchFile, sealBlob } from './runner.ts';

export const runScore: Runner<ScoreProgram> = async (prepared) => {
  const { program } = prepared;
  const part = partOf(prepared);
  await using session = await openSession(await readFile(prepared.files[program.model.key]!));
  await using duck = await openDuck({
    memoryBytes: prepared.memoryBytes,
    tempDir: join(prepared.scratch, 'spill'),
    files: [prepared.files[part.key]!],
  });
  const path = scratchFile(prepared, 'scores.bin');
  const out = createWriteStream(path);
  const slices = program.slices.map(() => new Dictionary());
  const raw = scanColumns(program.signature.inputs);
  const select = [...raw.sql, '__label', ...program.slices.map(sliceSql)].join(', ');
  const kinds: ColumnKind[] = [
    ...raw.kinds,
    'float64',
    ...program.slices.map(() => 'string' as const),
  ];
  let rows = 0;
  await duck.scan(
    `SELECT ${select} FROM read_parquet(${quoteText(prepared.files[part.key]!)})
    WHERE ${rangeSql(program.where)}`,
    kinds,
    async (n, columns) => {
      const batch = columnsFromScan(program.signature.inputs, columns.slice(0, raw.sql.length), n);
      const { predictions } = await predictBatch(session, program.signature, batch);
      const label = columns[raw.sql.length] as Float64Array;
      if (!out.write(encodeRows(n, predictions, label, columns.slice(raw.sql.length + 1), slices)))
        await once(out, 'drain');
      rows += n;
    },
  );
  await new Promise<void>((resolve, reject) => {
    out.end((error?: Error | null) => (error ? reject(error) : resolve()));
  });

  const sliceValues = Object.fromEntries(
    program.slices.map((name, i) => [name, slices[i]!.values]),
  );
  if (rows === 0)
    return {
      result: { rows, scores: null, slices: program.slices, sliceValues } satisfies ScoreResult,
      blobs: [],
      rows,
    };
  const { blob, ref } = await sealBlob(prepared, path, 'bin');
  return {
    result: { rows, scores: ref, slices: program.slices, sliceValues } satisfies ScoreResult,
    blobs: [blob],
    rows,
  };
};

function partOf(prepared: Prepared) {
  if (prepared.input.kind === 'part') return prepared.input.part;
  throw new GristmillError('INTERNAL', `Cannot score ${prepared.input.kind}, expected a part`);
}

const sliceSql = (column: string): string => `${quoteName(column)}::VARCHAR`;

/** Codes in order of first appearance, which is row order. */
class Dictionary {
  readonly values: string[] = [];
  readonly #codes = new Map<string, number>();
  code(value: string): number {
    const known = this.#codes.get(value);
    if (known !== undefined) return known;
    this.#codes.set(value, this.values.length);
    return this.values.push(value) - 1;
  }
}

/** float32 score, float32 label, int32 code a slice: little-endian, row by row. */
function encodeRows(
  rows: number,
  predictions: Float32Array,
  label: Float64Array,
  slices: readonly ColumnData[],
  dictionaries: readonly Dictionary[],
): Buffer {
  const width = 8 + 4 * slices.length;
  const bytes = Buffer.allocUnsafe(rows * width);
  for (let row = 0; row < rows; row++) {
    bytes.writeFloatLE(predictions[row]!, row * width);
    bytes.writeFloatLE(label[row]!, row * width + 4);
    slices.forEach((values, i) => {
      bytes.writeInt32LE(
        dictionaries[i]!.code((values[row] as string | null) ?? ''),
        row * width + 8 + 4 * i,
      );
    });
  }
  return bytes;
}
