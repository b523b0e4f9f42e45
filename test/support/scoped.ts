// A part of a store, as a store of its own.
// In: a store and a prefix. Out: the Store contract below that prefix, with keys relative to it.
// Why: each test of a shared store gets its corner.
import { checkFolder, checkKey } from '../../common/store/keys.ts';
import type { ObjectInfo, Store } from '../../common/store/store.ts';

/** `prefix` ends in "/". Closing the part leaves the whole open. */
export function scoped(store: Store, prefix: string): Store {
  checkFolder(prefix);
  const full = (key: string): string => prefix + checkKey(key);
  const relative = (info: ObjectInfo): ObjectInfo => ({
    ...info,
    key: info.key.slice(prefix.length),
  });
  return {
    uri: `${store.uri.replace(/\/$/, '')}/${prefix.replace(/\/$/, '')}`,
    get: (key) => store.get(full(key)),
    getRange: (key, range) => store.getRange(full(key), range),
    create: (key, bytes) => store.create(full(key), bytes),
    createFromFile: (key, path) => store.createFromFile(full(key), path),
    read: (key) => store.read(full(key)),
    head: async (key) => {
      const info = await store.head(full(key));
      return info && relative(info);
    },
    async *list(below) {
      for await (const info of store.list(prefix + below)) yield relative(info);
    },
    listNames: (below) => store.listNames(prefix + below),
    delete: (key) => store.delete(full(key)),
    close: async () => {},
  };
}
