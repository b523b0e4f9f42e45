// Names of slots and where their records lie.
// In: a moment. Out: names that sort by time, and object keys.
// Why a folder a day: listing a day is two pages even for a trigger of every minute; all its slots of a year would be 525.
import { digitsOf, type JobId, jobIdOf, sha256Hex } from '../../common/ids.ts';

export const TRIGGERS = 'triggers/';
export const specPrefix = (name: string): string => `triggers/${name}/spec`;
export const firingsPrefix = (name: string): string => `triggers/${name}/firings/`;
export const firingKey = (name: string, slot: string): string =>
  `${firingsPrefix(name)}${dayOf(slot)}/${slot}.json`;
export const callKey = (name: string, idempotencyKey: string): string =>
  `triggers/${name}/calls/${sha256Hex(idempotencyKey)}.json`;

/** The job of a slot. */
export const jobOfSlot = (name: string, slot: string): JobId =>
  jobIdOf('trigger', `${name}/${slot}`);

/** 20261123T031500Z. */
export const slotOf = (atMs: number): string =>
  `${new Date(atMs).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;

/** 20261123T031512Z-call-1a2b3c4d5e6f: from the key, else at random. */
export const callSlotOf = (atMs: number, idempotencyKey: string | undefined): string =>
  `${slotOf(atMs)}-call-${digitsOf(idempotencyKey, 12)}`;

/** The moment that a slot's name tells, in whole seconds. */
export const momentOf = (slot: string): number =>
  Date.parse(slot.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ).*$/, '$1-$2-$3:$4:$5'));

export const isCall = (slot: string): boolean => slot.includes('-call-');

/** The UTC day of a slot: 20261123. */
export const dayOf = (slot: string): string => slot.slice(0, 8);
