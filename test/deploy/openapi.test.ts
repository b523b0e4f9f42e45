// TypeScript from OpenAPI: each shape that our schemas use.
import { expect, test } from 'vitest';
import { type Schema, typeOf, typesOf } from '../../deploy/openapi/types.ts';

test.each<[Schema, string]>([
  [{ type: 'integer' }, 'number'],
  [{ const: 'a' }, "'a'"],
  [{ enum: ['it', 1, null] }, "'it' | 1 | null"],
  [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, 'string | null'],
  [{ type: ['string', 'null'] }, 'string | null'],
  [
    { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'number' }] } },
    'readonly (string | number)[]',
  ],
  [{ $ref: '#/components/schemas/JobView' }, 'JobView'],
  [{ type: 'object', patternProperties: { '^.*$': { type: 'number' } } }, 'Record<string, number>'],
  [{ type: 'object', additionalProperties: true }, 'Record<string, unknown>'],
  [{}, 'unknown'],
])('typeOf(%j) is %s', (schema, text) => expect(typeOf(schema)).toBe(text));

test('typeOf() of an object marks what may be absent, quotes odd names and keeps descriptions', () => {
  const schema: Schema = {
    type: 'object',
    required: ['a'],
    properties: { a: { type: 'string', description: 'ends */ early' }, 'b-c': { type: 'boolean' } },
  };
  expect(typeOf(schema)).toBe("{\n/** ends *\\/ early */\na: string;\n'b-c'?: boolean;\n}");
});

test('typesOf() writes named schemas once, and for each service its calls with where they go', () => {
  const row = { components: { schemas: { Row: { type: 'string' } } } };
  const id = { in: 'path', name: 'id', required: true, schema: { type: 'string' } };
  const text = typesOf('// header', [
    {
      name: 'mill',
      api: {
        ...row,
        paths: {
          '/rows/{id}': {
            get: {
              operationId: 'row',
              summary: 'See a row',
              parameters: [id, { in: 'query', name: 'as-of', schema: { type: 'string' } }],
              responses: {
                200: { content: { 'application/json': { schema: { $ref: '#/x/Row' } } } },
                '4XX': { content: { 'application/problem+json': {} } },
              },
            },
            delete: { operationId: 'removeRow', parameters: [id], responses: { 204: {} } },
            put: {
              operationId: 'putRow',
              parameters: [id],
              requestBody: { content: { 'application/json': { schema: { $ref: '#/x/Row' } } } },
              responses: {
                200: { content: { 'application/json': { schema: { $ref: '#/x/Row' } } } },
                201: { content: { 'text/plain': {} } },
              },
            },
          },
        },
      },
    },
    { name: 'shop', api: row },
  ]).replace(/\s+/g, ' ');
  expect(text.match(/export type Row = string;/g)).toHaveLength(1);
  expect(text).toContain(
    "/** See a row */ row: { path: { id: string; }; query?: { 'as-of'?: string; }; answer: Row; };",
  );
  expect(text).toContain('removeRow: { path: { id: string; }; answer: undefined; };');
  expect(text).toContain('putRow: { path: { id: string; }; body: Row; answer: Row | string; };');
  expect(text).toContain(
    "export const MILL = { row: ['GET', '/rows/{id}'], putRow: ['PUT', '/rows/{id}'], removeRow: ['DELETE', '/rows/{id}'], } as const;",
  );
});
