// A store that need not be there yet.
// In: how to open it. Out: a Store whose every call opens it first, again after a failure.
// Why: a gateway serves what scratch holds, and a coordinator says what it waits for, while the store is away.
import type { Store } from './store.ts';

export function storeLater(uri: string, open: () => Promise<Store>): Store {
  let opened: Promise<Store> | undefined;
  const store = (): Promise<Store> => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  return {
    uri,
    get: async (key) => (await store()).get(key),
    getRange: async (key, range) => (await store()).getRange(key, range),
    create: async (key, bytes) => (await store()).create(key, bytes),
    createFromFile: async (key, path) => (await store()).createFromFile(key, path),
    read: async (key) => (await store()).read(key),
    head: async (key) => (await store()).head(key),
    async *list(prefix) {
      yield* (await store()).list(prefix);
    },
    listNames: async (prefix) => (await store()).listNames(prefix),
    delete: async (key) => (await store()).delete(key),
    close: async () => {
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}
