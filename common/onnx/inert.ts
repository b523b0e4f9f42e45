// A model file is data: loading one must execute nobody's code, read no other file and always end.
// In: the bytes of a model. Out: its graph, or MODEL_INVALID naming what it must not hold.
// Why an allowlist: ONNX grows; what is not known here is refused. Used before publishing and before serving.
import { isMessage } from '@bufbuild/protobuf';
import { GristmillError } from '../errors.ts';
import type { AttributeMessage, ModelMessage, NodeMessage, TensorMessage } from './messages.ts';
import { type DecodedModel, graphOfMessage, readMessage } from './proto.ts';

/** Not com.microsoft: contributed operators come and go with the engine. */
export const INERT_DOMAINS: readonly string[] = ['', 'ai.onnx.ml'];
/** Operators that run other graphs: an endless Loop stops its process for ever. */
const CONTROL_FLOW: readonly string[] = ['If', 'Loop', 'Scan', 'SequenceMap'];
/** Operators whose answer changes between calls. */
const RANDOM: readonly string[] = [
  'Bernoulli',
  'Dropout',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
];

export function checkInert(bytes: Uint8Array): DecodedModel {
  const model = readMessage(bytes);
  checkUnknown(model);
  checkModel(model);
  for (const node of model.graph?.node ?? []) checkNode(node);
  for (const tensor of model.graph?.initializer ?? []) checkTensor(tensor);
  return graphOfMessage(model);
}

function checkModel(model: ModelMessage): void {
  if (model.functions.length > 0) throw refuse('functions of its own', 'operators alone');
  if (model.trainingInfo.length > 0) throw refuse('training info', 'inference alone');
  if ((model.graph?.sparseInitializer.length ?? 0) > 0) {
    throw refuse('sparse constants', 'dense ones');
  }
  for (const { domain } of model.opsetImport) checkDomain(domain, 'operator set');
}

function checkNode(node: NodeMessage): void {
  const what = `node ${node.opType} → ${node.output.join(', ')}`;
  checkDomain(node.domain, what);
  if (CONTROL_FLOW.includes(node.opType)) throw refuse(what, 'no control flow');
  if (RANDOM.includes(node.opType)) throw refuse(what, 'no random numbers');
  for (const attribute of node.attribute) checkAttribute(attribute, what);
}

function checkAttribute(attribute: AttributeMessage, what: string): void {
  if (attribute.g.length > 0 || attribute.graphs.length > 0) {
    throw refuse(`a graph in ${what}`, 'numbers, strings and tensors');
  }
  if (attribute.sparseTensor.length + attribute.sparseTensors.length > 0) {
    throw refuse(`a sparse tensor in ${what}`, 'dense ones');
  }
  if (attribute.tensors.length > 0) throw refuse(`a list of tensors in ${what}`, 'single ones');
  if (attribute.t) checkTensor(attribute.t);
}

function checkTensor(tensor: TensorMessage): void {
  if (tensor.externalData.length > 0 || tensor.dataLocation !== 0) {
    throw refuse(`data outside of the file for ${tensor.name || 'a constant'}`, 'all data inside');
  }
}

function checkDomain(domain: string, what: string): void {
  if (INERT_DOMAINS.includes(domain)) return;
  throw refuse(`${what} of domain "${domain}"`, 'the ONNX standard or ai.onnx.ml');
}

/** Fields that ONNX had not when this was written are kept apart by the reader: nobody checked them. */
function checkUnknown(value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) checkUnknown(item);
  } else if (isMessage(value)) {
    const unknown = value.$unknown?.[0];
    if (unknown) throw refuse(`field ${unknown.no} in ${value.$typeName}`, 'fields known here');
    for (const field of Object.values(value)) checkUnknown(field);
  }
}

const refuse = (found: string, expected: string): GristmillError =>
  new GristmillError('MODEL_INVALID', `Cannot use model: it holds ${found}, expected ${expected}`);
