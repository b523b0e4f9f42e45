// The test set of a model in an environment: one yardstick for challenger and champion.
// In: a job's clean, label and split. Out: a journal whose entries differ only in the snapshot.
// Why fixed by the first publishing job: two versions judged on differently cleaned rows cannot be compared.
import { GristmillError } from '../../common/errors.ts';
import { canonicalJson, type Digest, type JobId } from '../../common/ids.ts';
import type { SplitRange } from '../../common/stage/terms.ts';
import { append, type Entry } from '../../common/store/journal.ts';
import type { Store } from '../../common/store/store.ts';
import { readStoredHead } from '../../common/stored/stored.ts';
import type { JobSpec } from '../../common/wire/job/job.ts';
import type { TrainingJob } from '../../common/wire/job/training.ts';
import {
  type Manifest,
  type TestSetDefinition,
  type TestSetEntry,
  testsetPrefix,
} from '../../common/wire/model.ts';

/** The part of a training job that defines its test rows. */
export function testsetDefinition(
  spec: Pick<TrainingJob, 'clean' | 'training'>,
): TestSetDefinition {
  return { clean: spec.clean, label: spec.training.label, split: spec.training.split };
}

export type TestSetPlace = { readonly model: string; readonly environment: string };

export const getTestset = (
  store: Store,
  { model, environment }: TestSetPlace,
): Promise<Entry<TestSetEntry> | undefined> =>
  readStoredHead(store, testsetPrefix(model, environment), 'testset');

/** Fixes the test set, or moves its snapshot; throws TESTSET_INCOMPARABLE for another definition. */
export async function moveTestset(
  store: Store,
  place: TestSetPlace,
  to: {
    readonly definition: TestSetDefinition;
    readonly snapshot: Digest;
    readonly job: JobId;
    readonly at: number;
  },
): Promise<Entry<TestSetEntry>> {
  for (;;) {
    const head = await getTestset(store, place);
    if (head) assertSame(place, head.value.definition, to.definition);
    if (head?.value.snapshot === to.snapshot) return head;
    const entry: Entry<TestSetEntry> = {
      n: (head?.n ?? 0) + 1,
      value: { formatVersion: 1, ...to },
    };
    if (await append(store, testsetPrefix(place.model, place.environment), entry.n, entry.value)) {
      return entry;
    }
  }
}

/** At submit, and again before anything is computed: would this job's test rows be those of the model it publishes to? */
export async function checkPublishes(store: Store, spec: JobSpec): Promise<void> {
  if (spec.kind !== 'training' || !spec.publish) return;
  await checkTestset(store, spec.publish, testsetDefinition(spec));
}

/** Throws TESTSET_INCOMPARABLE where the test set is fixed and another. */
export async function checkTestset(
  store: Store,
  place: TestSetPlace,
  definition: TestSetDefinition,
): Promise<void> {
  const head = await getTestset(store, place);
  if (head) assertSame(place, head.value.definition, definition);
}

function assertSame(
  { model, environment }: TestSetPlace,
  fixed: TestSetDefinition,
  job: TestSetDefinition,
): void {
  const parts = ['clean', 'label', 'split'] as const;
  const other = parts.filter((part) => canonicalJson(fixed[part]) !== canonicalJson(job[part]));
  if (other.length === 0) return;
  const was = other.map((part) => `${part} ${canonicalJson(fixed[part])}`).join(', ');
  throw new GristmillError(
    'TESTSET_INCOMPARABLE',
    `Cannot use this job for ${model} in ${environment}: its ${other.join(' and ')} ${other.length === 1 ? 'differs from that' : 'differ from those'} of the model's test set, expected ${was}; versions that shall be compared are judged on one test set, so another one needs another model or environment`,
    {
      errors: other.map((part) => ({
        pointer: `/${part}`,
        detail: `differs from the test set of ${model}, expected ${canonicalJson(fixed[part])}`,
      })),
    },
  );
}

/**
 * Whether a version may be scored on test rows: only if it can have been neither trained on them nor tuned
 * with them. The answer is why not, or undefined.
 *
 *     version:  ── train ──┤── validation ──┤── its test rows ──┤
 *     test set:                         may begin here ├── rows ──┤
 */
export function whyNotScore(
  version: Pick<Manifest, 'split' | 'version'>,
  testset: { readonly definition: Pick<TestSetDefinition, 'split'>; readonly range: SplitRange },
): string | undefined {
  const { definition, ranges } = version.split;
  const split = testset.definition.split;
  const name = `version ${version.version}`;
  if (!sameKey(definition, split)) {
    return `${name} was split ${inWords(definition)}, the test set ${inWords(split)}`;
  }
  for (const role of ['train', 'validation'] as const) {
    if (intersects(ranges[role], testset.range)) {
      return `${name} may have seen these rows: its ${role} rows reach into the test rows`;
    }
  }
  return undefined;
}

/** Ranges can be compared only over one key. */
function sameKey(a: TestSetDefinition['split'], b: TestSetDefinition['split']): boolean {
  if (a.by === 'time') return b.by === 'time' && a.column === b.column;
  return b.by === 'hash' && canonicalJson(a.columns) === canonicalJson(b.columns);
}

const inWords = (split: TestSetDefinition['split']): string =>
  split.by === 'time' ? `by time of ${split.column}` : `by hash of ${split.columns.join(', ')}`;

/** Ranges are (after, upTo]; null is open. */
function intersects(a: SplitRange, b: SplitRange): boolean {
  const after = Math.max(a.after ?? Number.NEGATIVE_INFINITY, b.after ?? Number.NEGATIVE_INFINITY);
  const upTo = Math.min(a.upTo ?? Number.POSITIVE_INFINITY, b.upTo ?? Number.POSITIVE_INFINITY);
  return after < upTo;
}
