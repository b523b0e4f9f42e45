import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sha256Hex } from '../../common/ids.ts';
import { Files } from '../../gateway/files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gristmill-files-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const bytes = (text: string): Readable => Readable.from([Buffer.from(text)]);

test('keep() keeps what has the right digest, and nothing of what has not', async () => {
  const files = await Files.open(folder, 'dev');
  const sha256 = sha256Hex('model');
  expect(await files.find(sha256)).toBeUndefined();
  await expect(files.keep(sha256, bytes('other'), 'blob x')).rejects.toMatchObject({
    code: 'CHECKSUM_MISMATCH',
    message: expect.stringContaining('blob x'),
  });
  expect(await files.find(sha256)).toBeUndefined();
  const path = await files.keep(sha256, bytes('model'), 'blob x');
  expect(await files.find(sha256)).toBe(path);
  const left = await readdir(join(folder, 'gateway-dev'));
  expect(left.filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('find() does not believe a file that has rotted', async () => {
  const files = await Files.open(folder, 'dev');
  const sha256 = sha256Hex('model');
  await writeFile(await files.keep(sha256, bytes('model'), 'x'), 'modem');
  expect(await files.find(sha256)).toBeUndefined();
  expect(await readdir(join(folder, 'gateway-dev', 'blobs'))).toEqual([]);
});

test('readCatalog() remembers what was served of this store, and nothing of another', async () => {
  const files = await Files.open(folder, 'dev');
  expect(await files.readCatalog('file:///a')).toBeUndefined();
  const aliases = [{ model: 'm', alias: 'champion', version: 2 }];
  await files.writeCatalog({ formatVersion: 1, store: 'file:///a', aliases });
  const again = await Files.open(folder, 'dev');
  expect((await again.readCatalog('file:///a'))?.aliases).toEqual(aliases);
  expect(await again.readCatalog('file:///b')).toBeUndefined();
});

test('prune() keeps what is served and as many others as told', async () => {
  const files = await Files.open(folder, 'dev');
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) await files.keep(sha256Hex(name), bytes(name), name);
  await files.prune(new Set([sha256Hex('a')]), 1);
  const left = await Promise.all(names.map(async (name) => files.find(sha256Hex(name))));
  expect(left[0]).toBeDefined();
  expect(left.filter(Boolean)).toHaveLength(2);
});
