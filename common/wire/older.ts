// What older programs wrote, brought to the form that today's write: one function a form that has changed.
// In: parsed JSON of an older form. Out: the same object in today's form, yet unchecked: stored.ts does that.
// Why no step from each form to the next: there are two so far.
import { digestOf } from '../ids.ts';
import { checkFilledJob } from './job/job.ts';

/** A stored object before its shape is known. */
export type Older = Readonly<Record<string, unknown>>;

/** A spec is checked whole and filled in again: defaults that came since are in it, and its digest is of that. */
const readSpec = (stored: Older): unknown => {
  const spec = checkFilledJob(stored.spec);
  return { ...stored, spec, bodyDigest: digestOf(spec) };
};
export const specForms = { 1: readSpec };

/** Form 1 said `profile` for numerics, also in its tasks: these have other names now and are made anew. */
export const planForms = {
  1: ({ profile, prepare: _, ...plan }: Older): unknown => ({
    ...plan,
    formatVersion: 2,
    numerics: profile,
    prepare: null,
  }),
  2: (plan: Older): unknown => plan,
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
