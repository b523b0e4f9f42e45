// The lines of jobs as data, and the executor that runs them.
import { expect, test } from 'vitest';
import { DATA, PUBLISHING, TRAINING } from '../../../coordinator/line/line.ts';
import { inOrder, runLine, stepsOf } from '../../../coordinator/line/steps.ts';

type Made = { readonly one: number; readonly two: string; readonly three: string };
const step = stepsOf<string, Made>();
const one = step('one', [], async () => 1);
const two = step('two', ['one'], async (job, made) => `${job} ${made.one}`);
const three = step('three', ['one', 'two'], async (_job, made) => `${made.two}, ${made.one}`);

const namesOf = (line: readonly { readonly step: PropertyKey }[]) => line.map(({ step }) => step);

test('runLine() hands each step what it needs, whatever order the line is written in', async () => {
  expect(await runLine([three, two, one], 'job')).toEqual({
    one: 1,
    two: 'job 1',
    three: 'job 1, 1',
  });
});

test('runLine() ends with the error of a step, and runs none after it', async () => {
  const ran: string[] = [];
  const fails = step('two', ['one'], async () => {
    throw new Error('no rows');
  });
  const last = step('three', ['two'], async () => `${ran.push('three')}`);
  await expect(runLine([one, fails, last], 'job')).rejects.toThrow('no rows');
  expect(ran).toEqual([]);
});

test('inOrder() refuses a line in which a need is made by none', () => {
  expect(() => inOrder([two, three])).toThrow(
    'Cannot order two, three: none has all that it needs',
  );
});

test('the lines stand in the order in which they run, and each has what it needs', () => {
  expect(namesOf(inOrder(DATA))).toEqual(['pin', 'prepare']);
  const training = ['pin', 'prepare', 'fit', 'train', 'evaluate', 'prove'];
  expect(namesOf(inOrder(TRAINING))).toEqual(training);
  expect(namesOf(inOrder(PUBLISHING))).toEqual([...training, 'publish', 'gate']);
});
