// Numerics: everything beside data, spec and seed that decides bits.
// In: library versions, CPU. Out: one string; workers take only tasks of theirs.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, cpus } from 'node:os';
import { version as duckdbVersion } from '@duckdb/node-api';

/** Grows when our own code changes what a stage computes. */
export const CODE_VERSION = 1;

export function readNumerics(): string {
  const require = createRequire(import.meta.url);
  const ort = (require('onnxruntime-node/package.json') as { version: string }).version;
  return `duckdb-${duckdbVersion().replace(/^v/, '')}+onnxruntime-${ort}+code-${CODE_VERSION}+cpu-${instructionSet()}`;
}

/** ONNX Runtime and DuckDB choose kernels by these levels. */
function instructionSet(): string {
  if (arch() !== 'x64')
    return `${arch()}-${cpus()[0]?.model.split(' ')[0]?.toLowerCase() ?? 'unknown'}`;
  let flags = '';
  try {
    flags = readFileSync('/proc/cpuinfo', 'utf8').match(/^flags\s*:(.*)$/m)?.[1] ?? '';
  } catch {
    return 'x64';
  }
  const has = (flag: string): boolean => flags.split(' ').includes(flag);
  if (has('avx512f')) return has('avx512_vnni') ? 'avx512vnni' : 'avx512';
  if (has('avx2')) return has('fma') ? 'avx2' : 'avx2nofma';
  return has('avx') ? 'avx' : 'sse2';
}
