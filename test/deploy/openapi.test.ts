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
    '(string | number)[]',
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

test('typesOf() writes named schemas and a paths type a service', () => {
  const text = typesOf('// header', [
    {
      name: 'Mill',
      api: {
        components: { schemas: { Row: { type: 'string' } } },
        paths: {
          '/rows/{id}': {
            get: {
              summary: 'See a row',
              parameters: [{ in: 'path', name: 'id', required: true, schema: { type: 'string' } }],
              responses: {
                200: { content: { 'application/json': { schema: { $ref: '#/x/Row' } } } },
                204: {},
              },
            },
          },
        },
      },
    },
  ]).replace(/\s+/g, ' ');
  expect(text).toContain('export type Row = string;');
  expect(text).toContain("export type MillPaths = { '/rows/{id}': { /** See a row */ get: {");
  expect(text).toContain('query?: never; header?: never; path: { id: string; };');
  expect(text).toContain(
    "200: { content: { 'application/json': Row; }; }; 204: { content?: never; };",
  );
});
