// One job as this process knows it: a copy of its journal, and how far it is while it runs here.
// In: its place in the index, facts, progress. Out: its view; who waits for news of it is told.
// Why a version number: whoever sent a view says which one, and misses nothing that came while it was sent.
import type { Clock } from '../../common/clock.ts';
import { type GristmillError, toWireError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import type { Store } from '../../common/store/store.ts';
import { isUnreadable } from '../../common/stored/stored.ts';
import type { JobView } from '../../common/wire/view.ts';
import { JobJournal } from './journal.ts';
import { foldView, isEnded, NO_PROGRESS, type Progress } from './view.ts';

/** What the index says of a job. */
export type JobEntry = {
  readonly job: JobId;
  readonly name: string;
  readonly at: number;
  /** A job that waits for the end of this one. */
  readonly after: JobId | null;
  /** Why its place or its spec cannot be read. */
  readonly unreadable?: GristmillError;
};

export class JobRecord {
  readonly entry: JobEntry;
  readonly journal: JobJournal;
  readonly #waiting = new Set<() => void>();
  #progress: Progress = NO_PROGRESS;
  #version = 0;
  #folded: { readonly version: number; readonly view: JobView } | undefined;

  constructor(entry: JobEntry, machinery: { readonly store: Store; readonly clock: Clock }) {
    this.entry = entry;
    this.journal = new JobJournal({
      store: machinery.store,
      clock: machinery.clock,
      job: entry.job,
      onEntry: () => this.touch(),
    });
  }

  get id(): JobId {
    return this.entry.job;
  }

  /** Grows with every fact and every sign of progress. */
  get version(): number {
    return this.#version;
  }

  get view(): JobView {
    if (this.#folded?.version !== this.#version) {
      const { job: id, name, at } = this.entry;
      const view = foldView({ id, name, at }, this.journal.entries, this.#progress);
      this.#folded = { version: this.#version, view };
    }
    return this.#folded.view;
  }

  get isEnded(): boolean {
    return isEnded(this.view.state);
  }

  /** Whether it only seems over: a program that can read it may carry on with it. */
  get isUnreadable(): boolean {
    return this.#progress.unreadable !== null;
  }

  /** Reads what has been added to its journal. Entries that nobody here can read are told in its view. */
  async refresh(): Promise<void> {
    try {
      await this.journal.refresh();
    } catch (error) {
      this.giveUp(error);
    }
  }

  /** Throws what is no matter of the form of an object. */
  giveUp(error: unknown): void {
    if (!isUnreadable(error)) throw error;
    if (!this.isUnreadable) this.show({ unreadable: toWireError(error), waiting: null });
  }

  get progress(): Progress {
    return this.#progress;
  }

  show(progress: Partial<Progress>): void {
    this.#progress = { ...this.#progress, ...progress };
    this.touch();
  }

  touch(): void {
    this.#version += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves once the version is another one, or when the signal says so. */
  async changedSince(version: number, signal: AbortSignal): Promise<void> {
    if (this.#version !== version || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
