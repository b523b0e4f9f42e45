// An ONNX graph as plain data: what the compilers build and rewrite.
// In: nodes and tensors. Out: a Graph; `encodeModel` in proto.ts makes bytes of it.
// Why our own types: a graph here is read like text in tests, and protobuf classes stay in one file.

export type ElementType = 'float' | 'double' | 'int64' | 'int32' | 'string' | 'bool';

/** A dimension is a number, or a name for what is only known at run time. */
export type Dim = number | string;

export type ValueInfo = {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dim[];
};

/** A constant. Data is row-major; int64 as bigint or safe integers. */
export type Tensor = {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data:
    | Float32Array
    | Float64Array
    | BigInt64Array
    | Int32Array
    | Uint8Array
    | readonly string[];
};

export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: Tensor };

export type Node = {
  readonly op: string;
  /** '' is the ONNX standard; 'ai.onnx.ml' has the encoders. */
  readonly domain?: string;
  /** Names; '' is an absent optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
};

export type Graph = {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: Readonly<Record<string, Tensor>>;
  /** In topological order. */
  readonly nodes: readonly Node[];
};

export const OPSET = 21;
export const ML_OPSET = 4;
/** ONNX IR version that goes with opset 21. */
export const IR_VERSION = 10;
