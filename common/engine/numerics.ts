// Numerics: everything beside data, spec and seed that decides bits.
// In: library versions, the values in our code, a device. Out: one string; workers take only tasks of theirs.
//
//   duckdb-1.5.6+onnxruntime-1.30.0+code-1+cpu-avx512vnni
//
// Why `code-1` and no digest: it is the name of those values that BITS_OF_CODE pins, so that what earlier programs
// computed under that name is never computed again. Any other value is told by its digest, whoever forgot to count on.
import { createRequire } from 'node:module';
import { version as duckdbVersion } from '@duckdb/node-api';
import { BITS_OF_CODE, bitsDigest, CODE_VERSION, DECIDES_BITS } from './decides-bits.ts';
import { DEFAULT_DEVICE, DEVICES, type DeviceKind } from './device/device.ts';

export function readNumerics(device: DeviceKind = DEFAULT_DEVICE): string {
  const require = createRequire(import.meta.url);
  const ort = (require('onnxruntime-node/package.json') as { version: string }).version;
  return nameNumerics({
    duckdb: duckdbVersion().replace(/^v/, ''),
    onnxruntime: ort,
    bits: bitsDigest(DECIDES_BITS),
    device: `${device}-${DEVICES[device].numerics()}`,
  });
}

export function nameNumerics(of: {
  readonly duckdb: string;
  readonly onnxruntime: string;
  readonly bits: string;
  readonly device: string;
}): string {
  const values = of.bits === BITS_OF_CODE ? '' : `.${of.bits.slice(0, 16)}`;
  return `duckdb-${of.duckdb}+onnxruntime-${of.onnxruntime}+code-${CODE_VERSION}${values}+${of.device}`;
}
