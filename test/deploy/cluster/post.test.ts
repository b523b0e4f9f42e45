// A place in a cluster, with processes made up: who dies is followed by another, ever more slowly.
// In: processes that end when the test says so. Out: what was started, and the news.
import { beforeEach, expect, test } from 'vitest';
import { makeDeferred } from '../../../common/deferred.ts';
import { type News, Post, restartDelayMs } from '../../../deploy/cluster/post.ts';
import type { Running } from '../../../deploy/cluster/process.ts';
import { createTestClock } from '../../support/clock.ts';

let clock = createTestClock();
beforeEach(() => {
  clock = createTestClock();
});

type Fake = Running & { die(how: string): Promise<void>; released: boolean };

function fake(pid: number): Fake {
  const ended = makeDeferred<string>();
  const self = {
    name: 'worker 1',
    pid,
    logPath: '',
    ended: ended.promise,
    isAlive: true,
    released: false,
    stop: async () => ended.resolve('stopped'),
    signal: () => {},
    kill: async () => {},
    release: () => {
      self.released = true;
    },
    tail: () => '',
    die: async (how: string) => {
      ended.resolve(how);
      await clock.advance(0);
    },
  };
  return self;
}

function makePost({ isKept = true, adopted }: { isKept?: boolean; adopted?: Fake } = {}) {
  const started: Fake[] = [];
  const news: News[] = [];
  const over: string[] = [];
  const post = new Post({
    clock,
    start: () => {
      const one = fake(100 + started.length);
      started.push(one);
      return one;
    },
    ...(adopted ? { adopted } : {}),
    isKept: () => isKept,
    onNews: (one) => news.push(one),
    onOver: (_running, how) => over.push(how),
  });
  return { post, started, news, over };
}

test('restartDelayMs() doubles up to half a minute, and is bounded however often it is asked', () => {
  expect([1, 2, 3, 6, 7, 8, 10_000].map(restartDelayMs)).toEqual([
    500, 1000, 2000, 16_000, 30_000, 30_000, 30_000,
  ]);
});

test('a process that dies is started again after its delay, and said', async () => {
  const { post, started, news } = makePost();
  await started[0]!.die('SIGKILL');
  expect(news).toEqual([{ kind: 'ended', how: 'SIGKILL', delayMs: 500 }]);
  await clock.advance(499);
  expect(started).toHaveLength(1);
  await clock.advance(1);
  expect(news[1]).toEqual({ kind: 'started', pid: 101, restarts: 1 });
  expect([post.running.pid, post.restarts]).toEqual([101, 1]);
});

test('one that dies again and again waits longer; one that ran a minute begins anew; none is given up', async () => {
  const { started, news } = makePost();
  const delays = () => news.flatMap((one) => (one.kind === 'ended' ? [one.delayMs] : []));
  for (let death = 0; death < 9; death++) {
    await started.at(-1)!.die('exit code 1');
    await clock.advance(30_000);
  }
  expect(delays()).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  await clock.advance(60_000);
  await started.at(-1)!.die('SIGSEGV');
  expect(delays().at(-1)).toBe(500);
});

test('one that is not kept is over, and told so', async () => {
  const { started, news, over } = makePost({ isKept: false });
  await started[0]!.die('exit code 2');
  await clock.advance(60_000);
  expect(over).toEqual(['exit code 2']);
  expect(news).toEqual([]);
  expect(started).toHaveLength(1);
});

test('stop() ends a process, and one that is waited with is not started any more', async () => {
  const { post, started, over } = makePost();
  await started[0]!.die('SIGKILL');
  await post.stop();
  await clock.advance(60_000);
  expect(started).toHaveLength(1);
  expect(over).toEqual([]);
});

test('an adopted process is kept as its own would be; release() lets it go', async () => {
  const adopted = fake(7);
  const { post, started } = makePost({ adopted });
  expect([post.running.pid, started.length]).toEqual([7, 0]);
  await adopted.die('unknown');
  await clock.advance(500);
  expect(post.running.pid).toBe(100);
  post.release();
  expect(started[0]!.released).toBe(true);
  await started[0]!.die('SIGKILL');
  await clock.advance(60_000);
  expect(started).toHaveLength(1);
});
