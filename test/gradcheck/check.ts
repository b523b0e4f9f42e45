// Derived gradients against central differences, in float64.
// In: a graph with a scalar loss, feeds. Out: both gradients of each parameter.
// Why float64: in float32 a difference quotient has two or three digits; here it has seven.
import { type Feeds, type FeedTensor, openSession } from '../../common/engine/onnx.ts';
import { GraphBuilder } from '../../common/onnx/build.ts';
import type { Graph, Node } from '../../common/onnx/graph.ts';
import { encodeModel } from '../../common/onnx/proto.ts';
import { addGradients } from '../../coordinator/compile/backward.ts';

export type Compared = { readonly derived: number[]; readonly measured: number[] };

export async function compareGradients(
  forward: Graph,
  feeds: Feeds,
  parameters: readonly string[],
): Promise<Record<string, Compared>> {
  const loss = forward.outputs[0]!.name;
  const step = withoutSoftplus(addGradients(forward, { loss, parameters }));
  await using session = await openSession(encodeModel(step));
  const results = await session.run(feeds);
  const lossAt = async (moved: Feeds): Promise<number> =>
    Number((await session.run({ ...feeds, ...moved }, [loss]))[loss]!.data[0]);

  const compared: Record<string, Compared> = {};
  for (const name of parameters) {
    const tensor = feeds[name]!;
    const measured: number[] = [];
    for (let i = 0; i < tensor.data.length; i++) {
      const [more, less] = [moved(tensor, i, STEP), moved(tensor, i, -STEP)];
      const difference = (await lossAt({ [name]: more })) - (await lossAt({ [name]: less }));
      measured.push(difference / (2 * STEP));
    }
    compared[name] = { derived: Array.from(results[`d_${name}`]!.data, Number), measured };
  }
  return compared;
}

/** Near the cube root of float64's epsilon: rounding and curvature weigh alike. */
const STEP = 1e-5;

function moved(tensor: FeedTensor, i: number, by: number): FeedTensor {
  const data = Float64Array.from(tensor.data as Float64Array);
  data[i]! += by;
  return { ...tensor, data };
}

/** The engine has Softplus for float32 alone: max(x, 0) + ln(1 + e^−|x|) in its place. */
function withoutSoftplus(graph: Graph): Graph {
  if (!graph.nodes.some(({ op }) => op === 'Softplus')) return graph;
  const b = new GraphBuilder({ ...graph, nodes: [] });
  const zero = b.scalar('double', 0);
  const one = b.scalar('double', 1);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (node.op !== 'Softplus') return [node];
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    const made = (op: string, inputs: string[], output: string): Node => ({
      op,
      inputs,
      outputs: [output],
    });
    return [
      made('Abs', [x], `${y}/abs`),
      made('Neg', [`${y}/abs`], `${y}/neg`),
      made('Exp', [`${y}/neg`], `${y}/exp`),
      made('Add', [`${y}/exp`, one], `${y}/add`),
      made('Log', [`${y}/add`], `${y}/log`),
      made('Max', [x, zero], `${y}/max`),
      made('Add', [`${y}/max`, `${y}/log`], y),
    ];
  });
  const constants = b.finish(graph.name, [
    { name: zero, type: 'double', shape: [] },
    { name: one, type: 'double', shape: [] },
  ]).initializers;
  return { ...graph, nodes, initializers: { ...graph.initializers, ...constants } };
}

/** The graph with float64 in place of float32: inputs, outputs, constants, casts. */
export function inDouble(graph: Graph): Graph {
  const widen = <T extends { readonly type: string }>(value: T): T =>
    value.type === 'float' ? { ...value, type: 'double' } : value;
  const initializers = Object.fromEntries(
    Object.entries(graph.initializers).map(([name, tensor]) => [
      name,
      tensor.type === 'float'
        ? {
            ...tensor,
            type: 'double' as const,
            data: Float64Array.from(tensor.data as Float32Array),
          }
        : tensor,
    ]),
  );
  return {
    ...graph,
    inputs: graph.inputs.map(widen),
    outputs: graph.outputs.map(widen),
    initializers,
  };
}
