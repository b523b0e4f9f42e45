import { expect, test } from 'vitest';
import { GristmillError } from '../../common/errors.ts';
import { type CatalogEvent, EMPTY_CATALOG, onEvent } from '../../gateway/catalog.ts';
import { notFound, type Situation, whyNoAlias, whyNothing } from '../../gateway/words.ts';

const situation = (events: readonly CatalogEvent[], look: Situation['look']): Situation => ({
  environment: 'dev',
  storeUri: 'memory:',
  catalog: events.reduce(onEvent, EMPTY_CATALOG),
  look,
});
const head = (model: string, version: number | null): CatalogEvent => ({
  kind: 'head',
  head: { model, alias: 'champion', n: 1, version },
});
const fine = { error: undefined };

test('whyNothing() tells the reason that comes first', () => {
  expect(whyNothing(situation([], undefined)).message).toContain('has not been read');
  expect(whyNothing(situation([], fine)).message).toContain(
    'no alias in environment dev of memory:',
  );
  expect(whyNothing(situation([head('m', 1)], fine)).message).toContain('is being loaded');
  const error = new GristmillError('STORE_UNAVAILABLE', 'Cannot reach it');
  expect(whyNothing(situation([], { error }))).toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('Cannot reach it'),
  });
  const denied = new GristmillError('STORE_DENIED', 'Cannot read the store: access denied');
  expect(whyNoAlias(situation([], { error: denied }), { model: 'm', alias: 'champion' }).code).toBe(
    'STORE_DENIED',
  );
  const failed: CatalogEvent = {
    kind: 'failed',
    model: 'm',
    version: 1,
    error: { code: 'MODEL_INVALID', message: 'Cannot load m' },
    nowMs: 0,
  };
  expect(whyNothing(situation([head('m', 1), failed], fine)).message).toContain('Cannot load m');
});

test('whyNoAlias() is 404 for what is not there, with what is, and 503 for what is not there yet', () => {
  const ask = (of: Situation, model: string, alias = 'champion') => {
    const { code, message } = whyNoAlias(of, { model, alias });
    return `${code}: ${message}`;
  };
  const known = situation([head('flights', 1), head('trains', null)], fine);
  expect(ask(known, 'flihgts')).toMatch(/^NOT_FOUND.*did you mean flights.*flights, trains/);
  expect(ask(known, 'flights', 'challenger')).toMatch(/^NOT_FOUND.*champion/);
  expect(ask(known, 'flights')).toMatch(/^NOT_READY.*version 1 is being loaded/);
  expect(ask(known, 'trains')).toMatch(/^NOT_READY.*no version has held it/);
  expect(ask(situation([], undefined), 'flights')).toMatch(/^NOT_READY/);
  expect(ask(situation([], fine), 'flights')).toMatch(/^NOT_FOUND/);
});

test('an alias whose entry cannot be read is told with the code and the words of that', () => {
  const error = { code: 'FORMAT_UNKNOWN', message: 'Cannot read models/m: version 99' } as const;
  const unread: CatalogEvent = { kind: 'unread', head: { model: 'm', alias: 'a', n: 1, error } };
  const seen = situation([head('n', 1), unread], fine);
  expect(whyNoAlias(seen, { model: 'm', alias: 'a' })).toMatchObject({
    code: 'FORMAT_UNKNOWN',
    message: 'Cannot predict with m alias a: Cannot read models/m: version 99',
  });
  expect(whyNothing(situation([unread], fine))).toMatchObject({
    code: 'FORMAT_UNKNOWN',
    message: 'No model answers yet: Cannot read models/m: version 99',
  });
});

test('notFound() names at most so many', () => {
  const there = Array.from({ length: 30 }, (_, index) => `m${index}`);
  const { message } = notFound({ kind: 'model', name: 'zebra', there, where: 'here' });
  expect(message).toMatch(/m19 and 10 more$/);
});
