// Which jobs there are. It holds those that are not over and a few that are; the rest is read again when asked for.
// In: the index of submissions in the store. Out: open jobs in order, any job by its id, pages of the index.
// Why checkpoints: a start reads what has not ended, and not ten thousand journals to learn that they have.
//
//   jobs/index/<n>.json         submissions, in order, without gaps
//   jobs/checkpoints/<k>.json   {upTo, open}: of the submissions up to `upTo`, all are over but those in `open`
//
// Ends are final, so a checkpoint is true for ever, whoever wrote it. A store without any gets its first at a start.
// What cannot be read (another program's, or cut off) is one job's matter: seen as failed, and open in every checkpoint.
import type { Clock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Log } from '../../common/log.ts';
import { mapParallel } from '../../common/parallel.ts';
import {
  appendNext,
  type Entry,
  entryKey,
  readAfter,
  readHead,
} from '../../common/store/journal.ts';
import type { Store } from '../../common/store/store.ts';
import { isUnreadable, readStored } from '../../common/stored/stored.ts';
import type { IndexCheckpoint, IndexEntry } from '../../common/wire/view.ts';
import { type JobEntry, JobRecord } from './record.ts';
import { INDEX_PREFIX, loadSpec } from './submit.ts';

export const CHECKPOINT_PREFIX = 'jobs/checkpoints';

export type PageOf = {
  /** Submissions before this number, newest first; or after it. Neither: the newest. */
  readonly before?: number | undefined;
  readonly after?: number | undefined;
  readonly limit: number;
};

export type Page = {
  readonly records: readonly JobRecord[];
  /** `before` of the page of older jobs, `after` of the page of newer ones; undefined where there are none. */
  readonly older: number | undefined;
  readonly newer: number | undefined;
};

type Machinery = { readonly store: Store; readonly clock: Clock; readonly log: Log };

/** An entry of the index, or why it cannot be read. */
type Place = IndexEntry | GristmillError;

export class Directory {
  readonly #machinery: Machinery;
  readonly #store: Store;
  /** Jobs that are not over, in order of submission. */
  readonly #open = new Map<JobId, JobRecord>();
  readonly #openNumbers = new Map<number, JobId>();
  /** Jobs that nobody here can read, by number. */
  readonly #unreadable = new Map<number, JobRecord>();
  /** Jobs that are over and were asked for of late; the one asked for last is the last. */
  readonly #remembered = new Map<JobId, JobRecord>();
  #lastIndex = 0;
  #reading: Promise<void> = Promise.resolve();
  #checkpoint: Entry<IndexCheckpoint> | undefined;
  /** Jobs that have become over since the last checkpoint. */
  #settledSince = 0;

  constructor(machinery: Machinery) {
    this.#machinery = machinery;
    this.#store = machinery.store;
  }

  /** In order of submission. */
  get open(): Iterable<JobRecord> {
    return this.#open.values();
  }

  openJob(job: JobId): JobRecord | undefined {
    return this.#open.get(job);
  }

  /** Reads the newest checkpoint, the jobs it leaves open, and what was submitted after it. */
  async start(): Promise<void> {
    this.#checkpoint = await this.#newestCheckpoint();
    const { upTo, open } = this.#checkpoint?.value ?? { upTo: 0, open: [] };
    const entries = await mapParallel(open, LIMITS.journalsParallel, async (n) => ({
      n,
      value: await readPlace(this.#store, entryKey(INDEX_PREFIX, n)),
    }));
    await this.#adopt(entries.flatMap(({ n, value }) => (value ? [{ n, value }] : [])));
    this.#lastIndex = upTo;
    await this.refresh();
  }

  /** Takes in what has been submitted, by anybody. One reader at a time: entries come in order, each once. */
  refresh(): Promise<void> {
    this.#reading = this.#reading
      .catch(() => {})
      .then(async () => {
        await this.#adopt(await readAfter(this.#store, INDEX_PREFIX, this.#lastIndex, readPlace));
      });
    return this.#reading;
  }

  /** Each is true for ever: one that cannot be read leaves the one before it. */
  async #newestCheckpoint(): Promise<Entry<IndexCheckpoint> | undefined> {
    const head = await readHead(this.#store, CHECKPOINT_PREFIX, 0, async () => true);
    for (let n = head?.n ?? 0; n > 0; n--) {
      try {
        const value = await readStored(this.#store, entryKey(CHECKPOINT_PREFIX, n), 'ends');
        if (value) return { n, value };
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        this.#machinery.log.error('checkpoint not read, reading on from the one before', { error });
      }
    }
    return undefined;
  }

  /** Lets go of jobs that are over; a checkpoint is written for every few of them. */
  settle(jobs: readonly JobId[]): void {
    const over = new Set(jobs);
    for (const id of over) {
      const record = this.#open.get(id);
      if (!record) continue;
      this.#open.delete(id);
      if (!record.isUnreadable) this.#remember(record);
      for (const [n, job] of this.#openNumbers) {
        if (job !== id) continue;
        this.#openNumbers.delete(n);
        if (record.isUnreadable) this.#unreadable.set(n, record);
      }
    }
    this.#settledSince += over.size;
  }

  /** Writes down which jobs are over, where that saves a start enough reading. */
  async writeCheckpoint(): Promise<void> {
    if (this.#settledSince < LIMITS.checkpointEnds) return;
    this.#settledSince = 0;
    const value: IndexCheckpoint = {
      formatVersion: 1,
      upTo: this.#lastIndex,
      open: [...this.#openNumbers.keys(), ...this.#unreadable.keys()].sort((a, b) => a - b),
    };
    const n = await appendNext(this.#store, CHECKPOINT_PREFIX, value, this.#checkpoint?.n ?? 0);
    this.#checkpoint = { n, value };
  }

  /** Any job by its id: known here, or read by its name. Undefined where there is none. */
  async find(job: JobId): Promise<JobRecord | undefined> {
    const known = this.#open.get(job) ?? this.#recall(job);
    if (known) return known;
    for (const record of this.#unreadable.values()) if (record.id === job) return record;
    if (!ID.test(job)) return undefined;
    const entry = await this.#entryBySpec(job);
    if (!entry) return undefined;
    const record = await this.#read(entry);
    if (record.isEnded) return this.#open.get(job) ?? this.#remember(record);
    await this.refresh(); // submitted elsewhere, and not over
    return this.#open.get(job);
  }

  /** What its spec says of it. Where that cannot be read, its name is as unknown as its time. */
  async #entryBySpec(job: JobId): Promise<JobEntry | undefined> {
    try {
      const stored = await loadSpec(this.#store, job);
      return stored && { job, name: stored.spec.name, at: stored.at, after: null };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return { job, name: job, at: this.#machinery.clock.now(), after: null, unreadable: error };
    }
  }

  /** Throws NOT_FOUND, with the names of the newest. */
  async require(job: JobId): Promise<JobRecord> {
    const found = await this.find(job);
    if (found) return found;
    const { records } = await this.page({ limit: NAMED });
    const names = records.map(({ id }) => id).join(', ');
    throw new GristmillError(
      'NOT_FOUND',
      `Cannot find job ${JSON.stringify(job)}: expected one of ${names || 'none so far'}`,
    );
  }

  /** Newest first. A job that a crash has put into the index twice is shown once a page. */
  async page({ before, after, limit }: PageOf): Promise<Page> {
    await this.refresh();
    const last = this.#lastIndex;
    const top =
      after === undefined
        ? Math.min(last, (before ?? last + 1) - 1)
        : Math.min(last, Math.max(0, after) + limit);
    const bottom = Math.max(1, top - limit + 1, (after ?? 0) + 1);
    const numbers = Array.from({ length: Math.max(0, top - bottom + 1) }, (_, i) => top - i);
    const records = await mapParallel(numbers, LIMITS.journalsParallel, (n) => this.#numbered(n));
    return {
      records: [...new Map(records.flatMap((one) => (one ? [[one.id, one]] : []))).values()],
      older: bottom > 1 && top >= 1 ? bottom : undefined,
      newer: top < last ? Math.max(0, top) : undefined,
    };
  }

  async #numbered(n: number): Promise<JobRecord | undefined> {
    const open = this.#openNumbers.get(n);
    if (open) return this.#open.get(open);
    const unreadable = this.#unreadable.get(n);
    if (unreadable) return unreadable;
    const place = await readPlace(this.#store, entryKey(INDEX_PREFIX, n));
    if (!place) return undefined;
    const entry = this.#entryOf(n, place);
    const known = this.#open.get(entry.job) ?? this.#recall(entry.job);
    return known ?? this.#remember(await this.#read(entry));
  }

  /** Reads journals a bounded number at a time; jobs that are over are let go of as soon as that is known. */
  async #adopt(entries: readonly Entry<Place>[]): Promise<void> {
    for (let start = 0; start < entries.length; start += ADOPTED_AT_ONCE) {
      const some = entries.slice(start, start + ADOPTED_AT_ONCE);
      const records = await mapParallel(some, LIMITS.journalsParallel, ({ n, value }) =>
        this.#read(this.#entryOf(n, value)),
      );
      for (const [i, { n }] of some.entries()) this.#takeIn(n, records[i]!);
      this.#lastIndex = Math.max(this.#lastIndex, some.at(-1)!.n);
    }
  }

  #takeIn(n: number, record: JobRecord): void {
    const job = record.id;
    if (record.isUnreadable) {
      const { code, message } = record.view.error!;
      this.#machinery.log.error('job not read, going on without it', { job, code, message });
      this.#unreadable.set(n, record);
    } else if (record.isEnded && !this.#isNeeded(record)) this.#settledSince += 1;
    else {
      if (!this.#open.has(job)) this.#open.set(job, record);
      this.#openNumbers.set(n, job);
    }
  }

  /** Cancelled before it ran, and behind a job that is not over: whoever waits for it waits for that one. */
  #isNeeded({ entry: { after }, view }: JobRecord): boolean {
    return view.startedAt === null && after !== null && this.#open.has(after);
  }

  async #read(entry: JobEntry): Promise<JobRecord> {
    const record = new JobRecord(entry, this.#machinery);
    if (entry.unreadable) record.giveUp(entry.unreadable);
    if (ID.test(entry.job)) await record.refresh();
    return record;
  }

  /** Whose place cannot be read is known by its number alone. */
  #entryOf(n: number, place: Place): JobEntry {
    if (!(place instanceof GristmillError)) {
      const { job, name, at, after = null } = place;
      return { job, name, at, after };
    }
    const job = `index-${n}` as JobId;
    const at = this.#machinery.clock.now();
    return { job, name: 'unreadable', at, after: null, unreadable: place };
  }

  #recall(job: JobId): JobRecord | undefined {
    const record = this.#remembered.get(job);
    return record && this.#remember(record);
  }

  #remember(record: JobRecord): JobRecord {
    this.#remembered.delete(record.id);
    this.#remembered.set(record.id, record);
    for (const id of this.#remembered.keys()) {
      if (this.#remembered.size <= LIMITS.jobsRemembered) break;
      this.#remembered.delete(id);
    }
    return record;
  }
}

async function readPlace(store: Store, key: string): Promise<Place | undefined> {
  try {
    return await readStored(store, key, 'index');
  } catch (error) {
    if (isUnreadable(error)) return error;
    throw error;
  }
}

/** What the key of a job's spec may be made of. */
const ID = /^j-[0-9a-f]{1,40}$/;
/** Journals held at a first start before those of jobs that are over are let go of. */
const ADOPTED_AT_ONCE = 256;
/** Jobs named to whoever asks for one that is not there. */
const NAMED = 5;
