// Versions: immutable, numbered, each a manifest over blobs named by their content.
// In: what training, proof and evaluation found. Out: models/<name>/versions/<n>.json, created last.
// Why last: creating the manifest claims the number, so what it names is there before anybody can read it.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → [publish] → gate → alias → predictions
import { GristmillError } from '../../common/errors.ts';
import { sha256Hex } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { mapParallel } from '../../common/parallel.ts';
import { append, entryKey } from '../../common/store/journal.ts';
import { jsonBytes, type Store } from '../../common/store/store.ts';
import { corruptOf, getVerified } from '../../common/store/verified.ts';
import { readStored, readStoredHead } from '../../common/stored/stored.ts';
import {
  blobKey,
  type GoldenRows,
  type Manifest,
  versionsPrefix,
} from '../../common/wire/model.ts';
import { type BlobRef, copyKey } from '../../common/wire/task.ts';

/** A version before it has a number. */
export type Draft = Omit<Manifest, 'formatVersion' | 'version' | 'onnx' | 'golden' | 'report'> & {
  /** model.onnx where a task left it. */
  readonly onnx: BlobRef;
  readonly golden: GoldenRows;
  /** Everything a person may want to read about the training; plain JSON. */
  readonly report: Readonly<Record<string, unknown>>;
};

/**
 * Publishes a version, or finds the one that was trained alike or whose model.onnx has the same bytes (as after a
 * change of our code or the engines that changed nothing): `reused`, if another job made it.
 */
export async function publishVersion(
  store: Store,
  draft: Draft,
): Promise<{ readonly manifest: Manifest; readonly reused: boolean }> {
  const { model } = draft;
  const newest = (await latestVersion(store, model))?.version ?? 0;
  const isSame = ({ trainDigest, onnx }: Manifest): boolean =>
    trainDigest === draft.trainDigest || onnx.sha256 === draft.onnx.sha256;
  const same = await findVersion(store, model, { newest, isSame });
  const found = (manifest: Manifest) => ({
    manifest,
    reused: manifest.lineage.job !== draft.lineage.job,
  });
  if (same) {
    await mendBlobs(store, same, draft);
    return found(same);
  }
  const blobs = await storeBlobs(store, draft);
  for (let version = newest + 1; ; version++) {
    const manifest: Manifest = { ...draft, ...blobs, formatVersion: 1, version };
    if (await append(store, versionsPrefix(model), version, manifest)) {
      return { manifest, reused: false };
    }
    const other = await readStored(store, entryKey(versionsPrefix(model), version), 'manifest');
    if (other && isSame(other)) return found(other);
  }
}

async function storeBlobs(
  store: Store,
  draft: Draft,
): Promise<Pick<Manifest, 'onnx' | 'golden' | 'report'>> {
  const put = async (blob: Uint8Array): Promise<Manifest['onnx']> => {
    const sha256 = sha256Hex(blob);
    await store.create(blobKey(draft.model, sha256), blob);
    return { sha256, bytes: blob.length };
  };
  return {
    onnx: await put(await getVerified(store, draft.onnx)),
    golden: await put(jsonBytes(draft.golden)),
    report: await put(jsonBytes(draft.report)),
  };
}

/** A version that is published again is whole again: what rotted of it gets a new copy. */
async function mendBlobs(store: Store, manifest: Manifest, draft: Draft): Promise<void> {
  const { onnx, golden } = manifest;
  await mendBlob(store, refOf(manifest.model, onnx), () => getVerified(store, draft.onnx));
  await mendBlob(store, refOf(manifest.model, golden), async () => jsonBytes(draft.golden));
}

async function mendBlob(
  store: Store,
  ref: BlobRef,
  whole: () => Promise<Uint8Array>,
): Promise<void> {
  try {
    await getVerified(store, ref);
  } catch (error) {
    const corrupt = corruptOf(error);
    if (!corrupt || corrupt.copies >= LIMITS.copiesMax) throw error;
    const bytes = await whole();
    if (sha256Hex(bytes) !== ref.sha256) throw error;
    await store.create(copyKey(ref.key, corrupt.copies + 1), bytes);
  }
}

const refOf = (model: string, blob: Manifest['onnx']): BlobRef => ({
  key: blobKey(model, blob.sha256),
  ...blob,
});

/** The newest such version, a page at a time. */
async function findVersion(
  store: Store,
  model: string,
  { newest, isSame }: { readonly newest: number; readonly isSame: (one: Manifest) => boolean },
): Promise<Manifest | undefined> {
  for (let before = newest + 1; before > 1; before -= LIMITS.pageRowsMax) {
    const page = await readVersions(store, model, { before, limit: LIMITS.pageRowsMax });
    const same = page.find(isSame);
    if (same) return same;
  }
  return undefined;
}

export type VersionPage = {
  /** Newest first. */
  readonly versions: readonly Manifest[];
  /** `before` of the next page; undefined: this was the last. */
  readonly next: number | undefined;
};

/** Versions below `before`, or the newest; no versions where there is no such model. */
export async function pageVersions(
  store: Store,
  model: string,
  { before, limit }: { readonly before?: number | undefined; readonly limit: number },
): Promise<VersionPage> {
  const newest = (await latestVersion(store, model))?.version ?? 0;
  const start = Math.min(before ?? newest + 1, newest + 1);
  const versions = await readVersions(store, model, { before: start, limit });
  const oldest = start - versions.length;
  return { versions, next: oldest > 1 ? oldest : undefined };
}

function readVersions(
  store: Store,
  model: string,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<Manifest[]> {
  const count = Math.max(0, Math.min(limit, before - 1));
  const numbers = Array.from({ length: count }, (_, index) => before - 1 - index);
  return mapParallel(numbers, LIMITS.registryReadsMax, (n) => getVersion(store, model, n));
}

export async function latestVersion(store: Store, model: string): Promise<Manifest | undefined> {
  return (await readStoredHead(store, versionsPrefix(model), 'manifest'))?.value;
}

/** Throws NOT_FOUND that lists the versions, or the models, there are. */
export async function getVersion(store: Store, model: string, version: number): Promise<Manifest> {
  const manifest = await readStored(store, entryKey(versionsPrefix(model), version), 'manifest');
  if (manifest) return manifest;
  const latest = await requireModel(store, model);
  const has = latest === 1 ? 'version 1' : `versions 1 to ${latest}`;
  throw new GristmillError(
    'NOT_FOUND',
    `Cannot find version ${version} of ${model}: it has ${has}`,
  );
}

/** The number of the newest version; throws NOT_FOUND that lists the models there are. */
export const requireModel = async (store: Store, model: string): Promise<number> =>
  (await newestVersion(store, model)).version;

/** The newest version; throws NOT_FOUND that lists the models there are. */
export async function newestVersion(store: Store, model: string): Promise<Manifest> {
  const newest = await latestVersion(store, model);
  if (newest) return newest;
  const names = await listModelNames(store);
  const has = names.length === 0 ? 'none is published yet' : `expected one of ${names.join(', ')}`;
  throw new GristmillError('NOT_FOUND', `Cannot find the model ${model}: ${has}`);
}

/** Names of models that have a version, sorted; a gate may be set before the first one. */
export async function listModelNames(
  store: Store,
  { after = '', limit = Number.POSITIVE_INFINITY }: { after?: string; limit?: number } = {},
): Promise<readonly string[]> {
  const names = folders(await store.listNames('models/')).filter((name) => name > after);
  const found: string[] = [];
  for (let start = 0; start < names.length && found.length < limit; start += LIMITS.pageRowsMax) {
    const some = names.slice(start, start + LIMITS.pageRowsMax);
    const heads = await mapParallel(some, LIMITS.registryReadsMax, (name) =>
      store.head(entryKey(versionsPrefix(name), 1)),
    );
    found.push(...some.filter((_name, index) => heads[index] !== undefined));
  }
  return found.slice(0, limit);
}

export const folders = (names: readonly string[]): readonly string[] =>
  names.filter((name) => name.endsWith('/')).map((name) => name.slice(0, -1));
