import { expect, test } from 'vitest';
import type { JobId } from '../../../common/ids.ts';
import { type Candidate, schedule } from '../../../coordinator/job/schedule.ts';

const id = (name: string): JobId => `j-${name}` as JobId;
const job = (name: string, of: Partial<Omit<Candidate, 'job'>> = {}): Candidate => ({
  job: id(name),
  after: null,
  isEnded: false,
  hasStarted: false,
  isRunning: false,
  ...of,
});
const running = { isRunning: true, hasStarted: true };

test('schedule() starts in order of submission what there is room for, and says so of the rest', () => {
  const plan = schedule([job('1', running), job('2'), job('3'), job('4')], 3);
  expect(plan.start).toEqual([id('2'), id('3')]);
  expect([...plan.waiting]).toEqual([[id('4'), { for: 'room' }]]);
});

test('schedule() starts nobody while more run than may', () => {
  const plan = schedule([job('1', running), job('2', running), job('3')], 1);
  expect(plan.start).toEqual([]);
});

test('schedule() lets a job wait for another without taking the room of who comes behind', () => {
  const plan = schedule([job('1', running), job('2', { after: id('1') }), job('3')], 2);
  expect(plan.start).toEqual([id('3')]);
  expect(plan.waiting.get(id('2'))).toEqual({ for: id('1') });
});

test('a job that was cancelled before it ran passes its wait on, and is kept until that is over', () => {
  const second = job('2', { after: id('1'), isEnded: true });
  const third = job('3', { after: id('2') });
  const before = schedule([job('1', running), second, third], 4);
  expect(before.waiting.get(id('3'))).toEqual({ for: id('1') });
  expect(before.settled).toEqual([]);
  const after = schedule([job('1', { isEnded: true, hasStarted: true }), second, third], 4);
  expect(after).toMatchObject({ start: [id('3')], settled: [id('1'), id('2')] });
});

test('a job that was cancelled while it ran passes nothing on', () => {
  const second = job('2', { after: id('1'), isEnded: true, hasStarted: true });
  const plan = schedule([job('1', running), second, job('3', { after: id('2') })], 4);
  expect(plan).toMatchObject({ start: [id('3')], settled: [id('2')] });
});

test('schedule() waits for nobody that it does not know: such a job is over', () => {
  expect(schedule([job('2', { after: id('1') })], 1).start).toEqual([id('2')]);
});

test('an ended job is not let go of while it still runs here', () => {
  expect(schedule([job('1', { ...running, isEnded: true })], 1).settled).toEqual([]);
});
