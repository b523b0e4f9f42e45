// What a route says, once: name, path, shapes and handler stand side by side.
// In: routes as data. Out: fastify's options, OpenAPI included; a path that fastify understands.
// Why data: documentation, the client, "did you mean" and, later, who may call are read from the same object.
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type, { type TSchema } from 'typebox';
import { checkName } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { parseStrictJson } from '../wire/json.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** A body that is no JSON, or none at all. */
export type Media = { readonly media: string | null; readonly says: string };

/** Aborted when the client hangs up or the service closes, with a GristmillError that says which. */
export type Left = () => AbortSignal;

export type Route = {
  /** Unique in a service: the operationId of OpenAPI, and the name of the call in the client. */
  readonly name: string;
  readonly method: Method;
  /** As the documentation writes it: `/v1/jobs/{id}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly headers?: TSchema;
  readonly body?: TSchema;
  /** By status. What is wrong is a problem, always. */
  readonly answers: Readonly<Record<number, TSchema | Media>>;
  /** A stream: HEAD would wait for its end. */
  readonly isEndless?: boolean;
  handle(request: FastifyRequest, reply: FastifyReply, left: Left): unknown;
};

/** A schema that the service was given by name. */
export const shared = (name: string): TSchema => Type.Ref(`${name}#`);

export const text = (media: string, says: string): Media => ({ media, says });
export const nothing = (says: string): Media => ({ media: null, says });

/** What fastify and OpenAPI want to know of a route. */
export function schemaOf(route: Route): Record<string, unknown> {
  const { name, tag, summary, description, params, query, headers, body, answers } = route;
  const told = Object.entries(answers).map(([status, answer]) => [status, answerOf(answer)]);
  return {
    operationId: name,
    tags: [tag],
    summary,
    ...(description ? { description } : {}),
    ...(params ? { params } : {}),
    ...(query ? { querystring: query } : {}),
    ...(headers ? { headers } : {}),
    ...(body ? { body } : {}),
    response: { ...Object.fromEntries(told), '4XX': PROBLEM, '5XX': PROBLEM },
  };
}

const PROBLEM = {
  description: 'what is wrong, and what to do',
  content: { 'application/problem+json': { schema: shared('Problem') } },
};

function answerOf(answer: TSchema | Media): unknown {
  if (!isMedia(answer)) return answer;
  if (answer.media === null) return Type.Null({ description: answer.says });
  const schema = Type.String({ description: answer.says });
  return { description: answer.says, content: { [answer.media]: { schema } } };
}

const isMedia = (answer: TSchema | Media): answer is Media => 'media' in answer;

/** `/v1/models/{name}:predict` → `/v1/models/:name(^[^/:]+)::predict`. */
export function fastifyPath(path: string): string {
  return path
    .replaceAll(':', '::')
    .replace(/\{(\w+)\}(?=(.?))/g, (_all, name: string, next: string) =>
      next === '' || next === '/' ? `:${name}` : `:${name}(^[^/:]+)`,
    );
}

/** Path parameters by name, each with what it is. Names are checked by nameOf: BAD_NAME. */
export const pathOf = (names: Readonly<Record<string, string>>): TSchema =>
  Type.Object(
    Object.fromEntries(
      Object.entries(names).map(([name, description]) => [name, Type.String({ description })]),
    ),
  );

export const paramOf = (request: FastifyRequest, param: string): string =>
  (request.params as Record<string, string>)[param] ?? '';

export const nameOf = (request: FastifyRequest, param: string, kind: string): string =>
  checkName(kind, paramOf(request, param));

/** The body of a request as strict JSON, where bodies arrive as bytes. */
export const bodyOf = (request: FastifyRequest, what: string): unknown =>
  parseStrictJson(bytesOf(request), what);

export const bytesOf = (request: FastifyRequest): Uint8Array =>
  request.body instanceof Uint8Array ? request.body : new Uint8Array();

/** What a request may say to be one request, however often it is sent. */
export const keyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: LIMITS.idempotencyKeyMax,
      description: 'any text of your own; quotes around it do not count',
    }),
  ),
});

/** `"abc"` and `abc` are one key: the draft standard quotes it, most clients do not. */
export function idempotencyKey(request: FastifyRequest): string | undefined {
  const header = request.headers['idempotency-key'] as string | undefined;
  return header?.replace(/^"(.*)"$/, '$1');
}
