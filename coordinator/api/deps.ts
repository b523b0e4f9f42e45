// What the API stands on: interfaces that the coordinator's main fills in and tests fake.
// In: nothing. Out: types. Why here: no route file knows who implements jobs, workers or promotion.
import type { Clock } from '../../common/clock.ts';
import type { GristmillError } from '../../common/errors.ts';
import type { Sample } from '../../common/http/metrics.ts';
import type { Log } from '../../common/log.ts';
import type { Queue } from '../../common/queue/queue.ts';
import type { StoreHealth } from '../../common/store/health.ts';
import type { Entry } from '../../common/store/journal.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import type { AliasEntry } from '../../common/wire/model.ts';
import type { Jobs } from '../job/jobs.ts';
import type { AliasPlace, Registry } from '../registry/alias.ts';
import type { SurveyDataset } from '../survey/survey.ts';
import type { Triggers } from '../trigger/triggers.ts';

/** A version that shall have an alias: gather the evidence, let the gate decide, record it. */
export type Promotion = AliasPlace & {
  readonly version: number;
  /** Journal number of the alias that the client saw; 0: none yet. */
  readonly expected: number;
};

export type ApiDeps = {
  readonly jobs: Jobs;
  readonly triggers: Triggers;
  readonly registry: Registry;
  readonly workers: { live(): readonly Heartbeat[] };
  readonly queue: Pick<Queue, 'isConnected' | 'uri'>;
  /** Resolves with the entry written, which may be a refusal. Throws PRECONDITION_FAILED when too late. */
  readonly promote: (promotion: Promotion) => Promise<Entry<AliasEntry>>;
  /** What a dataset looks like, by workers' samples. */
  readonly surveyDataset: SurveyDataset;
  /** Left out: whether the store answers is asked, and no more. */
  readonly storeHealth?: StoreHealth | undefined;
  /** What it still waits for since its start; undefined once all is there. */
  readonly waitsFor?: () => GristmillError | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** More lines for /metrics, asked at each scrape. */
  readonly samples?: () => readonly Sample[];
};
