// publishVersion() and the ways to look versions up.
import { expect, test } from 'vitest';
import { sha256Hex } from '../../../common/ids.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { blobKey } from '../../../common/wire/model.ts';
import {
  getVersion,
  latestVersion,
  listModelNames,
  pageVersions,
  publishVersion,
  requireModel,
} from '../../../coordinator/registry/version.ts';
import { MODEL_BYTES, makeDraft } from '../../support/registry.ts';

test('publishVersion() numbers from 1 and names blobs by content', async () => {
  const store = memoryStore();
  const first = await publishVersion(store, await makeDraft(store));
  const second = await publishVersion(
    store,
    await makeDraft(store, { trainDigest: sha256Hex('train 2') }),
  );
  expect([first.manifest.version, second.manifest.version]).toEqual([1, 2]);
  expect(await store.get(blobKey('flight-delay', first.manifest.onnx.sha256))).toEqual(MODEL_BYTES);
  const golden = await store.get(blobKey('flight-delay', first.manifest.golden.sha256));
  expect(JSON.parse(new TextDecoder().decode(golden)).rows).toHaveLength(1);
  expect(await getVersion(store, 'flight-delay', 2)).toEqual(second.manifest);
  expect(await latestVersion(store, 'flight-delay')).toEqual(second.manifest);
  expect((await pageVersions(store, 'flight-delay', { limit: 9 })).versions).toHaveLength(2);
});

test('publishVersion() gives a train digest one version, whichever job asks', async () => {
  const store = memoryStore();
  const draft = await makeDraft(store);
  await publishVersion(store, draft);
  const again = await publishVersion(store, draft);
  const other = await publishVersion(store, {
    ...draft,
    lineage: { ...draft.lineage, job: 'j-2' as never },
  });
  expect([again.reused, other.reused]).toEqual([false, true]); // a job that starts again made it itself
  expect([again.manifest.version, other.manifest.version]).toEqual([1, 1]);
});

test('publishVersion() gives the bytes of one model one version, however they came about', async () => {
  const store = memoryStore();
  const first = await publishVersion(store, await makeDraft(store));
  const trainDigest = sha256Hex('the same, trained by newer code');
  const lineage = { ...first.manifest.lineage, job: 'j-2' as never };
  const again = await makeDraft(store, { trainDigest, lineage }, MODEL_BYTES);
  expect(await publishVersion(store, again)).toEqual({ manifest: first.manifest, reused: true });
  expect((await latestVersion(store, 'flight-delay'))!.version).toBe(1);
});

test('publishVersion() by racers leaves no gap and no double', async () => {
  const store = memoryStore();
  const drafts = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      makeDraft(store, { trainDigest: sha256Hex(`train ${i % 6}`) }),
    ),
  );
  await Promise.all(drafts.map((draft) => publishVersion(store, draft)));
  const { versions } = await pageVersions(store, 'flight-delay', { limit: 9 });
  expect(versions.map(({ version }) => version)).toEqual([6, 5, 4, 3, 2, 1]);
  expect(new Set(versions.map(({ trainDigest }) => trainDigest)).size).toBe(6);
});

test('publishVersion() refuses a model file that is not what the draft says', async () => {
  const store = memoryStore();
  const draft = await makeDraft(store);
  store.overwrite(draft.onnx.key, new Uint8Array([1]));
  await expect(publishVersion(store, draft)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  expect(await pageVersions(store, 'flight-delay', { limit: 9 })).toEqual({ versions: [] });
});

test('getVersion() and requireModel() say what there is instead', async () => {
  const store = memoryStore();
  await expect(requireModel(store, 'x')).rejects.toThrow(
    'Cannot find the model x: none is published yet',
  );
  await publishVersion(store, await makeDraft(store));
  await expect(requireModel(store, 'x')).rejects.toThrow('expected one of flight-delay');
  await expect(getVersion(store, 'flight-delay', 3)).rejects.toThrow(
    'Cannot find version 3 of flight-delay: it has version 1',
  );
  expect(await listModelNames(store)).toEqual(['flight-delay']);
});

test('pageVersions() tells the newest first, a page at a time', async () => {
  const store = memoryStore();
  for (const n of [1, 2, 3, 4, 5])
    await publishVersion(store, await makeDraft(store, { trainDigest: sha256Hex(`train ${n}`) }));
  const page = async (before?: number) => {
    const { versions, next } = await pageVersions(store, 'flight-delay', { before, limit: 2 });
    return [versions.map(({ version }) => version), next];
  };
  expect(await page()).toEqual([[5, 4], 4]);
  expect(await page(4)).toEqual([[3, 2], 2]);
  expect(await page(2)).toEqual([[1], undefined]);
  expect(await page(1)).toEqual([[], undefined]);
  expect(await page(99)).toEqual([[5, 4], 4]);
});

test('listModelNames() tells a page by name, without those that have a gate and no version', async () => {
  const store = memoryStore();
  for (const model of ['b', 'a', 'd'])
    await publishVersion(store, await makeDraft(store, { model }));
  await store.create('models/c/environments/dev/gate/000000000001.json', new Uint8Array());
  expect(await listModelNames(store)).toEqual(['a', 'b', 'd']);
  expect(await listModelNames(store, { after: 'a', limit: 1 })).toEqual(['b']);
  expect(await listModelNames(store, { after: 'b' })).toEqual(['d']);
});
