// A manifest, a draft and evidence to test the registry with: real shapes, made-up figures.
import type { Digest, JobId } from '../../common/ids.ts';
import { sha256Hex } from '../../common/ids.ts';
import type { Store } from '../../common/store/store.ts';
import type { Evidence } from '../../common/wire/model.ts';
import type { Draft } from '../../coordinator/registry/version.ts';

export const MODEL_BYTES = new TextEncoder().encode('onnx bytes');

/** Another training gives another file. */
const bytesOf = ({ trainDigest }: Partial<Draft>): Uint8Array =>
  trainDigest === undefined ? MODEL_BYTES : new TextEncoder().encode(`onnx bytes ${trainDigest}`);

/** A draft whose model.onnx lies in the store. */
export async function makeDraft(
  store: Store,
  change: Partial<Draft> = {},
  bytes = bytesOf(change),
): Promise<Draft> {
  const sha256 = sha256Hex(bytes);
  const key = `parts/evaluate/t/${sha256}.onnx`;
  await store.create(key, bytes);
  return {
    model: 'flight-delay',
    onnx: { key, sha256, bytes: bytes.length },
    golden: { formatVersion: 1, rows: [{ row: { distance: 100 }, prediction: 0.25 }] },
    report: { formatVersion: 1, epochs: [] },
    signature: {
      inputs: [{ name: 'distance', type: 'number' }],
      label: 'binary',
      codes: [],
      numbers: ['distance'],
    },
    label: { sql: 'delay > 15' },
    trainDigest: sha256Hex('train 1'),
    split: {
      definition: { by: 'time', column: 'date', validation: '30d', test: '30d' },
      ranges: {
        train: { after: null, upTo: 100 },
        validation: { after: 100, upTo: 200 },
        test: { after: 200, upTo: 300 },
      },
    },
    metrics: { validation: { auc: 0.68 }, test: { auc: 0.69 } },
    baseline: { auc: 0.5 },
    lineage: {
      job: 'j-1' as JobId,
      snapshot: 's1' as Digest,
      spec: {},
      seed: 7,
      numerics: 'p',
      createdAt: 1,
    },
    bitExact: true,
    ...change,
  };
}

export const makeEvidence = (
  challenger: number,
  champion: number | null,
  verdict: Evidence['verdict'],
): Evidence => ({
  testset: { snapshot: 's1' as Digest, range: { after: 200, upTo: 300 }, rows: 10 },
  challenger: { version: challenger, metrics: { auc: 0.7 } },
  champion: champion === null ? null : { version: champion, metrics: { auc: 0.69 } },
  comparison: null,
  policy: {},
  verdict,
  checks: [{ passed: true, words: 'the gate asks for nothing' }],
  reasons: ['passed: the gate asks for nothing'],
});
