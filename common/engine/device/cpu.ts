// The CPU: the device that every machine has.
// In: what the kernel says of the processor. Out: the level by which engines choose their kernels.
// Why levels and not models: machines of one level give the same bits, whoever made them.
import { readFileSync } from 'node:fs';
import { arch, cpus } from 'node:os';
import type { Device } from './device.ts';

export const CPU: Device = {
  providers: ['cpu'],
  bitExact: true,
  numerics: instructionSet,
};

/** ONNX Runtime and DuckDB choose kernels by these levels. */
function instructionSet(): string {
  if (arch() !== 'x64')
    return `${arch()}-${cpus()[0]?.model.split(' ')[0]?.toLowerCase() ?? 'unknown'}`;
  try {
    return levelOf(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return 'x64';
  }
}

/** The level of an x64 processor, by what Linux tells of it. */
export function levelOf(cpuinfo: string): string {
  const flags = new Set(cpuinfo.match(/^flags\s*:(.*)$/m)?.[1]?.split(' '));
  if (flags.has('avx512f')) return flags.has('avx512_vnni') ? 'avx512vnni' : 'avx512';
  if (flags.has('avx2')) return flags.has('fma') ? 'avx2' : 'avx2nofma';
  return flags.has('avx') ? 'avx' : 'sse2';
}
