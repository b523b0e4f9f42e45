// Brings one version from the store to a file that may be served, and proves it on the way.
// In: a model and a version number. Out: its manifest and a checked file; or the reason why not, and nothing changed.
// Why a trial: a file that hangs, crashes or answers otherwise than its golden rows does so in a process that serves nobody.
// Flow: … → publish → gate → alias → [swap] → predictions
//
//   manifest ─▶ blobs, by SHA-256 ─▶ trial child: inert? opens? golden rows alike? ─▶ every seat ─▶ alias
import { readFile } from 'node:fs/promises';
import type { Child } from '../common/child/host.ts';
import { type Code, GristmillError, isRetryable, toWireError } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';
import { numbersOf } from '../common/predict/prediction.ts';
import { parseRows } from '../common/predict/rows.ts';
import { entryKey } from '../common/store/journal.ts';
import type { Store } from '../common/store/store.ts';
import { parseStoredAs, readStored } from '../common/stored/stored.ts';
import { blobKey, type GoldenRows, type Manifest, versionsPrefix } from '../common/wire/model.ts';
import { copyKey } from '../common/wire/task.ts';
import { versionKey } from './catalog.ts';
import type { Files, ModelFile } from './files.ts';
import type { PredictArgs } from './thread.ts';

export type SwapDeps = {
  readonly store: Store;
  readonly files: Files;
  /** The child in which versions are tried; it holds nothing that is served. */
  readonly trial: () => Child;
};
/**
 * The store's word on a version; where the store errs or has nothing (its disk is gone), or is not to be
 * waited for, what scratch remembers. NOT_FOUND where neither has it.
 */
export async function fetchManifest(
  { store, files }: Pick<SwapDeps, 'store' | 'files'>,
  of: { model: string; version: number; fromScratch: boolean },
): Promise<Manifest> {
  const { model, version } = of;
  const remembered = await files.readManifest(model, version);
  if (remembered && of.fromScratch) {
    return checkManifest(remembered, model, version);
  }
  try {
    const key = entryKey(versionsPrefix(model), version);
    const manifest = await readStored(store, key, 'manifest');
    if (manifest) return checkManifest(manifest, model, version);
    if (!remembered) throw new GristmillError('NOT_FOUND', `expected an object at ${key}`);
  } catch (error) {
    if (!remembered || !isRetryable(error)) throw explain(error, model, version);
  }
  return checkManifest(remembered, model, version);
}

/** The model as a checked file that has shown its golden rows. Throws MODEL_INVALID, STORE_UNAVAILABLE … */
export async function proveVersion(deps: SwapDeps, manifest: Manifest): Promise<ModelFile> {
  const { model, version, onnx, golden, signature } = manifest;
  try {
    const goldenPath = await fetchBlob(deps, model, golden.sha256);
    const file = {
      sha256: onnx.sha256,
      path: await fetchBlob(deps, model, onnx.sha256),
      signature,
    };
    await tryFile(deps.trial(), file, await readGolden(goldenPath));
    await deps.files.writeManifest(manifest);
    return file;
  } catch (error) {
    throw explain(error, model, version);
  }
}

/** A blob as a checked local file: from scratch where it lies, else from the store. */
export async function fetchBlob(
  { store, files }: Pick<SwapDeps, 'store' | 'files'>,
  model: string,
  sha256: string,
): Promise<string> {
  const local = await files.find(sha256);
  if (local) return local;
  return keepCopy({ store, files }, blobKey(model, sha256), sha256);
}

/** The first copy that is right; a copy that rotted is passed over for the next. */
async function keepCopy(
  { store, files }: Pick<SwapDeps, 'store' | 'files'>,
  name: string,
  sha256: string,
): Promise<string> {
  for (let n = 1; ; n++) {
    const key = copyKey(name, n);
    try {
      return await files.keep(sha256, await store.read(key), key);
    } catch (error) {
      const isCorrupt = error instanceof GristmillError && error.code === 'CHECKSUM_MISMATCH';
      if (!isCorrupt || !(await store.head(copyKey(name, n + 1)))) throw error;
    }
  }
}

const SHA256 = /^[0-9a-f]{64}$/;

/** Digests become file names here, so their form is checked and not believed. */
function checkManifest(manifest: Manifest, model: string, version: number): Manifest {
  const wrong = (what: string): never => {
    throw new GristmillError('MODEL_INVALID', `its manifest ${what}`);
  };
  if (manifest.model !== model || manifest.version !== version) {
    wrong(`is that of ${versionKey(manifest.model, manifest.version)}`);
  }
  for (const blob of ['onnx', 'golden'] as const) {
    if (!SHA256.test(manifest[blob].sha256)) wrong(`names no SHA-256 for "${blob}"`);
  }
  return manifest;
}

async function readGolden(path: string): Promise<GoldenRows> {
  return parseStoredAs('golden', path, await readFile(path));
}

/** Opens the version and replays its golden rows, as requests would. */
async function tryFile(trial: Child, file: ModelFile, golden: GoldenRows): Promise<void> {
  await trial.call('load', file, { deadlineMs: LIMITS.loadDeadlineMs });
  try {
    if (golden.rows.length === 0) return;
    const batch = parseRows(
      file.signature,
      golden.rows.map(({ row }) => row),
    );
    const args: PredictArgs = { file, batch };
    const options = { deadlineMs: LIMITS.inferDeadlineMs };
    compareGolden(golden, await trial.call<Float32Array>('predict', args, options));
  } finally {
    trial.call('drop', file.sha256, { deadlineMs: LIMITS.loadDeadlineMs }).catch(() => {});
  }
}

/** Throws PROOF_FAILED on the first row whose prediction is not what the version was published with. */
export function compareGolden(golden: GoldenRows, predictions: ArrayLike<number>): void {
  for (const [index, { prediction }] of golden.rows.entries()) {
    const wanted = numbersOf(prediction);
    const found = wanted.map((_one, k) => predictions[index * wanted.length + k] ?? Number.NaN);
    const isSame = (one: number, k: number): boolean =>
      Math.abs(found[k]! - one) <= 1e-6 * Math.max(1, Math.abs(one));
    if (wanted.every(isSame)) continue;
    throw new GristmillError(
      'PROOF_FAILED',
      `golden row ${index} gives ${found}, expected ${prediction}`,
    );
  }
}

/** Names the version in every error. What is the file's fault is MODEL_INVALID; the rest keeps its code. */
function explain(error: unknown, model: string, version: number): GristmillError {
  const { code, message } = toWireError(error);
  const isFileFault = ['INTERNAL', 'PROOF_FAILED', 'ROW_INVALID', 'INPUT_MISSING'].includes(code);
  const kept: Code = isFileFault ? 'MODEL_INVALID' : code;
  return new GristmillError(kept, `Cannot load ${model} version ${version}: ${message}`, {
    cause: error,
  });
}
