// Objects of a store as they lie there, past the door: for tests that look at what was written.
// In: a key, a journal. Out: parsed JSON, unchecked.
import { type Entry, readAfter } from '../../common/store/journal.ts';
import type { Store } from '../../common/store/store.ts';

export async function getJson<T>(store: Store, key: string): Promise<T | undefined> {
  const bytes = await store.get(key);
  return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as T);
}

export const readAll = <T>(store: Store, prefix: string, after = 0): Promise<Entry<T>[]> =>
  readAfter<T>(store, prefix, after, getJson);
