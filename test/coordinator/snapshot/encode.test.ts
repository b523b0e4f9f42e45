import { expect, test } from 'vitest';
import { canonicalJson, digestOf } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { Snapshot } from '../../../common/wire/plan.ts';
import { encodeSnapshot } from '../../../coordinator/snapshot/encode.ts';
import { snapshotOf, storedForm } from '../../support/snapshots.ts';

const still = { monotonicMs: () => 0 };
const text = async (snapshot: Snapshot) =>
  new TextDecoder().decode((await encodeSnapshot(snapshot, still)).bytes);

const odd: Snapshot = {
  ...snapshotOf({
    'a "quoted" ümlaut\u2028.parquet': [
      { rows: 0, bytes: 2 },
      { rows: 1e7, bytes: 2 ** 40 },
    ],
    '\\.parquet': [],
  }),
  dataset: 's3://lake/*.parquet',
};

test.each<[string, Snapshot]>([
  ['keys of any letters', odd],
  ['no objects', { ...odd, objects: [] }],
  ['no columns', { ...odd, schema: [] }],
])('encodeSnapshot() gives the canonical JSON and its digest: %s', async (_what, snapshot) => {
  expect(await text(snapshot)).toBe(canonicalJson(storedForm(snapshot)));
  expect((await encodeSnapshot(snapshot, still)).digest).toBe(digestOf(storedForm(snapshot)));
});

test('encodeSnapshot() of many blocks is the same, and lets others have the loop', async () => {
  const groups = Array.from({ length: 5_000 }, (_, i) => ({ rows: i, bytes: 2 * i }));
  const large = snapshotOf({ 'ä.parquet': groups, 'b.parquet': groups });
  let nowMs = 0;
  let turns = 0;
  const count = setInterval(() => (turns += 1), 0);
  const clock = { monotonicMs: () => (nowMs += LIMITS.pieceMs) };
  const { digest, bytes } = await encodeSnapshot(large, clock);
  clearInterval(count);
  expect(turns).toBeGreaterThan(0);
  expect(digest).toBe(digestOf(storedForm(large)));
  expect(new TextDecoder().decode(bytes)).toBe(canonicalJson(storedForm(large)));
});
