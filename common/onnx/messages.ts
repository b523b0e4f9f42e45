// ONNX's protobuf messages, declared as data: the one place with field numbers.
// In: the table below. Out: typed messages, read and written by @bufbuild/protobuf.
// Why at run time: no generated file to keep in step, and the wire codec is the library's, not ours.
import {
  create,
  createFileRegistry,
  type DescField,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';

// Source: onnx.in.proto of ONNX IR version 10. Its syntax is proto2, so presence is explicit: an attribute
// `axis = 0` is written and differs from an absent one. What a model here may not hold (functions, subgraphs, training
// info, …) is declared as plain bytes: enough for inert.ts to see that it is there.
const MESSAGES = {
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    domain: [4, 'string'],
    modelVersion: [5, 'int64'],
    docString: [6, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'OperatorSetIdProto', 'repeated'],
    metadataProps: [14, 'StringStringEntryProto', 'repeated'],
    trainingInfo: [20, 'bytes', 'repeated'],
    functions: [25, 'bytes', 'repeated'],
    configuration: [26, 'bytes', 'repeated'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  GraphProto: {
    node: [1, 'NodeProto', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto', 'repeated'],
    docString: [10, 'string'],
    input: [11, 'ValueInfoProto', 'repeated'],
    output: [12, 'ValueInfoProto', 'repeated'],
    valueInfo: [13, 'ValueInfoProto', 'repeated'],
    quantizationAnnotation: [14, 'bytes', 'repeated'],
    sparseInitializer: [15, 'bytes', 'repeated'],
    metadataProps: [16, 'StringStringEntryProto', 'repeated'],
  },
  NodeProto: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'AttributeProto', 'repeated'],
    docString: [6, 'string'],
    domain: [7, 'string'],
    overload: [8, 'string'],
    metadataProps: [9, 'StringStringEntryProto', 'repeated'],
    deviceConfigurations: [10, 'bytes', 'repeated'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'TensorProto'],
    g: [6, 'bytes'],
    floats: [7, 'float', 'repeated'],
    ints: [8, 'int64', 'repeated'],
    strings: [9, 'bytes', 'repeated'],
    tensors: [10, 'bytes', 'repeated'],
    graphs: [11, 'bytes', 'repeated'],
    docString: [13, 'string'],
    tp: [14, 'bytes'],
    typeProtos: [15, 'bytes', 'repeated'],
    type: [20, 'int32'], // an enum; int32 is the same on the wire
    refAttrName: [21, 'string'],
    sparseTensor: [22, 'bytes'],
    sparseTensors: [23, 'bytes', 'repeated'],
  },
  TensorProto: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    segment: [3, 'bytes'],
    floatData: [4, 'float', 'packed'],
    int32Data: [5, 'int32', 'packed'],
    stringData: [6, 'bytes', 'repeated'],
    int64Data: [7, 'int64', 'packed'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
    doubleData: [10, 'double', 'packed'],
    uint64Data: [11, 'uint64', 'packed'],
    docString: [12, 'string'],
    externalData: [13, 'StringStringEntryProto', 'repeated'],
    dataLocation: [14, 'int32'], // an enum: 0 in this file, 1 external
    metadataProps: [16, 'StringStringEntryProto', 'repeated'],
  },
  ValueInfoProto: {
    name: [1, 'string'],
    type: [2, 'TypeProto'],
    docString: [3, 'string'],
    metadataProps: [4, 'StringStringEntryProto', 'repeated'],
  },
  // tensor_type alone: sequences, maps and optionals are unknown fields here, which inert.ts refuses
  TypeProto: { tensorType: [1, 'TensorTypeProto'], denotation: [6, 'string'] },
  TensorTypeProto: { elemType: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'DimensionProto', 'repeated'] },
  // a oneof in ONNX; with explicit presence the same bytes
  DimensionProto: { dimValue: [1, 'int64'], dimParam: [2, 'string'], denotation: [3, 'string'] },
} as const satisfies MessageTable;

export const DATA_TYPES = {
  float: 1,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  double: 11,
} as const;

export const ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

export type ModelMessage = Msg<'ModelProto'>;
export type GraphMessage = Msg<'GraphProto'>;
export type NodeMessage = Msg<'NodeProto'>;
export type AttributeMessage = Msg<'AttributeProto'>;
export type TensorMessage = Msg<'TensorProto'>;
export type ValueInfoMessage = Msg<'ValueInfoProto'>;

export const writeModel = (model: ModelInit): Uint8Array =>
  toBinary(modelDescriptor, create(modelDescriptor, model));

/** Throws whatever the protobuf library throws on bytes that are no message. */
export const readModel = (bytes: Uint8Array): ModelMessage => fromBinary(modelDescriptor, bytes);

// Types derived from the table, so that a field is named once.

type MessageTable = Readonly<Record<string, Readonly<Record<string, FieldEntry>>>>;
type FieldEntry = readonly [number: number, type: string, label?: 'repeated' | 'packed'];

type Table = typeof MESSAGES;
type Scalars = {
  int32: number;
  int64: bigint;
  uint64: bigint;
  float: number;
  double: number;
  string: string;
  bytes: Uint8Array;
};
type Value<T> = T extends keyof Scalars ? Scalars[T] : T extends keyof Table ? Msg<T> : never;
type Field<E> = E extends readonly [number, infer T]
  ? T extends keyof Table
    ? Value<T> | undefined
    : Value<T>
  : E extends readonly [number, infer T, string]
    ? Value<T>[]
    : never;
export type Msg<M extends keyof Table> = Message<`onnx.${M}`> & {
  -readonly [F in keyof Table[M]]: Field<Table[M][F]>;
};

const SCALARS: Readonly<Record<string, Type>> = {
  int32: Type.INT32,
  int64: Type.INT64,
  uint64: Type.UINT64,
  float: Type.FLOAT,
  double: Type.DOUBLE,
  string: Type.STRING,
  bytes: Type.BYTES,
};

function describe(table: MessageTable) {
  return create(FileDescriptorProtoSchema, {
    name: 'onnx.proto',
    package: 'onnx',
    syntax: 'proto2',
    messageType: Object.entries(table).map(([name, fields]) => ({
      name,
      field: Object.entries(fields).map(([fieldName, [number, type, label]]) => {
        const scalar = SCALARS[type];
        return {
          name: fieldName,
          number,
          label: label ? Label.REPEATED : Label.OPTIONAL,
          type: scalar ?? Type.MESSAGE,
          ...(scalar ? {} : { typeName: `.onnx.${type}` }),
          ...(label === 'packed' ? { options: { packed: true } } : {}),
        };
      }),
    })),
  });
}

const registry = createFileRegistry(describe(MESSAGES), () => undefined);
const modelDescriptor = registry.getMessage(
  'onnx.ModelProto',
) as unknown as GenMessage<ModelMessage>;

export type ModelInit = MessageInitShape<typeof modelDescriptor>;

/** Descriptors of a dimension's fields: which of the two is set decides what it is. */
export const dimensionFields = registry.getMessage('onnx.DimensionProto')!.field as unknown as {
  readonly dimParam: DescField;
};
