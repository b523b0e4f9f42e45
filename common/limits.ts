// Every named bound, with its unit and the reason beside it.
// In: nothing. Out: constants. Those that decide bits travel in the plan; the rest a process may choose alone.
// Why one file: a queue, loop, buffer or retry without a bound here does not exist.

const KiB = 1024;
const MiB = 1024 * KiB;

export const LIMITS = {
  // what decides bits: changing one of these changes stage digests
  shardBytesMax: 64 * MiB, // compressed; a row group is never cut, so a larger one is a shard of its own
  buckets: 64, // lanes are runs of buckets, so lanes are a power of two up to this
  fanIn: 64, // partials that one merge task reads: 4,096 parts merge in two levels
  scoringRows: 32, // the one tensor shape in which model.onnx is run, by batch and serving alike
  proofRows: 1000, // source rows replayed before a version is published
  goldenRows: 20, // rows with their predictions that travel with a version; a gateway checks them before it swaps
  taskMemoryBytes: 768 * MiB, // DuckDB's memory_limit inside a task: it can change the order of rows, so it is planned
  validationBins: 16_384, // score histogram of the per-epoch validation AUC: error below 1e-4

  // tasks
  taskFailuresMax: 4, // the same as Spark: 1+2+4 s of backoff covers a restart of what the task needs
  taskLossesMax: 20, // lost workers are nobody's bug, but finite
  taskDeadlineMs: 15 * 60_000, // a 64 MiB shard takes seconds; a task past this is stuck
  offerWindow: 512, // tasks of one job in the stream at once: a million never sit there
  ackWaitMs: 10_000, // a dead worker's task is offered again after this
  leaseExtendMs: 3_000, // three extensions fit in one ack wait
  heartbeatMs: 1_000,
  heartbeatSilentMs: 5_000, // five missed: offer its tasks again, give its lanes away
  reconcileMs: 2_000,

  // rounds
  checkpointRounds: 200, // at most this many rounds are computed again when every worker is lost
  sumChunkBytes: 512 * KiB, // NATS refuses messages above 1 MiB by default
  helloMs: 400, // a worker that waits longer than this for a sum says where it is

  // http
  bodyBytesMax: 1_000_000,
  pageRowsMax: 200,
  predictRowsMax: 1_000,
  expressionBytesMax: 8 * KiB,
  expressionNodesMax: 200, // 400 terms take DuckDB 1.3 s to plan, 900 more than 15 s

  // data
  objectsMax: 100_000,
  rowGroupRowsMax: 10_000_000, // a 2 KB file can claim 1e9 rows
  partialInlineBytes: 64 * KiB, // a larger partial lies beside its descriptor as <sha256>.bin
  vocabularyMax: 100_000, // above this many distinct values a vocabulary would need a shuffle

  // store
  storeRetries: 8, // with backoff 50 ms … 2 s: about 8 s of an erring store are ridden out inside one call
  storeTimeoutMs: 30_000,
} as const;
