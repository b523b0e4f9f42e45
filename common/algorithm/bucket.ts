// The bucket of a row: a hash of its address, the same in SQL and here.
// In: object key relative to the lake, row number in the object. Out: 0 … 63.
// Why an integer mix and not hash(): DuckDB's hash() changes between versions, md5 costs 0.3 µs a row.
// New data moves no old row, and file:// and S3 agree, since the address holds neither etag nor root.
import { createHash } from 'node:crypto';
import { LIMITS } from '../limits.ts';

/** Two 32-bit words of an object's key: what makes row 7 of two objects unlike. */
export type Salt = { readonly add: number; readonly xor: number };

export function bucketSalt(objectKey: string): Salt {
  const hash = createHash('sha256').update(`bucket:${objectKey}`).digest();
  return { add: hash.readUInt32LE(0), xor: hash.readUInt32LE(4) };
}

/** Factors of the mix: they are in the numerics. */
export const BUCKET_MIX = [0x7feb352d, 0x846ca68b] as const;
const [M1, M2] = BUCKET_MIX;
const SHIFT = 32 - Math.log2(LIMITS.buckets);

/** xorshift-multiply mix of 32 bits ("lowbias32", C. Wellons, 2018), then the top 6 bits. */
export function rowBucket(salt: Salt, row: number): number {
  let x = (((row + salt.add) >>> 0) ^ salt.xor) >>> 0;
  x = Math.imul(x ^ (x >>> 16), M1) >>> 0;
  x = Math.imul(x ^ (x >>> 15), M2) >>> 0;
  return (x ^ (x >>> 16)) >>> SHIFT;
}

/** Where the mix begins, in SQL: UBIGINT of a row number and the two words of its object's salt. */
export const bucketSeedSql = (row: string, salt: { add: string; xor: string }): string =>
  `xor((${row}::UBIGINT + ${salt.add}::UBIGINT) & ${LOW}, ${salt.xor}::UBIGINT)`;

const LOW = '4294967295::UBIGINT';

/**
 * The same in SQL: wraps a relation that has the seed as a column in subqueries that end in a UBIGINT
 * column `__bucket` in its place. Layers, not one expression: each step names its input twice.
 */
export function withBucketSql(relation: string, seed: string): string {
  const mix = (shift: number, factor: number): string =>
    `(xor(${seed}, ${seed} >> ${shift}) * ${factor}::UBIGINT) & ${LOW}`;
  const once = `SELECT * REPLACE (${mix(16, M1)} AS ${seed}) FROM ${relation}`;
  const twice = `SELECT * REPLACE (${mix(15, M2)} AS ${seed}) FROM (${once})`;
  return `SELECT * EXCLUDE (${seed}), xor(${seed}, ${seed} >> 16) >> ${SHIFT} AS __bucket FROM (${twice})`;
}
