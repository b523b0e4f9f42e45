// Models made by hand: prediction = slope · x, published and named as a coordinator does.
// In: a store, a slope. Out: versions and alias entries in it.
import { type JobId, sha256Hex } from '../../common/ids.ts';
import type { Graph } from '../../common/onnx/graph.ts';
import { encodeModel } from '../../common/onnx/proto.ts';
import type { Signature } from '../../common/stage/terms.ts';
import { appendNext, entryKey } from '../../common/store/journal.ts';
import { createJson, jsonBytes, type Store } from '../../common/store/store.ts';
import {
  type AliasEntry,
  aliasPrefix,
  blobKey,
  type GoldenRows,
  type Manifest,
  versionsPrefix,
} from '../../common/wire/model.ts';

export const SIGNATURE: Signature = {
  inputs: [
    { name: 'x', type: 'number' },
    { name: 'city', type: 'string' },
    { name: 'at', type: 'time' },
  ],
  label: 'regression',
  codes: [],
  numbers: ['x'],
};
export const row = (x: number | null): Record<string, unknown> => ({
  x,
  city: 'Zürich',
  at: '2001-06-01T12:00:00Z',
});

/** prediction = slope · x, in the form of a published model: raw columns in, all of them read. */
export function slopeGraph(slope: number): Graph {
  const column = (name: string, type: 'double' | 'string' | 'int64') =>
    ({ name, type, shape: ['n'] }) as const;
  return {
    name: 'slope',
    inputs: [column('x', 'double'), column('city', 'string'), column('at', 'int64')],
    outputs: [
      { name: 'prediction', type: 'float', shape: ['n'] },
      { name: 'numbers', type: 'float', shape: ['n', 1] },
    ],
    initializers: {
      slope: { type: 'double', dims: [1], data: Float64Array.of(slope) },
      zero: { type: 'double', dims: [1], data: Float64Array.of(0) },
      one: { type: 'int64', dims: [1], data: BigInt64Array.of(1n) },
      ghost: { type: 'string', dims: [1], data: ['nowhere'] },
    },
    nodes: [
      { op: 'Mul', inputs: ['x', 'slope'], outputs: ['scaled'] },
      // the other columns count for nothing, but a graph has no inputs that it does not read
      { op: 'Equal', inputs: ['city', 'ghost'], outputs: ['isGhost'] },
      cast('isGhost', 'ghostly', 11),
      { op: 'Mul', inputs: ['ghostly', 'zero'], outputs: ['nothing'] },
      { op: 'Sub', inputs: ['at', 'at'], outputs: ['noTime'] },
      cast('noTime', 'noTimeAtAll', 11),
      { op: 'Add', inputs: ['scaled', 'nothing'], outputs: ['some'] },
      { op: 'Add', inputs: ['some', 'noTimeAtAll'], outputs: ['sum'] },
      cast('sum', 'prediction', 1),
      cast('x', 'narrow', 1),
      { op: 'Unsqueeze', inputs: ['narrow', 'one'], outputs: ['numbers'] },
    ],
  };
}

const cast = (from: string, to: string, type: number): Graph['nodes'][number] => ({
  op: 'Cast',
  inputs: [from],
  outputs: [to],
  attributes: { to: { kind: 'int', value: type } },
});

export type Publication = {
  readonly model?: string;
  readonly version: number;
  readonly slope: number;
  /** Instead of the graph's bytes. */
  readonly bytes?: Uint8Array;
  /** Instead of what the slope gives. */
  readonly golden?: GoldenRows;
};

export async function publish(store: Store, of: Publication): Promise<void> {
  const { model = 'slope', version, slope } = of;
  const onnx = of.bytes ?? encodeModel(slopeGraph(slope));
  const golden = jsonBytes(
    of.golden ?? {
      formatVersion: 1,
      rows: [-1, 0.5, 3].map((x) => ({ row: row(x), prediction: slope * x })),
    },
  );
  for (const bytes of [onnx, golden]) await store.create(blobKey(model, sha256Hex(bytes)), bytes);
  const manifest: Manifest = {
    formatVersion: 1,
    model,
    version,
    onnx: { sha256: sha256Hex(onnx), bytes: onnx.byteLength },
    golden: { sha256: sha256Hex(golden), bytes: golden.byteLength },
    report: { sha256: sha256Hex(''), bytes: 0 },
    signature: SIGNATURE,
    label: { sql: 'y' },
    trainDigest: sha256Hex(`${model} ${version}`),
    split: {
      definition: { by: 'hash' } as unknown as Manifest['split']['definition'],
      ranges: {
        train: { after: null, upTo: 7_999 },
        validation: { after: 7_999, upTo: 8_999 },
        test: { after: 8_999, upTo: null },
      },
    },
    metrics: { validation: null, test: { mse: 0 } },
    baseline: { mse: 1 },
    lineage: {
      job: 'j-by-hand' as JobId,
      snapshot: sha256Hex('none'),
      spec: {},
      seed: 7,
      numerics: 'test',
      createdAt: 0,
    },
    bitExact: true,
  };
  await createJson(store, entryKey(versionsPrefix(model), version), manifest);
}

export async function moveAlias(
  store: Store,
  version: number | null,
  of: { model?: string; alias?: string; environment?: string } = {},
): Promise<void> {
  const { model = 'slope', alias = 'champion', environment = 'dev' } = of;
  await appendNext<AliasEntry>(store, aliasPrefix(model, environment, alias), {
    formatVersion: 1,
    kind: version === null ? 'refused' : 'moved',
    version,
    candidate: version ?? 1,
    evidence: null,
    by: { reason: 'test' },
    at: 0,
  });
}
