// Facts as former programs wrote them: a kind of its own for each finding.
// In: an entry of a job's journal. Out: the entry as it is written today; today's own pass through.
// Why on reading: a journal is never rewritten, and what was found then is found now.
import type { JobEvent } from '../wire/view.ts';
import type { Finding } from './stages.ts';

type Former = Readonly<Record<string, unknown>>;

/** How findings were told before they had one form. */
const FORMER = {
  snapshot: (value) => ({ stage: 'snapshot', value: { snapshot: value } }),
  rows: (value) => ({ stage: 'prepare', value: { rows: value } }),
  split: (value) => ({ stage: 'fit', value: { split: value } }),
  fitted: (value) => ({ stage: 'fit', value: { features: value.features } }),
  epoch: (value) => ({ stage: 'train', value: { epochs: [value] } }),
  evaluated: (value) => ({ stage: 'evaluate', value: { evaluation: value } }),
  proved: (value) => ({ stage: 'prove', value: { proof: value } }),
  published: (value) => ({ stage: 'publish', value: { published: value } }),
  gate: (value) => ({ stage: 'gate', value: { gate: value } }),
} satisfies Readonly<
  Record<
    string,
    (value: Former) => { stage: Finding['stage']; value: Readonly<Record<string, unknown>> }
  >
>;

export function readFact(entry: JobEvent): JobEvent {
  const { kind, formatVersion, at, ...value } = entry as Former & { readonly kind: string };
  if (!Object.hasOwn(FORMER, kind)) return entry;
  const found = FORMER[kind as keyof typeof FORMER](value);
  return { formatVersion, at, kind: 'found', ...found } as JobEvent;
}
