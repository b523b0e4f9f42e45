// Promotions that are being decided: a hearing may take minutes, and no request is held for it.
// In: a version for an alias. Out: how that stands after two seconds at most, and later by its id.
// Why in memory: the outcome is an entry of the alias's journal; a restart ends the hearing, and there is nothing to keep.
import type { Clock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import { digestOf } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Log } from '../../common/log.ts';
import type { Entry } from '../../common/store/journal.ts';
import type { AliasEntry } from '../../common/wire/model.ts';
import type { AliasPlace } from '../registry/alias.ts';
import type { ApiDeps, Promotion } from './deps.ts';

export type Outcome =
  | { readonly state: 'deciding' }
  | { readonly state: 'moved' | 'refused'; readonly entry: Entry<AliasEntry> }
  | { readonly state: 'failed'; readonly error: unknown };

export const PROMOTION_STATES = [
  'deciding',
  'moved',
  'refused',
  'failed',
] as const satisfies readonly Outcome['state'][];

export type Watched = {
  readonly id: string;
  readonly of: Promotion;
  readonly startedAt: number;
  readonly outcome: Outcome;
};

type Kept = Watched & { outcome: Outcome; readonly decided: Promise<void> };

export class Promotions {
  readonly #deps: Pick<ApiDeps, 'promote' | 'clock' | 'log'>;
  readonly #kept = new Map<string, Kept>();

  constructor(deps: { promote: ApiDeps['promote']; clock: Clock; log: Log }) {
    this.#deps = deps;
  }

  /**
   * How it stands once it is decided, or after `promotionAnswerMs`. Asked for again while it is being decided, it is
   * that one: a version for an alias at an entry has one id.
   */
  async begin(of: Promotion): Promise<Watched> {
    const id = `p-${digestOf(of).slice(0, 20)}`;
    const there = this.#kept.get(id);
    const kept = there?.outcome.state === 'deciding' ? there : this.#start(id, of);
    const over = new AbortController();
    await Promise.race([
      kept.decided,
      this.#deps.clock.sleep(LIMITS.promotionAnswerMs, over.signal),
    ]);
    over.abort();
    return kept;
  }

  /** Throws NOT_FOUND that says where an outcome stands that is not known here any more. */
  find({ model, environment, alias }: AliasPlace, id: string): Watched {
    const kept = this.#kept.get(id);
    const of = kept?.of;
    if (of?.model === model && of.environment === environment && of.alias === alias) return kept!;
    const message = `Cannot find the promotion ${JSON.stringify(id.slice(0, 40))} of ${alias} of ${model} in ${environment}: this coordinator has begun none of that id since its start, or it is long over; whatever was decided stands in the alias's record, GET …/aliases/${alias}/history`;
    throw new GristmillError('NOT_FOUND', message);
  }

  #start(id: string, of: Promotion): Kept {
    this.#makeRoom(id);
    const { promote, clock } = this.#deps;
    const decided = promote(of).then(
      (entry) => {
        const state = entry.value.version === of.version ? 'moved' : 'refused';
        kept.outcome = { state, entry };
      },
      (error: unknown) => {
        kept.outcome = { state: 'failed', error };
        this.#tell(kept, error);
      },
    );
    const kept: Kept = { id, of, startedAt: clock.now(), outcome: { state: 'deciding' }, decided };
    this.#kept.set(id, kept);
    return kept;
  }

  /** Forgets the one that was begun first of those decided. */
  #makeRoom(id: string): void {
    this.#kept.delete(id); // one that failed is begun anew, and is the newest again
    if (this.#kept.size < LIMITS.promotionsMax) return;
    for (const [oldest, { outcome }] of this.#kept) {
      if (outcome.state === 'deciding') continue;
      this.#kept.delete(oldest);
      return;
    }
    throw new GristmillError(
      'WORKERS_BUSY',
      `Cannot judge another version: ${LIMITS.promotionsMax} are being judged, expected fewer`,
    );
  }

  /** Nobody may wait for it any more, and a fault of ours is not to be lost. */
  #tell({ id, of: { version, ...place } }: Watched, error: unknown): void {
    const isOurs = !(error instanceof GristmillError) || error.code === 'INTERNAL';
    const at = { promotion: id, version, ...place, error };
    if (isOurs) this.#deps.log.error('promotion failed', { ...at, stack: (error as Error).stack });
    else this.#deps.log.info('promotion failed', at);
  }
}
