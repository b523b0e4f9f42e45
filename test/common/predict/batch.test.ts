// Checks that a model is only ever run in its one shape, and that what comes back belongs to the rows.
// In: a fake session and a real one. Out: predictions of the rows asked for. Why: bits depend on the shape.
import { expect, test } from 'vitest';
import { type Feeds, openSession, type Session } from '../../../common/engine/onnx.ts';
import { LIMITS } from '../../../common/limits.ts';
import { GraphBuilder, int } from '../../../common/onnx/build.ts';
import { encodeModel } from '../../../common/onnx/proto.ts';
import { predictBatch } from '../../../common/predict/batch.ts';
import { parseRows } from '../../../common/predict/rows.ts';
import type { Signature } from '../../../common/stage/terms.ts';

const SIGNATURE: Signature = {
  inputs: [
    { name: 'x', type: 'number' },
    { name: 's', type: 'string' },
    { name: 't', type: 'time' },
  ],
  label: 'regression',
  codes: [],
  numbers: ['x'],
};

/** prediction = x as float32; numbers = the same as a matrix. */
function model(): Uint8Array {
  const b = new GraphBuilder();
  b.input('x', 'double', ['n']);
  b.input('s', 'string', ['n']);
  b.input('t', 'int64', ['n']);
  b.nodeNamed('prediction', 'Cast', ['x'], { attributes: { to: int(1) } });
  b.nodeNamed('numbers', 'Unsqueeze', ['prediction', b.int64([1])]);
  return encodeModel(
    b.finish('echo', [
      { name: 'prediction', type: 'float', shape: ['n'] },
      { name: 'numbers', type: 'float', shape: ['n', 1] },
    ]),
  );
}

test.each([1, 31, 32, 33, 100])('predictBatch() answers %i rows, run by 32', async (rows) => {
  const instances = Array.from({ length: rows }, (_, i) => ({ x: i, s: `s${i}`, t: null }));
  const shapes: string[] = [];
  await using session = await openSession(model());
  const watched: Session = {
    ...session,
    run: (feeds: Feeds, outputs) => {
      for (const { dims, data } of Object.values(feeds)) shapes.push(`${dims} ${data.length}`);
      return session.run(feeds, outputs);
    },
    [Symbol.asyncDispose]: async () => {},
  };
  const answer = await predictBatch(watched, SIGNATURE, parseRows(SIGNATURE, instances));
  expect(answer.predictions).toEqual(Float32Array.from(instances, ({ x }) => x));
  expect(answer.numbers).toEqual(answer.predictions);
  expect(answer.codes).toBe(null);
  expect(new Set(shapes)).toEqual(new Set([`${LIMITS.scoringRows} ${LIMITS.scoringRows}`]));
});

test('predictBatch() refuses a batch without a column', async () => {
  await using session = await openSession(model());
  const batch = { rows: 1, columns: { x: Float64Array.of(1) }, ignoredFields: 0 };
  await expect(predictBatch(session, SIGNATURE, batch)).rejects.toMatchObject({ code: 'INTERNAL' });
});
