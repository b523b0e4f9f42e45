// An API as one page to read.
// In: the OpenAPI object that a server derives from its schemas, and the table of errors. Out: HTML.
// Why made here and not by a viewer: it shows what validates, and nothing else; both services have it.
import { CODES } from '../errors.ts';
import { block, code, html, type Link, renderPage, table } from './html.ts';
import { exampleBlocks, fieldTable, type Schema, typeId, typeText } from './schema.ts';

type Body = {
  readonly description?: string;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
};
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

type Call = { readonly method: string; readonly path: string; readonly operation: Operation };

/** `address` is the shell variable that holds the server's address in examples. */
export function apiPage(
  api: OpenApi,
  { address, pages }: { readonly address: string; readonly pages: readonly Link[] },
): string {
  const calls = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  const groups = (api.tags ?? []).map((tag) => ({
    ...tag,
    calls: calls.filter(({ operation }) => operation.tags?.includes(tag.name)),
  }));
  const types = Object.entries(api.components?.schemas ?? {});
  const sections = groups.map(
    ({ name, description = '', calls: own }) =>
      `<h2 id="${html(name)}">${html(capital(name))}</h2><p>${html(description)}</p>${own.map((one) => callBlock(one, address)).join('')}`,
  );
  const typeBlocks = types.map(
    ([name, schema]) =>
      `<details id="${html(typeId(name))}"><summary>${code(name)} ${html(schema.description ?? '')}</summary>${exampleBlocks(schema)}${fieldTable(schema)}</details>`,
  );
  return renderPage({
    title: api.info.title,
    intro: `<p>${html(api.info.description ?? '')} As OpenAPI 3.1: <a href="/openapi.json">/openapi.json</a>.</p>`,
    pages,
    contents: [
      ...groups.map(({ name, calls: own }) => ({
        heading: { text: html(capital(name)), href: `#${name}` },
        entries: own.map((call) => ({
          text: html(call.operation.summary ?? call.path),
          href: `#${callId(call)}`,
        })),
      })),
      ...(types.length > 0
        ? [
            {
              heading: { text: 'Types', href: '#types' },
              entries: types.map(([name]) => ({ text: html(name), href: `#${typeId(name)}` })),
            },
          ]
        : []),
      { heading: { text: 'Errors', href: '#errors' }, entries: [] },
    ],
    body: `${sections.join('\n')}
${types.length > 0 ? `<h2 id="types">Types</h2>${typeBlocks.join('')}` : ''}
<h2 id="errors">Errors</h2><p>Every error is application/problem+json (RFC 9457) with one of these codes, and a detail that
says what was attempted, with which value, and what was expected. Where trying again can help there is a Retry-After header.</p>${errorTable()}`,
  });
}

const callId = ({ method, path }: Call): string =>
  `${method}-${path.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '')}`;

function callBlock(call: Call, address: string): string {
  const { method, path, operation } = call;
  const parameters = (operation.parameters ?? []).map((one) => [
    code(one.name),
    `${html(one.in)}${one.required ? '' : ', optional'}`,
    html(one.description ?? one.schema.description ?? ''),
  ]);
  const answers = Object.entries(operation.responses ?? {})
    .filter(([status]) => !/xx$/i.test(status))
    .map(([status, body]) => `<p>${html(status)} → ${bodyType(body)}</p>${bodyTable(body)}`);
  const takes = operation.requestBody
    ? `<p>takes ${bodyType(operation.requestBody)}</p>${bodyTable(operation.requestBody)}`
    : '';
  return `<details id="${html(callId(call))}"><summary><b class="verb ${html(method)}">${html(method.toUpperCase())}</b> ${code(path)} ${html(operation.summary ?? '')}</summary>
<p>${html(operation.description ?? '')}</p>${parameters.length > 0 ? table(['parameter', 'in', ''], parameters) : ''}${takes}${answers.join('')}${block(curlLine(call, address))}</details>`;
}

function curlLine({ method, path, operation }: Call, address: string): string {
  const verb = method === 'get' ? '' : ` -X ${method.toUpperCase()}`;
  const headers = (operation.parameters ?? [])
    .filter((one) => one.in === 'header' && method === 'put')
    .map(({ name }) => ` -H '${name}: "0"'`);
  const body = operation.requestBody ? ` -H 'content-type: application/json' -d @body.json` : '';
  const query = (operation.parameters ?? [])
    .filter((one) => one.in === 'query' && one.required)
    .map(({ name }) => ` --data-urlencode '${name}=…'`);
  const get = query.length > 0 ? ' --get' : '';
  return `curl${verb}${get} $${address}${path}${headers.join('')}${query.join('')}${body}`;
}

const schemaOf = (body: Body): Schema => Object.values(body.content ?? {})[0]?.schema ?? {};
const bodyType = (body: Body): string => {
  const [media] = Object.keys(body.content ?? {});
  if (media === undefined) return `no body: ${html(body.description ?? '')}`;
  const schema = schemaOf(body);
  if (!media.includes('json')) return `${html(media)}: ${html(schema.description ?? '')}`;
  return schema.properties ? 'an object' : typeText(schema);
};

const bodyTable = (body: Body): string => {
  const schema = schemaOf(body);
  return schema.properties ? fieldTable(schema) + exampleBlocks(schema) : '';
};

function errorTable(): string {
  const rows = Object.entries(CODES).map(([name, { status, retry, remedy }]) => [
    code(name),
    String(status),
    retry ? 'yes' : '',
    html(remedy),
  ]);
  return table(['code', 'status', 'try again', 'remedy'], rows);
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
