import { expect, test } from 'vitest';
import { makeDeferred } from '../../../common/deferred.ts';
import { makeTurns } from '../../../coordinator/survey/turns.ts';

const never = new AbortController().signal;

test('makeTurns() lets some act at once, and others in order of arrival', async () => {
  const takeTurn = makeTurns({ atOnce: 2, waitingMax: 5, what: 'look' });
  const ends = Array.from({ length: 4 }, () => makeDeferred<void>());
  const begun: number[] = [];
  const acts = ends.map((end, i) =>
    takeTurn(never, async () => {
      begun.push(i);
      await end.promise;
    }),
  );
  await Promise.resolve();
  expect(begun).toEqual([0, 1]);
  ends[1]!.resolve();
  await acts[1];
  expect(begun).toEqual([0, 1, 2]);
  for (const end of ends) end.resolve();
  await Promise.all(acts);
  expect(begun).toEqual([0, 1, 2, 3]);
  expect(await takeTurn(never, async () => 'free again')).toBe('free again');
});

test('makeTurns() gives the turn on after an error, and past whoever has left', async () => {
  const takeTurn = makeTurns({ atOnce: 1, waitingMax: 5, what: 'look' });
  const end = makeDeferred<void>();
  const fails = takeTurn(never, async () => {
    await end.promise;
    throw new Error('no');
  });
  const leaver = new AbortController();
  const leaves = takeTurn(leaver.signal, async () => 'never');
  const last = takeTurn(never, async () => 'done');
  leaver.abort(new Error('gone'));
  await expect(leaves).rejects.toThrow('gone');
  end.resolve();
  await expect(fails).rejects.toThrow('no');
  expect(await last).toBe('done');
  await expect(takeTurn(leaver.signal, async () => 'never')).rejects.toThrow('gone');
});

test('makeTurns() turns away whom it cannot serve soon', async () => {
  const takeTurn = makeTurns({ atOnce: 1, waitingMax: 1, what: 'look' });
  const end = makeDeferred<void>();
  const [one, two] = [takeTurn(never, () => end.promise), takeTurn(never, async () => {})];
  await expect(takeTurn(never, async () => {})).rejects.toMatchObject({
    code: 'WORKERS_BUSY',
    message: 'Cannot start another look: 1 run and 1 wait, expected at most 1 and 1',
  });
  end.resolve();
  await Promise.all([one, two]);
});
