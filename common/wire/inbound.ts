// What may come in from the queue: one schema for each kind of message, held against it at the door.
// In: bytes that anybody may have sent. Out: the message, or MessageRefused with what is wrong about it.
// Why bounds on everything: a count is allocated for, a name becomes a path, a thread count decides where jobs run.
// Fields that we do not know pass and are not read: a newer worker may say more.
import { Ajv, type ValidateFunction } from 'ajv';
import Type, { type TSchema } from 'typebox';
import type { WorkerId } from '../ids.ts';
import { NAME_PATTERN } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import type { StoreTrouble } from '../store/health.ts';
import type { AliasMoved, Heartbeat, RunStatus, TaskSettled } from './event.ts';
import type { RoundMessage, RunView } from './round.ts';
import { nameTask, type Task, type TaskInput } from './task.ts';

/** What came in does not conform: nobody's bug here, and nothing to end anything for. */
export class MessageRefused extends Error {}

const hex = (digits: number): TSchema => Type.String({ pattern: `^[0-9a-f]{${digits}}$` });
const digest = hex(64);
const name = Type.String({ pattern: NAME_PATTERN });
const text = (lengthMax: number): TSchema => Type.String({ minLength: 1, maxLength: lengthMax });
const count = (max: number = Number.MAX_SAFE_INTEGER): TSchema =>
  Type.Integer({ minimum: 0, maximum: max });
const positive = (max: number): TSchema => Type.Integer({ minimum: 1, maximum: max });
const listOf = (item: TSchema, max: number): TSchema => Type.Array(item, { maxItems: max });
/** A key that a task or a training wrote: below its folder, without "." or "..". */
const blobKey = Type.String({ pattern: '^[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){1,8}$' });
const object = (properties: Record<string, TSchema>): TSchema => Type.Object(properties);

const numerics = text(256);
const lane = count(LIMITS.buckets - 1);
const lanes = listOf(lane, LIMITS.buckets);
const blob = { key: blobKey, sha256: digest, bytes: count() };
const checkpoint = object({ round: count(), blob: object(blob) });

const runStatus = object({
  run: digest,
  generation: count(),
  round: count(),
  lanesLoaded: lanes,
  phase: Type.Enum([
    'loading',
    'ready',
    'running',
    'done',
    'failed',
  ] satisfies RunStatus['phase'][]),
  error: Type.Optional(
    object({ code: Type.String({ pattern: '^[A-Z_]{1,64}$' }), message: Type.String() }),
  ),
  rows: Type.Number({ minimum: 0 }),
  loss: Type.Union([Type.Number(), Type.Null()]), // NaN and infinity are null in JSON
  cpuSeconds: Type.Optional(Type.Number({ minimum: 0 })),
});

const storeTrouble = object({
  code: Type.Enum(['STORE_UNAVAILABLE', 'STORE_FULL'] satisfies StoreTrouble['code'][]),
  message: text(LIMITS.troubleTextMax),
});

const heartbeat = object({
  worker: name,
  host: text(256),
  pid: count(2 ** 31),
  numerics,
  device: name,
  threads: count(LIMITS.threadsMax),
  threadsFree: count(LIMITS.threadsMax),
  memoryBytes: count(LIMITS.workerBytesMax),
  tasks: listOf(digest, LIMITS.threadsMax),
  runs: listOf(runStatus, LIMITS.runsToldMax),
  draining: Type.Boolean(),
  startedAt: count(),
  store: Type.Optional(storeTrouble),
});

const groupOf = Type.Optional(blobKey);
const taskSettled = object({ task: digest, ok: Type.Boolean(), group: groupOf });
const aliasMoved = object({ model: name, environment: name, alias: name });

const runView = object({
  run: digest,
  numerics,
  generation: count(),
  laneOwner: listOf(name, LIMITS.buckets),
  joining: listOf(object({ worker: name, lanes }), LIMITS.joiningMax),
  checkpoint: Type.Optional(checkpoint),
  ended: Type.Boolean(),
});

const said = { from: name, generation: count() };
const stands = { ...said, round: count(), state: count(2 ** 53) };
const ROUNDS = {
  hello: object({ ...stands, needsState: Type.Boolean() }),
  sum: object({
    ...stands,
    node: positive(2 * LIMITS.buckets),
    chunk: count(LIMITS.sumChunksMax - 1),
    chunks: positive(LIMITS.sumChunksMax),
  }),
  saved: object({ ...said, checkpoint }),
} satisfies Record<RoundMessage['kind'], TSchema>;

const part = object({
  ...blob,
  rows: count(),
  bucketOffsets: listOf(count(), LIMITS.buckets + 1),
  source: object({ key: text(LIMITS.keyBytesMax), rowStart: count() }),
});
const shard = object({
  key: text(LIMITS.keyBytesMax),
  etag: text(1024),
  bytes: count(),
  footerBytes: count(),
  rowGroupStart: count(),
  rowGroupEnd: count(),
  rowStart: count(),
  rowEnd: count(),
  ranges: Type.Array(Type.Array(count(), { minItems: 2, maxItems: 2 })),
  types: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]))),
});
const resultRef = object({ stage: name, task: digest, group: groupOf });
const shards = Type.Array(shard, { minItems: 1, maxItems: LIMITS.packObjectsMax });
const INPUTS = {
  shard: object({ shard }),
  pack: object({ shards }),
  part: object({ part }),
  results: object({ tasks: Type.Array(resultRef) }),
  replay: object({ part, shard }),
  replayPack: object({ part, shards }),
  none: object({}),
} satisfies Record<TaskInput['kind'], TSchema>;

const task = object({
  formatVersion: Type.Literal(1),
  task: digest,
  stage: name,
  program: digest,
  input: object({ kind: Type.String() }),
  numerics,
  memoryBytes: count(LIMITS.workerBytesMax),
  deadlineMs: positive(24 * 3_600_000),
  commit: positive(LIMITS.copiesMax),
});

export const decodeHeartbeat = decoderOf<Heartbeat>(heartbeat);
export const decodeTaskSettled = decoderOf<TaskSettled>(taskSettled);
export const decodeAliasMoved = decoderOf<AliasMoved>(aliasMoved);
export const decodeRunView = decoderOf<RunView>(runView);

const checkTask = checkerOf<Task>(task);
const checkInput = checkersOf(INPUTS);

/** Its id must be the name of what it says: else one task's result could be written under another's id. */
export function decodeTask(bytes: Uint8Array): Task {
  const value = checkTask(parse(bytes, LIMITS.taskBytesMax));
  checkInput(value.input.kind, value.input);
  const named = nameTask(value);
  if (named === value.task) return value;
  throw new MessageRefused(`task ${value.task} says what ${named} is the name of`);
}

/** A round message as it travels: the supervisor looks at its header alone, and hands it on. */
export type RoundPacket = { readonly from: WorkerId; readonly bytes: Uint8Array };

export const decodeRoundPacket = (bytes: Uint8Array): RoundPacket => ({
  from: readRoundHeader(bytes).header.from,
  bytes,
});

type Bare<M> = M extends RoundMessage ? Omit<M, 'bytes'> : never;
export type RoundHeader = Bare<RoundMessage>;

const checkRound = checkersOf(ROUNDS);

/** Header length u32 LE | header JSON | bytes of the chunk. `end`: where the header ends. */
export function readRoundHeader(bytes: Uint8Array): { header: RoundHeader; end: number } {
  if (bytes.byteLength < 4) throw new MessageRefused(`${bytes.byteLength} bytes hold no header`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const end = 4 + length;
  if (end > bytes.byteLength) throw new MessageRefused(`its header claims ${length} bytes`);
  const value = parse(bytes.subarray(4, end), LIMITS.roundHeaderBytesMax) as RoundMessage;
  checkRound(value?.kind, value);
  if (value.kind === 'sum' && value.chunk >= value.chunks) {
    throw new MessageRefused(`chunk ${value.chunk} of ${value.chunks}`);
  }
  if (value.kind === 'sum' && bytes.byteLength - end > LIMITS.sumChunkBytes) {
    throw new MessageRefused(`a chunk of ${bytes.byteLength - end} bytes`);
  }
  return { header: value, end };
}

const DECODER = new TextDecoder('utf-8', { fatal: true });

function parse(bytes: Uint8Array, bytesMax: number): unknown {
  if (bytes.byteLength > bytesMax) {
    throw new MessageRefused(`${bytes.byteLength} bytes, expected at most ${bytesMax}`);
  }
  try {
    return JSON.parse(DECODER.decode(bytes)) as unknown;
  } catch {
    throw new MessageRefused('not JSON');
  }
}

function decoderOf<T>(schema: TSchema): (bytes: Uint8Array) => T {
  const check = checkerOf<T>(schema);
  return (bytes) => check(parse(bytes, LIMITS.messageBytesMax));
}

function checkerOf<T>(schema: TSchema): (value: unknown) => T {
  const validate = new Ajv({ strict: false }).compile(schema);
  return (value) => {
    if (validate(value)) return value as T;
    throw new MessageRefused(wordsOf(validate));
  };
}

/** One of several forms, told apart by `kind`. */
function checkersOf(
  schemas: Readonly<Record<string, TSchema>>,
): (kind: unknown, value: unknown) => void {
  const checks = new Map(Object.entries(schemas).map(([kind, s]) => [kind, checkerOf(s)]));
  return (kind, value) => {
    const check = typeof kind === 'string' ? checks.get(kind) : undefined;
    if (!check) throw new MessageRefused('a kind that is none of ours');
    check(value);
  };
}

function wordsOf({ errors }: ValidateFunction): string {
  const [error] = errors ?? [];
  return `${error?.instancePath || 'it'} ${error?.message ?? 'does not conform'}`;
}
