// What a key may look like, and the one order of keys.
// In: keys and prefixes from plans and specs. Out: the same, or INPUT_OUTSIDE; UTF-8 byte order.
// Why strict: a key becomes a path in file stores, and ".." would leave the root.
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';

/** Refuses what is not a plain relative path in well-formed Unicode. */
export function checkKey(key: string): string {
  if (key === '') refuse(key, 'a key that is not empty');
  for (const segment of key.split('/')) {
    if (segment === '') refuse(key, 'no leading, trailing or doubled "/"');
  }
  return checkText(key);
}

/** As checkKey, but a prefix may be empty, end in "/" or end in the middle of a name. */
export function checkPrefix(prefix: string): string {
  if (prefix.startsWith('/') || prefix.includes('//')) refuse(prefix, 'no leading or doubled "/"');
  return checkText(prefix);
}

function checkText(key: string): string {
  if (key.includes('\0')) refuse(key, 'no NUL');
  if (!key.isWellFormed()) refuse(key, 'well-formed Unicode');
  if (Buffer.byteLength(key) > LIMITS.keyBytesMax) {
    refuse(key, `at most ${LIMITS.keyBytesMax} bytes`);
  }
  for (const segment of key.split('/')) {
    if (segment === '.' || segment === '..') refuse(key, 'no "." and no ".." between slashes');
  }
  return key;
}

function refuse(key: string, expected: string): never {
  throw new GristmillError(
    'INPUT_OUTSIDE',
    `Cannot use ${JSON.stringify(key.slice(0, 200))} as an object key: expected ${expected}`,
  );
}

/** UTF-8 byte order, which is code point order; JavaScript's `<` is UTF-16 order. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all other units: they are lifted over U+E000–U+FFFF. */
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

/** The names directly below a prefix, from keys below it: folders end in "/". Sorted, each once. */
export function namesBelow(prefix: string, keys: Iterable<string>): string[] {
  const names = new Set<string>();
  for (const key of keys) {
    const rest = key.slice(prefix.length);
    const slash = rest.indexOf('/');
    names.add(slash < 0 ? rest : rest.slice(0, slash + 1));
  }
  return [...names].sort(compareKeys);
}

/** Refuses a folder prefix that does not end in "/". */
export function checkFolder(prefix: string): string {
  if (prefix !== '' && !prefix.endsWith('/')) refuse(prefix, 'a prefix that ends in "/"');
  return checkPrefix(prefix);
}

export const missing = (key: string): GristmillError =>
  new GristmillError('INPUT_MISSING', `Cannot read ${key}: there is no such object`);

export const changed = (key: string, found: string, expected: string): GristmillError =>
  new GristmillError('INPUT_CHANGED', `Cannot read ${key}: found ${found}, expected ${expected}`);
