// What a refusal looks like to expect(…).toThrow(): its code, and words of its message.
// In: both. Out: what an error must match. Why: toThrow() with words alone also takes a thrown undefined for them.
import { expect } from 'vitest';
import type { Code } from '../../common/errors.ts';

export const refusal = (code: Code, words: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });
