// Patterns of object names, matched in time that grows with pattern times name, whatever both are.
// In: a pattern: `*` and `?` within a folder, `**` over folders, `[a-z]`, `[!a]`, `{a,b}`, `{01..12}`, `{a..e}`. Out: a matcher.
// Why our own: a matcher that goes back and tries again takes longer than the sun for *?*?*?*?*?x and a long name.
//
// The pattern is a small program whose threads walk over the name side by side; two threads at one place are one.
import { GristmillError } from '../../common/errors.ts';

type Op =
  | { readonly op: 'text'; readonly char: string }
  /** Any character of a folder's or object's name. */
  | { readonly op: 'any' }
  /** Any character, "/" as well. */
  | { readonly op: 'all' }
  | { readonly op: 'class'; readonly isNot: boolean; readonly ranges: readonly CharRange[] }
  | { readonly op: 'number'; readonly low: number; readonly high: number; readonly digits: number }
  | { readonly op: 'fork'; readonly to: number[] }
  | { readonly op: 'end' };
type CharRange = readonly [from: string, to: string];

export type Glob = {
  matches(name: string): boolean;
  /** Places of the program that were looked at so far: what matching costs. */
  readonly steps: number;
};

const PATTERN_MAX = 1024;

export function compileGlob(pattern: string): Glob {
  const chars = [...pattern];
  if (chars.length > PATTERN_MAX)
    throw new GristmillError(
      'INPUT_PATTERN',
      `Cannot read dataset ${JSON.stringify(`${pattern.slice(0, 60)}…`)}: its pattern has ${chars.length} characters, expected at most ${PATTERN_MAX}`,
    );
  const program: Op[] = [];
  emit(program, chars, { isSegmentStart: true, isLast: true });
  program.push({ op: 'end' });
  let steps = 0;
  return {
    matches(name) {
      const run = new Run(program, [...name]);
      const found = run.run();
      steps += run.steps;
      return found;
    },
    get steps() {
      return steps;
    },
  };
}

/** Where a piece of pattern stands: `**` means folders only where a folder's name begins. */
type Place = { readonly isSegmentStart: boolean; readonly isLast: boolean };

function emit(program: Op[], chars: readonly string[], place: Place): void {
  let { isSegmentStart } = place;
  for (let at = 0; at < chars.length; ) {
    const char = chars[at]!;
    const start = isSegmentStart;
    isSegmentStart = char === '/';
    if (char === '*') {
      const stars = countStars(chars, at);
      at += stars;
      const isDeep = stars > 1 && start;
      if (isDeep && chars[at] === '/') {
        emitFolders(program);
        isSegmentStart = true;
        at += 1;
      } else emitRepeat(program, isDeep && at === chars.length && place.isLast ? 'all' : 'any');
    } else if (char === '?') {
      program.push({ op: 'any' });
      at += 1;
    } else if (char === '\\' && at + 1 < chars.length) {
      program.push({ op: 'text', char: chars[at + 1]! });
      at += 2;
    } else if (char === '[') at += emitClass(program, chars, at);
    else if (char === '{') {
      at += emitBraces(program, chars, at, { isSegmentStart: start, isLast: place.isLast });
    } else at += emitText(program, char);
  }
}

function countStars(chars: readonly string[], from: number): number {
  let at = from;
  while (chars[at] === '*') at += 1;
  return at - from;
}

function emitText(program: Op[], char: string): 1 {
  program.push({ op: 'text', char });
  return 1;
}

/** Any number of characters: fork → one of them → fork. */
function emitRepeat(program: Op[], op: 'any' | 'all'): void {
  const fork = program.length;
  program.push({ op: 'fork', to: [fork + 1, fork + 3] }, { op }, { op: 'fork', to: [fork] });
}

/** Any number of folders, each with its slash. */
function emitFolders(program: Op[]): void {
  const fork = program.length;
  program.push({ op: 'fork', to: [fork + 1, fork + 6] });
  emitRepeat(program, 'any');
  program.push({ op: 'text', char: '/' }, { op: 'fork', to: [fork] });
}

/** `[a-z]`; without an end, a bracket is a bracket. Returns how many characters it took. */
function emitClass(program: Op[], chars: readonly string[], from: number): number {
  const isNot = chars[from + 1] === '!' || chars[from + 1] === '^';
  const first = from + (isNot ? 2 : 1);
  const end = chars.indexOf(']', first + 1);
  if (end < 0) return emitText(program, '[');
  const ranges: CharRange[] = [];
  for (let at = first; at < end; ) {
    const isRange = chars[at + 1] === '-' && at + 2 < end;
    ranges.push([chars[at]!, chars[isRange ? at + 2 : at]!]);
    at += isRange ? 3 : 1;
  }
  program.push({ op: 'class', isNot, ranges });
  return end + 1 - from;
}

/** `{a,b}` or `{01..12}`; braces with neither are braces. Returns how many characters it took. */
function emitBraces(program: Op[], chars: readonly string[], from: number, place: Place): number {
  const braces = scanBraces(chars, from);
  if (!braces) return emitText(program, '{');
  const { end, commas } = braces;
  const range = rangeOf(chars.slice(from + 1, end).join(''));
  if (range) {
    program.push(range);
    return end + 1 - from;
  }
  if (commas.length === 0) return emitText(program, '{');
  const edges = [from, ...commas, end];
  const fork: Extract<Op, { op: 'fork' }> = { op: 'fork', to: [] };
  program.push(fork);
  const exits: Extract<Op, { op: 'fork' }>[] = [];
  const isLast = place.isLast && end === chars.length - 1;
  for (const [index, edge] of edges.slice(0, -1).entries()) {
    fork.to.push(program.length);
    emit(program, chars.slice(edge + 1, edges[index + 1]), { ...place, isLast });
    const exit: Extract<Op, { op: 'fork' }> = { op: 'fork', to: [] };
    program.push(exit);
    exits.push(exit);
  }
  for (const { to } of exits) to.push(program.length);
  return end + 1 - from;
}

/** The brace that ends this one, if one does, and the commas between them that belong to neither a brace nor a class within. */
function scanBraces(
  chars: readonly string[],
  from: number,
): { readonly end: number; readonly commas: readonly number[] } | undefined {
  const commas: number[] = [];
  for (let at = from + 1, depth = 1; at < chars.length; at++) {
    const char = chars[at];
    if (char === '\\') at += 1;
    else if (char === '{') depth += 1;
    else if (char === '}') depth -= 1;
    else if (char === ',' && depth === 1) commas.push(at);
    if (depth === 0) return { end: at, commas };
  }
  return undefined;
}

const NUMBERS = /^(-?\d{1,9})\.\.(-?\d{1,9})$/;
const LETTERS = /^(?:([a-z])\.\.([a-z])|([A-Z])\.\.([A-Z]))$/;

/** Numbers are compared, not written out: {1..999999} costs what {1..2} does. */
function rangeOf(text: string): Op | undefined {
  const letters = LETTERS.exec(text);
  if (letters) {
    const [low, high] = letters.slice(1).sort() as [string, string]; // of the other case there are none: they come last
    return { op: 'class', isNot: false, ranges: [[low, high]] };
  }
  const numbers = NUMBERS.exec(text);
  if (!numbers) return undefined;
  const [from, to] = numbers.slice(1) as [string, string];
  const [low, high] = [Number(from), Number(to)].sort((a, b) => a - b) as [number, number];
  const isPadded = /^-?0\d/.test(from) || /^-?0\d/.test(to);
  return { op: 'number', low, high, digits: isPadded ? Math.max(from.length, to.length) : 0 };
}

class Run {
  readonly #program: readonly Op[];
  readonly #name: readonly string[];
  /** By place in the name: the threads that wait there. */
  readonly #waiting: (Set<number> | undefined)[] = [];
  steps = 0;

  constructor(program: readonly Op[], name: readonly string[]) {
    this.#program = program;
    this.#name = name;
  }

  run(): boolean {
    this.#wait(0, 0);
    for (let at = 0; at <= this.#name.length; at++) {
      for (const place of this.#waiting[at] ?? []) {
        this.steps += 1;
        if (this.#isEnd(place, at)) return true;
      }
      this.#waiting[at] = undefined;
    }
    return false;
  }

  #wait(at: number, place: number): void {
    const there = this.#waiting[at];
    if (there) there.add(place);
    else this.#waiting[at] = new Set([place]);
  }

  /** One thread goes on. Threads that are added where it stands are walked in the same turn. */
  #isEnd(place: number, at: number): boolean {
    const op = this.#program[place]!;
    if (op.op === 'end') return at === this.#name.length;
    if (op.op === 'fork') for (const to of op.to) this.#wait(at, to);
    else if (op.op === 'number')
      for (const length of numberLengths(op, this.#name, at)) this.#wait(at + length, place + 1);
    else if (at < this.#name.length && takes(op, this.#name[at]!)) this.#wait(at + 1, place + 1);
    return false;
  }
}

function takes(op: Exclude<Op, { op: 'fork' | 'end' | 'number' }>, char: string): boolean {
  if (op.op === 'all') return true;
  if (op.op === 'text') return char === op.char;
  if (char === '/') return false;
  if (op.op === 'any') return true;
  const code = char.codePointAt(0)!;
  const isIn = op.ranges.some(
    ([from, to]) => code >= from.codePointAt(0)! && code <= to.codePointAt(0)!,
  );
  return isIn !== op.isNot;
}

/** How many characters from here are a number of the range, written as the range is. */
function numberLengths(
  { low, high, digits }: Extract<Op, { op: 'number' }>,
  name: readonly string[],
  at: number,
): number[] {
  const lengths: number[] = [];
  let text = '';
  for (let length = 1; length <= 10 && at + length <= name.length; length++) {
    text += name[at + length - 1];
    if (text === '-') continue;
    if (!/^-?\d+$/.test(text)) break;
    const value = Number(text);
    const isWritten = text === padded(value, digits);
    if (isWritten && value >= low && value <= high) lengths.push(length);
  }
  return lengths;
}

/** As shells count: a sign is one of the digits, and stands before the zeros. */
const padded = (value: number, digits: number): string =>
  value < 0 ? `-${String(-value).padStart(digits - 1, '0')}` : String(value).padStart(digits, '0');
