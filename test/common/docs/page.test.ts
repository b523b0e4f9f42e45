import { expect, test } from 'vitest';
import { apiPage } from '../../../common/docs/api.ts';
import { fieldTable, noteOf, typeText } from '../../../common/docs/schema.ts';

const api = {
  info: { title: 'a <b> service', description: 'Does things.' },
  tags: [{ name: 'jobs', description: 'all of them' }],
  paths: {
    '/v1/jobs/{id}': {
      put: {
        tags: ['jobs'],
        summary: 'Set <one>',
        parameters: [{ name: 'if-match', in: 'header', schema: { type: 'string' } }],
        requestBody: { content: { 'application/json': { schema: { $ref: '#/x/Job' } } } },
        responses: { 200: { content: { 'application/json': { schema: { $ref: '#/x/Job' } } } } },
      },
    },
  },
  components: { schemas: { Job: { type: 'object', properties: { name: { type: 'string' } } } } },
} as const;

test('apiPage() links every call and type, and holds nothing but text', () => {
  const page = apiPage(api, { address: 'SERVER', pages: [{ text: 'API', href: '/docs' }] });
  const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
  const links = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id!);
  expect(links.length).toBeGreaterThan(4);
  expect(links.filter((id) => !ids.has(id))).toEqual([]);
  expect(page).toContain('curl -X PUT $SERVER/v1/jobs/{id} -H &#39;if-match:');
  expect(page).toContain('a &#60;b&#62; service');
  expect(page).not.toContain('<one>');
});

test('fieldTable() names nested fields by their path, with default, bounds and whether they are needed', () => {
  const rows = fieldTable({
    required: ['split'],
    properties: {
      split: { anyOf: [{ title: 'time', properties: { test: { type: 'number' } } }] },
      lanes: { type: 'integer', default: 32, minimum: 1, maximum: 64, description: 'how many' },
    },
  });
  expect(rows).toContain('<code>split (time).test</code>');
  expect(rows).toContain('optional; default 32; how many; from 1 to 64');
  expect(fieldTable({ type: 'string' })).toBe('');
});

test('typeText() says constants, alternatives, maps and arrays', () => {
  expect(typeText({ anyOf: [{ const: 'adam' }, { const: 'sgd' }] })).toBe(
    '&#34;adam&#34; | &#34;sgd&#34;',
  );
  expect(typeText({ items: { type: 'number' } })).toBe('array of number');
  expect(typeText({ patternProperties: { '.*': { type: 'string' } } })).toBe('map to string');
  expect(noteOf({ exclusiveMinimum: 0, exclusiveMaximum: 1 })).toBe('> 0 < 1');
});
