// What every route says about itself. In: a summary and schemas. Out: fastify's schema object, problems included.
// Why a helper: a route that cannot fail does not exist, and its documentation should say how.
import type { FastifyRequest } from 'fastify';
import Type, { type TSchema } from 'typebox';
import { checkName } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { parseStrictJson } from '../../common/wire/json.ts';
import type { SharedName } from './schemas.ts';

export const ref = (name: SharedName) => Type.Ref(`${name}#`);

export type Doc = {
  readonly tag: 'jobs' | 'datasets' | 'triggers' | 'models' | 'operations';
  readonly summary: string;
  readonly description?: string;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly headers?: TSchema;
  readonly body?: TSchema;
  /** By status. */
  readonly answers: Readonly<Record<number, TSchema>>;
};

export function describe(doc: Doc): Record<string, unknown> {
  return {
    tags: [doc.tag],
    summary: doc.summary,
    ...(doc.description ? { description: doc.description } : {}),
    ...(doc.params ? { params: doc.params } : {}),
    ...(doc.query ? { querystring: doc.query } : {}),
    ...(doc.headers ? { headers: doc.headers } : {}),
    ...(doc.body ? { body: doc.body } : {}),
    response: { ...doc.answers, '4XX': ref('Problem'), '5XX': ref('Problem') },
  };
}

/** Path parameters by name, each with what it is. Names are checked by nameOf: BAD_NAME. */
export const pathOf = (names: Readonly<Record<string, string>>): TSchema =>
  Type.Object(
    Object.fromEntries(
      Object.entries(names).map(([name, description]) => [name, Type.String({ description })]),
    ),
  );

export function nameOf(request: FastifyRequest, param: string, kind: string): string {
  return checkName(kind, (request.params as Record<string, string>)[param] ?? '');
}

/** The body of a request as strict JSON. */
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
