// The registry of stages as its users read it: names, programs, findings folded into a view.
import { expect, test } from 'vitest';
import type { Digest } from '../../../common/ids.ts';
import {
  FIELDS,
  type Finding,
  type Findings,
  foldFinding,
  NOTHING_FOUND,
  programRow,
  STAGE_NAMES,
  STAGES,
} from '../../../common/stage/stages.ts';
import { hasRunner } from '../../../worker/stage/runners.ts';

const epoch = (n: number, loss: number) => ({
  epoch: n,
  loss,
  validationLoss: null,
  validationAuc: null,
});

test('STAGE_NAMES are the stages that workers run, in the order of a job, the survey last', () => {
  expect(STAGE_NAMES).toEqual(['prepare', 'fit', 'train', 'evaluate', 'prove', 'survey']);
});

test('every program of a stage has a runner, and no two stages name one alike', () => {
  const kinds = Object.values(STAGES).flatMap(({ programs }) => Object.keys(programs));
  expect(new Set(kinds).size).toBe(kinds.length);
  expect(kinds.filter((kind) => !hasRunner(kind) || !programRow(kind))).toEqual([]);
  expect(hasRunner('toString')).toBe(false);
  expect(programRow('toString')).toBeUndefined();
});

test('programRow() tells which objects a program names', () => {
  const blob = { key: 'k', sha256: 'a'.repeat(64) as Digest, bytes: 1 };
  for (const [kind, field] of [
    ['score', 'model'],
    ['prove', 'model'],
    ['assemble', 'checkpoint'],
  ] as const)
    expect(programRow(kind)!.blobsOf({ kind, [field]: blob } as never)).toEqual([blob]);
  expect(programRow('fit')!.blobsOf({ kind: 'fit' } as never)).toEqual([]);
});

test('no two stages find a field of one name', () => {
  const names = FIELDS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('foldFinding() replaces a field, and joins epochs by their number', () => {
  const facts: Finding[] = [
    { stage: 'prove', value: { proof: { rows: 1, maxDifference: 1 } } },
    { stage: 'prove', value: { proof: { rows: 2, maxDifference: 0 } } },
    { stage: 'train', value: { epochs: [epoch(1, 0.7)] } },
    { stage: 'train', value: { epochs: [epoch(2, 0.6)] } },
    { stage: 'train', value: { epochs: [epoch(2, 0.5)] } },
  ];
  const view = facts.reduce<Findings>(foldFinding, NOTHING_FOUND);
  expect(view.proof).toEqual({ rows: 2, maxDifference: 0 });
  expect(view.epochs).toEqual([epoch(1, 0.7), epoch(2, 0.5)]);
  expect(view.rows).toBeNull();
});

test('foldFinding() leaves out what a newer program found and this one does not know', () => {
  const newer = { stage: 'shuffle', value: { partitions: 3 } } as unknown as Finding;
  expect(foldFinding(NOTHING_FOUND, newer)).toEqual(NOTHING_FOUND);
});
