// Aliases: movable names for versions, as journals in which refusals stand too.
// In: a candidate with its evidence, or a reason. Out: the next entry, by compare-and-set on its number.
// Why compare-and-set: evidence speaks about the champion it was gathered against; if that has moved, it is stale.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → [alias] → predictions
import type { Clock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import { append, appendNext, type Entry } from '../../common/store/journal.ts';
import type { Store } from '../../common/store/store.ts';
import { readStoredAfter, readStoredHead } from '../../common/stored/stored.ts';
import type { AliasMoved } from '../../common/wire/event.ts';
import {
  type AliasEntry,
  aliasPrefix,
  type Evidence,
  type Move,
  movesPrefix,
} from '../../common/wire/model.ts';
import { folders, getVersion, requireModel } from './version.ts';

export type AliasPlace = {
  readonly model: string;
  readonly environment: string;
  readonly alias: string;
};

export type Registry = {
  readonly store: Store;
  readonly clock: Clock;
  /** Tells gateways to look now (CHANNELS.aliasMoved); they would find out by themselves. */
  readonly hint: (moved: AliasMoved) => void;
  /** Left out: decisions are not counted. */
  readonly count?: ((kind: AliasEntry['kind']) => void) | undefined;
};

export const aliasHead = (
  store: Store,
  place: AliasPlace,
): Promise<Entry<AliasEntry> | undefined> => readStoredHead(store, prefixOf(place), 'alias');

export const aliasHistory = (store: Store, place: AliasPlace): Promise<Entry<AliasEntry>[]> =>
  readStoredAfter(store, prefixOf(place), { kind: 'alias', after: 0 });

/** Aliases by environment with the version each serves; null: only refusals so far. */
export async function listAliases(
  store: Store,
  model: string,
): Promise<Readonly<Record<string, Readonly<Record<string, number | null>>>>> {
  const environments = folders(await store.listNames(`models/${model}/environments/`));
  const entries = environments.map(async (environment) => {
    const names = folders(
      await store.listNames(`models/${model}/environments/${environment}/aliases/`),
    );
    const heads = await Promise.all(
      names.map((alias) => aliasHead(store, { model, environment, alias })),
    );
    const served = names.map((alias, index) => [alias, heads[index]?.value.version ?? null]);
    return [environment, Object.fromEntries(served)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Throws NOT_FOUND that lists the aliases there are. */
export async function requireAlias(store: Store, place: AliasPlace): Promise<Entry<AliasEntry>> {
  const head = await aliasHead(store, place);
  if (head) return head;
  await requireModel(store, place.model);
  const all = Object.entries(await listAliases(store, place.model)).flatMap(
    ([environment, aliases]) => Object.keys(aliases).map((alias) => `${alias} in ${environment}`),
  );
  const has = all.length === 0 ? 'it has none yet' : `it has ${all.join(', ')}`;
  throw new GristmillError(
    'NOT_FOUND',
    `Cannot find the alias ${place.alias} of ${place.model} in ${place.environment}: ${has}`,
  );
}

/** Moves an alias as its evidence says, or records the refusal. Throws PRECONDITION_FAILED when too late. */
export function moveAlias(
  registry: Registry,
  place: AliasPlace,
  move: {
    readonly candidate: number;
    /** Journal number of the head that the evidence was gathered against; 0: no entry yet. */
    readonly expected: number;
    readonly evidence: Evidence;
    readonly job?: JobId;
  },
): Promise<Entry<AliasEntry>> {
  const { candidate, evidence, job } = move;
  return write(registry, place, move.expected, (served) => ({
    kind: evidence.verdict === 'accepted' ? 'moved' : 'refused',
    version: evidence.verdict === 'accepted' ? candidate : served,
    candidate,
    evidence,
    by: job === undefined ? {} : { job },
  }));
}

/** Rolls back: a version that held the alias may return without evidence. */
export async function returnTo(
  registry: Registry,
  place: AliasPlace,
  to: { readonly version: number; readonly expected: number; readonly reason?: string },
): Promise<Entry<AliasEntry>> {
  if (!hasHeld(await aliasHistory(registry.store, place), to.version)) {
    throw new GristmillError(
      'GATE_REFUSED',
      `Cannot return ${place.alias} to version ${to.version}: it never held the alias`,
    );
  }
  return write(registry, place, to.expected, () => ({
    kind: 'returned',
    version: to.version,
    candidate: to.version,
    evidence: null,
    by: to.reason === undefined ? {} : { reason: to.reason },
  }));
}

/** Moves an alias past the gate; the reason stays in the record. */
export async function overrideAlias(
  registry: Registry,
  place: AliasPlace,
  to: { readonly version: number; readonly expected: number; readonly reason: string },
): Promise<Entry<AliasEntry>> {
  await getVersion(registry.store, place.model, to.version);
  return write(registry, place, to.expected, () => ({
    kind: 'overridden',
    version: to.version,
    candidate: to.version,
    evidence: null,
    by: { reason: to.reason },
  }));
}

export const hasHeld = (history: readonly Entry<AliasEntry>[], version: number): boolean =>
  history.some(({ value }) => value.kind !== 'refused' && value.version === version);

/** What this job's candidate met, where that is decided already: a job that starts again must not ask twice. */
export const decisionOf = (
  history: readonly Entry<AliasEntry>[],
  of: { readonly job: JobId; readonly candidate: number },
): Entry<AliasEntry> | undefined =>
  history.findLast(({ value }) => value.by.job === of.job && value.candidate === of.candidate);

async function write(
  { store, clock, hint, count }: Registry,
  place: AliasPlace,
  expected: number,
  make: (served: number | null) => Omit<AliasEntry, 'formatVersion' | 'at'>,
): Promise<Entry<AliasEntry>> {
  const head = await aliasHead(store, place);
  const served = head?.value.version ?? null;
  if ((head?.n ?? 0) !== expected) throw tooLate(place, expected);
  const value: AliasEntry = { formatVersion: 1, ...make(served), at: clock.now() };
  if (!(await append(store, prefixOf(place), expected + 1, value))) {
    throw tooLate(place, expected);
  }
  count?.(value.kind);
  if (value.version !== served) {
    await tell(store, place, value.at);
    hint({ ...place });
  }
  return { n: expected + 1, value };
}

/** The alias has moved, whatever becomes of this: gateways that are not told find it when they go through all aliases. */
async function tell(store: Store, { environment, ...of }: AliasPlace, at: number): Promise<void> {
  const move: Move = { formatVersion: 1, model: of.model, alias: of.alias, at };
  await appendNext(store, movesPrefix(environment), move).catch(() => undefined);
}

const tooLate = (place: AliasPlace, expected: number): GristmillError =>
  new GristmillError(
    'PRECONDITION_FAILED',
    `Cannot move ${place.alias} of ${place.model} in ${place.environment}: entry ${expected + 1} of its journal was written meanwhile`,
  );

const prefixOf = ({ model, environment, alias }: AliasPlace): string =>
  aliasPrefix(model, environment, alias);
