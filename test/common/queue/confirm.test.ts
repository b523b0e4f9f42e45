import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../common/clock.ts';
import { type Answer, Confirmed, type Sent } from '../../../common/queue/confirm.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const open = () => {
  const sent: Sent[] = [];
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const confirmed = new Confirmed({
    inbox: 'in',
    send: (message) => sent.push(message),
    clock,
    timeoutMs: 1000,
  });
  const pass = (ms: number): void => {
    nowMs += ms;
    vi.advanceTimersByTime(ms);
  };
  return { sent, confirmed, pass };
};
const answer = (subject: string | undefined, json: unknown, status = 0): Answer => ({
  subject: subject ?? '',
  status,
  json: () => json as ReturnType<Answer['json']>,
});

test('publish() resolves with its own confirmation, in whatever order they come', async () => {
  const { sent, confirmed } = open();
  const done: string[] = [];
  const both = ['a', 'b'].map((name) =>
    confirmed.publish('s', name, `id-${name}`).then(() => done.push(name)),
  );
  expect(sent.map(({ payload, messageId }) => [payload, messageId])).toEqual([
    ['a', 'id-a'],
    ['b', 'id-b'],
  ]);
  confirmed.hear(answer(sent[1]?.reply, { stream: 'S' }));
  await both[1];
  expect(done).toEqual(['b']);
  confirmed.hear(answer(sent[0]?.reply, { stream: 'S' }));
  await both[0];
  expect(done).toEqual(['b', 'a']);
});

test.each([
  ['an error', answer('in.0', { error: { description: 'maximum messages exceeded' } }), /maximum/],
  ['no stream', answer('in.0', undefined, 503), /no stream/],
  ['something else', answer('in.0', {}), /no confirmation/],
])('publish() rejects where the answer is %s', async (_, said, expected) => {
  const { confirmed } = open();
  const published = confirmed.publish('s', 'a', 'id');
  confirmed.hear(said);
  await expect(published).rejects.toThrow(expected);
});

test('publish() rejects without an answer in time; one that comes later changes nothing', async () => {
  const { sent, confirmed, pass } = open();
  const published = confirmed.publish('s', 'a', 'id');
  const refused = expect(published).rejects.toThrow(/in time/);
  for (let i = 0; i < 5; i++) pass(250);
  await refused;
  confirmed.hear(answer(sent[0]?.reply, { stream: 'S' }));
});

test('failAll() rejects what is open, and only that', async () => {
  const { sent, confirmed } = open();
  const first = confirmed.publish('s', 'a', 'id-a');
  confirmed.hear(answer(sent[0]?.reply, { stream: 'S' }));
  const second = confirmed.publish('s', 'b', 'id-b');
  confirmed.failAll('disconnected');
  await expect(first).resolves.toBeUndefined();
  await expect(second).rejects.toThrow('disconnected');
});
