// Graph ↔ the bytes of an .onnx file.
// In: a Graph and metadata. Out: bytes that are the same for the same graph: sorted, no time, no host.
// Why strict when reading: a model here was written by this file; what it cannot say is MODEL_INVALID.
import { isFieldSet } from '@bufbuild/protobuf';
import { GristmillError } from '../errors.ts';
import {
  type Attribute,
  type Dim,
  type ElementType,
  type Graph,
  IR_VERSION,
  ML_OPSET,
  type Node,
  OPSET,
  type Tensor,
  type ValueInfo,
} from './graph.ts';
import {
  ATTRIBUTE_TYPES,
  type AttributeMessage,
  DATA_TYPES,
  dimensionFields,
  type GraphMessage,
  type ModelInit,
  type ModelMessage,
  type NodeMessage,
  readModel,
  type TensorMessage,
  type ValueInfoMessage,
  writeModel,
} from './messages.ts';

type Init<K extends string, T> = T extends { readonly [P in K]?: infer V } ? NonNullable<V> : never;
type GraphInit = Init<'graph', ModelInit>;
type NodeInit = Init<'node', GraphInit>[number];
type AttributeInit = Init<'attribute', NodeInit>[number];
type TensorInit = Init<'initializer', GraphInit>[number];
type ValueInfoInit = Init<'input', GraphInit>[number];

/** Writes a model file; opset 21, and ai.onnx.ml where a node is of it. */
export function encodeModel(
  graph: Graph,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const usesMl = graph.nodes.some((node) => node.domain === 'ai.onnx.ml');
  const opset = (domain: string, version: number) => ({ domain, version: BigInt(version) });
  return writeModel({
    irVersion: BigInt(IR_VERSION),
    producerName: 'gristmill',
    opsetImport: [opset('', OPSET), ...(usesMl ? [opset('ai.onnx.ml', ML_OPSET)] : [])],
    graph: {
      name: graph.name,
      node: graph.nodes.map(nodeInit),
      initializer: sorted(graph.initializers).map(([name, tensor]) => tensorInit(tensor, name)),
      input: graph.inputs.map(valueInfoInit),
      output: graph.outputs.map(valueInfoInit),
    },
    metadataProps: sorted(metadata).map(([key, value]) => ({ key, value })),
  });
}

export type DecodedModel = {
  readonly graph: Graph;
  readonly metadata: Readonly<Record<string, string>>;
};

/** Reads what encodeModel wrote; MODEL_INVALID for anything else. */
export function decodeModel(bytes: Uint8Array): DecodedModel {
  return graphOfMessage(readMessage(bytes));
}

/** The message behind the bytes; MODEL_INVALID where they are none. */
export function readMessage(bytes: Uint8Array): ModelMessage {
  try {
    return readModel(bytes);
  } catch (cause) {
    throw new GristmillError(
      'MODEL_INVALID',
      `Cannot read model: ${bytes.byteLength} bytes, expected an ONNX protobuf message`,
      { cause },
    );
  }
}

export function graphOfMessage(model: ModelMessage): DecodedModel {
  if (!model.graph) throw invalid('the model', 'no graph', 'one');
  return {
    graph: graphOf(model.graph),
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  };
}

// Graph → message

/** By name, in UTF-16 order: the order of insertion must not reach the bytes. */
function sorted<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

const nodeInit = (node: Node): NodeInit => ({
  input: [...node.inputs],
  output: [...node.outputs],
  opType: node.op,
  ...(node.domain ? { domain: node.domain } : {}),
  attribute: sorted(node.attributes ?? {}).map(([name, value]) => attributeInit(name, value)),
});

function attributeInit(name: string, attribute: Attribute): AttributeInit {
  const head = { name, type: ATTRIBUTE_TYPES[attribute.kind] };
  switch (attribute.kind) {
    case 'int':
      return { ...head, i: BigInt(attribute.value) };
    case 'float':
      return { ...head, f: attribute.value };
    case 'string':
      return { ...head, s: utf8(attribute.value) };
    case 'ints':
      return { ...head, ints: attribute.value.map(BigInt) };
    case 'floats':
      return { ...head, floats: [...attribute.value] };
    case 'strings':
      return { ...head, strings: attribute.value.map(utf8) };
    case 'tensor':
      return { ...head, t: tensorInit(attribute.value) };
  }
}

function tensorInit(tensor: Tensor, name?: string): TensorInit {
  checkTensor(tensor, name ?? 'constant');
  return {
    dims: tensor.dims.map(BigInt),
    dataType: DATA_TYPES[tensor.type],
    ...(name === undefined ? {} : { name }),
    ...(isStrings(tensor.data)
      ? { stringData: tensor.data.map(utf8) }
      : { rawData: bytesOf(tensor.data) }),
  };
}

const valueInfoInit = (info: ValueInfo): ValueInfoInit => ({
  name: info.name,
  type: {
    tensorType: {
      elemType: DATA_TYPES[info.type],
      shape: {
        dim: info.shape.map((dim) =>
          typeof dim === 'number' ? { dimValue: BigInt(dim) } : { dimParam: dim },
        ),
      },
    },
  },
});

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const isStrings = (data: Tensor['data']): data is readonly string[] => Array.isArray(data);
/** Raw data is little-endian in ONNX, and so is every CPU that Node 24 runs on but s390x. */
const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

// message → Graph

const graphOf = (graph: GraphMessage): Graph => ({
  name: graph.name,
  inputs: graph.input.map(valueInfoOf),
  outputs: graph.output.map(valueInfoOf),
  initializers: Object.fromEntries(graph.initializer.map((t) => [t.name, tensorOf(t)])),
  nodes: graph.node.map(nodeOf),
});

const nodeOf = (node: NodeMessage): Node => ({
  op: node.opType,
  ...(node.domain ? { domain: node.domain } : {}),
  inputs: node.input,
  outputs: node.output,
  ...(node.attribute.length === 0
    ? {}
    : { attributes: Object.fromEntries(node.attribute.map((a) => [a.name, attributeOf(a)])) }),
});

function attributeOf(a: AttributeMessage): Attribute {
  switch (a.type) {
    case ATTRIBUTE_TYPES.int:
      return { kind: 'int', value: safe(a.i, a.name) };
    case ATTRIBUTE_TYPES.float:
      return { kind: 'float', value: a.f };
    case ATTRIBUTE_TYPES.string:
      return { kind: 'string', value: textOf(a.s) };
    case ATTRIBUTE_TYPES.ints:
      return { kind: 'ints', value: a.ints.map((i) => safe(i, a.name)) };
    case ATTRIBUTE_TYPES.floats:
      return { kind: 'floats', value: a.floats };
    case ATTRIBUTE_TYPES.strings:
      return { kind: 'strings', value: a.strings.map(textOf) };
    case ATTRIBUTE_TYPES.tensor:
      if (a.t) return { kind: 'tensor', value: tensorOf(a.t) };
  }
  throw invalid(`attribute ${a.name}`, `type ${a.type}`, 'a number, a string, a list or a tensor');
}

function tensorOf(t: TensorMessage): Tensor {
  const type = elementTypeOf(t.dataType, t.name);
  const dims = t.dims.map((dim) => safe(dim, t.name));
  const tensor: Tensor =
    type === 'string'
      ? { type, dims, data: t.stringData.map(textOf) }
      : { type, dims, data: numbersOf(type, t.rawData, t.name) };
  checkTensor(tensor, t.name);
  return tensor;
}

function numbersOf(type: Exclude<ElementType, 'string'>, raw: Uint8Array, name: string) {
  const View = VIEWS[type];
  if (raw.byteLength % View.BYTES_PER_ELEMENT !== 0) {
    throw invalid(`tensor ${name}`, `${raw.byteLength} bytes`, `whole elements of ${type}`);
  }
  return new View(new Uint8Array(raw).buffer); // copied, also from a Buffer: a view into the file need not be aligned
}

const VIEWS = {
  float: Float32Array,
  double: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  bool: Uint8Array,
} as const;

function valueInfoOf(info: ValueInfoMessage): ValueInfo {
  const tensorType = info.type?.tensorType;
  if (!tensorType?.shape) throw invalid(`value ${info.name}`, 'no tensor shape', 'one');
  const shape = tensorType.shape.dim.map(
    (dim): Dim =>
      isFieldSet(dim, dimensionFields.dimParam) ? dim.dimParam : safe(dim.dimValue, info.name),
  );
  return { name: info.name, type: elementTypeOf(tensorType.elemType, info.name), shape };
}

function elementTypeOf(dataType: number, name: string): ElementType {
  for (const [type, number] of Object.entries(DATA_TYPES)) {
    if (number === dataType) return type as ElementType;
  }
  throw invalid(`value ${name}`, `element type ${dataType}`, Object.keys(DATA_TYPES).join(', '));
}

function checkTensor(tensor: Tensor, name: string): void {
  const count = tensor.dims.reduce((product, dim) => product * dim, 1);
  if (tensor.data.length !== count) {
    throw invalid(`tensor ${name} [${tensor.dims}]`, `${tensor.data.length} elements`, `${count}`);
  }
}

function safe(value: bigint, name: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw invalid(name, `the integer ${value}`, 'one below 2^53');
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new GristmillError('MODEL_INVALID', 'Cannot read model: a string is not UTF-8', {
      cause,
    });
  }
}

const invalid = (what: string, found: string, expected: string): GristmillError =>
  new GristmillError(
    'MODEL_INVALID',
    `Cannot use model: ${what} has ${found}, expected ${expected}`,
  );
