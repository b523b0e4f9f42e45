import { expect, test } from 'vitest';
import { levelOf } from '../../../../common/engine/device/cpu.ts';

test.each([
  ['fpu sse2', 'sse2'],
  ['fpu sse2 avx', 'avx'],
  ['fpu avx avx2', 'avx2nofma'],
  ['fpu fma avx avx2', 'avx2'],
  ['fpu fma avx avx2 avx512f', 'avx512'],
  ['fpu fma avx avx2 avx512f avx512_vnni', 'avx512vnni'],
  ['fpu avx2x', 'sse2'],
])('levelOf() of a processor with %s is %s', (flags, level) => {
  expect(levelOf(`processor\t: 0\nflags\t\t: ${flags}\nbugs\t\t: spectre\n`)).toBe(level);
});

test('levelOf() of a text that tells no flags is the least there is', () => {
  expect(levelOf('processor : 0')).toBe('sse2');
});
