// What older programs wrote, brought to the form that today's write: one function a form that has changed.
// In: parsed JSON of an older form. Out: the same object in today's form, yet unchecked: stored.ts does that.
// Why no step from each form to the next: each says by itself what it lacks of today's.
import { digestOf } from '../ids.ts';
import { readFact } from '../stage/former.ts';
import { checkFilledJob } from '../wire/job/job.ts';
import { type PreparePins, sameForAll } from '../wire/plan.ts';
import type { Task } from '../wire/task.ts';
import type { JobEvent } from '../wire/view.ts';

/** A stored object before its shape is known. */
export type Older = Readonly<Record<string, unknown>>;

/** A spec is checked whole and filled in again: defaults that came since are in it, and its digest is of that. */
const readSpec = (stored: Older): unknown => {
  const spec = checkFilledJob(stored.spec);
  return { ...stored, spec, bodyDigest: digestOf(spec) };
};
export const specForms = { 1: readSpec };

/** Until form 3 a plan listed its tasks, and shards were cut by this constant, which it did not say. */
const LISTED_SHARD_BYTES_MAX = 64 * 1024 * 1024;

/** What listed tasks follow from; they are all of one program and under the same limits. */
function readListed(tasks: readonly Task[]): PreparePins | null {
  const [first] = tasks;
  if (!first) return null;
  const { program, memoryBytes, deadlineMs } = first;
  const rows = tasks.map(({ input }) =>
    input.kind === 'shard' ? input.shard.rowEnd - input.shard.rowStart : 0,
  );
  return {
    ...{ program, memoryBytes, deadlineMs, shardBytesMax: LISTED_SHARD_BYTES_MAX },
    taskCount: tasks.length,
    rowCount: rows.reduce((sum, n) => sum + n, 0),
  };
}

/** Form 1 said `profile` for numerics, also in its tasks: these have other names now and are made anew. */
export const planForms = {
  1: ({ profile, prepare: _, ...plan }: Older): unknown => ({
    ...plan,
    formatVersion: 3,
    numerics: sameForAll(String(profile)),
    prepare: null,
  }),
  2: ({ prepare, ...plan }: Older): unknown => ({
    ...plan,
    formatVersion: 3,
    prepare: prepare && readListed(prepare as readonly Task[]),
  }),
  3: (plan: Older): unknown => plan,
  4: (plan: Older): unknown => plan,
};

/** Form 1 had the clock's fields beside the job; form 2 says what fires a trigger in `on`. */
export const triggerForms = {
  1: (entry: Older): unknown => {
    if (entry.kind !== 'put') return { ...entry, formatVersion: 2 };
    const { cron, timeZone, ...spec } = entry.spec as Older;
    return { ...entry, formatVersion: 2, spec: { on: { cron, timeZone }, ...spec } };
  },
  2: (entry: Older): unknown => entry,
};

/** What checks had to say stood in lines alone, "failed: " before those that did. */
const readEvidence = (evidence: unknown): unknown => {
  if (typeof evidence !== 'object' || evidence === null || 'checks' in evidence) return evidence;
  const { reasons, verdict } = evidence as { reasons?: readonly string[]; verdict?: string };
  const checks = (reasons ?? []).map((line) => {
    const [, word, words] = /^(passed|failed): (.*)$/s.exec(line) ?? [];
    return word
      ? { passed: word === 'passed', words }
      : { passed: verdict === 'accepted', words: line };
  });
  return { ...evidence, checks };
};
const withEvidence = (holder: Older): unknown =>
  'evidence' in holder ? { ...holder, evidence: readEvidence(holder.evidence) } : holder;
/** Entries of aliases. */
export const evidenceForms = { 1: withEvidence };

/** Findings had a kind of their own each; a gate's has evidence. */
const readEvent = (value: Older): unknown => {
  const event: JobEvent = readFact(value as unknown as JobEvent);
  if (event.kind !== 'found' || event.stage !== 'gate') return event;
  const { gate } = event.value as { readonly gate?: Older };
  return gate ? { ...event, value: { gate: withEvidence(gate) } } : event;
};
export const eventForms = { 1: readEvent };

/** `profile` in the lineage is numerics: who reads versions alone never asked for it, so the number stayed. */
export const manifestForms = {
  1: (manifest: Older): unknown => {
    const { profile, ...lineage } = (manifest.lineage ?? {}) as Older;
    return {
      ...manifest,
      lineage: profile === undefined ? lineage : { ...lineage, numerics: profile },
    };
  },
};
