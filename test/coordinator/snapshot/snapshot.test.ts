import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../common/clock.ts';
import { digestOf } from '../../../common/ids.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import type { ReadFooter } from '../../../coordinator/snapshot/footer.ts';
import { RowGroups } from '../../../coordinator/snapshot/row-groups.ts';
import {
  buildSnapshot,
  cachedFooters,
  takeSnapshot,
} from '../../../coordinator/snapshot/snapshot.ts';

const footer = (schema: Record<string, string>, rows = 3): ReadFooter => {
  const columns = Object.entries(schema).map(([name, type]) => ({ name, type }));
  const chunks = columns.map((_, i) => [4 + i * 10, 10] as const);
  return {
    schema: columns,
    rows,
    rowGroups: new RowGroups([{ rows, bytes: 10 * columns.length, chunks }]),
    footerBytes: 50,
  };
};
const object = (key: string) => ({ key, etag: `etag of ${key}`, bytes: 100 });

test('buildSnapshot() takes columns in another order, by name', async () => {
  const snapshot = await buildSnapshot(
    '*',
    [object('a'), object('b')],
    [footer({ x: 'BIGINT', y: 'VARCHAR' }), footer({ y: 'VARCHAR', x: 'BIGINT' })],
    clock,
  );
  const [first] = snapshot.objects[1]!.rowGroups;
  expect(first!.chunks).toEqual([
    [14, 10],
    [4, 10],
  ]);
});

test('buildSnapshot() has columns of any object, with the type that holds all, and says who differs', async () => {
  const snapshot = await buildSnapshot(
    '*',
    [object('a'), object('k=007/b')],
    [footer({ x: 'BIGINT', y: 'VARCHAR' }), footer({ z: 'DATE', x: 'INTEGER' })],
    clock,
  );
  expect(snapshot.schema).toEqual([
    { name: 'x', type: 'BIGINT' },
    { name: 'y', type: 'VARCHAR' },
    { name: 'z', type: 'DATE' },
    { name: 'k', type: 'VARCHAR', from: 'folder' },
  ]);
  const [a, b] = snapshot.objects;
  expect([a!.types, b!.types]).toEqual([{ z: null }, { x: 'INTEGER', y: null }]);
  expect([...b!.rowGroups][0]!.chunks).toEqual([
    [14, 10],
    [0, 0],
    [4, 10],
  ]);
});

test('takeSnapshot() reads each footer once while its object stays the same', async () => {
  const lake = memoryStore();
  for (const key of ['a.parquet', 'b.parquet']) await lake.create(key, new Uint8Array(20));
  let reads = 0;
  const read = cachedFooters(async () => {
    reads += 1;
    return footer({ x: 'BIGINT' });
  });
  const take = async () => (await takeSnapshot(lake, '*.parquet', read, clock)).snapshot;
  const first = await take();
  await lake.create('c.parquet', new Uint8Array(20));
  const second = await take();
  expect(reads).toBe(3);
  expect(second.objects).toHaveLength(3);
  expect(digestOf(first)).not.toBe(digestOf(second));
  expect(digestOf(await take())).toBe(digestOf(second));
});

test('cachedFooters() keeps most of a scan that is a little larger than what it keeps', async () => {
  let reads = 0;
  const read = cachedFooters(async () => {
    reads += 1;
    return {} as never;
  }, 200);
  const scan = async (): Promise<void> => {
    for (let i = 0; i < 201; i++) await read({ key: `k${i}`, etag: 'e', bytes: 1 } as never);
  };
  await scan();
  expect(reads).toBe(201);
  reads = 0;
  for (let round = 0; round < 10; round++) await scan();
  expect(reads).toBeLessThan(10 * 201 * 0.25);
});
