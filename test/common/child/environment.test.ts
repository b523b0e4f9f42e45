// What a child is given of its host's environment.
// In: environments made up here. Out: the child's, name by name.
import { expect, test } from 'vitest';
import { childEnvironment } from '../../../common/child/environment.ts';

const setup = { thread: 'file:///thread.ts', resident: undefined, threads: 3 };

test('childEnvironment() passes on what is on the list, and its own setup', () => {
  const host = { PATH: '/bin', TZ: 'UTC', LD_LIBRARY_PATH: '/cuda', LANG: undefined };
  expect(childEnvironment(host, setup)).toEqual({
    PATH: '/bin',
    TZ: 'UTC',
    LD_LIBRARY_PATH: '/cuda',
    UV_THREADPOOL_SIZE: '7',
    GRISTMILL_CHILD: '{"thread":"file:///thread.ts","threads":3}',
  });
});

test('childEnvironment() keeps back everything else, credentials first', () => {
  const host = {
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
    AWS_SESSION_TOKEN: 'c',
    AWS_ENDPOINT_URL: 'd',
    GRISTMILL_NATS: 'e',
    GRISTMILL_STORE: 'f',
    GRISTMILL_CHILD: 'g',
    npm_config__auth: 'h',
    UV_THREADPOOL_SIZE: '1',
  };
  expect(Object.keys(childEnvironment(host, setup)).sort()).toEqual([
    'GRISTMILL_CHILD',
    'UV_THREADPOOL_SIZE',
  ]);
});
