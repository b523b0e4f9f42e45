// Settings are read from one table; nothing wrong passes silently.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import {
  describeSettings,
  type Env,
  maskSettings,
  place,
  readSettings,
  sourceOf,
  text,
  whole,
} from '../../common/config.ts';

const TABLE = {
  store: place({ name: 'GRISTMILL_STORE', help: 'results', reason: 'shared' }),
  nats: text({
    name: 'GRISTMILL_NATS',
    help: 'broker',
    reason: 'local',
    standard: 'nats://127.0.0.1:4222',
    isSecret: true,
  }),
  threads: whole({
    name: 'GRISTMILL_THREADS',
    help: 'tasks at once',
    reason: 'one a core',
    standard: 2,
    min: 1,
    max: 256,
  }),
};
const NAMES = [...Object.values(TABLE).map(({ name }) => name), 'GRISTMILL_PORT'] as const;
const read = (given: Env) => readSettings(TABLE, given, NAMES);
const env = { GRISTMILL_STORE: 'file:///data', PATH: '/bin' };

test('readSettings() fills in defaults and freezes', () => {
  const config = read({ ...env, GRISTMILL_THREADS: '8' });
  expect(config).toEqual({ store: 'file:///data', nats: 'nats://127.0.0.1:4222', threads: 8 });
  expect(Object.isFrozen(config)).toBe(true);
});

test.each([
  [{ ...env, GRISTMILL_TREADS: '2' }, /GRISTMILL_TREADS.*expected GRISTMILL_THREADS/],
  [{ ...env, GRISTMILL_THREADS: '0' }, /GRISTMILL_THREADS: "0", expected a whole number from 1/],
  [{ ...env, GRISTMILL_THREADS: '1e2' }, /GRISTMILL_THREADS/],
  [{}, /without GRISTMILL_STORE, expected \/folder, file:/],
  [{ GRISTMILL_STORE: 'data' }, /GRISTMILL_STORE: "data", expected \/folder, file:/],
])('readSettings() refuses %o', (given, message) => {
  expect(() => read(given)).toThrow(message);
});

test.each([
  ['/data', 'file:///data'],
  ['/with space', 'file:///with%20space'],
  ['./lake', pathToFileURL(resolve('lake')).href],
  ['s3://bucket/prefix', 's3://bucket/prefix'],
])('place() takes the folder or URI %s', (given, uri) => {
  expect(read({ GRISTMILL_STORE: given }).store).toBe(uri);
});

test('readSettings() lets pass what another process reads', () => {
  expect(read({ ...env, GRISTMILL_PORT: '80' }).threads).toBe(2);
});

test('maskSettings() hides logins; describeSettings() names every setting', () => {
  const config = read({ ...env, GRISTMILL_NATS: 'nats://ada:pw@a:1,b:2' });
  expect(maskSettings(TABLE, config).nats).toBe('nats://***@a:1,b:2');
  expect(describeSettings(TABLE)).toMatch(/GRISTMILL_STORE.*required.*GRISTMILL_THREADS.*"2"/s);
  expect(sourceOf('GRISTMILL_NATS', {})).toBe('the default of GRISTMILL_NATS');
});
