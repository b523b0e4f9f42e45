// The values in our own code that decide bits, gathered from where they live.
// In: nothing. Out: a table, and its digest, which is part of the numerics.
// Why gathered: a number that only a person remembers to count on is forgotten once; these change the digest themselves.
// What travels in a program (learning rates, split edges, SQL) is in that program's digest, and not here.
import { BUCKET_MIX } from '../algorithm/bucket.ts';
import { ADAM } from '../algorithm/optimizer.ts';
import { BLOCK_ROWS, WINDOW_BLOCKS } from '../algorithm/order.ts';
import { LANE_BATCH_ROWS_MIN } from '../algorithm/schedule.ts';
import { QUANTILE_KEY_SHIFT } from '../algorithm/statistics.ts';
import { digestOf } from '../ids.ts';
import { BIT_LIMITS } from '../limits.ts';
import { REPLICATES } from '../metric/r2.ts';
import { PROBABILITY_LEAST } from '../objective/binary.ts';

export const DECIDES_BITS = {
  limits: BIT_LIMITS,
  adam: ADAM,
  bucketMix: BUCKET_MIX,
  order: { blockRows: BLOCK_ROWS, windowBlocks: WINDOW_BLOCKS },
  laneBatchRowsMin: LANE_BATCH_ROWS_MIN,
  quantileKeyShift: QUANTILE_KEY_SHIFT,
  validationProbabilityLeast: PROBABILITY_LEAST,
  bootstrapReplicates: REPLICATES,
} as const;

/** Grows when our code changes what a stage computes and no value in the table above does. */
export const CODE_VERSION = 1;

/**
 * The digest of the table under CODE_VERSION. A value that changed is left out here: the numerics then tell its digest.
 * A value that is only newly listed, or a new CODE_VERSION, has the new digest written here.
 */
export const BITS_OF_CODE = '9aa28f791e8186abf9f0a7c4fd90c4cebd8b99e9ede9e30cb03d19f3e490942e';

export const bitsDigest = (table: unknown): string => digestOf(table);
