// A version, a gate, an alias: what the registry keeps.
// In: what training and evaluation found. Out: JSON objects under models/<name>/.
import type { Digest, JobId } from '../ids.ts';
import type { Prediction } from '../predict/prediction.ts';
import type { CompareResult, MetricsResult } from '../stage/evaluate.ts';
import type { Metrics, RawColumn, Signature, SplitRanges } from '../stage/terms.ts';
import type { CleanRule } from './job/head.ts';
import type { Split } from './job/training.ts';

/** models/<name>/versions/<n>.json, created last: it is the claim of the number. */
export type Manifest = {
  readonly formatVersion: 1;
  readonly model: string;
  readonly version: number;
  readonly onnx: { readonly sha256: Digest; readonly bytes: number };
  readonly golden: { readonly sha256: Digest; readonly bytes: number };
  readonly report: { readonly sha256: Digest; readonly bytes: number };
  readonly signature: Signature;
  readonly label: { readonly sql: string };
  readonly trainDigest: Digest;
  /** The rows it may have trained on or been tuned with; decides which test rows are fair. */
  readonly split: { readonly definition: Split; readonly ranges: SplitRanges };
  readonly metrics: { readonly validation: Metrics | null; readonly test: Metrics };
  readonly baseline: Metrics;
  readonly lineage: {
    readonly job: JobId;
    readonly snapshot: Digest;
    readonly spec: unknown;
    readonly seed: number;
    readonly numerics: string;
    readonly createdAt: number;
  };
  readonly bitExact: boolean;
};

/** models/<name>/blobs/<golden sha256>: rows a gateway replays before it serves a version. */
export type GoldenRows = {
  readonly formatVersion: 1;
  readonly rows: readonly {
    readonly row: Readonly<Record<string, unknown>>;
    readonly prediction: Prediction;
  }[];
};

/** models/<name>/environments/<env>/gate/<n>.json */
export type GatePolicy = {
  /** Absolute floors by metric; for losses, ceilings are written as `max`. */
  readonly min?: Readonly<Record<string, number>>;
  readonly max?: Readonly<Record<string, number>>;
  readonly change?: { readonly metric: string; readonly min: number; readonly confidence: number };
};
export type GateEntry = {
  readonly formatVersion: 1;
  readonly policy: GatePolicy;
  readonly at: number;
};

/** models/<name>/environments/<env>/testset/<n>.json: fixed by the first publishing job, moved by later ones. */
export type TestSetEntry = {
  readonly formatVersion: 1;
  readonly definition: TestSetDefinition;
  readonly snapshot: Digest;
  readonly job: JobId;
  readonly at: number;
};
export type TestSetDefinition = {
  readonly clean: readonly CleanRule[];
  readonly label: string;
  readonly split: Split;
};

/** What a version showed before an alias moved to it, or did not. */
export type Check = { readonly passed: boolean; readonly words: string };

export type Evidence = {
  readonly testset: {
    readonly snapshot: Digest;
    readonly range: { readonly after: number | null; readonly upTo: number | null };
    readonly rows: number;
  };
  readonly challenger: { readonly version: number; readonly metrics: MetricsResult['metrics'] };
  readonly champion: {
    readonly version: number;
    readonly metrics: MetricsResult['metrics'];
  } | null;
  readonly comparison:
    | (CompareResult & { readonly metric: string; readonly confidence: number })
    | null;
  readonly policy: GatePolicy;
  readonly verdict: 'accepted' | 'refused';
  /** What was checked, in order: in words with figures. */
  readonly checks: readonly Check[];
  /** The same as lines. */
  readonly reasons: readonly string[];
};

/** models/<name>/environments/<env>/aliases/<alias>/<n>.json. The head's `version` is what is served (null: none so far). */
export type AliasEntry = {
  readonly formatVersion: 1;
  readonly kind: 'moved' | 'refused' | 'returned' | 'overridden';
  readonly version: number | null;
  readonly candidate: number;
  readonly evidence: Evidence | null;
  readonly by: { readonly job?: JobId; readonly reason?: string };
  readonly at: number;
};

/** moves/<env>/<n>.json: which alias got another version, so that who follows them all asks for one object. */
export type Move = {
  readonly formatVersion: 1;
  readonly model: string;
  readonly alias: string;
  readonly at: number;
};

export const movesPrefix = (environment: string): string => `moves/${environment}`;
export const versionsPrefix = (model: string): string => `models/${model}/versions`;
export const blobKey = (model: string, sha256: string): string => `models/${model}/blobs/${sha256}`;
export const gatePrefix = (model: string, environment: string): string =>
  `models/${model}/environments/${environment}/gate`;
export const testsetPrefix = (model: string, environment: string): string =>
  `models/${model}/environments/${environment}/testset`;
export const aliasPrefix = (model: string, environment: string, alias: string): string =>
  `models/${model}/environments/${environment}/aliases/${alias}`;

export type { RawColumn };
