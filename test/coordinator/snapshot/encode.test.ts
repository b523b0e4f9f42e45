import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { canonicalJson, digestOf } from '../../../common/ids.ts';
import { encodeSnapshot } from '../../../coordinator/snapshot/encode.ts';
import type { Snapshot } from '../../../coordinator/snapshot/row-groups.ts';
import { tempFolder } from '../../support/runner.ts';
import { snapshotOf, storedForm } from '../../support/snapshots.ts';

async function encoded(snapshot: Snapshot) {
  const path = join(tempFolder(), 'snapshot.json');
  const digest = await encodeSnapshot(snapshot, path);
  return { digest, text: await readFile(path, 'utf8') };
}

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
])(
  'encodeSnapshot() writes the canonical JSON and gives its digest: %s',
  async (_what, snapshot) => {
    const { digest, text } = await encoded(snapshot);
    expect(text).toBe(canonicalJson(storedForm(snapshot)));
    expect(digest).toBe(digestOf(storedForm(snapshot)));
  },
);

test('encodeSnapshot() of many blocks is the same, and lets others have the loop', async () => {
  const groups = Array.from({ length: 5_000 }, (_, i) => ({ rows: i, bytes: 2 * i }));
  const large = snapshotOf({ 'ä.parquet': groups, 'b.parquet': groups });
  let turns = 0;
  const count = setInterval(() => (turns += 1), 0);
  const { digest, text } = await encoded(large);
  clearInterval(count);
  expect(turns).toBeGreaterThan(0);
  expect(digest).toBe(digestOf(storedForm(large)));
  expect(text).toBe(canonicalJson(storedForm(large)));
});
