// Strict JSON: what JSON.parse lets through in silence is an error with a line and a column here.
// In: bytes from a stranger. Out: the value, or BAD_JSON saying where and why.
// Why not JSON.parse alone: it keeps the last of two equal keys, rounds integers above 2^53, turns 1e400 into
// Infinity, and recurses as deep as it is told to; each would change what a job means without a word.
import { GristmillError } from '../errors.ts';

/** `what` names the thing in messages: "the job". */
export function parseStrictJson(bytes: Uint8Array, what: string, depthMax = 64): unknown {
  const text = decode(bytes, what);
  const reader = new Reader(text, what, depthMax);
  const value = reader.value(0);
  reader.end();
  return value;
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new GristmillError('BAD_JSON', `Cannot read ${what}: the bytes are not UTF-8 text`, {
      cause,
    });
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS = { true: true, false: false, null: null } as const;

class Reader {
  readonly #text: string;
  readonly #what: string;
  readonly #depthMax: number;
  #at = 0;

  constructor(text: string, what: string, depthMax: number) {
    this.#text = text;
    this.#what = what;
    this.#depthMax = depthMax;
  }

  value(depth: number): unknown {
    this.#match(SPACE);
    const first = this.#text[this.#at];
    if (first === '{' || first === '[') {
      if (depth >= this.#depthMax) this.#fail(`it is nested deeper than ${this.#depthMax} levels`);
      return first === '{' ? this.#object(depth) : this.#array(depth);
    }
    if (first === '"') return this.#string('a string');
    if (first !== undefined && /[-0-9]/.test(first)) return this.#number();
    for (const [word, value] of Object.entries(WORDS)) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#fail(`found ${this.#found()}, expected a value`);
  }

  end(): void {
    this.#match(SPACE);
    if (this.#at < this.#text.length) {
      this.#fail(`found ${this.#found()} behind the value, expected the end`);
    }
  }

  #object(depth: number): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    this.#at += 1;
    if (this.#takes('}')) return members;
    for (;;) {
      this.#match(SPACE);
      const start = this.#at;
      const key = this.#string('a key in double quotes');
      if (Object.hasOwn(members, key)) {
        this.#fail(`the key ${JSON.stringify(key)} stands twice in one object`, start);
      }
      if (key === '__proto__') this.#fail('the key "__proto__" is not allowed', start);
      if (!this.#takes(':')) this.#fail(`found ${this.#found()}, expected ":" after the key`);
      members[key] = this.value(depth + 1);
      if (this.#takes('}')) return members;
      if (!this.#takes(',')) this.#fail(`found ${this.#found()}, expected "," or "}"`);
    }
  }

  #array(depth: number): unknown[] {
    const items: unknown[] = [];
    this.#at += 1;
    if (this.#takes(']')) return items;
    for (;;) {
      items.push(this.value(depth + 1));
      if (this.#takes(']')) return items;
      if (!this.#takes(',')) this.#fail(`found ${this.#found()}, expected "," or "]"`);
    }
  }

  #string(expected: string): string {
    if (this.#text[this.#at] !== '"')
      return this.#fail(`found ${this.#found()}, expected ${expected}`);
    let end = this.#at + 1;
    while (end < this.#text.length && this.#text[end] !== '"') {
      end += this.#text[end] === '\\' ? 2 : 1;
    }
    const token = this.#text.slice(this.#at, end + 1);
    try {
      const value = JSON.parse(token) as string;
      this.#at = end + 1;
      return value;
    } catch {
      const why = 'a line break, a wrong escape, or no closing quote';
      return this.#fail(`found a broken string (${why}), expected ${expected}`);
    }
  }

  #number(): number {
    const start = this.#at;
    const token = this.#match(NUMBER);
    if (token === undefined) return this.#fail(`found ${this.#found()}, expected a number`);
    const value = Number(token);
    const isInteger = !/[.eE]/.test(token);
    if (!Number.isFinite(value)) this.#fail(`the number ${token.slice(0, 40)} is too large`, start);
    if (isInteger && !Number.isSafeInteger(value)) {
      const shown = token.length > 40 ? `${token.slice(0, 40)}…` : token;
      this.#fail(`the integer ${shown} cannot be held exactly, expected at most 2^53 − 1`, start);
    }
    return value;
  }

  /** Skips space, then takes one character if it is the one wanted. */
  #takes(wanted: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#at] !== wanted) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0];
    if (token !== undefined) this.#at += token.length;
    return token;
  }

  #found(): string {
    const rest = this.#text.slice(this.#at, this.#at + 12);
    if (rest === '') return 'the end';
    return JSON.stringify(/^\w+/.exec(rest)?.[0] ?? [...rest][0]);
  }

  #fail(why: string, at = this.#at): never {
    const before = this.#text.slice(0, at).split('\n');
    const column = before.at(-1)!.length + 1;
    throw new GristmillError(
      'BAD_JSON',
      `Cannot read ${this.#what} at line ${before.length}, column ${column}: ${why}`,
    );
  }
}
