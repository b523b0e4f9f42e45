import { expect, test } from 'vitest';
import { LIMITS } from '../../common/limits.ts';
import { Pace } from '../../common/pace.ts';

test('rest() costs nothing while a piece is short, then gives the loop one turn', async () => {
  let nowMs = 0;
  const pace = new Pace({ monotonicMs: () => nowMs });
  nowMs = LIMITS.pieceMs - 1;
  expect(pace.rest()).toBeUndefined();
  nowMs = LIMITS.pieceMs;
  const turns: string[] = [];
  setImmediate(() => turns.push('another'));
  const rest = pace.rest();
  expect(rest).toBeInstanceOf(Promise);
  await rest;
  expect(turns).toEqual(['another']);
  expect(pace.rest()).toBeUndefined(); // a new piece has begun
});

test('a piece begins when the turn is over, however long others took', async () => {
  let nowMs = 0;
  const pace = new Pace({ monotonicMs: () => nowMs });
  nowMs = LIMITS.pieceMs;
  setImmediate(() => {
    nowMs = 1_000;
  });
  await pace.rest();
  expect(pace.rest()).toBeUndefined();
});
