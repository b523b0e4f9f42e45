// Which file is started. In: URLs. Out: URLs with the ending of the running code.
import { expect, test } from 'vitest';
import { entryAs, entryOf } from '../../common/entry.ts';

const thread = new URL('file:///a/child/thread.ts');

test('entryAs() ends as the running module ends', () => {
  expect(entryAs(thread, 'file:///a/entry.ts').href).toBe('file:///a/child/thread.ts');
  expect(entryAs(thread, 'file:///a/entry.js').href).toBe('file:///a/child/thread.js');
});

test('entryOf() names the TypeScript of this checkout', () => {
  expect(entryOf(thread)).toBe(thread);
});
