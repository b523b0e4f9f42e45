// TypeScript of an OpenAPI 3.1 document: a type for each named schema, and one `paths` type that openapi-fetch reads.
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
  readonly summary?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Body;
  readonly responses?: Readonly<Record<string, Body>>;
};
export type OpenApi = {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
};

/** `name` begins the name of its paths: "Coordinator" → CoordinatorPaths. */
export type Service = { readonly name: string; readonly api: OpenApi };

const METHODS = ['get', 'put', 'post', 'delete'] as const;
const PLACES = ['query', 'header', 'path'] as const;

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
    ...services.map(({ name, api }) => `export type ${name}Paths = ${pathsOf(api)};`),
    '',
  ].join('\n\n');
}

function pathsOf({ paths = {} }: OpenApi): string {
  const entries = Object.entries(paths).map(([path, item]) => {
    const methods = METHODS.flatMap((method) =>
      item[method] ? [`${summary(item[method])}${method}: ${operationOf(item[method])};`] : [],
    );
    return `${quoted(path)}: {\n${methods.join('\n')}\n};`;
  });
  return `{\n${entries.join('\n')}\n}`;
}

function operationOf({ parameters = [], requestBody, responses = {} }: Operation): string {
  const places = PLACES.map((place) => {
    const found = parameters.filter((one) => one.in === place);
    if (found.length === 0) return `${place}?: never;`;
    const isNeeded = found.some(({ required }) => required);
    return `${place}${isNeeded ? '' : '?'}: {\n${found.map(parameterOf).join('\n')}\n};`;
  });
  const body = requestBody
    ? `requestBody${requestBody.required ? '' : '?'}: { ${contentOf(requestBody)} };\n`
    : '';
  const answers = Object.entries(responses).map(
    ([status, answer]) =>
      `${/^\d+$/.test(status) ? status : quoted(status)}: { ${contentOf(answer)} };`,
  );
  return `{\nparameters: {\n${places.join('\n')}\n};\n${body}responses: {\n${answers.join('\n')}\n};\n}`;
}

function contentOf({ content }: Body): string {
  if (!content) return 'content?: never;';
  const media = Object.entries(content).map(
    ([type, { schema }]) => `${quoted(type)}: ${schema ? typeOf(schema) : 'unknown'};`,
  );
  return `content: {\n${media.join('\n')}\n};`;
}

const parameterOf = ({ name, required, schema, description }: Parameter): string =>
  `${note({ ...(description ? { description } : {}) })}${keyOf(name)}${required ? '' : '?'}: ${schema ? typeOf(schema) : 'string'};`;

/** Arrays stay mutable: openapi-fetch maps over answers and would lose readonly ones. */
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
const arrayOf = (item: string): string => (/[|&]/.test(item) ? `(${item})[]` : `${item}[]`);
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
