import { expect, test } from 'vitest';
import { fastifyPath, schemaOf, shared, text } from '../../../common/http/route.ts';

test.each([
  ['/v1/jobs', '/v1/jobs'],
  ['/v1/jobs/{id}/events', '/v1/jobs/:id/events'],
  ['/v1/models/{name}:predict', '/v1/models/:name(^[^/:]+)::predict'],
  ['/v1/models/{name}/versions/{n}:predict', '/v1/models/:name/versions/:n(^[^/:]+)::predict'],
])('fastifyPath(%s)', (path, expected) => {
  expect(fastifyPath(path)).toBe(expected);
});

test('schemaOf() names the operation, and says of every route how it fails', () => {
  const schema = schemaOf({
    name: 'figures',
    method: 'GET',
    path: '/figures',
    tag: 'operations',
    summary: 'Figures',
    answers: { 200: text('text/plain', 'lines'), 202: shared('JobView') },
    handle: () => '',
  });
  expect(schema).toMatchObject({
    operationId: 'figures',
    tags: ['operations'],
    response: {
      200: { content: { 'text/plain': { schema: { type: 'string' } } } },
      202: { $ref: 'JobView#' },
      '4XX': { content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } } },
      '5XX': { content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } } },
    },
  });
});
