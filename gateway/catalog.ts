// What should be served, what is, and so what to do next.
// In: alias heads as the store tells them, ends of swaps. Out: the next swaps, in a plain list.
// Why apart from I/O: everything that can go wrong in a swap is a table of cases here. Pure: no clock, no network.
// Flow: job → … → publish → gate → [alias] → predictions
import { unreachable, type WireError } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';

/** The head of an alias journal. `n` is 0 for what only scratch remembers: the store has not confirmed it. */
export type AliasHead = {
  readonly model: string;
  readonly alias: string;
  readonly n: number;
  readonly version: number | null;
};

/** An entry that is there and says nothing to this program. */
export type UnreadHead = Pick<AliasHead, 'model' | 'alias' | 'n'> & { readonly error: WireError };

export type Served = {
  readonly version: number;
  /** The store was asked for the manifest that this was loaded from; not scratch alone. */
  readonly confirmed: boolean;
};
export type LoadFailure = {
  readonly count: number;
  readonly retryAtMs: number;
  readonly error: WireError;
};

export type Catalog = {
  readonly heads: ReadonlyMap<string, AliasHead>; // by aliasKey
  readonly served: ReadonlyMap<string, Served>; // by aliasKey
  readonly failures: ReadonlyMap<string, LoadFailure>; // by versionKey
  /** Aliases whose newest entry nobody here can read: what they had before is served on. */
  readonly unread: ReadonlyMap<string, UnreadHead>; // by aliasKey
};

export type CatalogEvent =
  | { readonly kind: 'head'; readonly head: AliasHead }
  | { readonly kind: 'unread'; readonly head: UnreadHead }
  | {
      readonly kind: 'swapped';
      readonly model: string;
      readonly alias: string;
      readonly version: number;
      readonly confirmed: boolean;
    }
  /** The store was read, and has no such alias: scratch remembers another time. */
  | { readonly kind: 'absent'; readonly model: string; readonly alias: string }
  | { readonly kind: 'withdrawn'; readonly model: string; readonly alias: string }
  | {
      readonly kind: 'failed';
      readonly model: string;
      readonly version: number;
      readonly error: WireError;
      readonly nowMs: number;
    };

export type Action =
  | {
      readonly kind: 'swap';
      readonly model: string;
      readonly alias: string;
      readonly version: number;
      /** Only scratch has said so: its manifest will do until the store answers. */
      readonly fromScratch: boolean;
    }
  | { readonly kind: 'withdraw'; readonly model: string; readonly alias: string };

export const EMPTY_CATALOG: Catalog = {
  heads: new Map(),
  served: new Map(),
  failures: new Map(),
  unread: new Map(),
};
export const aliasKey = (model: string, alias: string): string => `${model}/${alias}`;
export const versionKey = (model: string, version: number): string => `${model}@${version}`;

/** What to do now, in order of names. A version that failed waits for its time; the old one serves on. */
export function decide(catalog: Catalog, nowMs: number): readonly Action[] {
  const actions: Action[] = [];
  for (const key of [...catalog.heads.keys()].sort()) {
    const { model, alias, version, n } = catalog.heads.get(key)!;
    const served = catalog.served.get(key);
    if (version === null) {
      if (served) actions.push({ kind: 'withdraw', model, alias });
      continue;
    }
    const isCurrent = served?.version === version && (served.confirmed || n === 0);
    const failure = catalog.failures.get(versionKey(model, version));
    if (isCurrent || (failure && failure.retryAtMs > nowMs)) continue;
    actions.push({ kind: 'swap', model, alias, version, fromScratch: n === 0 });
  }
  return actions;
}

/** When a failed version is due again; undefined where none waits. */
export function nextRetryMs(catalog: Catalog): number | undefined {
  const times = [...catalog.failures.values()].map((failure) => failure.retryAtMs);
  return times.length > 0 ? Math.min(...times) : undefined;
}

export function onEvent(catalog: Catalog, event: CatalogEvent): Catalog {
  switch (event.kind) {
    case 'head':
      return onHead(catalog, event.head);
    case 'unread': {
      const { model, alias } = event.head;
      const unread = new Map(catalog.unread).set(aliasKey(model, alias), event.head);
      return { ...catalog, unread };
    }
    case 'swapped': {
      const { model, alias, version, confirmed } = event;
      const served = new Map(catalog.served).set(aliasKey(model, alias), { version, confirmed });
      const failures = new Map(catalog.failures);
      failures.delete(versionKey(model, version));
      return { ...catalog, served, failures };
    }
    case 'absent': {
      const key = aliasKey(event.model, event.alias);
      const head = catalog.heads.get(key);
      // the store has told one, or has one that nobody here can read: a name that vanishes ends nothing
      if (head?.n !== 0 || catalog.unread.has(key)) return catalog;
      return { ...catalog, heads: new Map(catalog.heads).set(key, { ...head, version: null }) };
    }
    case 'withdrawn': {
      const served = new Map(catalog.served);
      served.delete(aliasKey(event.model, event.alias));
      return { ...catalog, served };
    }
    case 'failed': {
      const key = versionKey(event.model, event.version);
      const count = (catalog.failures.get(key)?.count ?? 0) + 1;
      const retryAtMs = event.nowMs + retryDelayMs(count);
      const failures = new Map(catalog.failures).set(key, { count, retryAtMs, error: event.error });
      return { ...catalog, failures };
    }
    default:
      return unreachable(event);
  }
}

/** An older head than the one known is a late answer. Failures of versions nobody wants are forgotten. */
function onHead(catalog: Catalog, head: AliasHead): Catalog {
  const key = aliasKey(head.model, head.alias);
  const known = catalog.heads.get(key);
  if (known && known.n >= head.n) return catalog;
  const heads = new Map(catalog.heads).set(key, head);
  const wanted = new Set([...heads.values()].map((h) => versionKey(h.model, h.version ?? 0)));
  const failures = new Map([...catalog.failures].filter(([version]) => wanted.has(version)));
  const unread = new Map(catalog.unread);
  if ((unread.get(key)?.n ?? 0) < head.n) unread.delete(key);
  return { ...catalog, heads, failures, unread };
}

const retryDelayMs = (count: number): number =>
  Math.min(LIMITS.swapRetryMsMax, 500 * 2 ** (count - 1));
