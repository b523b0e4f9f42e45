// TypeScript of OpenAPI 3.1 documents: a type for each named schema, and for each service its calls by operationId.
// In: documents as services answer them at /openapi.json. Out: the text of one module, in the order of the documents.
// Why our own: the usual generator is bound to an older compiler's API, and what our schemas use is one screen of it.

export type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly description?: string;
};
type Body = {
  readonly required?: boolean;
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
};
type Parameter = {
  readonly in: string;
  readonly name: string;
  readonly required?: boolean;
  readonly schema?: Schema;
  readonly description?: string;
};
type Operation = {
  readonly operationId?: string;
  readonly summary?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Body;
  readonly responses?: Readonly<Record<string, Body>>;
};
export type OpenApi = {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
};

/** `name` begins the names of its calls: "coordinator" → CoordinatorCalls and COORDINATOR. */
export type Service = { readonly name: string; readonly api: OpenApi };

const METHODS = ['get', 'put', 'post', 'delete'] as const;
/** Part of a call → where OpenAPI says that it stands. */
const PARTS = { path: 'path', query: 'query', headers: 'header' } as const;

type Call = {
  readonly method: (typeof METHODS)[number];
  readonly path: string;
  readonly operation: Operation;
};

/** The text as it comes; whoever writes it to a file formats it. */
export function typesOf(header: string, services: readonly Service[]): string {
  const named = new Map(
    services.flatMap(({ api }) => Object.entries(api.components?.schemas ?? {})),
  ); // what both have is the same
  return [
    header.trimEnd(),
    ...[...named].map(
      ([name, schema]) => `${note(schema)}export type ${name} = ${typeOf(schema)};`,
    ),
    ...services.flatMap(({ name, api }) => [
      `export type ${capital(name)}Calls = {\n${callsOf(api).map(callType).join('\n')}\n};`,
      `/** Where each call goes. */\nexport const ${name.toUpperCase()} = {\n${callsOf(api).map(callPlace).join('\n')}\n} as const;`,
    ]),
    '',
  ].join('\n\n');
}

const callsOf = ({ paths = {} }: OpenApi): Call[] =>
  Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation ? [{ method, path, operation }] : [];
    }),
  );

const nameOf = ({ method, path, operation }: Call): string =>
  keyOf(operation.operationId ?? `${method} ${path}`);

const callPlace = (call: Call): string =>
  `${nameOf(call)}: ['${call.method.toUpperCase()}', ${quoted(call.path)}],`;

function callType(call: Call): string {
  const { parameters = [], requestBody, responses = {} } = call.operation;
  const parts = Object.entries(PARTS).flatMap(([part, place]) => {
    const found = parameters.filter((one) => one.in === place);
    if (found.length === 0) return [];
    const isNeeded = found.some(({ required }) => required);
    return [`${part}${isNeeded ? '' : '?'}: {\n${found.map(parameterOf).join('\n')}\n};`];
  });
  const body = requestBody ? [`body: ${contentOf(requestBody)};`] : [];
  const answers = Object.entries(responses)
    .filter(([status]) => /^2/.test(status))
    .map(([, answer]) => contentOf(answer));
  return `${summary(call.operation)}${nameOf(call)}: {\n${[...parts, ...body, `answer: ${union(answers)};`].join('\n')}\n};`;
}

/** JSON by its schema; text as text. */
function contentOf({ content = {} }: Body): string {
  const [[media, { schema } = {}] = []] = Object.entries(content);
  if (media === undefined) return 'undefined';
  return schema ? typeOf(schema) : media.includes('json') ? 'unknown' : 'string';
}

const parameterOf = ({ name, required, schema, description }: Parameter): string =>
  `${note({ ...(description ? { description } : {}) })}${keyOf(name)}${required ? '' : '?'}: ${schema ? typeOf(schema) : 'string'};`;

export function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1)!;
  if ('const' in schema) return literal(schema.const);
  if (schema.enum) return union(schema.enum.map(literal));
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches) return union(branches.map(typeOf));
  if (schema.allOf) return schema.allOf.map(typeOf).join(' & ');
  if (Array.isArray(schema.type)) {
    return union(schema.type.map((type: string) => typeOf({ ...schema, type })));
  }
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'number':
    case 'integer':
      return 'number';
    case 'array':
      return arrayOf(schema.items ? typeOf(schema.items) : 'unknown');
    case 'object':
      return objectOf(schema);
    default:
      return 'unknown';
  }
}

function objectOf({
  properties = {},
  patternProperties,
  additionalProperties,
  required = [],
}: Schema): string {
  const fields = Object.entries(properties).map(
    ([name, field]) =>
      `${note(field)}${keyOf(name)}${required.includes(name) ? '' : '?'}: ${typeOf(field)};`,
  );
  const rest = typeof additionalProperties === 'object' ? [additionalProperties] : [];
  const values = [...Object.values(patternProperties ?? {}), ...rest].map(typeOf);
  if (fields.length > 0) return `{\n${fields.join('\n')}\n}`;
  if (values.length > 0) return `Record<string, ${union(values)}>`;
  return additionalProperties === false ? 'Record<string, never>' : 'Record<string, unknown>';
}

const union = (types: readonly string[]): string => [...new Set(types)].join(' | ');
const arrayOf = (item: string): string =>
  /[|& ]/.test(item) ? `readonly (${item})[]` : `readonly ${item}[]`;
const literal = (value: unknown): string =>
  typeof value === 'string' ? quoted(value) : JSON.stringify(value);
const quoted = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const keyOf = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name));

const note = ({ description }: Schema): string =>
  description === undefined ? '' : comment(description);
const summary = (operation: Operation | undefined): string =>
  operation?.summary === undefined ? '' : comment(operation.summary);
const comment = (text: string): string => `/** ${text.replaceAll('*/', '*\\/')} */\n`;
const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
