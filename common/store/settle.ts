// Rides out an erring store, and settles creates of unknown outcome, for file and S3 alike.
// In: a RawStore, which makes one attempt at each verb. Out: a Store, which does what it promises.
// Why here alone: "was it created?" decides who won a number; two copies of that rule would differ.
//
//   create ─► put ─┬─ created / exists ───────────────────────────────► answer
//                  └─ 409, 5xx, reset, nothing: unknown ─► wait ─► read back ─┬─ our bytes ► created
//                       ▲                                                     ├─ others    ► exists
//                       └───────────────── put again ◄────────────────────────┴─ nothing there
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { StoreHealth } from './health.ts';
import { checkFolder, checkKey, checkPrefix, missing } from './keys.ts';
import type { Created, ObjectInfo, Store } from './store.ts';

export type Range = { readonly offset: number; readonly length: number; readonly etag?: string };

/** One attempt at each verb. Throws what its library throws; `explain` knows what that means. */
export type RawStore = {
  readonly uri: string;
  head(key: string): Promise<ObjectInfo | undefined>;
  get(key: string): Promise<Uint8Array | undefined>;
  getRange(key: string, range: Range): Promise<Uint8Array>;
  /** The bytes from `offset` on, or undefined where there is no object. */
  open(key: string, from: { offset: number; etag?: string }): Promise<Opened | undefined>;
  put(key: string, bytes: Uint8Array): Promise<Created>;
  /** The upload of a local file; what one attempt has sent, the next need not send again. */
  upload(key: string, path: string): Upload;
  /** Makes an object that is there as durable as one that we created. */
  harden(key: string): Promise<void>;
  /** In key order, only keys after `after`. */
  list(prefix: string, after: string | undefined): AsyncIterable<ObjectInfo>;
  listNames(prefix: string): Promise<readonly string[]>;
  delete(key: string): Promise<void>;
  close(): Promise<void>;
  explain(error: unknown, act: string): Failure;
};

export type Upload = {
  put(): Promise<Created>;
  /** Clears away what was sent in vain. */
  drop(): Promise<void>;
};

export type Opened = { readonly etag: string; readonly stream: Readable };

/** Whether trying again can help, and the error to show when it did not. */
export type Failure = { readonly transient: boolean; readonly error: GristmillError };

export type Patience = {
  readonly clock: Clock;
  /** In [0, 1): spreads those who fail together. */
  readonly jitter: () => number;
  /** Told of each attempt that failed in passing, and of what worked. */
  readonly health?: StoreHealth | undefined;
};

export function settled(raw: RawStore, patience: Patience): Store {
  const { health } = patience;
  const ride = async <T>(act: string, attempt: () => Promise<T>): Promise<T> => {
    const answer = await rideOut(raw, patience, act, attempt);
    health?.answered('read');
    return answer;
  };
  const create = async (key: string, source: Source): Promise<Created> => {
    const created = await settleCreate(raw, ride, checkKey(key), source);
    if (created === 'created') health?.answered('write');
    return created;
  };
  return {
    uri: raw.uri,
    get: (key) => ride(`read ${key}`, () => raw.get(checkKey(key))),
    getRange: (key, range) => ride(`read ${key}`, () => raw.getRange(checkKey(key), range)),
    create: (key, bytes) => create(key, sourceOfBytes(raw, key, bytes)),
    createFromFile: async (key, path) => {
      const upload = raw.upload(checkKey(key), path);
      try {
        return await create(key, sourceOfFile(upload, path));
      } finally {
        await upload.drop().catch(() => {});
      }
    },
    read: async (key) => openResuming(raw, patience, checkKey(key)),
    head: (key) => ride(`look up ${key}`, () => raw.head(checkKey(key))),
    list: (prefix) => listResuming(raw, patience, prefix),
    listNames: (prefix) => ride(`list ${prefix}`, () => raw.listNames(checkFolder(prefix))),
    delete: (key) => ride(`delete ${key}`, () => raw.delete(checkKey(key))),
    close: () => raw.close(),
  };
}

/** How a failed act is worded: an act on the store itself, or on something in it. */
export const cannot = (act: string, uri: string): string =>
  act === 'open' ? `Cannot open ${uri}` : `Cannot ${act} in ${uri}`;

/** Tries until it works, the error is final, or LIMITS.storeRetries retries are used up. */
export async function rideOut<T>(
  raw: Pick<RawStore, 'explain'>,
  patience: Patience,
  act: string,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      failures += 1;
      await waitOrThrow(raw, patience, { act, error, failures });
    }
  }
}

async function waitOrThrow(
  raw: Pick<RawStore, 'explain'>,
  { clock, jitter, health }: Patience,
  { act, error, failures }: { act: string; error: unknown; failures: number },
): Promise<void> {
  if (error instanceof GristmillError) throw error;
  const failure = raw.explain(error, act);
  if (failure.transient) health?.failed(failure.error);
  if (!failure.transient || failures > LIMITS.storeRetries) throw failure.error;
  await clock.sleep(retryDelayMs(failures, jitter()));
}

/** 50 ms doubling to 2 s, less up to a quarter: 8 retries last about 7 s. */
export function retryDelayMs(failures: number, jitter: number): number {
  const full = Math.min(LIMITS.storeRetryMsMax, LIMITS.storeRetryMsMin * 2 ** (failures - 1));
  return full * (1 - jitter / 4);
}

/** What is to be created, and how to recognise it. */
type Source = {
  put(): Promise<Created>;
  bytes(): Promise<number>;
  sha256(): Promise<string>;
};

const sourceOfBytes = (raw: RawStore, key: string, bytes: Uint8Array): Source => ({
  put: () => raw.put(key, bytes),
  bytes: async () => bytes.length,
  sha256: async () => createHash('sha256').update(bytes).digest('hex'),
});

const sourceOfFile = (upload: Upload, path: string): Source => ({
  put: () => upload.put(),
  bytes: async () => (await stat(path)).size,
  sha256: () => digestStream(createReadStream(path)),
});

type Ride = <T>(act: string, attempt: () => Promise<T>) => Promise<T>;

/** Puts have one budget of retries, each reading back its own: progress must not use up patience. */
function settleCreate(raw: RawStore, ride: Ride, key: string, source: Source): Promise<Created> {
  const act = `create ${key}`;
  const look = (): Promise<Created | undefined> => ride(act, () => readBack(raw, key, source));
  let isUnknown = false;
  return ride(act, async () => {
    const before = isUnknown ? await look() : undefined;
    if (before !== undefined) return before;
    try {
      const outcome = await source.put();
      if (outcome === 'created' || !isUnknown) return outcome;
    } catch (error) {
      isUnknown = true;
      throw error;
    }
    return (await look()) ?? 'exists';
  });
}

/** Whether what lies at the key is ours; undefined where nothing does. */
async function readBack(raw: RawStore, key: string, source: Source): Promise<Created | undefined> {
  const info = await raw.head(key);
  if (!info) return undefined;
  if (info.bytes !== (await source.bytes())) return 'exists';
  const opened = await raw.open(key, { offset: 0, etag: info.etag });
  if (!opened) return undefined;
  if ((await digestStream(opened.stream)) !== (await source.sha256())) return 'exists';
  await raw.harden(key);
  return 'created';
}

async function digestStream(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** A stream that goes on where it broke off, as long as the object is the same. */
async function openResuming(raw: RawStore, patience: Patience, key: string): Promise<Readable> {
  const act = `read ${key}`;
  const reopen = (from: { offset: number; etag?: string }): Promise<Opened> =>
    rideOut(raw, patience, act, async () => {
      const opened = await raw.open(key, from);
      if (!opened) throw missing(key);
      return opened;
    });
  const first = await reopen({ offset: 0 });
  async function* chunks(): AsyncGenerator<Uint8Array> {
    let { stream } = first;
    let offset = 0;
    for (let failures = 0; ; ) {
      const current = stream;
      try {
        for await (const chunk of current) {
          offset += (chunk as Uint8Array).length;
          failures = 0;
          yield chunk as Uint8Array;
        }
        return;
      } catch (error) {
        failures += 1;
        await waitOrThrow(raw, patience, { act, error, failures });
        stream = (await reopen({ offset, etag: first.etag })).stream;
      } finally {
        current.destroy();
      }
    }
  }
  const readable = Readable.from(chunks(), { objectMode: false });
  readable.once('close', () => first.stream.destroy());
  return readable;
}

/** A listing that goes on after the last key it gave. */
async function* listResuming(
  raw: RawStore,
  patience: Patience,
  prefix: string,
): AsyncGenerator<ObjectInfo> {
  checkPrefix(prefix);
  let after: string | undefined;
  for (let failures = 0; ; ) {
    try {
      for await (const info of raw.list(prefix, after)) {
        after = info.key;
        failures = 0;
        yield info;
      }
      return;
    } catch (error) {
      failures += 1;
      await waitOrThrow(raw, patience, { act: `list ${prefix}`, error, failures });
    }
  }
}
