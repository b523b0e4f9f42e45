// Looks after the jobs that run here, and says of each that stands still for what.
// In: what each job stands on, workers, queue and store. Out: `waiting` of its record, within seconds.
// Why one look for all: the same heartbeats are held against every job, once a second.
import type { JobId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import {
  type Held,
  hold,
  isSaid,
  type Observation,
  type Reason,
  type Stand,
  type Standing,
  whyWaiting,
} from '../dispatch/waiting.ts';
import type { Machinery } from '../stage/context.ts';
import type { JobRecord } from './record.ts';

export type Post = {
  readonly stand: Stand;
  /** The job has met what it rides out; said until it goes on. */
  meet(reason: Reason): void;
  goOn(): void;
  leave(): void;
};

type Kept = {
  readonly record: JobRecord;
  readonly standings: Set<() => Standing>;
  met: Reason | null;
  held: Held;
};

type Watched = Pick<Machinery, 'queue' | 'workers' | 'clock' | 'storeHealth'>;

export class Lookout {
  readonly #machinery: Watched;
  readonly #kept = new Set<Kept>();
  #hearsSinceMs = 0;
  #over = new AbortController();

  constructor(machinery: Watched) {
    this.#machinery = machinery;
  }

  add(record: JobRecord): Post {
    const kept: Kept = { record, standings: new Set(), met: null, held: null };
    this.#kept.add(kept);
    if (this.#kept.size === 1) void this.#look();
    return {
      stand: (look) => {
        kept.standings.add(look);
        return () => void kept.standings.delete(look);
      },
      meet: (reason) => {
        kept.met = reason;
        this.#judge(kept, []);
      },
      goOn: () => {
        kept.met = null;
      },
      leave: () => {
        this.#kept.delete(kept);
        if (this.#kept.size === 0) this.#over.abort();
      },
    };
  }

  /** While any job runs. */
  async #look(): Promise<void> {
    const { clock } = this.#machinery;
    const over = new AbortController();
    this.#over = over;
    this.#hearsSinceMs = clock.monotonicMs();
    while (!over.signal.aborted) {
      await clock.sleep(LIMITS.heartbeatMs, over.signal);
      if (over.signal.aborted) return;
      const all = [...this.#kept].map((kept) => [kept, lookAt(kept)] as const);
      for (const [kept, standings] of all) this.#judge(kept, standings, all);
    }
  }

  #judge(
    kept: Kept,
    standings: readonly Standing[],
    all: readonly (readonly [Kept, readonly Standing[]])[] = [],
  ): void {
    const { clock, queue, workers, storeHealth } = this.#machinery;
    const nowMs = clock.monotonicMs();
    const isConnected = queue.isConnected();
    if (!isConnected) this.#hearsSinceMs = nowMs;
    const seen: Observation = {
      nowMs,
      queue: { uri: queue.uri, isConnected },
      hearsSinceMs: this.#hearsSinceMs,
      store: storeHealth?.trouble() ?? null,
      live: workers.live(),
      standings,
      jobOf: (run) => jobOf(run, all),
    };
    const found = kept.met ?? withRemedy(whyWaiting(seen), kept.record.id);
    kept.held = hold(kept.held, found, { now: clock.now(), nowMs });
    const said = kept.held && isSaid(kept.held, nowMs) ? kept.held.waiting : null;
    const shown = kept.record.progress.waiting;
    const isSame =
      said?.code === shown?.code && said?.words === shown?.words && said?.since === shown?.since;
    if (!isSame) kept.record.show({ waiting: said });
  }
}

/** The one reason that does not pass by itself once somebody starts what is missing. */
const withRemedy = (reason: Reason | null, job: JobId): Reason | null =>
  reason?.code === 'OTHER_NUMERICS'
    ? { ...reason, words: `${reason.words}; to go on under that: gristmill job repin ${job}` }
    : reason;

const lookAt = ({ standings }: Kept): Standing[] => [...standings].map((look) => look());

const jobOf = (
  run: string,
  all: readonly (readonly [Kept, readonly Standing[]])[],
): JobId | undefined =>
  all.find(([, standings]) => standings.some((one) => one.kind === 'run' && one.run === run))?.[0]
    .record.id;
