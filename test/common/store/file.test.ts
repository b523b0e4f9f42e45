import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { systemClock } from '../../../common/clock.ts';
import { openFileStore } from '../../../common/store/file.ts';
import { explainFile } from '../../../common/store/file-errors.ts';
import { bytesOf, keysOf, storeContract } from './contract.ts';

const folders: string[] = [];
const freshFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-store-'));
  folders.push(folder);
  return folder;
};
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});
const quick = { ...systemClock, sleep: async () => {} };

type Open = Parameters<typeof storeContract>[1];
const openContract =
  (local: boolean): Open =>
  async () => {
    const root = await freshFolder();
    const store = await openFileStore(root, { local });
    return {
      store,
      overwrite: async (key, bytes) => {
        await systemClock.sleep(20); // an etag is size and mtime, and the kernel's clock ticks every 4 ms
        await writeFile(join(root, key), bytes);
      },
      close: () => store.close(),
    };
  };
storeContract('file', openContract(true));
storeContract('file on a network', openContract(false));

test('openFileStore() makes no root unless told', async () => {
  const root = join(await freshFolder(), 'missing');
  await expect(openFileStore(root)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('expected an existing folder'),
  });
  const store = await openFileStore(root, { create: true });
  expect(await store.create('k', bytesOf('x'))).toBe('created');
});

test('a root that went away is STORE_UNAVAILABLE, not an empty store', async () => {
  const root = join(await freshFolder(), 'root');
  const store = await openFileStore(root, { create: true, clock: quick });
  await store.create('a/k', bytesOf('x'));
  await rm(root, { recursive: true });
  const gone = { code: 'STORE_UNAVAILABLE' };
  await expect(store.get('a/k')).rejects.toMatchObject(gone);
  await expect(store.create('a/other', bytesOf('x'))).rejects.toMatchObject(gone);
  await expect(keysOf(store, '')).rejects.toMatchObject(gone);
  await expect(store.listNames('')).rejects.toMatchObject(gone);
});

test('a folder that somebody removed is made again', async () => {
  const root = await freshFolder();
  const store = await openFileStore(root, { clock: quick });
  await store.create('a/b/k', bytesOf('x'));
  await rm(join(root, 'a'), { recursive: true });
  expect(await store.create('a/b/k', bytesOf('y'))).toBe('created');
});

test('two stores on one folder have one winner a key', async () => {
  const root = await freshFolder();
  const stores = await Promise.all([openFileStore(root), openFileStore(root)]);
  const wins = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const outcomes = stores.map((store, j) => store.create(`deep/${i}/k`, bytesOf(`${j}`)));
      return (await Promise.all(outcomes)).filter((outcome) => outcome === 'created').length;
    }),
  );
  expect(wins.every((count) => count === 1)).toBe(true);
});

test('temp files never show, cannot be named, and old ones are swept', async () => {
  const root = await freshFolder();
  const temp = join(root, '.gristmill-tmp');
  await mkdir(temp);
  await writeFile(join(temp, 'old'), 'x');
  await writeFile(join(temp, 'young'), 'x');
  await utimes(join(temp, 'old'), 1, 1);
  const store = await openFileStore(root);
  await store.create('k', bytesOf('x'));
  expect(await readdir(temp)).toEqual(['young']);
  expect(await keysOf(store, '')).toEqual(['k']);
  expect(await keysOf(store, '.grist')).toEqual([]);
  expect(await store.listNames('')).toEqual(['k']);
  const outside = { code: 'INPUT_OUTSIDE' };
  await expect(store.get('.gristmill-tmp/young')).rejects.toMatchObject(outside);
  await expect(keysOf(store, '.gristmill-tmp/')).rejects.toMatchObject(outside);
});

test('symbolic links are followed below the root and never out of it', async () => {
  const root = await freshFolder();
  const outside = await freshFolder();
  await writeFile(join(outside, 'secret'), 'secret');
  const store = await openFileStore(root, { clock: quick });
  await store.create('data/real', bytesOf('inside'));
  await symlink(join(outside, 'secret'), join(root, 'leak'));
  await symlink(outside, join(root, 'way-out'));
  await symlink(join(root, 'data', 'real'), join(root, 'alias'));
  await symlink(root, join(root, 'data', 'loop'));
  const refused = { code: 'INPUT_OUTSIDE' };
  for (const key of ['leak', 'way-out/secret']) {
    await expect(store.get(key)).rejects.toMatchObject(refused);
    await expect(store.head(key)).rejects.toMatchObject(refused);
    await expect(store.read(key)).rejects.toMatchObject(refused);
  }
  await expect(store.create('way-out/new', bytesOf('x'))).rejects.toMatchObject(refused);
  await expect(store.create('way-out/sub/new', bytesOf('x'))).rejects.toMatchObject(refused);
  await expect(store.delete('way-out/secret')).rejects.toMatchObject(refused);
  await expect(keysOf(store, 'way-out/')).rejects.toMatchObject(refused);
  expect(await readdir(outside)).toEqual(['secret']);
  expect(new TextDecoder().decode(await store.get('alias'))).toBe('inside');
  expect(await keysOf(store, '')).toEqual(['alias', 'data/real']);
  expect(await store.listNames('')).toEqual(['alias', 'data/']);
});

test('create() below an object and on a folder is a CONFLICT', async () => {
  const store = await openFileStore(await freshFolder(), { clock: quick });
  await store.create('a/b', bytesOf('x'));
  const conflict = { code: 'CONFLICT' };
  await expect(store.create('a/b/c', bytesOf('x'))).rejects.toMatchObject(conflict);
  await expect(store.create('a', bytesOf('x'))).rejects.toMatchObject(conflict);
});

test('explainFile() tells what may pass from what will not', () => {
  const meaning = (code: string) => {
    const { transient, error } = explainFile(
      Object.assign(new Error(), { code }),
      'create k',
      'file:///r',
    );
    return [transient, error.code];
  };
  expect(meaning('ENOSPC')).toEqual([true, 'STORE_FULL']);
  expect(meaning('EDQUOT')).toEqual([true, 'STORE_FULL']);
  expect(meaning('EIO')).toEqual([true, 'STORE_UNAVAILABLE']);
  expect(meaning('EMFILE')).toEqual([true, 'STORE_UNAVAILABLE']);
  expect(meaning('EROFS')).toEqual([false, 'STORE_DENIED']);
  expect(meaning('EACCES')).toEqual([false, 'STORE_DENIED']);
  expect(meaning('ENAMETOOLONG')).toEqual([false, 'INPUT_OUTSIDE']);
  expect(meaning('ESOMETHING')).toEqual([false, 'INTERNAL']);
});
