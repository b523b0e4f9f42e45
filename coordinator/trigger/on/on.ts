// What can fire a trigger: one row a kind, named by its key in "on".
// In: the "on" of a trigger. Out: its schema, whether it can be used, its slots, its words.
// Why a table: a new kind is a file beside cron.ts and a row here.
import Type, { type Static, type TSchema } from 'typebox';
import { type FieldError, GristmillError } from '../../../common/errors.ts';
import { cron } from './cron.ts';

/** Moments are ms since 1970. */
export type Schedule = {
  /** The first slot after a moment; undefined: there is none any more. */
  next(afterMs: number): number | undefined;
};

export type OnKind<Input, On> = {
  /** Of `on`; its first required field is the kind's name. */
  readonly schema: TSchema;
  /** With every default filled in. */
  fill(on: Input): On;
  /** What a schema cannot say, with pointers below `on`; [] where it has a slot after `nowMs`. */
  check(on: On, nowMs: number): FieldError[];
  /** Of what `check` found nothing wrong with. */
  schedule(on: On): Schedule;
  words(on: On): string;
  /** How to say now what an older program took at the top level of a trigger; undefined: it is not there. */
  former(trigger: Readonly<Record<string, unknown>>): FieldError | undefined;
};

const KINDS = { cron } as const;
type Kinds = typeof KINDS;
type KindName = keyof Kinds;
type Ons = { readonly [K in KindName]: ReturnType<Kinds[K]['fill']> };

/** What fires a trigger, with every default filled in. */
export type On = Ons[KindName];

export const OnSchema = Type.Union(
  Object.values(KINDS).map(({ schema }) => schema),
  { description: 'what fires it' },
);
export type OnInput = Static<(typeof KINDS)[KindName]['schema']>;

const kindOf = (on: object): Kinds[KindName] => {
  const name = (Object.keys(KINDS) as KindName[]).find((kind) => Object.hasOwn(on, kind));
  if (name) return KINDS[name];
  const known = Object.keys(KINDS).join(', ');
  throw new GristmillError(
    'FORMAT_UNKNOWN',
    `Cannot follow a trigger on ${Object.keys(on).join(', ') || 'nothing'}: this program knows ${known}`,
  );
};

export const fillOn = (on: OnInput): On => kindOf(on).fill(on);

export const checkOn = (on: On, nowMs: number): FieldError[] =>
  kindOf(on)
    .check(on, nowMs)
    .map(({ pointer, detail }) => ({ pointer: `/on${pointer}`, detail }));

/** Throws FORMAT_UNKNOWN for what a newer program put. */
export const scheduleOf = (on: object): Schedule => kindOf(on).schedule(on as On);

export const wordsOf = (on: object): string => kindOf(on).words(on as On);

/** A trigger as older programs took it, told with the form of today. */
export function formerFormOf(trigger: unknown): FieldError | undefined {
  if (typeof trigger !== 'object' || trigger === null || Object.hasOwn(trigger, 'on')) return;
  for (const kind of Object.values(KINDS)) {
    const found = kind.former(trigger as Readonly<Record<string, unknown>>);
    if (found) return found;
  }
  return undefined;
}
