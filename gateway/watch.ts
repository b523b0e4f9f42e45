// Finds out by itself where the aliases of one environment stand.
// In: the store, asked twice a second; hints that hurry it. Out: alias heads, and whether the store answers.
// Why polling: it needs nobody else to be alive, and a hint that is lost costs half a second.
// Why a journal of moves: a thousand aliases would be two thousand requests a second, of each gateway.
//
//   moves/<env>/<n>.json    known n: ask for n+1 (one request); then for the aliases that it and those after it name
//   models/<name>/environments/<env>/aliases/<alias>/<n>.json    at first, and more seldom: all of them
import type { Clock } from '../common/clock.ts';
import { type GristmillError, toWireError } from '../common/errors.ts';
import { NAME_PATTERN } from '../common/ids.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import { readAfter, readHead, seekHead } from '../common/store/journal.ts';
import type { Store } from '../common/store/store.ts';
import { isUnreadable, readStored } from '../common/stored/stored.ts';
import { type AliasEntry, aliasPrefix, type Move, movesPrefix } from '../common/wire/model.ts';
import { type AliasHead, aliasKey, type UnreadHead } from './catalog.ts';

export type WatchOptions = {
  readonly store: Store;
  readonly environment: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly onHead: (head: AliasHead) => void;
  /** Of one alias: what it had before holds, and all others go on. */
  readonly onUnread: (head: UnreadHead) => void;
  /** After each look: undefined where it went well. */
  readonly onLook: (error: unknown) => void;
};

const NAME = new RegExp(NAME_PATTERN);
const HEADS_AT_ONCE = 16; // requests in flight of one look

export class Watch {
  readonly #options: WatchOptions;
  readonly #known = new Map<string, { model: string; alias: string; n: number }>();
  /** The last move looked at. */
  #moves = 0;
  #sweepAtMs = 0;
  #failures = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Looks until `signal` ends it: at once, then twice a second, more seldom while the store errs. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.#look();
      const backoffMs = LIMITS.aliasPollMs * 2 ** Math.min(this.#failures, 8);
      await clock.sleep(Math.min(LIMITS.pollBackoffMsMax, backoffMs), signal);
    }
  }

  /** A hint that an alias has moved: looked at now, also where it was not known. */
  async hint(model: string, alias: string): Promise<void> {
    if (!NAME.test(model) || !NAME.test(alias)) return;
    try {
      await this.#readHead(model, alias);
    } catch {
      // the next look says whether the store is well
    }
  }

  async #look(): Promise<void> {
    const { clock, log, onLook } = this.#options;
    try {
      if (clock.monotonicMs() >= this.#sweepAtMs) await this.#sweep();
      else await this.#follow();
      if (this.#failures > 0) log.info('store answers again', { store: this.#options.store.uri });
      this.#failures = 0;
      onLook(undefined);
    } catch (error) {
      if (this.#failures === 0) log.warn('store does not answer, serving what is there', { error });
      this.#failures += 1;
      onLook(error);
    }
  }

  /** Reads the moves since the last one, and where the aliases that they name stand now. */
  async #follow(): Promise<void> {
    const { store, environment } = this.#options;
    const moves = await readAfter(store, movesPrefix(environment), this.#moves, readMove);
    const moved = new Map<string, Move>();
    for (const { value: move } of moves) {
      if (move === 'unread') this.#sweepAtMs = 0;
      else moved.set(aliasKey(move.model, move.alias), move);
    }
    await inGroups([...moved.values()], ({ model, alias }) => this.#readHead(model, alias));
    this.#moves += moves.length; // not before: a look that failed is made again
  }

  /**
   * Goes through all models and aliases, for moves that nobody wrote down: their mover died, or was of an older program.
   * Names that have gone stay known: a vanished folder ends no service.
   */
  async #sweep(): Promise<void> {
    const { store, environment, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const moves = await seekHead(store, movesPrefix(environment), this.#moves);
    const models = folders(await store.listNames('models/'));
    await inGroups(models, async (model) => {
      for (const alias of folders(await store.listNames(aliasPrefix(model, environment, ''))))
        await this.#readHead(model, alias);
    });
    this.#moves = moves;
    const tookMs = clock.monotonicMs() - startedMs;
    this.#sweepAtMs = startedMs + Math.max(LIMITS.aliasSweepMs, 10 * tookMs);
  }

  async #readHead(model: string, alias: string): Promise<void> {
    const { store, environment, onHead, onUnread, log } = this.#options;
    const key = aliasKey(model, alias);
    const prefix = aliasPrefix(model, environment, alias);
    const head = await readHead(store, prefix, this.#known.get(key)?.n ?? 0, readEntry);
    if (!head || head.n <= (this.#known.get(key)?.n ?? 0)) return;
    this.#known.set(key, { model, alias, n: head.n });
    const { n, value } = head;
    if ('entry' in value) return onHead({ model, alias, n, version: value.entry.version });
    log.error('alias not read, serving on', { model, alias, error: value.error });
    onUnread({ model, alias, n, error: toWireError(value.error) });
  }
}

type Read = { readonly entry: AliasEntry } | { readonly error: GristmillError };

/** What another program wrote is a matter of this alias; anything else one of the store. */
async function readEntry(store: Store, key: string): Promise<Read | undefined> {
  try {
    const entry = await readStored(store, key, 'alias');
    return entry && { entry };
  } catch (error) {
    if (isUnreadable(error)) return { error };
    throw error;
  }
}

/** What cannot be read says that something moved. */
async function readMove(store: Store, key: string): Promise<Move | 'unread' | undefined> {
  try {
    const move = await readStored(store, key, 'move');
    return move && (NAME.test(move.model) && NAME.test(move.alias) ? move : 'unread');
  } catch (error) {
    if (isUnreadable(error)) return 'unread';
    throw error;
  }
}

/** Names of folders in a listing that are names in our sense; anything else is not ours. */
const folders = (names: readonly string[]): string[] =>
  names
    .filter((name) => name.endsWith('/'))
    .map((name) => name.slice(0, -1))
    .filter((name) => NAME.test(name));

async function inGroups<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += HEADS_AT_ONCE) {
    await Promise.all(items.slice(start, start + HEADS_AT_ONCE).map(act));
  }
}
