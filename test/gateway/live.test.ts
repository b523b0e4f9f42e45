import { expect, test } from 'vitest';
import type { Manifest } from '../../common/wire/model.ts';
import type { ModelFile } from '../../gateway/files.ts';
import { type Held, Live } from '../../gateway/live.ts';

const manifest = (version: number, sha256 = `sha-${version}`): Manifest =>
  ({ model: 'm', version, onnx: { sha256 }, golden: { sha256: `golden-${version}` } }) as Manifest;
const file = (sha256: string): ModelFile => ({
  sha256,
  path: `/models/${sha256}`,
  signature: { inputs: [], label: 'binary', codes: [], numbers: [] },
});

function makeLive(onDemandMax = 2) {
  const open: string[] = [];
  const live = new Live({
    hold: async ({ sha256 }) => {
      open.push(sha256);
    },
    drop: (sha256) => {
      open.splice(open.indexOf(sha256), 1);
    },
    onDemandMax,
  });
  const add = (version: number, sha256 = `sha-${version}`): Promise<Held> =>
    live.add(manifest(version, sha256), file(sha256));
  return { live, open, add };
}

test('Live drops a version when its alias has moved and its last request is done, not before', async () => {
  const { live, open, add } = makeLive();
  const first = await add(1);
  live.setAlias('m', 'champion', first);
  live.release(first);
  const request = live.take(live.byAlias('m', 'champion')!);

  const second = await add(2);
  live.setAlias('m', 'champion', second);
  live.release(second);
  expect(live.byAlias('m', 'champion')?.manifest.version).toBe(2);
  expect(open).toEqual(['sha-1', 'sha-2']);
  live.release(request);
  expect(open).toEqual(['sha-2']);
  expect(live.byVersion('m', 1)).toBeUndefined();
});

test('Live keeps a file that another version or alias needs', async () => {
  const { live, open, add } = makeLive();
  const first = await add(1, 'same');
  const second = await add(2, 'same');
  live.setAlias('m', 'champion', first);
  live.setAlias('m', 'candidate', second);
  for (const held of [first, second]) live.release(held);
  live.setAlias('m', 'champion', second);
  expect(live.byVersion('m', 1)).toBeUndefined();
  expect(open).toContain('same');
  live.setAlias('m', 'candidate', undefined);
  expect(open).toContain('same');
  live.setAlias('m', 'champion', undefined);
  expect(live.versions).toEqual([]);
});

test('Live keeps as many versions on demand as it may, the ones used last', async () => {
  const { live, open, add } = makeLive(2);
  for (const version of [1, 2]) {
    const held = await add(version);
    live.keepOnDemand(held);
    live.release(held);
  }
  live.keepOnDemand(live.byVersion('m', 1)!); // used again
  const third = await add(3);
  live.keepOnDemand(third);
  live.release(third);
  expect(open).toEqual(['sha-1', 'sha-3']);
});

test('Live puts another manifest of one version in place of the first, and lets that go', async () => {
  const { live, open, add } = makeLive();
  const first = await add(1, 'old');
  live.setAlias('m', 'champion', first);
  live.release(first);
  const second = await add(1, 'new');
  live.setAlias('m', 'champion', second);
  live.release(second);
  expect(live.byVersion('m', 1)).toBe(second);
  expect(open).toEqual(['new']);
});
