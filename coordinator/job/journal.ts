// A job's journal: what happened, in order, as numbered create-only objects.
// In: facts. Out: entries; a fact that is there already is not written again, so a resumed job repeats nothing.
// Why facts and not a state record: two coordinators can append, and neither can undo what the other saw.
import type { Clock } from '../../common/clock.ts';
import { canonicalJson, type JobId } from '../../common/ids.ts';
import { append, type Entry } from '../../common/store/journal.ts';
import type { Store } from '../../common/store/store.ts';
import { readStoredAfter } from '../../common/stored/stored.ts';
import type { JobEvent, JobFact } from '../../common/wire/view.ts';

export const journalPrefix = (job: JobId): string => `jobs/${job}/journal`;

export class JobJournal {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #entries: Entry<JobEvent>[] = [];
  /** Names of the facts that are there: a job of many epochs asks for each. */
  readonly #names = new Set<string>();
  readonly #onEntry: (entry: Entry<JobEvent>) => void;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: {
    store: Store;
    clock: Clock;
    job: JobId;
    onEntry?: (entry: Entry<JobEvent>) => void;
  }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#prefix = journalPrefix(options.job);
    this.#onEntry = options.onEntry ?? (() => {});
  }

  get entries(): readonly Entry<JobEvent>[] {
    return this.#entries;
  }

  /** Reads what has been added since the last call, by anybody. */
  async refresh(): Promise<void> {
    const fresh = await readStoredAfter(this.#store, this.#prefix, {
      kind: 'event',
      after: this.#entries.length,
    });
    for (const entry of fresh) {
      if (entry.n === this.#entries.length + 1) this.#push(entry); // another refresh may have been quicker
    }
  }

  /** Appends a fact unless the same one is there. Calls queue up: entries stay in order. */
  record(fact: JobFact): Promise<void> {
    const next = this.#writing.then(() => this.#append(fact));
    this.#writing = next.catch(() => {});
    return next;
  }

  async #append(fact: JobFact): Promise<void> {
    const name = nameOf(fact);
    while (!this.#names.has(name)) {
      const n = this.#entries.length + 1;
      const event: JobEvent = { formatVersion: 1, at: this.#clock.now(), ...fact };
      if (await append(this.#store, this.#prefix, n, event)) this.#push({ n, value: event });
      else await this.refresh();
    }
  }

  #push(entry: Entry<JobEvent>): void {
    if (entry.n !== this.#entries.length + 1) return; // a refresh has read what an append wrote
    this.#entries.push(entry);
    this.#names.add(nameOf(entry.value));
    this.#onEntry(entry);
  }
}

/**
 * A stage's fact differs between runs only in what was measured, so its name decides. States may
 * recur: `running` after a restart is the same fact, and ends are final.
 */
function nameOf(fact: JobFact | JobEvent): string {
  if (fact.kind === 'stage') return `stage ${fact.view.stage}`;
  const { at: _at, formatVersion: _version, ...rest } = fact as JobEvent;
  return canonicalJson(rest);
}
