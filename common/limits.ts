// Every named bound, with its unit and the reason beside it.
// In: nothing. Out: constants. Those that decide bits travel in the plan; the rest a process may choose alone.
// Why one file: a queue, loop, buffer or retry without a bound here does not exist.

const KiB = 1024;
const MiB = 1024 * KiB;

/** What decides bits: part of the numerics (engine/decides-bits), so that a change is a change of those. */
export const BIT_LIMITS = {
  shardBytesMax: 64 * MiB, // compressed; a row group is never cut, so a larger one is a shard of its own
  buckets: 64, // lanes are runs of buckets, so lanes are a power of two up to this
  fanIn: 64, // partials that one merge task reads: 4,096 parts merge in two levels
  scoringRows: 32, // the one tensor shape in which model.onnx is run, by batch and serving alike
  proofRows: 1000, // source rows replayed before a version is published
  goldenRows: 20, // rows with their predictions that travel with a version; a gateway checks them before it swaps
  taskMemoryBytes: 768 * MiB, // DuckDB's memory_limit inside a task: it can change the order of rows, so it is planned
  sliceGroupsMax: 65_536, // values of a slice whose sums are held at once: some 50 MB; more are summed run by run, then merged
  validationBins: 16_384, // score histogram of the per-epoch validation AUC: error below 1e-4

  // of a sample
  surveyShards: 4, // spread over the dataset: first, last and between; more where these hold few rows
  surveyShardsMax: 32, // a thousand files of 50 rows give 1,600
  surveyShardBytesMax: 8 * MiB, // compressed; small row groups join up to this, a larger one stands alone
  surveyBytesMax: 256 * MiB, // of all shards of a sample, unless the smallest alone is larger
  surveyRowsMax: 20_000, // rows of one shard, evenly spaced: a share is known to 0.4 %
} as const;

export const LIMITS = {
  ...BIT_LIMITS,

  // parts: in the program that writes them
  partGroups: 32, // about so many row groups: eight workers read 1.25 times their rows; more compress badly

  // what tasks read
  shardRangesMax: 64, // reads of one shard; thousands of tiny row groups are read over their holes

  // packs of small objects: in the plan that cuts them
  packFrom: 256, // small objects; fewer are a task each, some 30 ms, and one that is new makes one task new
  packBytesMax: 2 * MiB, // of a small object: a thirtieth of a shard
  packObjectsMin: 32,
  packObjectsOneIn: 128, // behind every so many objects, as their keys say, a pack ends: some 160 in one
  packObjectsMax: 512,
  packRangesMax: 4, // of one object in a pack
  packTextMax: 256 * KiB, // characters that name a pack's objects: a task's message has room for three such

  // tasks
  taskFailuresMax: 4, // the same as Spark: 1+2+4 s of backoff covers a restart of what the task needs
  taskRetryMs: 1_000, // before the second attempt; doubles
  taskOverheadBytes: 128 * MiB, // what a task holds beside DuckDB's limit: buffers, JavaScript, ONNX Runtime
  pieceMs: 10, // of long work on the loop before others have a turn: a request waits for a few such
  lookupBatch: 256, // tasks read ahead of the window and looked up together: four rounds of lookupsParallel
  stuckMs: 15_000, // a message unclaimed for so long beside idle workers: one and a half ack waits, in which a lapsed lease comes again
  idleMs: 5_000, // so long a worker has nothing to do before that speaks against the broker: two passes
  freshMs: 5_000, // a message of this age was looked up just before it was offered
  lookupsParallel: 64, // commits read at once by the dispatcher: 64 × 1–20 ms of a remote store
  othersFirstMs: 1_000, // so long a worker leaves a task that failed there to others
  passOnMs: 100, // and hands it back so often meanwhile: whoever waits longest is served next
  failedHereMax: 1_000, // remembered by a worker, to pass their next delivery on once
  taskLossesMax: 20, // lost workers are nobody's bug, but finite
  taskDeadlineMs: 15 * 60_000, // a 64 MiB shard takes seconds; a task past this is stuck
  offerBatch: 32, // room in the window before it is filled again: one write and one wake-up serve as many
  offerWindow: 512, // tasks of one job in the stream at once: a million never sit there
  ackWaitMs: 10_000, // a dead worker's task is offered again after this
  leaseExtendMs: 3_000, // three extensions fit in one ack wait
  heartbeatMs: 1_000,
  heartbeatSilentMs: 5_000, // five missed: offer its tasks again, give its lanes away
  reconcileMs: 2_000,
  groupTasksMax: 256, // results in one group
  groupBytesMax: MiB, // of one group's results together: a result over 64 KiB is a data file, so sixteen fit
  groupsCached: 16, // groups held parsed, each up to groupBytesMax
  groupSkewMs: 60_000, // by so much may a worker's clock be behind the coordinator's, and its groups are found by name
  uploadsMax: 4, // data files of one commit at once
  downloadsMax: 8, // inputs of one task at once
  programsCached: 64, // a job has some ten programs, of up to some MB each
  blobCacheBytes: 1024 * MiB, // unused inputs kept on scratch disk: sixteen parts of full size
  drainGraceMs: 10_000, // a stopping worker finishes what it can; orchestrators kill after 30 s
  probesMax: 64, // sockets of a worker's probes: an orchestrator and a scraper or two
  childLossesMax: 3, // children lost in a row, none of which did anything: this machine can run none
  childWatchMs: 250, // between looks at a child's memory: it can grow by 1 GB/s

  // jobs
  jobsRemembered: 256, // jobs that are over and held in memory: a full page is read once; some 10–100 KB each
  journalsParallel: 16, // journals of jobs read at once, each some entries at a time
  checkpointEnds: 16, // jobs that end between two checkpoints of the index: so many journals more a start reads
  viewMs: 200, // between two changes that a client which follows a job is told
  undeliveredMs: 15_000, // offered for longer, with workers free: somebody should look at the queue
  journalReadMs: 5_000, // between looks for facts of other coordinators, while a client follows a job

  // queue
  queueTasksMax: 100_000, // messages in the stream, all jobs together: 195 jobs with a full window
  queuePullsMax: 8_192, // pull requests that wait at the broker: one or two a worker
  queuePullMs: 5_000, // a pull request lives this long; one that died with a broker is asked again after it
  queueRetryMs: 250, // between attempts to reach a broker that is away
  queueTries: 5, // 50 ms … 1.6 s: a broker's restart; then the dispatcher's own round tries again
  queueTimeoutMs: 5_000, // for the broker's answer to one request
  queueGatherMs: 1, // acks, hints and pulls wait so long for others: at 2,000 tasks/s a write serves several
  queueDuplicateMs: 20_000, // repeats of one publish come within seconds; ids cost the broker memory
  taskBytesMax: 900_000, // NATS refuses messages above 1 MiB
  purgesParallel: 32, // withdrawals in flight: a cancelled job has up to offerWindow of them
  refusedToldMs: 10_000, // messages that do not conform are told so often, with their number
  messageBytesMax: 256 * KiB, // of a heartbeat, hint or view: 1,024 tasks and 64 lanes take 75 KiB
  roundHeaderBytesMax: 4 * KiB, // of a sum or hello: some 300 bytes
  threadsMax: 1_024, // of one worker, and tasks in its hands: larger machines run several
  workerBytesMax: 64 * 1024 ** 4, // memory that a worker may claim: 64 TiB is no machine of today
  runsToldMax: 64, // training runs in one heartbeat: one lives, failed ones are told until they end
  joiningMax: 4_096, // workers that load lanes for one run
  sumChunksMax: 4_096, // of one sum, 2 GiB: bounded before anything is allocated for it

  // rounds
  checkpointRounds: 200, // at most this many rounds are computed again when every worker is lost
  sumChunkBytes: 512 * KiB, // NATS refuses messages above 1 MiB by default
  sumsOpenMax: 256, // sums of which chunks are missing: twice the subtrees of a round at 64 lanes
  helloMs: 400, // a worker that waits longer than this for a sum says where it is
  roundTickMs: 100, // how often a worker looks whether it waits too long
  joinPatienceMs: 15_000, // once one worker is ready, a run that nobody owns waits this long for the others
  runSilentMs: 300_000, // a worker lets go of a run without a view for this long: a coordinator restarts in seconds
  trainAgainMs: 5_000, // after a run that ended on a rotten part: by then every worker has heard its end
  trainLossesMax: 3, // children that a worker loses in one run before it stays out of it

  // http
  bodyBytesMax: 1_000_000,
  headersTimeoutMs: 10_000, // at most requestTimeoutMs, or Node waits for the larger of the two
  requestTimeoutMs: 15_000, // a megabyte in 15 s is 0.5 Mbit/s; a slower client holds a socket
  headerBytesMax: 16 * KiB,
  paramLengthMax: 100, // of a name in a path; names have 63 characters
  connectionsMax: 2_000, // sockets of the API, streams among them
  gatewayConnectionsMax: 4_000, // sockets of a gateway: half of what a process may open by a common limit of 8,192
  streamKeepAliveMs: 15_000, // proxies close a silent stream after 30 to 60 s
  readyTimeoutMs: 2_000, // a probe's patience with the store
  idempotencyKeyMax: 255,
  drainMs: 5_000, // answers in flight when the API stops
  promotionAnswerMs: 2_000, // a request for a promotion is held so long; then it is answered with where to look
  promotionsMax: 100, // kept to be looked at: each is two views, and a cluster judges a few at once
  pageRowsMax: 200,
  registryReadsMax: 32, // manifests, or models of a list, read side by side: a page in a few round trips
  predictRowsMax: 1_000,
  expressionBytesMax: 8 * KiB,
  expressionNodesMax: 200, // 400 terms take DuckDB 1.3 s to plan, 900 more than 15 s
  expandedTermsMax: 400, // of one feature in SQL, where some forms write their argument twice

  // gateway
  inferDeadlineMs: 3_000, // a full call takes milliseconds: past this the child hangs and is replaced
  loadDeadlineMs: 60_000, // reading, checking and opening a model file of some 100 MB on a busy machine
  callRowsMax: 256, // rows of several requests in one call to a child: eight runs of scoringRows
  callsPerSeat: 2, // one computing and one on its way, so that a child never waits for the pipe
  waitingRowsMax: 20_000, // rows that wait for a seat, all models together: some 100 ms of work for one
  versionsOnDemandMax: 4, // versions held that no alias names; each costs its model's size per seat
  loadsWaitingMax: 16, // loads on demand that wait for their turn
  lookupsOnDemandMax: 16, // versions asked for that are looked for in the store at once
  refusalsKept: 1_000, // names of versions that are not there, remembered for a while: clients make them up
  refusalsKeptMs: 2_000, // how long such a name is refused from memory
  aliasPollMs: 500, // one request, for the next move of any alias: it is seen within this
  aliasSweepMs: 10_000, // all models and aliases, at most a tenth of the time: moves that nobody wrote down
  pollBackoffMsMax: 5_000, // between looks at a store that errs: it is back within this
  swapRetryMsMax: 30_000, // between tries of a version that does not load
  modelFilesKept: 8, // model files in scratch beyond those served: rolling back needs no download
  drainNoticeMs: 1_000, // between readiness 503 and the closed port: load balancers look this often

  // triggers
  triggerGraceMs: 60_000, // a slot found so late still fires: a restart takes seconds
  triggerTickMs: 5_000, // between looks for what others put: one listing, and one read a trigger
  triggerSweepMs: 60_000, // between looks for firings that others left without their job
  triggerOrphanMs: 5_000, // so long a firing is left to who recorded it: submitting takes milliseconds
  triggerQueueMax: 10, // jobs of one trigger that wait for each other; more never catch up
  triggerMissedMax: 100, // missed slots recorded one by one: a night of quarter hours, and readable
  triggerCountMax: 1_000, // missed slots before those are counted up to this: 20–70 µs each
  triggersMax: 500, // each costs one read a tick
  triggersAtOnce: 8, // triggers looked at side by side
  firingsShown: 20, // of one trigger
  firingsKept: 50, // in memory, of one trigger; at start so many are read
  slotsShown: 5, // next slots of one trigger

  // surveys: of the shards that are looked at, see also above
  surveyRowsEnough: 20_000, // rows of a sample above which no more shards are added
  surveyHashesMax: 512, // the lowest of a shard's values: to tell how far the values of shards overlap
  surveyTopMax: 40, // frequent values that a shard tells, of which ten are shown
  surveyTextMax: 2_000, // characters of a text in a sample row
  surveyFootersMax: 256, // of more objects, so many are read, evenly spread, and the rest estimated
  surveysAtOnce: 4, // each holds a window of tasks and a client
  surveysWaitingMax: 16, // clients that wait for their turn
  surveyWaitMs: 30_000, // for a first worker: one starts within some seconds
  surveyQueueMs: 3_000, // without a queue: a broker that restarts is back within this
  surveyMs: 120_000, // for all tasks: a busy cluster serves what came before

  // data
  objectsMax: 100_000,
  rowGroupRowsMax: 10_000_000, // a 2 KB file can claim 1e9 rows
  spillBytesMax: 16 * 1024 * MiB, // scratch that one DuckDB may fill: a full disk takes the neighbours down too
  metricRows: 1_048_576, // rows that a metric holds at once: some 50 MB with what sorts them
  slicePageCharactersMax: 1024 * KiB, // text of a slice's values that a scoring task holds and a result states
  partialInlineBytes: 64 * KiB, // a larger partial lies beside its descriptor as <sha256>.bin
  sliceValuesMax: 1000, // the largest slices of a column; reports stay readable and below a megabyte
  vocabularyCharactersMax: 32 * 1024 * KiB, // of all values that are counted: a merge holds two sides of this
  vocabularyMax: 100_000, // above this many distinct values a vocabulary would need a shuffle

  // store
  storeRetries: 8, // with backoff 50 ms … 2 s: about 8 s of an erring store are ridden out inside one call
  troubleTextMax: 2_000, // characters of what is wrong with the store, in a heartbeat; a key has up to 1,024
  storeTroubleMs: 60_000, // trouble that nobody has met again for so long is over: nobody used the store
  storeTimeoutMs: 10_000, // without a byte in either direction, however long the whole attempt takes
  storeRetryMsMin: 50,
  storeRetryMsMax: 2_000,
  keyBytesMax: 1024, // S3's limit
  partBytes: 16 * MiB, // of a multipart upload; objects up to this are one put
  rangeReadBytesMax: 16 * MiB, // a longer range is read in pieces
  rangeReadsMax: 4, // ranges of one object in flight: 4 × 16 MiB of buffers at most
  partsMax: 10_000, // S3's limit; beyond 160 GB the parts grow
  partUploadsMax: 2, // parts of one upload in flight: 32 MiB of buffers
  storeSocketsMax: 64,
  fileHandlesMax: 64, // file operations in flight; the rest wait
  fileQuickBytes: 64 * KiB, // read or written at once: copying more takes longer than a thread's help costs
  fileQuickMs: 1, // mean time of calls made at once, 0.01 as a rule; above it the disk is cold, and threads wait side by side
  fileSlowMs: 5_000, // so long calls go through threads before they are tried at once again
  knownFoldersMax: 10_000, // folders whose entry is known to be on the disk: 1 MB of names
  tempAgeMs: 24 * 3_600_000, // a temp file this old belongs to nobody alive
  copiesMax: 4, // commits of one task: a disk that lets each copy rot needs a person
  verifyReads: 2, // a flip on the wire is gone when read again, one on the disk is not
} as const;
