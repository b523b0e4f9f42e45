// What is wrong with a value, in words for a stranger: one line per wrong field, with the nearest known name.
// In: a schema and a value. Out: [] or {pointer, detail} of every wrong field.
// Why: a validator reports every branch of a union that did not match; a reader wants the one that was meant.
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { type FieldError, nearestName } from '../errors.ts';

/** The keywords of JSON Schema that our schemas use. */
export type SchemaNode = {
  readonly type?: string;
  readonly const?: unknown;
  readonly title?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly SchemaNode[];
};

const ajv = new Ajv({ allErrors: true, verbose: true, coerceTypes: false, strict: false });
const validators = new WeakMap<object, ValidateFunction>();

export function explainSchema(schema: object, value: unknown, pointer = ''): FieldError[] {
  let validate = validators.get(schema);
  if (!validate) {
    validate = ajv.compile(schema);
    validators.set(schema, validate);
  }
  if (validate(value)) return [];
  const errors = validate.errors ?? [];
  const unions = errors.filter((error) => error.keyword === 'anyOf');
  const isBranch = (error: ErrorObject): boolean =>
    unions.some((union) => error.schemaPath.startsWith(`${union.schemaPath}/`));
  const constants = errors.filter((error) => error.keyword === 'const');
  const isSaidBetter = (error: ErrorObject): boolean =>
    error.keyword === 'type' && constants.some((one) => one.instancePath === error.instancePath);
  const found = errors
    .filter((error) => !isBranch(error) && !isSaidBetter(error))
    .flatMap((error) => explainError(error, pointer));
  return uniqueByPointer(found);
}

function explainError(error: ErrorObject, base: string): FieldError[] {
  const pointer = base + error.instancePath;
  const node = error.parentSchema as SchemaNode;
  const { params, data } = error as { params: Record<string, unknown>; data: unknown };
  const one = (detail: string, at = pointer): FieldError[] => [{ pointer: at, detail }];
  switch (error.keyword) {
    case 'required': {
      const name = String(params.missingProperty);
      return one(
        `is missing${meaning(node.properties?.[name])}`,
        `${pointer}/${escapePointer(name)}`,
      );
    }
    case 'additionalProperties': {
      const name = String(params.additionalProperty);
      const at = `${pointer}/${escapePointer(name)}`;
      const names = Object.keys(node.patternProperties ?? {});
      if (names.length > 0)
        return one(`has a wrong name, expected ${node.description ?? names.join(' or ')}`, at);
      return one(unknownFieldOf(node, name, pointer), at);
    }
    case 'anyOf':
      return explainUnion(node.anyOf ?? [], data, pointer, node.description);
    case 'type':
      return one(
        params.type === 'array' && (typeof data === 'string' || typeof data === 'number')
          ? `is ${show(data)}, expected an array: [${show(data)}]`
          : `is ${show(data)}, expected ${article(String(params.type))}${meaning(node)}`,
      );
    case 'const':
      return one(`is ${show(data)}, expected ${show(params.allowedValue)}`);
    case 'pattern':
      return one(`is ${show(data)}, expected ${node.description ?? `a text like ${error.schema}`}`);
    case 'minLength':
      return one('is empty, expected at least one character');
    case 'maxLength':
      return one(`has ${String(data).length} characters, expected at most ${String(params.limit)}`);
    case 'minItems':
      return one(`has ${length(data)} items, expected at least ${String(params.limit)}`);
    case 'maxItems':
      return one(`has ${length(data)} items, expected at most ${String(params.limit)}`);
    case 'minProperties':
      return one('is empty, expected at least one entry');
    case 'maxProperties':
      return one(
        `has ${Object.keys(data as object).length} entries, expected at most ${String(params.limit)}`,
      );
    case 'minimum':
      return one(`is ${show(data)}, expected at least ${String(params.limit)}`);
    case 'maximum':
      return one(`is ${show(data)}, expected at most ${String(params.limit)}`);
    case 'exclusiveMinimum':
      return one(`is ${show(data)}, expected more than ${String(params.limit)}`);
    case 'exclusiveMaximum':
      return one(`is ${show(data)}, expected less than ${String(params.limit)}`);
    default:
      return one(`${error.message ?? 'is wrong'}: it is ${show(data)}`);
  }
}

/** Names the branch that was meant and explains that one alone. */
function explainUnion(
  branches: readonly SchemaNode[],
  value: unknown,
  pointer: string,
  description: string | undefined,
): FieldError[] {
  const constants = branches.map((branch) => branch.const);
  if (constants.every((constant) => constant !== undefined)) {
    return [{ pointer, detail: `is ${show(value)}, expected ${oneOf(value, constants)}` }];
  }
  if (!branches.every((branch) => branch.type === 'object')) {
    const kinds = branches.map((branch) => branch.description ?? article(branch.type ?? 'value'));
    const what = description ? ` (${description})` : '';
    return [{ pointer, detail: `is ${show(value)}, expected ${listed(kinds)}${what}` }];
  }
  const tag = Object.keys(branches[0]?.properties ?? {}).find((name) =>
    branches.every((branch) => branch.properties?.[name]?.const !== undefined),
  );
  const keys = branches.map((branch) => branch.required?.[0] ?? '');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const wanted = tag
      ? `an object with ${show(tag)}: ${listed(tagsOf(branches, tag).map(show))}`
      : `an object with ${listed(keys.map(show))}`;
    return [{ pointer, detail: `is ${show(value)}, expected ${wanted}` }];
  }
  return tag
    ? explainTagged(branches, tag, value as Record<string, unknown>, pointer)
    : explainKeyed(branches, keys, value as Record<string, unknown>, pointer);
}

function explainTagged(
  branches: readonly SchemaNode[],
  tag: string,
  value: Record<string, unknown>,
  pointer: string,
): FieldError[] {
  const tags = tagsOf(branches, tag);
  const branch = branches[tags.indexOf(value[tag])];
  if (branch) return explainSchema(branch, value, pointer);
  const said = Object.hasOwn(value, tag) ? `is ${show(value[tag])}` : 'is missing';
  return [{ pointer: `${pointer}/${tag}`, detail: `${said}, expected ${oneOf(value[tag], tags)}` }];
}

/** Branches that are told apart by the one key they require. */
function explainKeyed(
  branches: readonly SchemaNode[],
  keys: readonly string[],
  value: Record<string, unknown>,
  pointer: string,
): FieldError[] {
  const present = keys.filter((key) => Object.hasOwn(value, key));
  if (present.length === 1) {
    return explainSchema(branches[keys.indexOf(present[0]!)]!, value, pointer);
  }
  if (present.length > 1) {
    const detail = `has ${present.map(show).join(' and ')}, expected only one of them`;
    return [{ pointer, detail: `${detail}: write one entry each` }];
  }
  const names = Object.keys(value);
  if (names.length === 0) {
    return [{ pointer, detail: `is empty, expected ${listed(keys.map(show))}` }];
  }
  return names.map((name) => ({
    pointer: `${pointer}/${escapePointer(name)}`,
    detail: unknownField(name, keys),
  }));
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
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? '' : `; did you mean ${show(nearest)}?`;
  return `is not a known field${hint === '' ? `, expected ${listed(known.map(show))}` : hint}`;
}

/** "adam" or "sgd"; did you mean "sgd"? */
function oneOf(value: unknown, allowed: readonly unknown[]): string {
  const texts = allowed.filter((item) => typeof item === 'string');
  const nearest = typeof value === 'string' ? nearestName(value, texts) : undefined;
  return (
    listed(allowed.map(show)) + (nearest === undefined ? '' : `; did you mean ${show(nearest)}?`)
  );
}

/** A name as one step of a JSON pointer. */
export const escapePointer = (name: string): string =>
  name.replaceAll('~', '~0').replaceAll('/', '~1');

/** A value as short JSON: messages stay one line whatever was sent. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 76)}…"` : text;
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

const length = (data: unknown): number => (data as readonly unknown[]).length;

/** One line a field and reason. */
function uniqueByPointer(errors: readonly FieldError[]): FieldError[] {
  const seen = new Set<string>();
  return errors.filter(({ pointer, detail }) => {
    const key = `${pointer}\n${detail}`;
    return !seen.has(key) && seen.add(key);
  });
}
