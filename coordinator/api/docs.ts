// The API as one page to read: no script, nothing fetched from elsewhere.
// In: the OpenAPI object and the table of errors. Out: HTML. Why made here: it shows what validates, and nothing else.
import { createHash } from 'node:crypto';
import { CODES } from '../../common/errors.ts';

type Schema = {
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
};
type Body = { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> };
type Operation = {
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
    readonly description?: string;
  }[];
  readonly requestBody?: Body;
  readonly responses?: Readonly<Record<string, Body>>;
};
export type OpenApi = {
  readonly info: { readonly title: string; readonly description?: string };
  readonly tags?: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
};

export function docsPage(api: OpenApi): string {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = (api.tags ?? []).map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags?.includes(name));
    return `<section><h2>${html(name)}</h2><p>${html(description ?? '')}</p>${own
      .map((one) => operationBlock(one.method, one.path, one.operation))
      .join('')}</section>`;
  });
  const types = Object.entries(api.components?.schemas ?? {}).map(
    ([name, schema]) =>
      `<details><summary><code>${html(name)}</code> ${html(schema.description ?? '')}</summary><div id="type-${html(name)}">${exampleBlocks(schema)}${fieldTable(schema)}</div></details>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${html(api.info.title)}</title><style>${STYLE}</style></head><body>
<h1>${html(api.info.title)}</h1><p>${html(api.info.description ?? '')}</p>
<p>As OpenAPI 3.1: <a href="/openapi.json">/openapi.json</a>. The job alone, for editors: <a href="/schemas/job.v1.json">/schemas/job.v1.json</a>.</p>
${sections.join('\n')}
<section><h2>types</h2>${types.join('')}</section>
<section><h2>errors</h2><p>Every error is <a href="#type-Problem">application/problem+json</a> with one of these codes.
Where trying again can help there is a Retry-After header.</p>${errorTable()}</section>
</body></html>`;
}

function operationBlock(method: string, path: string, operation: Operation): string {
  const parameters = (operation.parameters ?? []).map(
    (one) =>
      `<tr><td><code>${html(one.name)}</code></td><td>${html(one.in)}${one.required ? '' : ', optional'}</td><td>${html(one.description ?? one.schema.description ?? '')}</td></tr>`,
  );
  const answers = Object.entries(operation.responses ?? {})
    .filter(([status]) => !status.endsWith('XX'))
    .map(([status, body]) => `<p>${html(status)} → ${bodyType(body)}</p>${bodyTable(body)}`);
  const takes = operation.requestBody
    ? `<p>takes ${bodyType(operation.requestBody)}</p>${bodyTable(operation.requestBody)}`
    : '';
  return `<details><summary><b class="${html(method)}">${html(method.toUpperCase())}</b> <code>${html(path)}</code> ${html(operation.summary ?? '')}</summary>
<p>${html(operation.description ?? '')}</p>${parameters.length > 0 ? `<table>${parameters.join('')}</table>` : ''}${takes}${answers.join('')}<pre>${html(curlLine(method, path, operation))}</pre></details>`;
}

function curlLine(method: string, path: string, operation: Operation): string {
  const verb = method === 'get' ? '' : ` -X ${method.toUpperCase()}`;
  const headers = (operation.parameters ?? [])
    .filter((one) => one.in === 'header' && method === 'put')
    .map(({ name }) => ` -H '${name}: "0"'`);
  const body = operation.requestBody ? ` -H 'content-type: application/json' -d @body.json` : '';
  return `curl${verb} $COORDINATOR${path}${headers.join('')}${body}`;
}

const exampleBlocks = ({ examples = [] }: Schema): string =>
  examples.map((one) => `<pre>${html(JSON.stringify(one, null, 2))}</pre>`).join('');

const schemaOf = (body: Body): Schema => Object.values(body.content ?? {})[0]?.schema ?? {};
const bodyType = (body: Body): string => typeText(schemaOf(body));

function bodyTable(body: Body): string {
  const schema = schemaOf(body);
  return schema.properties ? fieldTable(schema) : '';
}

/** One row a field, nested ones with their path. */
function fieldTable(schema: Schema): string {
  const rows = fieldsOf(schema, '', 0).map(
    ({ path, type, note }) =>
      `<tr><td><code>${html(path)}</code></td><td>${type}</td><td>${html(note)}</td></tr>`,
  );
  return `<table>${rows.join('')}</table>`;
}

type Field = { readonly path: string; readonly type: string; readonly note: string };
const DEPTH = 4;

function fieldsOf(schema: Schema, at: string, depth: number): Field[] {
  if (depth > DEPTH) return [];
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const path = at === '' ? name : `${at}.${name}`;
    const optional = schema.required?.includes(name) ? [] : ['optional'];
    const initial = inner.default === undefined ? [] : [`default ${JSON.stringify(inner.default)}`];
    const words = inner.description ? [inner.description] : [];
    const note = [...optional, ...initial, ...words].join('; ');
    return [{ path, type: typeText(inner), note }, ...innerFields(inner, path, depth + 1)];
  });
  return own;
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
function typeText(schema: Schema): string {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return `<a href="#type-${html(name)}">${html(name)}</a>`;
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

function errorTable(): string {
  const rows = Object.entries(CODES).map(
    ([code, { status, retry, remedy }]) =>
      `<tr><td><code>${code}</code></td><td>${status}</td><td>${retry ? 'retry' : ''}</td><td>${html(remedy)}</td></tr>`,
  );
  return `<table>${rows.join('')}</table>`;
}

const html = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const STYLE = `
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
code{font:14px/1.4 ui-monospace,monospace}
h2{margin-top:2.5rem;text-transform:capitalize;border-bottom:1px solid #8886}
details{border:1px solid #8884;border-radius:6px;margin:.4rem 0;padding:.4rem .8rem}
summary{cursor:pointer}
b{display:inline-block;min-width:3.6rem;font:bold 13px ui-monospace,monospace}
.get{color:#0a7d4f}.post{color:#1667c9}.put{color:#b35c00}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}
td{border-top:1px solid #8883;padding:.25rem .6rem .25rem 0;vertical-align:top;overflow-wrap:anywhere}
pre{background:#8881;padding:.5rem;border-radius:4px;overflow-x:auto;font:13px/1.4 ui-monospace,monospace}
td:first-child{width:30%}
`;

/** Nothing but this page's own style may act. */
export const docsPolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; frame-ancestors 'none'`;
