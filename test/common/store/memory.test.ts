import { expect, test } from 'vitest';
import { append, readHead } from '../../../common/store/journal.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { getJson } from '../../support/json.ts';
import { bytesOf, storeContract } from './contract.ts';

storeContract('memory', async () => {
  const store = memoryStore();
  return {
    store,
    overwrite: async (key, bytes) => store.overwrite(key, bytes),
    close: () => store.close(),
  };
});

test('readHead() gallops: a journal of 1,000 entries costs about 20 reads, 3 from a known head', async () => {
  const store = memoryStore();
  for (let n = 1; n <= 1000; n++) await append(store, 'log', n, { formatVersion: 1 });
  expect(store.writes).toBe(1000);
  expect((await readHead(store, 'log', 0, getJson))?.n).toBe(1000);
  expect(store.reads).toBeLessThanOrEqual(21);
  const before = store.reads;
  expect((await readHead(store, 'log', 1000, getJson))?.n).toBe(1000);
  expect(store.reads - before).toBe(2);
});

test('memoryStore() counts and keeps its own copy', async () => {
  const store = memoryStore();
  const bytes = bytesOf('one');
  await store.create('k', bytes);
  bytes[0] = 0;
  const read = (await store.get('k'))!;
  expect(read).toEqual(bytesOf('one'));
  read[0] = 0;
  expect(await store.get('k')).toEqual(bytesOf('one'));
  await store.listNames('');
  expect(store).toMatchObject({ reads: 2, writes: 1, lists: 1 });
});
