// Follows the aliases of one environment: what the store says becomes what is served.
// In: alias heads, from the store or from scratch. Out: versions in the table of live ones; the catalog of what is where.
// Why one swap at a time: a trial costs a process and a model's memory, and moves are rare. What clients ask for on demand
// stands in a line of its own: a move never waits behind it.
// Flow: … → gate → alias → [swap] → predictions
import type { Child } from '../common/child/host.ts';
import type { Clock } from '../common/clock.ts';
import { GristmillError, toWireError } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import type { Store } from '../common/store/store.ts';
import type { Manifest } from '../common/wire/model.ts';
import {
  type Action,
  type Catalog,
  type CatalogEvent,
  decide,
  EMPTY_CATALOG,
  nextRetryMs,
  onEvent,
} from './catalog.ts';
import type { Files } from './files.ts';
import type { Held, Live } from './live.ts';
import { Loads } from './loads.ts';
import type { Metrics } from './metrics.ts';
import { fetchManifest, proveVersion } from './swap.ts';
import { Watch } from './watch.ts';
import type { Situation } from './words.ts';

export type FollowerOptions = {
  readonly environment: string;
  readonly store: Store;
  readonly files: Files;
  /** Makes a child that runs thread.ts in one thread: versions are tried in it. */
  readonly startChild: () => Child;
  readonly live: Live;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
};

type Wanted = { readonly model: string; readonly version: number; readonly fromScratch: boolean };

export class Follower {
  readonly #options: FollowerOptions;
  readonly #watch: Watch;
  readonly #stop = new AbortController();
  #catalog: Catalog = EMPTY_CATALOG;
  #look: Situation['look'];
  #wake = new AbortController();
  readonly #swaps: Loads;
  readonly #onDemand: Loads;

  constructor(options: FollowerOptions) {
    this.#options = options;
    const { startChild } = options;
    this.#swaps = new Loads({ startChild, waitingMax: 1 });
    this.#onDemand = new Loads({ startChild, waitingMax: LIMITS.loadsWaitingMax });
    this.#watch = new Watch({
      ...options,
      onHead: (head) => this.#apply({ kind: 'head', head }),
      onUnread: (head) => this.#apply({ kind: 'unread', head }),
      onLook: (error) => this.#onLook(error),
    });
  }

  get situation(): Situation {
    const { environment, store } = this.#options;
    return { environment, storeUri: store.uri, catalog: this.#catalog, look: this.#look };
  }

  /** Begins with what scratch remembers, then follows the store until `close`. */
  async start(): Promise<void> {
    const saved = await this.#options.files.readCatalog(this.#options.store.uri);
    for (const alias of saved?.aliases ?? []) {
      this.#apply({ kind: 'head', head: { ...alias, n: 0 } });
    }
    void this.#settle();
    void this.#watch.run(this.#stop.signal);
  }

  hint(model: string, alias: string): void {
    void this.#watch.hint(model, alias);
  }

  /** What a version is, by the store or by scratch; NOT_FOUND where there is none. In no line. */
  manifestOf(of: Wanted): Promise<Manifest> {
    const { store, files } = this.#options;
    return fetchManifest({ store, files }, of);
  }

  /** A version that a client asked for, proved and held in every seat; the caller owns one reference. */
  load(manifest: Manifest): Promise<Held> {
    const what = `${manifest.model} version ${manifest.version}`;
    return this.#onDemand.run(what, (trial) => this.#hold(manifest, trial));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await Promise.all([this.#swaps.close(), this.#onDemand.close()]);
  }

  /** A look that went well has told every alias there is: what scratch alone remembers is of the past. */
  #onLook(error: unknown): void {
    this.#look = { error: error === undefined ? undefined : asError(error) };
    if (error !== undefined) return;
    for (const { model, alias, n, version } of this.#catalog.heads.values()) {
      if (n === 0 && version !== null) this.#apply({ kind: 'absent', model, alias });
    }
  }

  #apply(event: CatalogEvent): void {
    this.#catalog = onEvent(this.#catalog, event);
    this.#wake.abort();
  }

  /** Does what the catalog asks for, one thing after the other. */
  async #settle(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController();
      const [action] = decide(this.#catalog, clock.monotonicMs());
      if (action) {
        await this.#perform(action);
        continue;
      }
      const retryMs = nextRetryMs(this.#catalog) ?? Number.POSITIVE_INFINITY;
      const waitMs = Math.max(10, retryMs - clock.monotonicMs());
      await clock.sleep(Math.min(LIMITS.swapRetryMsMax, waitMs), this.#wake.signal);
    }
  }

  async #perform(action: Action): Promise<void> {
    const { model, alias } = action;
    if (action.kind === 'withdraw') {
      this.#options.live.setAlias(model, alias, undefined);
      this.#apply({ kind: 'withdrawn', model, alias });
      return this.#remember();
    }
    try {
      await this.#swap(action);
    } catch (error) {
      this.#onFailure(action, error);
    }
  }

  async #swap(action: Extract<Action, { kind: 'swap' }>): Promise<void> {
    const { live, log, metrics, clock } = this.#options;
    const { model, alias, version } = action;
    const startedMs = clock.monotonicMs();
    const held = await this.#swaps.run(`${model} version ${version}`, async (trial) =>
      this.#hold(await this.manifestOf(action), trial),
    );
    const former = live.byAlias(model, alias);
    live.setAlias(model, alias, held);
    live.release(held); // the alias has its own reference
    this.#apply({ kind: 'swapped', model, alias, version, confirmed: !action.fromScratch });
    if (former === held) return;
    metrics.add('gristmill_swaps_total', { model, alias, outcome: 'done' });
    const seconds = (clock.monotonicMs() - startedMs) / 1000;
    log.info('alias swapped', { model, alias, version, from: former?.manifest.version, seconds });
    await this.#remember();
  }

  #onFailure({ model, alias, version }: Extract<Action, { kind: 'swap' }>, error: unknown): void {
    const { live, log, metrics, clock } = this.#options;
    metrics.add('gristmill_swaps_total', { model, alias, outcome: 'failed' });
    const serving = live.byAlias(model, alias)?.manifest.version ?? null;
    log.error('version does not load, serving on', { model, alias, version, serving, error });
    const nowMs = clock.monotonicMs();
    this.#apply({ kind: 'failed', model, version, error: toWireError(error), nowMs });
  }

  async #hold(manifest: Manifest, trial: () => Child): Promise<Held> {
    const { store, files, live } = this.#options;
    const there = live.byVersion(manifest.model, manifest.version);
    const isSame =
      there?.manifest.onnx.sha256 === manifest.onnx.sha256 &&
      there.manifest.golden.sha256 === manifest.golden.sha256;
    if (there && isSame) return live.take(there);
    return live.add(manifest, await proveVersion({ store, files, trial }, manifest));
  }

  /** Writes down what is served, for a start without a store. */
  async #remember(): Promise<void> {
    const { files, store, live, log } = this.#options;
    const aliases = [...this.#catalog.heads.values()].flatMap(({ model, alias }) => {
      const held = live.byAlias(model, alias);
      return held ? [{ model, alias, version: held.manifest.version }] : [];
    });
    try {
      await files.writeCatalog({ formatVersion: 1, store: store.uri, aliases });
      await files.prune(live.files, 2 * LIMITS.modelFilesKept); // a model and its golden rows
    } catch (error) {
      log.warn('scratch not written: a start without a store would serve older versions', {
        error,
      });
    }
  }
}

const asError = (error: unknown): GristmillError =>
  error instanceof GristmillError ? error : new GristmillError('INTERNAL', String(error));
