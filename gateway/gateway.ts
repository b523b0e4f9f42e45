// The gateway without its HTTP: answers raw rows with the version that an alias names.
// In: a store that may be away, raw rows. Out: predictions; what is served, and why something is not.
// Why nobody else: coordinator, NATS and store may all be down; what is served is on local disk and in the children.
// Flow: … → gate → alias → swap → [predictions]
//
//   follower (store ─▶ aliases ─▶ swaps) ──▶ live ◀── requests ──▶ batcher ──▶ seats (children)

import type { Child } from '../common/child/host.ts';
import type { Clock } from '../common/clock.ts';
import { CODES, GristmillError, toWireError } from '../common/errors.ts';
import type { MetricName, Sample } from '../common/http/metrics.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import { OBJECTIVES } from '../common/objective/objectives.ts';
import { listPredictions, type Prediction } from '../common/predict/prediction.ts';
import { parseRows } from '../common/predict/rows.ts';
import type { Signature } from '../common/stage/terms.ts';
import type { Store } from '../common/store/store.ts';
import { DEFAULT_ALIAS } from '../common/wire/environment.ts';
import { type Manifest, versionsPrefix } from '../common/wire/model.ts';
import { Batcher } from './batcher.ts';
import { aliasKey, versionKey } from './catalog.ts';
import type { Files } from './files.ts';
import { Follower } from './follower.ts';
import { type Held, Live } from './live.ts';
import type { Metrics } from './metrics.ts';
import { Refusals } from './refusals.ts';
import { Seats } from './seats.ts';
import { fetchBlob } from './swap.ts';
import { notFound, whyNoAlias, whyNothing } from './words.ts';

export type GatewayOptions = {
  readonly environment: string;
  readonly store: Store;
  readonly files: Files;
  readonly seats: number;
  /** Makes a child that runs thread.ts in one thread. */
  readonly startChild: () => Child;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
};

export type Target =
  | { readonly model: string; readonly alias: string }
  | { readonly model: string; readonly version: number };
export type Answer = {
  readonly predictions: readonly Prediction[];
  readonly model: string;
  readonly version: number;
};

export type AliasView = {
  readonly alias: string;
  /** What answers now; null where nothing does. */
  readonly version: number | null;
  /** What the store says; differs while a version is being loaded, or does not load. */
  readonly wanted: number | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
};
export type ModelView = {
  readonly name: string;
  readonly aliases: readonly AliasView[];
  readonly versions: readonly { readonly version: number; readonly signature: Signature }[];
};
export type GatewayView = {
  readonly environment: string;
  readonly store: { readonly uri: string; readonly error: string | null };
  readonly children: readonly number[];
  readonly models: readonly ModelView[];
};

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #seats: Seats;
  readonly #batcher: Batcher;
  readonly #live: Live;
  readonly #follower: Follower;
  readonly #refusals: Refusals; // of versions asked for on demand
  #isDraining = false;

  constructor(options: GatewayOptions) {
    const { store, files, clock, log, startChild, metrics } = options;
    this.#options = options;
    this.#seats = new Seats({
      count: options.seats,
      startChild,
      clock,
      log,
      onFree: () => this.#batcher?.pump(), // a seat is free before there is a batcher
      repair: async (file) => {
        const held = this.#live.versions.find((other) => other.file.sha256 === file.sha256);
        if (held) await fetchBlob({ store, files }, held.manifest.model, file.sha256);
      },
    });
    this.#batcher = new Batcher({
      isFree: () => this.#seats.isFree(),
      send: (file, batch) => {
        metrics.add('gristmill_inference_calls_total');
        return this.#seats.predict(file, batch);
      },
      callRowsMax: LIMITS.callRowsMax,
      waitingRowsMax: LIMITS.waitingRowsMax,
      waitMsMax: LIMITS.inferDeadlineMs,
      clock,
    });
    this.#live = new Live({
      hold: (file) => this.#seats.hold(file),
      drop: (sha256) => this.#seats.drop(sha256),
      onDemandMax: LIMITS.versionsOnDemandMax,
    });
    this.#follower = new Follower({ ...options, live: this.#live });
    this.#refusals = new Refusals({
      clock,
      keepMs: LIMITS.refusalsKeptMs,
      keptMax: LIMITS.refusalsKept,
      lookupsMax: LIMITS.lookupsOnDemandMax,
    });
    metrics.service.read(() => this.#samples());
  }

  start(): Promise<void> {
    return this.#follower.start();
  }

  /** Somebody says that an alias has moved. */
  hint(model: string, alias: string): void {
    this.#follower.hint(model, alias);
  }

  /** Predicts raw rows. Throws NOT_FOUND, NOT_READY, ROW_INVALID, DEADLINE, CHILD_LOST, OVERLOADED, … */
  async predict(target: Target, instances: readonly unknown[]): Promise<Answer> {
    const { clock, metrics } = this.#options;
    const startedMs = clock.monotonicMs();
    let held: Held | undefined;
    let code = 200;
    try {
      held = 'alias' in target ? this.#takeAlias(target) : await this.#takeVersion(target);
      return await this.#predictWith(held, instances);
    } catch (error) {
      code = CODES[toWireError(error).code].status;
      throw error;
    } finally {
      const model = held?.manifest.model ?? ''; // never a name that a client made up
      const version = held?.manifest.version ?? '';
      metrics.add('gristmill_inference_requests_total', { model, version, code });
      metrics.observeSeconds({ model }, (clock.monotonicMs() - startedMs) / 1000);
      if (held) this.#live.release(held);
    }
  }

  /** What it serves, in a sentence; throws why no model answers. */
  checkReady(): string {
    const { situation } = this.#follower;
    if (this.#isDraining) {
      throw new GristmillError('NOT_WORKING', 'Shutting down: ask another gateway');
    }
    const served = situation.catalog.served.size;
    if (served === 0) throw whyNothing(situation);
    return `Serving ${served} ${served === 1 ? 'alias' : 'aliases'}`;
  }

  /** Says 503 on readiness from now on, and goes on answering. */
  drain(): void {
    this.#isDraining = true;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get view(): GatewayView {
    const { environment, storeUri, look, catalog } = this.#follower.situation;
    const names = new Set([
      ...[...catalog.heads.values(), ...catalog.unread.values()].map((head) => head.model),
      ...this.#live.versions.map(({ manifest }) => manifest.model),
    ]);
    return {
      environment,
      store: { uri: storeUri, error: look?.error?.message ?? null },
      children: this.#seats.pids,
      models: [...names].sort().map((name) => this.#viewModel(name)),
    };
  }

  get metrics(): Metrics {
    return this.#options.metrics;
  }

  async close(): Promise<void> {
    await Promise.all([this.#follower.close(), this.#seats.close()]);
  }

  async #predictWith(held: Held, instances: readonly unknown[]): Promise<Answer> {
    const { metrics } = this.#options;
    const { model, version } = held.manifest;
    const batch = parseRows(held.file.signature, instances);
    if (batch.ignoredFields > 0) {
      metrics.add('gristmill_inference_ignored_fields_total', { model }, batch.ignoredFields);
    }
    const predictions = await this.#batcher.predict(held.file, batch);
    const { width } = OBJECTIVES[held.file.signature.label];
    checkFinite(predictions, { model, version, width });
    metrics.add('gristmill_inference_rows_total', { model, version }, batch.rows);
    return { predictions: listPredictions(predictions, width), model, version };
  }

  #takeAlias(target: { model: string; alias: string }): Held {
    const held = this.#live.byAlias(target.model, target.alias);
    if (held) return this.#live.take(held);
    throw whyNoAlias(this.#follower.situation, target);
  }

  async #takeVersion({ model, version }: { model: string; version: number }): Promise<Held> {
    const there = this.#live.byVersion(model, version);
    const held = there ? this.#live.take(there) : await this.#loadOnDemand(model, version);
    if (!this.#live.isNamed(held)) this.#live.keepOnDemand(held);
    return held;
  }

  /** Looked for before it stands in line: what is not there is told at once, and for a while from memory. */
  async #loadOnDemand(model: string, version: number): Promise<Held> {
    const name = versionKey(model, version);
    this.#refusals.check(name);
    try {
      const manifest = await this.#refusals.lookUp(`${model} version ${version}`, () =>
        this.#manifestOf(model, version),
      );
      return await this.#follower.load(manifest);
    } catch (error) {
      this.#refusals.keep(name, error);
      throw error;
    }
  }

  async #manifestOf(model: string, version: number): Promise<Manifest> {
    try {
      return await this.#follower.manifestOf({ model, version, fromScratch: false });
    } catch (error) {
      if (toWireError(error).code !== 'NOT_FOUND') throw error;
      throw await this.#whyNoVersion(model, version);
    }
  }

  async #whyNoVersion(model: string, version: number): Promise<GristmillError> {
    const names = await this.#options.store.listNames(`${versionsPrefix(model)}/`);
    const there = names.map((name) => String(Number.parseInt(name, 10)));
    const where = `model ${model}`;
    if (there.length > 0) return notFound({ kind: 'version', name: `${version}`, there, where });
    return whyNoAlias(this.#follower.situation, { model, alias: DEFAULT_ALIAS });
  }

  #samples(): readonly Sample[] {
    const { look } = this.#follower.situation;
    const one = (name: MetricName, help: string, value: number): Sample => ({
      ...{ name, help, value },
      type: name.endsWith('_total') ? 'counter' : 'gauge',
    });
    const aliases = this.view.models.flatMap(({ name: model, aliases }) =>
      aliases.flatMap(({ alias, version, wanted }) => [
        { ...one('gristmill_serving_version', SERVING, version ?? 0), labels: { model, alias } },
        { ...one('gristmill_wanted_version', WANTED, wanted ?? 0), labels: { model, alias } },
      ]),
    );
    return [
      ...aliases,
      one(
        'gristmill_inference_waiting_rows',
        'Rows waiting for a free child',
        this.#batcher.waitingRows,
      ),
      one(
        'gristmill_child_restarts_total',
        'Inference children lost and replaced',
        this.#seats.restarts,
      ),
      one(
        'gristmill_store_up',
        '1 where the last look at the store went well',
        look && !look.error ? 1 : 0,
      ),
    ];
  }

  #viewModel(name: string): ModelView {
    const { catalog } = this.#follower.situation;
    const known = [...catalog.heads.values(), ...catalog.unread.values()];
    const heads = new Map(
      known
        .filter(({ model }) => model === name)
        .map(({ alias }) => [aliasKey(name, alias), alias]),
    );
    const aliases = [...heads].map(([key, alias]) => {
      const version = catalog.heads.get(key)?.version ?? null;
      const error = (
        catalog.unread.get(key) ?? catalog.failures.get(versionKey(name, version ?? 0))
      )?.error;
      return {
        alias,
        version: this.#live.byAlias(name, alias)?.manifest.version ?? null,
        wanted: version,
        error: error ? { code: error.code, detail: error.message } : null,
      };
    });
    const held = this.#live.versions.filter(({ manifest }) => manifest.model === name);
    return {
      name,
      aliases: aliases.sort((a, b) => (a.alias < b.alias ? -1 : 1)),
      versions: held.map(({ manifest: { version, signature } }) => ({ version, signature })),
    };
  }
}

const SERVING = 'The version that an alias answers with';
const WANTED = 'The version that the store says an alias has';

/** Throws on the first prediction that is no number: JSON would make null of it. */
export function checkFinite(
  predictions: Float32Array,
  { model, version, width }: { model: string; version: number; width: number },
): void {
  const at = predictions.findIndex((prediction) => !Number.isFinite(prediction));
  if (at < 0) return;
  const row = Math.floor(at / width);
  throw new GristmillError(
    'PREDICTION_NONFINITE',
    `Cannot predict row ${row} with ${model} version ${version}: it gives ${predictions[at]}, expected a finite number`,
    { errors: [{ pointer: `/instances/${row}`, detail: `gives ${predictions[at]}` }] },
  );
}
