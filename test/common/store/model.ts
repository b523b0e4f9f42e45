// Concurrent, seeded operations on a store, checked against what a create-only store may answer.
// In: a store, a seed (SEED replays one). Out: nothing, or the first answer that no model explains.
// Invariants: one winner a key; what was seen stays; a listing has all that was there before.
import { expect } from 'vitest';
import { Philox } from '../../../common/random.ts';
import type { Store } from '../../../common/store/store.ts';

export async function checkModel(
  store: Store,
  { rounds, workers }: { rounds: number; workers: number },
): Promise<void> {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  console.log(`store model: SEED=${seed} on ${store.uri}`);
  const known = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    const model: Model = { store, known, offered: new Map(), wins: new Map() };
    await Promise.all(
      Array.from({ length: workers }, (_, worker) =>
        work(model, new Philox(seed, 'order', round, worker), worker),
      ),
    );
    await settleRound(model, new Philox(seed, 'order', round, 'deletes'));
  }
}

type Model = {
  readonly store: Store;
  /** Keys that are there, with their text. */
  readonly known: Map<string, string>;
  /** Texts that somebody has begun to create, by key: what a read may see. */
  readonly offered: Map<string, Set<string>>;
  readonly wins: Map<string, number>;
};

async function work(model: Model, random: Philox, worker: number): Promise<void> {
  for (let step = 0; step < 12; step++) {
    const key = KEYS[random.below(KEYS.length)]!;
    const dice = random.below(10);
    if (dice < 4) await create(model, key, `${worker}:${step}:${random.uint32()}`);
    else if (dice < 7) await get(model, key);
    else if (dice < 9) await range(model, key);
    else await list(model);
  }
}

const KEYS = ['a', 'b/1', 'b/2', 'b-', 'c/d/e', 'é/x', '😀', 'z0', 'z1', 'z2'];

async function create({ store, known, offered, wins }: Model, key: string, text: string) {
  const before = known.get(key);
  offered.set(key, (offered.get(key) ?? new Set()).add(text));
  const outcome = await store.create(key, new TextEncoder().encode(text));
  if (outcome === 'created') {
    expect(before, `${key} was there already`).toBeUndefined();
    wins.set(key, (wins.get(key) ?? 0) + 1);
    expect(wins.get(key), `winners of ${key}`).toBe(1);
    known.set(key, text);
  }
  const after = await store.get(key);
  expect(after, `${key} after create`).toBeDefined();
  see({ known, offered }, key, new TextDecoder().decode(after));
}

async function get({ store, known, offered }: Model, key: string) {
  const before = known.get(key);
  const bytes = await store.get(key);
  if (bytes) see({ known, offered }, key, new TextDecoder().decode(bytes));
  else expect(before, `${key} vanished`).toBeUndefined();
}

async function range({ store, known }: Model, key: string) {
  const before = known.get(key);
  const info = await store.head(key);
  if (!info) return expect(before, `${key} vanished`).toBeUndefined();
  const length = Math.min(3, info.bytes);
  const bytes = await store.getRange(key, { offset: 0, length, etag: info.etag });
  if (before !== undefined) {
    expect(new TextDecoder().decode(bytes)).toBe(before.slice(0, length));
  }
}

async function list({ store, known, offered }: Model) {
  const before = [...known.keys()];
  const keys: string[] = [];
  for await (const info of store.list('')) keys.push(info.key);
  expect(keys).toEqual(expect.arrayContaining(before));
  for (const key of keys)
    expect(known.has(key) || offered.has(key), `${key} from nowhere`).toBe(true);
}

/** A text that was read is one that was offered, and stays the only one. */
function see({ known, offered }: Pick<Model, 'known' | 'offered'>, key: string, text: string) {
  const expected = known.get(key);
  if (expected !== undefined) expect(text, key).toBe(expected);
  else expect(offered.get(key), `${key} from nowhere`).toContain(text);
  known.set(key, text);
}

/** With nobody else about: what is listed is what is known; then some keys are freed. */
async function settleRound({ store, known, offered, wins }: Model, random: Philox) {
  const keys: string[] = [];
  for await (const info of store.list('')) keys.push(info.key);
  expect(keys.toSorted()).toEqual([...known.keys()].toSorted());
  for (const key of offered.keys()) {
    const wasThere = (wins.get(key) ?? 0) === 0;
    expect(known.has(key), `${key} was offered${wasThere ? ' and there before' : ''}`).toBe(true);
  }
  for (const key of keys) {
    if (random.below(3) > 0) continue;
    await store.delete(key);
    known.delete(key);
    expect(await store.head(key)).toBeUndefined();
  }
}
