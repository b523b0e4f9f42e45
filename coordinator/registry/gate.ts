// The gate: what a version must show before an alias may move to it.
// In: a policy, the figures of challenger and champion. Out: a verdict with one line a check.
// Why the policy is not in the job: whoever trains a model must not choose how it is judged.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → [gate] → alias → predictions
import Type from 'typebox';
import { type FieldError, GristmillError, nearestName } from '../../common/errors.ts';
import { isMetric, METRIC_NAMES, METRICS } from '../../common/metric/metrics.ts';
import {
  isMetricOf,
  type LabelKind,
  metricNames,
  OBJECTIVES,
  ownersOf,
} from '../../common/objective/objectives.ts';
import type { Metrics } from '../../common/stage/terms.ts';
import { appendNext } from '../../common/store/journal.ts';
import type { Store } from '../../common/store/store.ts';
import { readStoredHead } from '../../common/stored/stored.ts';
import {
  escapePointer,
  explainSchema,
  listed,
  show,
  shownErrors,
} from '../../common/wire/explain.ts';
import {
  type Check,
  type Evidence,
  type GateEntry,
  type GatePolicy,
  gatePrefix,
} from '../../common/wire/model.ts';
import { newestVersion } from './version.ts';

const closed = { additionalProperties: false } as const;
const bounds = (description: string) =>
  Type.Optional(Type.Record(Type.String(), Type.Number(), { description }));

export const GatePolicySchema = Type.Object(
  {
    min: bounds('metrics that are better when higher → the least that passes: {"auc": 0.65}'),
    max: bounds('metrics that are better when lower → the most that passes: {"logLoss": 0.6}'),
    change: Type.Optional(
      Type.Object(
        {
          metric: Type.String({ description: listed(METRIC_NAMES) }),
          min: Type.Number({
            description:
              'least change against the champion, positive is better; slightly negative: non-inferiority',
          }),
          confidence: Type.Number({
            minimum: 0.5,
            maximum: 0.9999,
            description: 'the change lies above its lower bound with this confidence',
          }),
        },
        { ...closed, description: 'checked where there is a champion' },
      ),
    ),
  },
  { ...closed, title: 'gate of a model in an environment' },
);

/** Reads a policy: SPEC_INVALID with every wrong field. `label` is the model's, once it has a version. */
export function checkPolicy(value: unknown, label?: LabelKind): GatePolicy {
  const shape = explainSchema(GatePolicySchema, value);
  const errors = shape.length > 0 ? shape : checkMetrics(value as GatePolicy, label);
  if (errors.length === 0) return value as GatePolicy;
  const message = `Cannot set the gate: ${shownErrors(errors)}`;
  throw new GristmillError('SPEC_INVALID', message, { errors });
}

function checkMetrics(
  { min = {}, max = {}, change }: GatePolicy,
  label: LabelKind | undefined,
): FieldError[] {
  const errors: FieldError[] = [];
  const check = (pointer: string, name: string, wanted?: 'higher' | 'lower'): void => {
    if (!isMetric(name)) {
      const nearest = nearestName(name, METRIC_NAMES);
      const hint = nearest
        ? `did you mean ${show(nearest)}?`
        : `expected one of ${METRIC_NAMES.join(', ')}`;
      errors.push({ pointer, detail: `is no known metric (${show(name)}); ${hint}` });
    } else if (label && !isMetricOf(label, name)) {
      const names = listed(metricNames(label));
      const detail = `is a ${ownersOf(name)} metric, but the model is ${label}: expected ${names}`;
      errors.push({ pointer, detail });
    } else if (wanted && METRICS[name].better !== wanted) {
      const detail = `is better when ${METRICS[name].better}, expected under ${wanted === 'higher' ? '"max"' : '"min"'}`;
      errors.push({ pointer, detail });
    }
  };
  for (const name of Object.keys(min)) check(`/min/${escapePointer(name)}`, name, 'higher');
  for (const name of Object.keys(max)) check(`/max/${escapePointer(name)}`, name, 'lower');
  if (change) check('/change/metric', change.metric);
  return errors;
}

/** Proof passed, and not much worse than the champion, where there is one. */
export const defaultPolicy = (label: LabelKind): GatePolicy => ({
  change: { metric: OBJECTIVES[label].defaultGateMetric, min: -0.002, confidence: 0.95 },
});

export type Gate = {
  readonly policy: GatePolicy;
  /** Journal number; 0 where nobody set one and this is the default. */
  readonly n: number;
};

/** Throws NOT_FOUND where nobody set one and there is no version either, whose label the default would follow. */
export async function getGate(
  store: Store,
  of: { readonly model: string; readonly environment: string; readonly label?: LabelKind },
): Promise<Gate> {
  const head = await readStoredHead(store, gatePrefix(of.model, of.environment), 'gate');
  if (head) return { policy: head.value.policy, n: head.n };
  const label = of.label ?? (await newestVersion(store, of.model)).signature.label;
  return { policy: defaultPolicy(label), n: 0 };
}

export async function putGate(
  store: Store,
  of: {
    readonly model: string;
    readonly environment: string;
    readonly policy: GatePolicy;
    readonly at: number;
  },
): Promise<Gate> {
  const entry: GateEntry = { formatVersion: 1, policy: of.policy, at: of.at };
  const n = await appendNext(store, gatePrefix(of.model, of.environment), entry);
  return { policy: of.policy, n };
}

export type Hearing = {
  readonly policy: GatePolicy;
  readonly challenger: Metrics;
  readonly champion: { readonly version: number; readonly metrics: Metrics } | null;
  readonly comparison: Evidence['comparison'];
  /** Why there is a champion but no comparison. */
  readonly incomparable?: string;
};

/** Pure: the same figures, the same verdict, and a reader can follow each line of it. */
export function judge(hearing: Hearing): Pick<Evidence, 'verdict' | 'checks' | 'reasons'> {
  const { policy, challenger } = hearing;
  const checks = [
    ...Object.entries(policy.min ?? {}).map(([name, min]) =>
      bound(name, challenger[name], { atLeast: min }),
    ),
    ...Object.entries(policy.max ?? {}).map(([name, max]) =>
      bound(name, challenger[name], { atMost: max }),
    ),
    ...(policy.change ? [changeCheck(policy.change, hearing)] : []),
  ];
  if (checks.length === 0) checks.push({ passed: true, words: 'the gate asks for nothing' });
  return {
    verdict: checks.every(({ passed }) => passed) ? 'accepted' : 'refused',
    checks,
    reasons: checks.map(({ passed, words }) => `${passed ? 'passed' : 'failed'}: ${words}`),
  };
}

function bound(
  name: string,
  value: number | undefined,
  limit: { readonly atLeast: number } | { readonly atMost: number },
): Check {
  const [passes, wanted] =
    'atLeast' in limit
      ? [(v: number) => v >= limit.atLeast, `at least ${limit.atLeast}`]
      : [(v: number) => v <= limit.atMost, `at most ${limit.atMost}`];
  if (value === undefined) {
    const why = isMetric(name) ? `a ${ownersOf(name)} metric` : 'unknown';
    return { passed: false, words: `${name} was not measured (${why}), needed ${wanted}` };
  }
  return { passed: passes(value), words: `${name} is ${figure(value)}, needed ${wanted}` };
}

function changeCheck(
  { metric, min, confidence }: NonNullable<GatePolicy['change']>,
  { champion, comparison, incomparable }: Hearing,
): Check {
  if (!champion) return { passed: true, words: 'there is no champion to compare with' };
  if (!comparison || comparison.metric !== metric) {
    const why = incomparable ?? `no comparison by ${metric}`;
    return { passed: false, words: `not compared with champion ${champion.version}: ${why}` };
  }
  const { change, low } = comparison;
  const against = `${signed(change)} against champion ${champion.version}`;
  const sure = `with ${+(confidence * 100).toFixed(2)} % confidence above ${signed(low)}`;
  return {
    passed: low >= min,
    words: `${metric} ${against}, ${sure}, needed above ${signed(min)}`,
  };
}

const figure = (value: number): string => String(+value.toPrecision(5));
const signed = (value: number): string => (value >= 0 ? '+' : '−') + figure(Math.abs(value));
