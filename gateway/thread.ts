// The only place in the gateway where models run: a thread of an expendable child.
// In: file names of checked models, columns of raw values. Out: predictions.
// Why no state but sessions: it may be killed at any time; whoever holds it loads the same files again.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ThreadCall } from '../common/child/protocol.ts';
import { openSession, type Session } from '../common/engine/onnx.ts';
import { GristmillError } from '../common/errors.ts';
import { checkInert } from '../common/onnx/inert.ts';
import { predictBatch } from '../common/predict/batch.ts';
import type { ColumnBatch } from '../common/predict/rows.ts';
import type { Signature } from '../common/stage/terms.ts';
import type { ModelFile } from './files.ts';

export type PredictArgs = { readonly file: ModelFile; readonly batch: ColumnBatch };

const sessions = new Map<string, Promise<Session>>(); // by sha256

/** `load` opens and warms a model, `predict` runs it (and opens it where that has not happened), `drop` lets it go. */
export default async function run(call: ThreadCall): Promise<unknown> {
  switch (call.method) {
    case 'load':
      return load(call.args as ModelFile);
    case 'predict':
      return predict(call.args as PredictArgs);
    case 'drop':
      return drop(call.args as string);
    default:
      throw new GristmillError('INTERNAL', `Unknown method ${call.method}`);
  }
}

async function load(file: ModelFile): Promise<void> {
  const session = await sessionOf(file);
  await predictBatch(session, file.signature, missingRow(file.signature));
}

async function predict({ file, batch }: PredictArgs): Promise<Float32Array> {
  return (await predictBatch(await sessionOf(file), file.signature, batch)).predictions;
}

async function drop(sha256: string): Promise<void> {
  const session = sessions.get(sha256);
  sessions.delete(sha256);
  await (await session)?.[Symbol.asyncDispose]();
}

function sessionOf(file: ModelFile): Promise<Session> {
  const known = sessions.get(file.sha256);
  if (known) return known;
  const opening = open(file);
  sessions.set(file.sha256, opening);
  opening.catch(() => sessions.delete(file.sha256));
  return opening;
}

async function open(file: ModelFile): Promise<Session> {
  const bytes = await readFile(file.path).catch((error: unknown) => {
    throw new GristmillError(
      'CHECKSUM_MISMATCH',
      `Cannot read ${file.path}: expected the model with SHA-256 ${file.sha256}`,
      { cause: error },
    );
  });
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== file.sha256) {
    throw new GristmillError(
      'CHECKSUM_MISMATCH',
      `Cannot use ${file.path}: its bytes have SHA-256 ${found}, expected ${file.sha256}`,
    );
  }
  checkInert(bytes);
  return openSession(bytes);
}

/** One row in which everything is missing: what a session is warmed with. */
function missingRow(signature: Signature): ColumnBatch {
  const columns: Record<string, Float64Array | BigInt64Array | string[]> = {};
  for (const { name, type } of signature.inputs) {
    if (type === 'number') columns[name] = Float64Array.of(Number.NaN);
    else if (type === 'time') columns[name] = BigInt64Array.of(-(2n ** 63n));
    else columns[name] = [''];
  }
  return { rows: 1, columns, ignoredFields: 0 };
}
