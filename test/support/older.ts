// Stores as older programs left them. In: test/data/<commit>.json. Out: a store and a lake in memory that hold the same bytes.
import { readFileSync } from 'node:fs';
import { memoryStore } from '../../common/store/memory.ts';
import { jsonBytes, type Store } from '../../common/store/store.ts';

type Recorded = {
  readonly store: Readonly<Record<string, unknown>>;
  readonly lake: Readonly<Record<string, string>>;
};

export const recordedOf = (commit: string): Recorded =>
  JSON.parse(readFileSync(new URL(`../data/${commit}.json`, import.meta.url), 'utf8')) as Recorded;

/** `keep` chooses the objects of the store. */
export async function olderStore(
  commit: string,
  keep: (key: string) => boolean = () => true,
): Promise<{ readonly store: Store; readonly lake: Store }> {
  const [store, lake, recorded] = [memoryStore(), memoryStore(), recordedOf(commit)];
  for (const [key, value] of Object.entries(recorded.store))
    if (keep(key)) await store.create(key, jsonBytes(value));
  for (const [key, text] of Object.entries(recorded.lake))
    await lake.create(key, Buffer.from(text, 'base64'));
  return { store, lake };
}
