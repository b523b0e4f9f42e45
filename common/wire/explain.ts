// What is wrong with a value, in words for a stranger: one line per wrong field, with the nearest known name.
// In: a schema and a value. Out: [] or {pointer, detail} of every wrong field, a hundred at most.
// Why a walk of our own behind the validator: that one reports every branch of a union that did not match, and a reader
// wants the one that was meant; and it costs what the value costs. Lengths come first: what is too long is not looked into.
import { Ajv, type ValidateFunction } from 'ajv';
import { type FieldError, nearestName } from '../errors.ts';

/** The keywords of JSON Schema that our schemas use. */
export type SchemaNode = {
  readonly type?: string;
  readonly const?: unknown;
  readonly title?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly pattern?: string;
} & Readonly<Partial<Record<Bound, number>>>;
type Bound =
  | 'minimum'
  | 'maximum'
  | 'exclusiveMinimum'
  | 'exclusiveMaximum'
  | 'minLength'
  | 'maxLength'
  | 'minItems'
  | 'maxItems'
  | 'minProperties'
  | 'maxProperties';

/** Errors told at once: who has more than these has one mistake a hundred times. */
export const ERRORS_MAX = 100;
/** Characters of a name or text that messages show. */
const SHOWN_MAX = 80;

/** The first error at the first bad field ends the validator's work: what is right costs one walk, what is wrong no more. */
const ajv = new Ajv({
  allErrors: false,
  coerceTypes: false,
  strict: false,
  validateSchema: false,
  meta: false,
});
const validators = new WeakMap<object, ValidateFunction>();

export function explainSchema(
  schema: object,
  value: unknown,
  pointer = '',
  found = new Found(),
): FieldError[] {
  let validate = validators.get(schema);
  if (!validate) {
    validate = ajv.compile(schema);
    validators.set(schema, validate);
  }
  if (validate(value)) return [];
  walk(schema, value, pointer, found);
  if (found.errors.length > 0) return found.told();
  const [first] = validate.errors ?? [];
  const detail = `${first?.message ?? 'is wrong'}: it is ${show(value)}`;
  return [{ pointer: pointer + (first?.instancePath ?? ''), detail }];
}

/** The first error in one line: "/name is missing (and 2 more: see "errors")". */
export function shownErrors([first, ...others]: readonly FieldError[]): string {
  const more = others.length === 0 ? '' : ` (and ${others.length} more: see "errors")`;
  return `${first?.pointer || 'it'} ${first?.detail}${more}`;
}

/** What a walk has found so far, and how many values it has looked at. */
export class Found {
  readonly errors: FieldError[] = [];
  readonly #seen = new Set<string>();
  readonly #max: number;
  visits = 0;

  constructor(max = ERRORS_MAX) {
    this.#max = max;
  }

  get isFull(): boolean {
    return this.errors.length >= this.#max;
  }

  add(pointer: string, detail: string): void {
    const key = `${pointer}\n${detail}`;
    if (this.isFull || this.#seen.has(key)) return;
    this.#seen.add(key);
    this.errors.push({ pointer, detail });
  }

  told(): FieldError[] {
    if (!this.isFull) return this.errors;
    const detail = `has more wrong fields, perhaps: after ${this.#max} nobody looked`;
    return [...this.errors, { pointer: '', detail }];
  }
}

function walk(node: SchemaNode, value: unknown, pointer: string, found: Found): void {
  found.visits += 1;
  if (found.isFull) return;
  if (node.anyOf) walkUnion(node, value, pointer, found);
  else if (node.const !== undefined) {
    if (value !== node.const) found.add(pointer, `is ${show(value)}, expected ${show(node.const)}`);
  } else if (node.type !== undefined && !isOfType(node.type, value))
    found.add(pointer, wrongType(node, value));
  else if (typeof value === 'number') walkNumber(node, value, pointer, found);
  else if (typeof value === 'string') walkText(node, value, pointer, found);
  else if (Array.isArray(value)) walkArray(node, value, pointer, found);
  else if (typeof value === 'object' && value !== null)
    walkObject(node, value as Record<string, unknown>, pointer, found);
}

function isOfType(type: string, value: unknown): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object')
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

function wrongType(node: SchemaNode, value: unknown): string {
  const isOne = typeof value === 'string' || typeof value === 'number';
  return node.type === 'array' && isOne
    ? `is ${show(value)}, expected an array: [${show(value)}]`
    : `is ${show(value)}, expected ${article(String(node.type))}${meaning(node)}`;
}

const BOUNDS = [
  ['minimum', 'at least', (value: number, bound: number) => value >= bound],
  ['maximum', 'at most', (value: number, bound: number) => value <= bound],
  ['exclusiveMinimum', 'more than', (value: number, bound: number) => value > bound],
  ['exclusiveMaximum', 'less than', (value: number, bound: number) => value < bound],
] as const;

function walkNumber(node: SchemaNode, value: number, pointer: string, found: Found): void {
  for (const [name, words, holds] of BOUNDS) {
    const bound = node[name];
    if (bound !== undefined && !holds(value, bound))
      found.add(pointer, `is ${show(value)}, expected ${words} ${bound}`);
  }
}

function walkText(node: SchemaNode, value: string, pointer: string, found: Found): void {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern } = node;
  if (value.length < minLength) found.add(pointer, 'is empty, expected at least one character');
  else if (value.length > maxLength && lengthOf(value) > maxLength)
    found.add(pointer, `has ${lengthOf(value)} characters, expected at most ${maxLength}`);
  else if (pattern !== undefined && !new RegExp(pattern, 'u').test(value))
    found.add(
      pointer,
      `is ${show(value)}, expected ${node.description ?? `a text like ${pattern}`}`,
    );
}

/** In characters, as the validator counts. */
function lengthOf(value: string): number {
  let length = 0;
  for (const _ of value) length += 1;
  return length;
}

function walkArray(
  node: SchemaNode,
  value: readonly unknown[],
  pointer: string,
  found: Found,
): void {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, items } = node;
  const { length } = value;
  if (length < minItems) found.add(pointer, `has ${length} items, expected at least ${minItems}`);
  if (length > maxItems) {
    found.add(pointer, `has ${length} items, expected at most ${maxItems}`);
    return;
  }
  for (let index = 0; items && index < length && !found.isFull; index++)
    walk(items, value[index], `${pointer}/${index}`, found);
}

function walkObject(
  node: SchemaNode,
  value: Record<string, unknown>,
  pointer: string,
  found: Found,
): void {
  const { minProperties = 0, maxProperties = Number.POSITIVE_INFINITY } = node;
  const names = Object.keys(value);
  if (names.length < minProperties) found.add(pointer, 'is empty, expected at least one entry');
  if (names.length > maxProperties) {
    found.add(pointer, `has ${names.length} entries, expected at most ${maxProperties}`);
    return;
  }
  const properties = node.properties ?? {};
  for (const name of node.required ?? [])
    if (!Object.hasOwn(value, name))
      found.add(stepTo(pointer, name), `is missing${meaning(properties[name])}`);
  const others = names.filter((name) => !Object.hasOwn(properties, name));
  const patterns = Object.entries(node.patternProperties ?? {}).map(
    ([pattern, inner]) => [new RegExp(pattern, 'u'), inner] as const,
  );
  for (const name of others) {
    if (found.isFull) return;
    const inner = patterns.find(([pattern]) => pattern.test(name))?.[1];
    if (!inner) walkOther(node, { name, value: value[name], pointer }, found);
  }
  for (const [name, inner] of Object.entries(properties))
    if (Object.hasOwn(value, name)) walk(inner, value[name], stepTo(pointer, name), found);
  for (const name of others) {
    if (found.isFull) return;
    const inner = patterns.find(([pattern]) => pattern.test(name))?.[1];
    if (inner) walk(inner, value[name], stepTo(pointer, name), found);
  }
}

/** A field that the schema does not name. */
function walkOther(
  node: SchemaNode,
  { name, value, pointer }: { name: string; value: unknown; pointer: string },
  found: Found,
): void {
  const rule = node.additionalProperties ?? true;
  const at = stepTo(pointer, name);
  if (typeof rule === 'object') walk(rule, value, at, found);
  if (rule) return;
  const patterns = Object.keys(node.patternProperties ?? {});
  if (patterns.length > 0)
    found.add(at, `has a wrong name, expected ${node.description ?? patterns.join(' or ')}`);
  else found.add(at, unknownFieldOf(node, name, pointer));
}

/** Names the branch that was meant and explains that one alone. */
function walkUnion(node: SchemaNode, value: unknown, pointer: string, found: Found): void {
  const branches = node.anyOf ?? [];
  if (branches.some((branch) => isValid(branch, value, found))) return;
  const constants = branches.map((branch) => branch.const);
  if (constants.every((constant) => constant !== undefined)) {
    found.add(pointer, `is ${show(value)}, expected ${oneOf(value, constants)}`);
    return;
  }
  if (!branches.every((branch) => branch.type === 'object')) {
    const same = branches.filter(({ type }) => type === 'object' && isOfType(type, value));
    if (same.length === 1) {
      walk(same[0]!, value, pointer, found);
      return;
    }
    const kinds = branches.map((branch) => branch.description ?? article(branch.type ?? 'value'));
    const what = node.description ? ` (${node.description})` : '';
    found.add(pointer, `is ${show(value)}, expected ${listed(kinds)}${what}`);
    return;
  }
  const tag = Object.keys(branches[0]?.properties ?? {}).find((name) =>
    branches.every((branch) => branch.properties?.[name]?.const !== undefined),
  );
  const keys = branches.map((branch) => branch.required?.[0] ?? '');
  if (!isOfType('object', value)) {
    const wanted = tag
      ? `an object with ${show(tag)}: ${listed(tagsOf(branches, tag).map(show))}`
      : `an object with ${listed(keys.map(show))}`;
    found.add(pointer, `is ${show(value)}, expected ${wanted}`);
    return;
  }
  const fields = value as Record<string, unknown>;
  if (tag) walkTagged(branches, { tag, fields, pointer }, found);
  else walkKeyed(branches, { keys, fields, pointer }, found);
}

/** One error is enough to know. */
function isValid(branch: SchemaNode, value: unknown, found: Found): boolean {
  const trial = new Found(1);
  walk(branch, value, '', trial);
  found.visits += trial.visits;
  return trial.errors.length === 0;
}

function walkTagged(
  branches: readonly SchemaNode[],
  { tag, fields, pointer }: { tag: string; fields: Record<string, unknown>; pointer: string },
  found: Found,
): void {
  const tags = tagsOf(branches, tag);
  const branch = branches[tags.indexOf(fields[tag])];
  if (branch) {
    walk(branch, fields, pointer, found);
    return;
  }
  const said = Object.hasOwn(fields, tag) ? `is ${show(fields[tag])}` : 'is missing';
  found.add(`${pointer}/${tag}`, `${said}, expected ${oneOf(fields[tag], tags)}`);
}

/** Branches that are told apart by the one key they require. */
function walkKeyed(
  branches: readonly SchemaNode[],
  {
    keys,
    fields,
    pointer,
  }: { keys: readonly string[]; fields: Record<string, unknown>; pointer: string },
  found: Found,
): void {
  const present = keys.filter((key) => Object.hasOwn(fields, key));
  if (present.length === 1) {
    walk(branches[keys.indexOf(present[0]!)]!, fields, pointer, found);
    return;
  }
  if (present.length > 1) {
    const detail = `has ${present.map(show).join(' and ')}, expected only one of them`;
    found.add(pointer, `${detail}: write one entry each`);
    return;
  }
  const names = Object.keys(fields);
  if (names.length === 0) found.add(pointer, `is empty, expected ${listed(keys.map(show))}`);
  for (const name of names) {
    if (found.isFull) return;
    found.add(stepTo(pointer, name), unknownField(name, keys));
  }
}

const tagsOf = (branches: readonly SchemaNode[], tag: string): readonly unknown[] =>
  branches.map((branch) => branch.properties?.[tag]?.const);

function unknownFieldOf(node: SchemaNode, name: string, pointer: string): string {
  const properties = node.properties ?? {};
  const section = Object.keys(properties).find((key) =>
    [properties[key]!, ...(properties[key]!.anyOf ?? [])].some(
      (inner) => inner.properties && Object.hasOwn(inner.properties, name),
    ),
  );
  if (section) return `is not a field here, it belongs in ${show(section)}`;
  const known = Object.keys(properties);
  if (pointer === '' || !node.title) return unknownField(name, known);
  return unknownField(name, known).replace('a known field', `a field of ${show(node.title)}`);
}

function unknownField(name: string, known: readonly string[]): string {
  const nearest = nearestOf(name, known);
  const hint = nearest === undefined ? '' : `; did you mean ${show(nearest)}?`;
  return `is not a known field${hint === '' ? `, expected ${listed(known.map(show))}` : hint}`;
}

/** Comparing costs length times length. */
const nearestOf = (name: string, known: readonly string[]): string | undefined =>
  name.length > SHOWN_MAX ? undefined : nearestName(name, known);

/** "adam" or "sgd"; did you mean "sgd"? */
function oneOf(value: unknown, allowed: readonly unknown[]): string {
  const texts = allowed.filter((item) => typeof item === 'string');
  const nearest = typeof value === 'string' ? nearestOf(value, texts) : undefined;
  return (
    listed(allowed.map(show)) + (nearest === undefined ? '' : `; did you mean ${show(nearest)}?`)
  );
}

/** A name as one step of a JSON pointer. */
export const escapePointer = (name: string): string =>
  name.replaceAll('~', '~0').replaceAll('/', '~1');

/** A pointer to a field: a name that is longer than any of ours is cut, it is somebody's mistake or worse. */
const stepTo = (pointer: string, name: string): string => `${pointer}/${escapePointer(cut(name))}`;

const cut = (text: string): string =>
  text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX - 4)}…` : text;

/** A value as short JSON: messages stay one line whatever was sent. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return JSON.stringify(value);
  const text = JSON.stringify(value.slice(0, SHOWN_MAX));
  return text.length > SHOWN_MAX || value.length > SHOWN_MAX
    ? `${text.slice(0, SHOWN_MAX - 4)}…"`
    : text;
}

export function listed(words: readonly string[]): string {
  if (words.length <= 1) return words[0] ?? 'nothing';
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

const article = (type: string): string =>
  ({ object: 'an object', array: 'an array', integer: 'an integer', string: 'a text' })[type] ??
  `a ${type}`;

const meaning = (node: SchemaNode | undefined): string =>
  node?.description ? ` (${node.description})` : '';
