// Aliases: compare-and-set, refusals as records, the way back.
import { expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import { sha256Hex } from '../../../common/ids.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import type { Store } from '../../../common/store/store.ts';
import { readStoredAfter } from '../../../common/stored/stored.ts';
import type { AliasMoved } from '../../../common/wire/event.ts';
import {
  aliasHead,
  aliasHistory,
  decisionOf,
  hasHeld,
  listAliases,
  moveAlias,
  overrideAlias,
  type Registry,
  requireAlias,
  returnTo,
} from '../../../coordinator/registry/alias.ts';
import { publishVersion } from '../../../coordinator/registry/version.ts';
import { makeDraft, makeEvidence } from '../../support/registry.ts';

const place = { model: 'flight-delay', environment: 'dev', alias: 'champion' };

async function setUp(): Promise<Registry & { readonly hints: AliasMoved[] }> {
  const store = memoryStore();
  for (const n of [1, 2, 3]) {
    await publishVersion(store, await makeDraft(store, { trainDigest: sha256Hex(`train ${n}`) }));
  }
  const hints: AliasMoved[] = [];
  const clock = { now: () => 5, monotonicMs: () => 5, sleep: async () => {} };
  return { store, clock, hint: (moved) => void hints.push(moved), hints };
}
const movesOf = async (store: Store) =>
  (await readStoredAfter(store, 'moves/dev', { kind: 'move', after: 0 })).map(({ value }) => value);
const accept = (candidate: number, champion: number | null, expected: number) => ({
  candidate,
  expected,
  evidence: makeEvidence(candidate, champion, 'accepted'),
  job: `j-${candidate}` as never,
});

test('moveAlias() moves with evidence, records a refusal, and hints at moves alone', async () => {
  const registry = await setUp();
  await moveAlias(registry, place, accept(1, null, 0));
  const refused = { ...accept(2, 1, 1), evidence: makeEvidence(2, 1, 'refused') };
  const entry = await moveAlias(registry, place, refused);
  expect(entry).toMatchObject({ n: 2, value: { kind: 'refused', version: 1, candidate: 2 } });
  expect(registry.hints).toEqual([place]);
  expect(await movesOf(registry.store)).toEqual([
    { formatVersion: 1, model: 'flight-delay', alias: 'champion', at: 5 },
  ]);
  expect((await requireAlias(registry.store, place)).value.version).toBe(1);
  expect(await listAliases(registry.store, 'flight-delay')).toEqual({ dev: { champion: 1 } });
  const history = await aliasHistory(registry.store, place);
  expect(decisionOf(history, { job: 'j-2' as never, candidate: 2 })?.n).toBe(2);
  expect(decisionOf(history, { job: 'j-3' as never, candidate: 2 })).toBeUndefined();
});

test('an alias moves and hints though its move cannot be written down', async () => {
  const registry = await setUp();
  const { store } = registry;
  const create: Store['create'] = async (key, ...rest) => {
    if (key.startsWith('moves/')) throw new GristmillError('STORE_UNAVAILABLE', 'away');
    return store.create(key, ...rest);
  };
  await moveAlias({ ...registry, store: { ...store, create } }, place, accept(1, null, 0));
  expect((await requireAlias(store, place)).value.version).toBe(1);
  expect(await movesOf(store)).toEqual([]);
  expect(registry.hints).toEqual([place]);
});

test('moveAlias() against a moved head throws and writes nothing', async () => {
  const registry = await setUp();
  await moveAlias(registry, place, accept(1, null, 0));
  await expect(moveAlias(registry, place, accept(2, null, 0))).rejects.toMatchObject({
    code: 'PRECONDITION_FAILED',
  });
  await expect(moveAlias(registry, place, accept(2, null, 7))).rejects.toMatchObject({
    code: 'PRECONDITION_FAILED',
  });
  expect((await aliasHead(registry.store, place))?.n).toBe(1);
});

test('moveAlias() by racers has one winner', async () => {
  const registry = await setUp();
  const moves = [1, 2, 3].map((n) => moveAlias(registry, place, accept(n, null, 0)));
  const settled = await Promise.allSettled(moves);
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(registry.hints).toHaveLength(1);
});

test('returnTo() takes a version that held the alias, and no other', async () => {
  const registry = await setUp();
  await moveAlias(registry, place, accept(1, null, 0));
  await moveAlias(registry, place, accept(2, 1, 1));
  await moveAlias(registry, place, {
    ...accept(3, 2, 2),
    evidence: makeEvidence(3, 2, 'refused'),
  });
  const history = await aliasHistory(registry.store, place);
  expect([1, 2, 3].map((version) => hasHeld(history, version))).toEqual([true, true, false]);
  await expect(returnTo(registry, place, { version: 3, expected: 3 })).rejects.toThrow(
    'Cannot return champion to version 3: it never held the alias',
  );
  const back = await returnTo(registry, place, { version: 1, expected: 3, reason: 'complaints' });
  expect(back.value).toMatchObject({ kind: 'returned', version: 1, by: { reason: 'complaints' } });
});

test('overrideAlias() needs the version to exist and keeps the reason', async () => {
  const registry = await setUp();
  const to = { expected: 0, reason: 'the test set is wrong' };
  await expect(overrideAlias(registry, place, { ...to, version: 9 })).rejects.toThrow(
    'Cannot find version 9 of flight-delay: it has versions 1 to 3',
  );
  const { value } = await overrideAlias(registry, place, { ...to, version: 3 });
  expect(value).toMatchObject({ kind: 'overridden', version: 3, by: { reason: to.reason } });
});

test('requireAlias() says which aliases there are', async () => {
  const registry = await setUp();
  await expect(requireAlias(registry.store, place)).rejects.toThrow('it has none yet');
  await moveAlias(registry, place, accept(1, null, 0));
  await expect(requireAlias(registry.store, { ...place, alias: 'challenger' })).rejects.toThrow(
    'Cannot find the alias challenger of flight-delay in dev: it has champion in dev',
  );
});
