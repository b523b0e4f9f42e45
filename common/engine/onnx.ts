// The only file that opens ONNX Runtime. In: model bytes, tensors. Out: tensors.
// One thread in an operator and one over operators: with more, sums split by load and bits with them.
// Why behind an interface: `run()` blocks its thread and a bad model can kill the process, so only an
// expendable child imports this.
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { GristmillError } from '../errors.ts';
import type { ElementType, Tensor } from '../onnx/graph.ts';
import { DEFAULT_DEVICE, DEVICES, type DeviceKind } from './device/device.ts';

/** What goes in and comes out: a tensor as graphs hold it. */
export type FeedTensor = Tensor;

export type Feeds = Readonly<Record<string, FeedTensor>>;

export type Session = AsyncDisposable & {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Runs the model. `outputs` names what is wanted (all by default), or gives tensors to write into:
   * those are filled in place and come back as they are. Memory must not be shared (SharedArrayBuffer).
   */
  run(feeds: Feeds, outputs?: readonly string[] | Feeds): Promise<Record<string, FeedTensor>>;
};

/** Loads a model on a device; MODEL_INVALID where it does not load. */
export async function openSession(
  bytes: Uint8Array,
  device: DeviceKind = DEFAULT_DEVICE,
): Promise<Session> {
  const session = await load(bytes, device);
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    run: (feeds, outputs) => run(session, feeds, outputs),
    [Symbol.asyncDispose]: () => session.release(),
  };
}

async function load(bytes: Uint8Array, device: DeviceKind): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(bytes, {
      executionProviders: [...DEVICES[device].providers],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      logSeverityLevel: 3, // errors alone: warnings go to stderr, which is the log's
    });
  } catch (cause) {
    throw new GristmillError(
      'MODEL_INVALID',
      `Cannot load model of ${bytes.byteLength} bytes: ${messageOf(cause)}`,
      { cause },
    );
  }
}

async function run(
  session: InferenceSession,
  feeds: Feeds,
  outputs: readonly string[] | Feeds | undefined,
): Promise<Record<string, FeedTensor>> {
  const wanted: readonly string[] | Feeds = outputs ?? session.outputNames;
  try {
    const results = isNames(wanted)
      ? await session.run(toOrt(feeds), [...wanted])
      : await session.run(toOrt(feeds), toOrt(wanted));
    return isNames(wanted) ? fromOrt(results) : { ...wanted };
  } catch (cause) {
    throw new GristmillError('INTERNAL', `Cannot run model: ${messageOf(cause)}`, { cause });
  }
}

const isNames = (outputs: readonly string[] | Feeds): outputs is readonly string[] =>
  Array.isArray(outputs);

const ORT_TYPES = {
  float: 'float32',
  double: 'float64',
  int64: 'int64',
  int32: 'int32',
  string: 'string',
  bool: 'bool',
} as const satisfies Record<ElementType, OrtTensor.Type>;

function toOrt(tensors: Feeds): Record<string, OrtTensor> {
  const converted: Record<string, OrtTensor> = {};
  for (const [name, { type, dims, data }] of Object.entries(tensors)) {
    // the constructor is overloaded by type; it checks the pair itself
    converted[name] = new OrtTensor(ORT_TYPES[type] as 'float32', data as Float32Array, dims);
  }
  return converted;
}

function fromOrt(results: InferenceSession.OnnxValueMapType): Record<string, FeedTensor> {
  const converted: Record<string, FeedTensor> = {};
  for (const [name, value] of Object.entries(results)) {
    const { type, dims, data } = value as OrtTensor;
    converted[name] = { type: elementTypeOf(type), dims, data: data as FeedTensor['data'] };
  }
  return converted;
}

function elementTypeOf(type: OrtTensor.Type): ElementType {
  for (const [ours, theirs] of Object.entries(ORT_TYPES)) {
    if (theirs === type) return ours as ElementType;
  }
  throw new GristmillError('INTERNAL', `Cannot read tensor of type ${type}, expected one of ours`);
}

const messageOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message : String(cause);
