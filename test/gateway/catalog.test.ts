import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AliasHead,
  type Catalog,
  type CatalogEvent,
  decide,
  EMPTY_CATALOG,
  nextRetryMs,
  onEvent,
} from '../../gateway/catalog.ts';

const head = (version: number | null, n = 1, alias = 'champion'): CatalogEvent => ({
  kind: 'head',
  head: { model: 'm', alias, n, version },
});
const swapped = (version: number, confirmed = true): CatalogEvent => ({
  kind: 'swapped',
  model: 'm',
  alias: 'champion',
  version,
  confirmed,
});
const failed = (version: number, nowMs: number): CatalogEvent => ({
  kind: 'failed',
  model: 'm',
  version,
  error: { code: 'MODEL_INVALID', message: 'no' },
  nowMs,
});
const after = (...events: CatalogEvent[]): Catalog => events.reduce(onEvent, EMPTY_CATALOG);
const swap = (version: number, fromScratch = false) => ({
  kind: 'swap',
  model: 'm',
  alias: 'champion',
  version,
  fromScratch,
});

test('decide() swaps in what an alias names, and then is content', () => {
  expect(decide(after(head(1)), 0)).toEqual([swap(1)]);
  expect(decide(after(head(1), swapped(1)), 0)).toEqual([]);
  expect(decide(after(head(1), swapped(1), head(2, 2)), 0)).toEqual([swap(2)]);
});

test('decide() goes back to an earlier version as to any other', () => {
  expect(decide(after(head(2), swapped(2), head(1, 2)), 0)).toEqual([swap(1)]);
});

test('decide() has nothing to do for an alias that no version has held', () => {
  expect(decide(after(head(null)), 0)).toEqual([]);
});

test('decide() withdraws what the store says nobody shall be', () => {
  expect(decide(after(head(1), swapped(1), head(null, 2)), 0)).toEqual([
    { kind: 'withdraw', model: 'm', alias: 'champion' },
  ]);
});

test('decide() serves from scratch first, and asks the store when it answers', () => {
  expect(decide(after(head(1, 0)), 0)).toEqual([swap(1, true)]);
  expect(decide(after(head(1, 0), swapped(1, false)), 0)).toEqual([]);
  expect(decide(after(head(1, 0), swapped(1, false), head(1, 5)), 0)).toEqual([swap(1)]);
  expect(decide(after(head(1, 0), swapped(1, false), head(1, 5), swapped(1)), 0)).toEqual([]);
});

test('decide() withdraws what scratch remembers of a store that has no such alias now', () => {
  const absent: CatalogEvent = { kind: 'absent', model: 'm', alias: 'champion' };
  const remembered = after(head(1, 0), swapped(1, false), absent);
  expect(decide(remembered, 0)).toEqual([{ kind: 'withdraw', model: 'm', alias: 'champion' }]);
  const gone = onEvent(remembered, { kind: 'withdrawn', model: 'm', alias: 'champion' });
  expect(decide(onEvent(gone, head(1, 1)), 0)).toEqual([swap(1)]);
  expect(decide(after(head(1, 1), swapped(1), absent), 0)).toEqual([]); // the disk is gone, no more
});

test('decide() waits before it tries a failed version again, ever longer, up to a bound', () => {
  const once = after(head(1), swapped(1), head(2, 2), failed(2, 1_000));
  expect(decide(once, 1_000)).toEqual([]);
  expect(nextRetryMs(once)).toBe(1_500);
  expect(decide(once, 1_500)).toEqual([swap(2)]);
  const twice = onEvent(once, failed(2, 1_500));
  expect(nextRetryMs(twice)).toBe(2_500);
  const often = Array.from({ length: 50 }).reduce<Catalog>((c) => onEvent(c, failed(2, 0)), twice);
  expect(nextRetryMs(often)).toBe(30_000);
});

test('decide() takes a version after a failed one without waiting', () => {
  const stuck = after(head(1), swapped(1), head(2, 2), failed(2, 1_000));
  const moved = onEvent(stuck, head(3, 3));
  expect(decide(moved, 1_000)).toEqual([swap(3)]);
  expect(nextRetryMs(moved)).toBeUndefined();
});

test('onEvent() ignores a head older than the one known', () => {
  expect(decide(after(head(2, 2), head(1, 1)), 0)).toEqual([swap(2)]);
});

test('decide() ends at the last heads, in whatever order they come and however often loading fails', () => {
  const step = fc.record({
    alias: fc.constantFrom('a', 'b', 'c'),
    n: fc.integer({ min: 1, max: 20 }),
    fails: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      // entry n of an alias always says the same, as a journal does
      const versionOf = (alias: string, n: number): number =>
        ((alias.charCodeAt(0) * 31 + n * 7) % 5) + 1;
      let catalog = EMPTY_CATALOG;
      let nowMs = 0;
      for (const { alias, n, fails } of steps) {
        const version = versionOf(alias, n);
        catalog = onEvent(catalog, { kind: 'head', head: { model: 'm', alias, n, version } });
        let failures = fails;
        for (let guard = 0; ; guard++) {
          expect(guard).toBeLessThan(100);
          const [action] = decide(catalog, nowMs);
          if (!action) {
            const retryMs = nextRetryMs(catalog);
            if (retryMs === undefined) break;
            nowMs = Math.max(nowMs, retryMs);
            continue;
          }
          if (action.kind !== 'swap') throw new Error('no alias here is without a version');
          catalog = onEvent(
            catalog,
            failures-- > 0
              ? failed(action.version, nowMs)
              : { ...action, kind: 'swapped', confirmed: true },
          );
        }
      }
      const wanted = new Map<string, AliasHead>();
      for (const { alias, n } of steps) {
        if ((wanted.get(alias)?.n ?? 0) >= n) continue;
        wanted.set(alias, { model: 'm', alias, n, version: versionOf(alias, n) });
      }
      for (const { alias, version } of wanted.values()) {
        expect(catalog.served.get(`m/${alias}`)?.version).toBe(version);
      }
    }),
  );
});

test('an entry that cannot be read changes nothing of what is served, until there is one that can', () => {
  const error = { code: 'FORMAT_UNKNOWN', message: 'Cannot read it' } as const;
  const unread: CatalogEvent = {
    kind: 'unread',
    head: { model: 'm', alias: 'champion', n: 2, error },
  };
  const absent: CatalogEvent = { kind: 'absent', model: 'm', alias: 'champion' };
  const remembered = after(head(1, 0), swapped(1, false), unread, absent);
  expect(decide(remembered, 0)).toEqual([]);
  expect([...remembered.unread.values()]).toEqual([unread.head]);
  expect(decide(after(head(1), swapped(1), unread), 0)).toEqual([]);
  expect(after(head(1), unread, head(1, 2)).unread.size).toBe(1);
  const read = after(head(1), swapped(1), unread, head(2, 3));
  expect([read.unread.size, decide(read, 0)]).toEqual([0, [swap(2)]]);
});
