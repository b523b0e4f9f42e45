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
import { type Predictions, predictBatch } from '../../common/predict/batch.ts';
import { columnsFromScan, scanColumns } from '../../common/predict/scan.ts';
import { quoteName, quoteText } from '../../common/sql.ts';
import type { ScoreProgram, ScoreResult, SliceFile } from '../../common/stage/evaluate.ts';
import { rangeSql } from './fit.ts';
import { type OutcomeBlob, type Prepared, type Runner, scratchFile, sealBlob } from './runner.ts';
import { ValueBook } from './value-book.ts';

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
  const books = program.slices.map(
    (_name, i) => new ValueBook(scratchFile(prepared, `values-${i}.json`)),
  );
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
      const scored = await predictBatch(session, program.signature, batch);
      const label = columns[raw.sql.length] as Float64Array;
      const slices = books.map((book, i) => ({ book, values: columns[raw.sql.length + 1 + i]! }));
      if (!out.write(encodeRows(scored, label, slices))) await once(out, 'drain');
      rows += n;
    },
  );
  await new Promise<void>((resolve, reject) => {
    out.end((error?: Error | null) => (error ? reject(error) : resolve()));
  });

  const { values, blobs } = await sealValues(prepared, program.slices, books);
  const result = { rows, slices: program.slices, ...values };
  if (rows === 0) return { result: { ...result, scores: null } satisfies ScoreResult, blobs, rows };
  const { blob, ref } = await sealBlob(prepared, path, 'bin');
  return {
    result: { ...result, scores: ref } satisfies ScoreResult,
    blobs: [blob, ...blobs],
    rows,
  };
};

async function sealValues(
  prepared: Prepared,
  names: readonly string[],
  books: readonly ValueBook[],
): Promise<{
  values: Pick<ScoreResult, 'sliceValues' | 'sliceFiles'>;
  blobs: OutcomeBlob[];
}> {
  const sliceValues: Record<string, readonly string[]> = {};
  const sliceFiles: Record<string, SliceFile> = {};
  const blobs: OutcomeBlob[] = [];
  for (const [i, name] of names.entries()) {
    const few = books[i]!.few();
    if (few) sliceValues[name] = few;
    else {
      const { path, pageBytes } = books[i]!.close();
      const { blob, ref } = await sealBlob(prepared, path, 'json');
      blobs.push(blob);
      sliceFiles[name] = { blob: ref, pageBytes };
    }
  }
  return { values: blobs.length > 0 ? { sliceValues, sliceFiles } : { sliceValues }, blobs };
}

function partOf(prepared: Prepared) {
  if (prepared.input.kind === 'part') return prepared.input.part;
  throw new GristmillError('INTERNAL', `Cannot score ${prepared.input.kind}, expected a part`);
}

const sliceSql = (column: string): string => `${quoteName(column)}::VARCHAR`;

/** k float32 scores, float32 label, int32 code a slice: little-endian, row by row. */
function encodeRows(
  { predictions, width }: Pick<Predictions, 'predictions' | 'width'>,
  labels: Float64Array,
  slices: readonly { readonly values: ColumnData; readonly book: ValueBook }[],
): Buffer {
  const rows = predictions.length / width;
  const stride = 4 * (width + 1 + slices.length);
  const bytes = Buffer.allocUnsafe(rows * stride);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let k = 0; k < width; k++) at = bytes.writeFloatLE(predictions[row * width + k]!, at);
    at = bytes.writeFloatLE(labels[row]!, at);
    for (const { values, book } of slices) {
      at = bytes.writeInt32LE(book.code((values[row] as string | null) ?? ''), at);
    }
  }
  return bytes;
}
