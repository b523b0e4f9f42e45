import type { FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import { etagOf, readIfMatch, requireIfMatch } from '../../../common/http/conditional.ts';

const asking = (ifMatch?: string): FastifyRequest =>
  ({ headers: ifMatch === undefined ? {} : { 'if-match': ifMatch } }) as FastifyRequest;

test.each([
  ['"3"', 3],
  ['3', 3],
  ['W/"3"', 3],
  ['"0"', 0],
])('readIfMatch() reads %s', (header, entry) => {
  expect(readIfMatch(asking(header), 'move it')).toBe(entry);
});

test('readIfMatch() tells a missing header from one that is no ETag of ours', () => {
  expect(readIfMatch(asking(), 'move it')).toBeUndefined();
  for (const header of ['', '*', '"a"', '"1", "2"', '-1', '1e3', `"${'9'.repeat(13)}"`]) {
    expect(() => readIfMatch(asking(header), 'move it')).toThrow(
      /^Cannot move it: If-Match is .*, expected the ETag of a GET such as "3"$/,
    );
  }
});

test('requireIfMatch() takes the present entry alone', () => {
  requireIfMatch(asking(etagOf(4)), 'move it', 4);
  expect(() => requireIfMatch(asking('"3"'), 'move it', 4)).toThrow(
    expect.objectContaining({
      code: 'PRECONDITION_FAILED',
      message: 'Cannot move it: If-Match is "3", expected its ETag "4"',
    }),
  );
  expect(() => requireIfMatch(asking(), 'move it', 4)).toThrow(
    expect.objectContaining({ code: 'PRECONDITION_REQUIRED' }),
  );
});
