// Branded names and the digests that make them.
// In: canonical JSON or bytes. Out: ids that cannot be mixed up.
// Why one file: a task's key is a hash, and a hash is only a name if everybody computes it alike.
import { hash, randomBytes } from 'node:crypto';
import { GristmillError } from './errors.ts';

export type Digest = string & { readonly of: 'digest' };
export type JobId = string & { readonly of: 'job' };
export type TaskId = string & { readonly of: 'task' };
export type WorkerId = string & { readonly of: 'worker' };
/** The digest of a train program: names its run, its checkpoints and its result. */
export type RunId = Digest & { readonly names: 'run' };

/** JSON with sorted keys and no spaces; undefined members are left out. The only form that is hashed. */
export const canonicalJson = (value: unknown): string => JSON.stringify(inOrder(value));

/** The same value with its members in order; itself where they are already. A replacer that sorts took four times as long. */
function inOrder(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new GristmillError('INTERNAL', `Cannot write ${value} as JSON, expected a finite number`);
  }
  if (value === null || typeof value !== 'object') return value;
  return Array.isArray(value) ? itemsInOrder(value) : membersInOrder(value);
}

function itemsInOrder(items: readonly unknown[]): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let i = 0; i < items.length; i++) {
    const item = inOrder(items[i]);
    if (item === items[i]) continue;
    copy ??= [...items];
    copy[i] = item;
  }
  return copy ?? items;
}

function membersInOrder(of: object): object {
  const names = Object.keys(of);
  const values: unknown[] = Object.values(of);
  let isSame = true;
  for (let i = 0; i < names.length; i++) {
    const value = inOrder(values[i]);
    if (value !== values[i] || (i > 0 && names[i - 1]! > names[i]!)) isSame = false;
    values[i] = value;
  }
  if (isSame) return of;
  const members = names.map((name, i) => [name, values[i]] as const);
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export const sha256Hex = (bytes: Uint8Array | string): Digest =>
  hash('sha256', bytes, 'hex') as Digest;

/** SHA-256 of the canonical bytes of a JSON value: the name of a snapshot, stage or task. */
export const digestOf = (value: unknown): Digest => sha256Hex(canonicalJson(value));

export const taskIdOf = (key: unknown): TaskId => digestOf(key) as string as TaskId;

export const runIdOf = (program: Digest): RunId => program as RunId;

/** The name under which a run's result and failures lie: like those of a task, though none leases it. */
export const taskIdOfRun = (run: RunId): TaskId => run as string as TaskId;

/** Hex digits that stand for a key, or for nothing else where there is none. */
export const digitsOf = (key: string | undefined, digits: number): string =>
  (key === undefined ? randomBytes(32).toString('hex') : sha256Hex(key)).slice(0, digits);

/** Who asks for a job, and what is hashed before their key: no client's key names the job of a trigger's slot. */
const ORIGINS = { client: 'job:', trigger: 'trigger-job:' } as const;
export type JobOrigin = keyof typeof ORIGINS;

/** A job is named by who asked for it and by their key, else at random. */
export function jobIdOf(origin: JobOrigin, key: string | undefined): JobId {
  const hex =
    key === undefined ? randomBytes(16).toString('hex') : sha256Hex(ORIGINS[origin] + key);
  return `j-${hex.slice(0, 20)}` as JobId;
}

export const newWorkerId = (): WorkerId => `w-${randomBytes(6).toString('hex')}` as WorkerId;

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
export const NAME_PATTERN = NAME.source;

/** Checks a name that becomes part of an object key, a NATS subject or a URL. */
export function checkName(kind: string, name: string): string {
  if (NAME.test(name)) return name;
  throw new GristmillError(
    'BAD_NAME',
    `Cannot use ${JSON.stringify(name.slice(0, 80))} as ${kind}: expected 1–63 of a–z, 0–9 and "-", beginning with a letter or digit`,
  );
}
