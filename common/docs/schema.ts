// A JSON schema as a table of its fields.
// In: a schema, as OpenAPI and the validators have it. Out: HTML: path, type, what it is.
// Why from the schema: a field that is taken but not documented, or the other way round, cannot exist.
import { prettyJson } from '../pretty-json.ts';
import { block, code, html, table } from './html.ts';

export type Schema = {
  readonly $ref?: string;
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly maxItems?: number;
};

export const typeId = (name: string): string => `type-${name}`;

export const exampleBlocks = ({ examples = [] }: Pick<Schema, 'examples'>): string =>
  examples.map((one) => block(prettyJson(one))).join('');

/** One row a field, nested ones with their path; the schema itself where it has no fields. */
export function fieldTable(schema: Schema, at = ''): string {
  const fields = innerFields(schema, at, 0);
  if (fields.length === 0) return '';
  const rows = fields.map(({ path, type, note }) => [code(path), type, html(note)]);
  return table(['field', 'type', ''], rows);
}

type Field = { readonly path: string; readonly type: string; readonly note: string };
const DEPTH = 4;

function fieldsOf(schema: Schema, at: string, depth: number): Field[] {
  if (depth > DEPTH) return [];
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const path = at === '' ? name : `${at}.${name}`;
    const isRequired = schema.required?.includes(name) ?? false;
    const note = [...(isRequired ? [] : ['optional']), noteOf(inner)].filter(Boolean).join('; ');
    return [{ path, type: typeText(inner), note }, ...innerFields(inner, path, depth + 1)];
  });
}

/** What a field is, its default and its bounds, in words. */
export function noteOf(schema: Schema): string {
  const initial = schema.default === undefined ? '' : `default ${JSON.stringify(schema.default)}`;
  const branches = (schema.anyOf ?? []).filter(({ title }) => !title);
  const says = schema.description ?? branches.flatMap((one) => one.description ?? []).join(', or ');
  return [initial, says, rangeText(schema)].filter(Boolean).join('; ');
}

function rangeText(schema: Schema): string {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = schema;
  const low = minimum !== undefined ? `from ${minimum}` : above !== undefined ? `> ${above}` : '';
  const high = maximum !== undefined ? `to ${maximum}` : below !== undefined ? `< ${below}` : '';
  if (low === 'from 0' && high === '') return ''; // a count
  return [low, high].filter(Boolean).join(' ');
}

function innerFields(schema: Schema, path: string, depth: number): Field[] {
  if (schema.properties) return fieldsOf(schema, path, depth);
  if (schema.items) return innerFields(schema.items, `${path}[]`, depth);
  if (schema.patternProperties) {
    return Object.values(schema.patternProperties).flatMap((one) =>
      innerFields(one, `${path}.*`, depth),
    );
  }
  return (schema.anyOf ?? []).flatMap((one) => {
    const tag = one.title ? `${path} (${one.title})` : path;
    return innerFields(one, tag, depth);
  });
}

/** In words and, for named types, a link. */
export function typeText(schema: Schema): string {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return `<a href="#${html(typeId(name))}">${html(name)}</a>`;
  }
  if (schema.const !== undefined) return html(JSON.stringify(schema.const));
  if (schema.enum) return html(schema.enum.map((one) => JSON.stringify(one)).join(' | '));
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeText))].join(' | ');
  if (schema.items) return `array of ${typeText(schema.items)}`;
  if (schema.patternProperties) {
    return `map to ${Object.values(schema.patternProperties).map(typeText).join(' | ')}`;
  }
  if (schema.type === 'string' && schema.description?.includes('text')) {
    return html(schema.description);
  }
  return html(schema.type ?? schema.title ?? 'any JSON');
}
