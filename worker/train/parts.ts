// Parts on local disk: fetched once, verified, kept by their SHA-256 while a run lives.
// In: parts of a program, a folder. Out: a path for each key.
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { mapParallel } from '../../common/parallel.ts';
import type { Store } from '../../common/store/store.ts';
import { fetchVerified } from '../../common/store/verified.ts';
import type { PartRef } from '../../common/wire/task.ts';

/** Downloads of one run at a time: enough to hide latency, few enough for a disk. */
const FETCH_PARALLEL = 4;

export async function fetchParts(
  store: Store,
  parts: readonly PartRef[],
  folder: string,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  await mkdir(folder, { recursive: true });
  const entries = await mapParallel(parts, FETCH_PARALLEL, async (part) => {
    const path = join(folder, `${part.sha256}.parquet`);
    if (!signal.aborted && !(await exists(path))) await fetchPart(store, part, path);
    return [part.key, path] as const;
  });
  return Object.fromEntries(entries);
}

/** Whole under its name, or not there: a file that begins as `.partial` may be cut off. */
async function fetchPart(store: Store, part: PartRef, path: string): Promise<void> {
  try {
    await fetchVerified(store, part, `${path}.partial`);
    await rename(`${path}.partial`, path);
  } catch (error) {
    await rm(`${path}.partial`, { force: true });
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
