// A Dockerfile as data: its stages, each a list of steps.
// In: the text. Out: stages, or an error that names the line. An instruction that is not known here is an error.
// Why our own: what the steps do is checked where no Docker runs, and nothing that the file says may pass unread.

export type Step = {
  readonly line: number;
  /** In capitals. */
  readonly instruction: string;
  /** `--from=deps` as from: deps. */
  readonly flags: Readonly<Record<string, string>>;
  /** Words of the exec form, or the text as it stands. */
  readonly words: readonly string[] | undefined;
  readonly text: string;
};

export type Stage = {
  /** Of `AS`, else its number. */
  readonly name: string;
  /** An image, or the name of a stage above. */
  readonly from: string;
  readonly steps: readonly Step[];
};

/** Instruction → the flags that we know the meaning of. */
export const INSTRUCTIONS: Readonly<Record<string, readonly string[]>> = {
  FROM: [],
  ARG: [],
  ENV: [],
  WORKDIR: [],
  COPY: ['from'],
  RUN: [],
  LABEL: [],
  USER: [],
  EXPOSE: [],
  VOLUME: [],
  STOPSIGNAL: [],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'start-interval', 'retries'],
  ENTRYPOINT: [],
  CMD: [],
};

export function parseDockerfile(text: string): Stage[] {
  const stages: (Stage & { steps: Step[] })[] = [];
  for (const { line, text: logical } of logicalLines(text)) {
    const step = parseStep(line, logical);
    if (step.instruction === 'FROM') {
      const parts = /^(\S+)(?:\s+as\s+([\w.-]+))?$/i.exec(step.text);
      if (!parts) throw wrong(line, logical, 'FROM image, or FROM image AS name');
      stages.push({ name: parts[2] ?? String(stages.length), from: parts[1]!, steps: [] });
      continue;
    }
    const stage = stages.at(-1);
    if (!stage) throw wrong(line, logical, 'FROM first');
    stage.steps.push(step);
  }
  if (stages.length === 0) throw wrong(1, text, 'at least one FROM');
  return stages;
}

/** Pairs of ENV, LABEL and ARG: `A=b C="d e"`; a name alone has no value. */
export function parsePairs(step: Step): [string, string | undefined][] {
  const pairs: [string, string | undefined][] = [];
  const pattern = /([\w.-]+)(?:=("(?:[^"\\]|\\.)*"|'[^']*'|(?:[^\s\\]|\\.)*))?(?:\s+|$)/gy;
  while (pattern.lastIndex < step.text.length) {
    const start = pattern.lastIndex;
    const found = pattern.exec(step.text);
    if (!found) throw wrong(step.line, step.text.slice(start), 'NAME=value');
    pairs.push([found[1]!, found[2] === undefined ? undefined : unquote(found[2])]);
  }
  return pairs;
}

/** `$A`, `${A}` and `${A:-b}` by what is known; an unknown one is empty, as the builder has it. */
export const expand = (text: string, known: Readonly<Record<string, string>>): string =>
  text.replace(
    /\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})/g,
    (_all, plain?: string, braced?: string, standard = '') =>
      known[plain ?? braced ?? ''] || standard,
  );

/** Comments go, and a backslash at the end of a line joins it with the next. */
function* logicalLines(text: string): Generator<{ line: number; text: string }> {
  let joined = '';
  let start = 0;
  for (const [index, raw] of text.split('\n').entries()) {
    if (/^\s*#/.test(raw) || (raw.trim() === '' && joined === '')) continue;
    if (joined === '') start = index + 1;
    if (raw.trimEnd().endsWith('\\')) {
      joined += raw.trimEnd().slice(0, -1);
      continue;
    }
    yield { line: start, text: (joined + raw).trim() };
    joined = '';
  }
  if (joined !== '') throw wrong(start, joined, 'a line after the last backslash');
}

function parseStep(line: number, text: string): Step {
  const parts = /^([A-Za-z]+)\s+([\s\S]*)$/.exec(text);
  const instruction = parts?.[1]?.toUpperCase() ?? '';
  const known = Object.hasOwn(INSTRUCTIONS, instruction) ? INSTRUCTIONS[instruction] : undefined;
  if (!parts || !known) {
    throw wrong(line, text, `one of ${Object.keys(INSTRUCTIONS).join(', ')}`);
  }
  const flags: Record<string, string> = {};
  let rest = parts[2]!.trim();
  for (let flag = nextFlag(rest); flag; flag = nextFlag(rest)) {
    if (!known.includes(flag.name)) throw wrong(line, `--${flag.name}`, flagsOf(known));
    flags[flag.name] = flag.value;
    rest = rest.slice(flag.length).trim();
  }
  if (instruction === 'RUN' && rest.includes('<<')) throw wrong(line, rest, 'no here-document');
  return { line, instruction, flags, words: execForm(rest), text: rest };
}

function nextFlag(text: string): { name: string; value: string; length: number } | undefined {
  const found = /^--([\w-]+)(?:=(\S*))?(\s+|$)/.exec(text);
  return found ? { name: found[1]!, value: found[2] ?? '', length: found[0].length } : undefined;
}

function execForm(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const words: unknown = JSON.parse(text);
    return Array.isArray(words) && words.every((word) => typeof word === 'string')
      ? words
      : undefined;
  } catch {
    return undefined; // the builder takes it for a shell's line too
  }
}

const unquote = (text: string): string =>
  /^["']/.test(text) ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text.replace(/\\(.)/g, '$1');

const flagsOf = (known: readonly string[]): string =>
  known.length === 0 ? 'no flag' : known.map((name) => `--${name}`).join(', ');

const wrong = (line: number, value: string, expected: string): Error =>
  new Error(
    `Cannot read line ${line} of the Dockerfile: ${JSON.stringify(value.slice(0, 100))}, expected ${expected}`,
  );
