// What every store must do, written once and run on memory, files and S3.
// In: how to open a fresh store, and how a foreign writer would overwrite in it. Out: vitest tests.
// Why one suite: the coordinator cannot know which store it stands on.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256Hex } from '../../../common/ids.ts';
import { append, appendNext, entryKey, readHead } from '../../../common/store/journal.ts';
import { compareKeys } from '../../../common/store/keys.ts';
import { fetchSparse } from '../../../common/store/ranges.ts';
import { createJson, type Store, selfTest } from '../../../common/store/store.ts';
import { fetchVerified, getVerified } from '../../../common/store/verified.ts';
import { getJson, readAll } from '../../support/json.ts';
import { scoped } from '../../support/scoped.ts';
import { checkModel } from './model.ts';

export type Subject = {
  readonly store: Store;
  /** As only a foreign writer can: replaces an object without asking. */
  overwrite(key: string, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
};

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && new TextDecoder().decode(bytes);

/** Keys whose UTF-16 order, folder order and number order all differ from their UTF-8 byte order. */
const ODD_KEYS = [
  ...['a/x', 'a-b', 'a.txt', 'a0', '007', '1e5', '11.json', '9.json', 'day=2026-01-01/ü.parquet'],
  ...['é', 'z', '\uffff', '😀', 'a b+c%25&?#', `q'"<>&`, 'line\nbreak', 'n/000/000', '.hidden'],
];

export function storeContract(name: string, open: () => Promise<Subject>): void {
  describe(`${name} store`, () => {
    let subject: Subject;
    let store: Store;
    let folder: string;
    beforeAll(async () => {
      subject = await open();
      store = subject.store;
      folder = await mkdtemp(join(tmpdir(), 'gristmill-contract-'));
    });
    afterAll(async () => {
      await rm(folder, { recursive: true, force: true });
      await subject?.close();
    });
    const corner = (): Store => scoped(store, `${randomUUID()}/`);
    const localFile = async (bytes: Uint8Array): Promise<string> => {
      const path = join(folder, randomUUID());
      await writeFile(path, bytes);
      return path;
    };

    test('create() of one key by 50 racers has one winner, whose bytes stay', async () => {
      const racers = Array.from({ length: 50 }, (_, i) => bytesOf(`racer ${i}`));
      const here = corner();
      const outcomes = await Promise.all(racers.map((bytes) => here.create('race/key', bytes)));
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
      const winner = racers[outcomes.indexOf('created')];
      expect(textOf(await here.get('race/key'))).toBe(textOf(winner));
    });

    test('create() refuses a second time, also for the same bytes', async () => {
      const here = corner();
      expect(await here.create('k', bytesOf('one'))).toBe('created');
      expect(await here.create('k', bytesOf('one'))).toBe('exists');
      expect(await here.create('k', bytesOf('two'))).toBe('exists');
      expect(textOf(await here.get('k'))).toBe('one');
    });

    test('create() keeps empty and large objects', async () => {
      const here = corner();
      const large = new Uint8Array(3_000_000).map((_, i) => i * 31);
      await here.create('empty', new Uint8Array(0));
      await here.create('large', large);
      expect(await here.get('empty')).toHaveLength(0);
      expect(sha256Hex((await here.get('large'))!)).toBe(sha256Hex(large));
      expect(await here.head('empty')).toMatchObject({ key: 'empty', bytes: 0 });
      expect(await here.head('large')).toMatchObject({ key: 'large', bytes: large.length });
    });

    test('createFromFile() is create-only for files of one part and of many', async () => {
      const here = corner();
      for (const size of [10, 17_000_001]) {
        const bytes = new Uint8Array(Buffer.alloc(size, 'every byte counts '));
        const [ours, other] = [await localFile(bytes), await localFile(bytes.toReversed())];
        const outcomes = await Promise.all([
          here.createFromFile(`f${size}`, ours),
          here.createFromFile(`f${size}`, other),
        ]);
        expect(outcomes.toSorted()).toEqual(['created', 'exists']);
        const expected = outcomes[0] === 'created' ? bytes : bytes.toReversed();
        const ref = { key: `f${size}`, sha256: sha256Hex(expected), bytes: size };
        await fetchVerified(here, ref, join(folder, 'fetched'));
        expect(await here.createFromFile(`f${size}`, ours)).toBe('exists');
      }
    });

    test('get() and head() say undefined, getRange() and read() INPUT_MISSING', async () => {
      const here = corner();
      await here.create('folder/inner', bytesOf('x'));
      for (const key of ['nothing', 'folder', 'folder/inner/below']) {
        expect(await here.get(key)).toBeUndefined();
        expect(await here.head(key)).toBeUndefined();
        const range = { offset: 0, length: 1 };
        await expect(here.getRange(key, range)).rejects.toMatchObject({ code: 'INPUT_MISSING' });
        await expect(here.read(key)).rejects.toMatchObject({ code: 'INPUT_MISSING' });
      }
      await here.delete('nothing');
    });

    test('getRange() gives exactly the bytes asked for', async () => {
      const here = corner();
      await here.create('k', bytesOf('0123456789'));
      const etag = (await here.head('k'))!.etag;
      expect(textOf(await here.getRange('k', { offset: 0, length: 3, etag }))).toBe('012');
      expect(textOf(await here.getRange('k', { offset: 7, length: 3, etag }))).toBe('789');
      expect(textOf(await here.getRange('k', { offset: 0, length: 10 }))).toBe('0123456789');
      expect(await here.getRange('k', { offset: 4, length: 0, etag })).toHaveLength(0);
    });

    test('getRange() says INPUT_CHANGED for another etag and for bytes that are not there', async () => {
      const key = `${randomUUID()}/k`;
      await store.create(key, bytesOf('0123456789'));
      const etag = (await store.head(key))!.etag;
      const changed = { code: 'INPUT_CHANGED' };
      for (const offset of [8, 50]) {
        const range = { offset, length: 5, etag };
        await expect(store.getRange(key, range)).rejects.toMatchObject(changed);
      }
      await subject.overwrite(key, bytesOf('abcdefghij'));
      for (const length of [0, 5]) {
        const range = { offset: 0, length, etag };
        await expect(store.getRange(key, range)).rejects.toMatchObject(changed);
      }
      expect((await store.head(key))!.etag).not.toBe(etag);
    });

    test('read() streams the whole object', async () => {
      const here = corner();
      const bytes = new Uint8Array(1_000_003).map((_, i) => i * 7);
      await here.create('k', bytes);
      const chunks: Uint8Array[] = [];
      for await (const chunk of await here.read('k')) chunks.push(chunk as Uint8Array);
      expect(Buffer.compare(Buffer.concat(chunks), bytes)).toBe(0);
    });

    test('list() goes in UTF-8 byte order and knows any prefix', async () => {
      const here = corner();
      for (const key of ODD_KEYS) expect(await here.create(key, bytesOf(key))).toBe('created');
      const expected = ODD_KEYS.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await keysOf(here, '')).toEqual(expected);
      for (const prefix of ['a', 'a/', 'n/0', 'day=', 'é', 'nothing/']) {
        const below = expected.filter((key) => key.startsWith(prefix));
        expect(await keysOf(here, prefix)).toEqual(below);
      }
      for (const key of ODD_KEYS) expect(textOf(await here.get(key))).toBe(key);
      for await (const info of here.list('')) expect(info).toEqual(await here.head(info.key));
    });

    test('list() goes on past one page', async () => {
      const here = corner();
      const keys = Array.from({ length: 1003 }, (_, i) => `p/${String(i).padStart(5, '0')}`);
      for (let i = 0; i < keys.length; i += 32) {
        await Promise.all(keys.slice(i, i + 32).map((key) => here.create(key, bytesOf('x'))));
      }
      expect(await keysOf(here, 'p/')).toEqual(keys);
      expect((await here.listNames('p/')).length).toBe(keys.length);
    });

    test('listNames() gives folders with a "/" and objects without, and no empty folder', async () => {
      const here = corner();
      for (const key of ['b/1', 'b/2/3', 'b-c', 'b', 'gone/x'].filter((key) => key !== 'b')) {
        await here.create(key, bytesOf('x'));
      }
      await here.delete('gone/x');
      expect(await here.listNames('')).toEqual(['b-c', 'b/']);
      expect(await here.listNames('b/')).toEqual(['1', '2/']);
      expect(await here.listNames('gone/')).toEqual([]);
    });

    test('delete() frees the key', async () => {
      const here = corner();
      await here.create('a/b', bytesOf('one'));
      await here.delete('a/b');
      expect(await here.get('a/b')).toBeUndefined();
      expect(await here.create('a/b', bytesOf('two'))).toBe('created');
    });

    test('keys that could leave the root are refused', async () => {
      const bad = [
        '',
        '/etc/passwd',
        '../x',
        'a/../../x',
        'a/..',
        './a',
        'a\0b',
        'a//b',
        'a/',
        '\ud800',
      ];
      for (const key of bad) {
        const outside = { code: 'INPUT_OUTSIDE' };
        await expect(store.create(key, bytesOf('x'))).rejects.toMatchObject(outside);
        await expect(store.get(key)).rejects.toMatchObject(outside);
        await expect(store.head(key)).rejects.toMatchObject(outside);
        await expect(store.delete(key)).rejects.toMatchObject(outside);
      }
      await expect(store.listNames('../')).rejects.toMatchObject({ code: 'INPUT_OUTSIDE' });
      await expect(keysOf(store, '../')).rejects.toMatchObject({ code: 'INPUT_OUTSIDE' });
    });

    test('append() of one number by many has one winner, and readHead() finds the last', async () => {
      const here = corner();
      const outcomes = await Promise.all(
        Array.from({ length: 12 }, (_, i) => append(here, 'log', 1, { formatVersion: 1, i })),
      );
      expect(outcomes.filter(Boolean)).toHaveLength(1);
      const numbers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => appendNext(here, 'log', { formatVersion: 1, i })),
      );
      expect(numbers.toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
      expect((await readHead(here, 'log', 0, getJson))?.n).toBe(9);
      expect(await readAll(here, 'log')).toHaveLength(9);
      expect(await here.head(entryKey('log', 10))).toBeUndefined();
    });

    test('createJson() writes what can be read back', async () => {
      const here = corner();
      await createJson(here, 'good.json', { formatVersion: 1, text: 'ü😀' });
      expect(await getJson(here, 'good.json')).toEqual({ formatVersion: 1, text: 'ü😀' });
    });

    test('fetchSparse() brings ranges to their own offsets', async () => {
      const here = corner();
      const bytes = new Uint8Array(300_000).map((_, i) => 1 + (i % 250));
      await here.create('k', bytes);
      const etag = (await here.head('k'))!.etag;
      const path = join(folder, 'sparse');
      const ranges = [
        [200_000, 1000],
        [0, 4],
        [4, 10],
        [299_992, 8],
      ] as const;
      const travelled = await fetchSparse(here, 'k', { etag, bytes: bytes.length, ranges }, path);
      expect(travelled).toBe(1022);
      const expected = new Uint8Array(bytes.length);
      for (const [at, length] of ranges) expected.set(bytes.subarray(at, at + length), at);
      const ref = { key: 'copy', sha256: sha256Hex(expected), bytes: bytes.length };
      await here.createFromFile('copy', path);
      expect(await getVerified(here, ref)).toHaveLength(bytes.length);
      const old = { etag: 'other', bytes: bytes.length, ranges };
      await expect(fetchSparse(here, 'k', old, path)).rejects.toMatchObject({
        code: 'INPUT_CHANGED',
      });
    });

    test('getVerified() says CHECKSUM_MISMATCH for a flipped bit', async () => {
      const key = `${randomUUID()}/k`;
      const bytes = bytesOf('the bytes as they were written');
      const ref = { key, sha256: sha256Hex(bytes), bytes: bytes.length };
      await store.create(key, bytes);
      expect(textOf(await getVerified(store, ref))).toBe(textOf(bytes));
      await subject.overwrite(key, bytes.with(3, bytes[3]! ^ 4));
      const mismatch = { code: 'CHECKSUM_MISMATCH' };
      await expect(getVerified(store, ref)).rejects.toMatchObject(mismatch);
      const path = join(folder, 'flipped');
      await expect(fetchVerified(store, ref, path)).rejects.toMatchObject(mismatch);
    });

    test('selfTest() passes and leaves nothing', async () => {
      const here = corner();
      await selfTest(here, 'token');
      expect(await keysOf(here, '')).toEqual([]);
    });

    test('concurrent operations agree with the model', async () => {
      await checkModel(corner(), { rounds: 6, workers: 8 });
    });
  });
}

export async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  expect(keys).toEqual(keys.toSorted(compareKeys));
  return keys;
}
