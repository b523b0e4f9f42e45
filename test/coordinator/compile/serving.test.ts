import { expect, test } from 'vitest';
import { initState, parametersOf } from '../../../common/algorithm/gradients.ts';
import { openSession } from '../../../common/engine/onnx.ts';
import { GraphBuilder, int } from '../../../common/onnx/build.ts';
import type { Graph } from '../../../common/onnx/graph.ts';
import { checkInert } from '../../../common/onnx/inert.ts';
import { withParameters } from '../../../common/onnx/parameters.ts';
import { encodeModel } from '../../../common/onnx/proto.ts';
import { buildModel } from '../../../coordinator/compile/model.ts';
import { servingGraph } from '../../../coordinator/compile/serving.ts';

/** One code (is a column positive?) and one number (half of it), of a column with this name. */
function featuresOf(column: string): Graph {
  const b = new GraphBuilder();
  b.input(column, 'double', ['n']);
  const wide = b.node('Unsqueeze', [column, b.int64([1])]);
  const halved = b.node('Mul', [wide, b.scalar('double', 0.5)]);
  b.nodeNamed('numbers', 'Cast', [halved], { attributes: { to: int(1) } });
  const above = b.node('Greater', [wide, b.scalar('double', 0)]);
  b.nodeNamed('codes', 'Cast', [above], { attributes: { to: int(7) } });
  return b.finish('features', [
    { name: 'codes', type: 'int64', shape: ['n', 1] },
    { name: 'numbers', type: 'float', shape: ['n', 1] },
  ]);
}
const { parameters, forward } = buildModel(
  { kind: 'mlp', hidden: [4], categories: 'sum' },
  { codeSizes: [2], numbers: 1, label: 'binary' },
);

test('servingGraph() with parameters is a model file that gives what the two graphs give', async () => {
  const state = initState(parameters, { kind: 'adam', learningRate: 0.1 }, 4);
  // a column may have the name of a parameter
  const serving = servingGraph(featuresOf('categories'), forward);
  const whole = withParameters(serving, parametersOf(state), parameters);
  expect(whole.inputs.map(({ name }) => name)).toEqual(['categories']);
  const bytes = encodeModel(whole);
  expect(checkInert(bytes).graph.outputs.map(({ name }) => name)).toEqual([
    'prediction',
    'codes',
    'numbers',
  ]);

  const data = Float64Array.of(-1, 3);
  await using session = await openSession(bytes);
  const served = await session.run({ categories: { type: 'double', dims: [2], data } });
  expect([...served.codes!.data]).toEqual([0n, 1n]);
  expect([...served.numbers!.data]).toEqual([-0.5, 1.5]);

  const model = withParameters(forward, parametersOf(state), parameters);
  await using alone = await openSession(encodeModel(model));
  const { prediction } = await alone.run({ codes: served.codes!, numbers: served.numbers! });
  expect(served.prediction).toEqual(prediction);
});

test.each(['prediction', 'codes', 'model/dense_0'])(
  'servingGraph() refuses a column called %s',
  (column) => {
    const features = { ...featuresOf('x') };
    const renamed = JSON.parse(JSON.stringify(features.inputs).replace('"x"', `"${column}"`));
    expect(() => servingGraph({ ...features, inputs: renamed }, forward)).toThrow(
      `Cannot serve column "${column}"`,
    );
  },
);

test('servingGraph() refuses features of another width', () => {
  const other = buildModel({ kind: 'linear' }, { codeSizes: [2, 2], numbers: 1, label: 'binary' });
  expect(() => servingGraph(featuresOf('x'), other.forward)).toThrow(
    'features give int64[n,1] as codes, expected int64[n,2]',
  );
});

test('withParameters() refuses a missing value, another size, and a name without input', () => {
  const values = parametersOf(initState(parameters, { kind: 'adam', learningRate: 0.1 }, 4));
  const { bias_0, ...missing } = values;
  expect(() => withParameters(forward, missing, parameters)).toThrow(
    'bias_0 of graph mlp: no value',
  );
  const longer = { ...missing, bias_0: new Float32Array(5) };
  expect(() => withParameters(forward, longer, parameters)).toThrow('5 numbers, expected 4');
  const stranger = { ...parameters[0]!, name: 'other' };
  expect(() => withParameters(forward, values, [stranger])).toThrow('no such input');
  expect(bias_0).toBeDefined();
});
